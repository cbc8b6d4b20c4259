/* The part that train and resume share: training a run to its end, with signals and progress. */
#ifndef SAC_CLI_SESSION_H
#define SAC_CLI_SESSION_H

#include "cli/progress.h"

/* Prepares the process for a run. From then on the first SIGINT, SIGTERM or SIGHUP makes the run finish its step and
 * write a checkpoint, and the second one ends the process at once (cli/signals.h). Call it before the run is created,
 * which may take long. */
void sac_session_prepare(void);

/* Trains to the end, and prints the results and the next commands. Destroys the run. Returns the exit code. */
int sac_session_run(sac_run* run, sac_progress* progress);

#endif
