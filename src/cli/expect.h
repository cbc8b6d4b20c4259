/* The estimates of src/agent/estimate.h, as sac info prints them. */
#ifndef SAC_CLI_EXPECT_H
#define SAC_CLI_EXPECT_H

#include "agent/estimate.h"

/* Prints the figures behind the estimates, and the estimates for some shapes: as text, or as the member "estimate" of a
 * JSON object. */
void sac_cli_estimates(int json);

/* Prints how long a step and an update of a run would take on each device here. json 0: a table; 1: one JSON object.
 * Creates the environments of the run and steps them for about 0.3 s, because their time is measured and not
 * estimated. Errors: as sac_run_create. */
sac_status sac_cli_expected(const sac_config* config, int json);

#endif
