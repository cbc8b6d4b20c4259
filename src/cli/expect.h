/* The estimates of src/agent/estimate.h, as sac info and --dry-run print them. */
#ifndef SAC_CLI_EXPECT_H
#define SAC_CLI_EXPECT_H

#include "agent/estimate.h"

/* Prints the figures behind the estimates, and the estimates for some shapes: as text, or as the member "estimate" of a
 * JSON object. */
void sac_cli_estimates(int json);

/* Prints how long steps and updates of a run would take on each device here: as a table, or as one JSON object. Creates
 * the environments of the run and steps them for a while, because their time is measured. Errors: as sac_run_create. */
sac_status sac_cli_expected(const sac_config* config, int json);

/* The device that `device: auto` chooses for a run, and why, as sac_estimate_choose says it. Errors: as
 * sac_run_create. */
sac_status sac_cli_device_why(const sac_config* config, char why[SAC_WHY_MAX]);

#endif
