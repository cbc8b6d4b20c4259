/* Names the environment that ends the process: by a crash, by abort (which an uncaught C++ exception calls), or by
 * exit, quick_exit, _exit and _Exit. */
#ifndef SAC_CLI_CRASH_H
#define SAC_CLI_CRASH_H

#include <stdnoreturn.h>

struct sac_run;

/* Catches these ends from now on: one line on stderr names the environment, its call and the step. A crash then ends
 * the process by its signal, as without sac. */
void sac_crash_catch(void);

/* The line goes to the log of `run` too, and says how to resume. An environment's thread that calls exit stops the run
 * with a checkpoint. NULL: there is no run any more. */
void sac_crash_run(struct sac_run* run);

/* Ends the process at once. Safe in a signal handler. Files of this room call it, never _exit, which crash.c replaces.
 */
noreturn void sac_crash_leave(int code);

/* The last thing that main does. Returns the exit code, or ends the process with 1 if an environment's thread waits in
 * exit. */
int sac_crash_end(int code);

#endif
