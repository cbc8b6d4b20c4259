/* Signals that stop a run, or that the program has turned into errors, stay the program's while it calls an
 * environment: a signal that came between the environment's change and the return of its call would be lost, or end the
 * process without a checkpoint. So handlers.c replaces the C library's functions, for all that is loaded into this
 * process. An environment that sets or ignores such a signal is told that it was done, and sees its own setting when it
 * asks. Children that it forks, and other signals, are not concerned. What comes another way, env/guard.h puts back. */
#ifndef SAC_CLI_HANDLERS_H
#define SAC_CLI_HANDLERS_H

/* Call it before any environment. */
void sac_handlers_keep(void);

#endif
