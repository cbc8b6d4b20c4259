/* What train and resume have in common: a run under signals and progress, from its first step to its last line. */
#ifndef SAC_CLI_SESSION_H
#define SAC_CLI_SESSION_H

#include "cli/progress.h"

/* Prepares the process for a run. From here on the first SIGINT, SIGTERM or SIGHUP lets the run finish its step and
 * write a checkpoint; the second ends the process at once. Call before the run is made: it may take a while. */
void sac_session_prepare(void);

/* Trains to the end and prints what was achieved and what to do next. Destroys the run. Returns the exit code. */
int sac_session_run(sac_run* run, sac_progress* progress);

#endif
