/* Says which call of an environment is waited for, when it takes long: a constructor, a step or a close() that sleeps
 * or hangs would otherwise be silent. */
#ifndef SAC_CLI_WAITING_H
#define SAC_CLI_WAITING_H

/* Starts a thread that looks once a second, until the process ends. Each function is named once. */
void sac_waiting_start(void);

#endif
