/* What sac info and --dry-run tell of the estimates in src/agent/estimate.h. */
#ifndef SAC_CLI_EXPECT_H
#define SAC_CLI_EXPECT_H

#include "agent/estimate.h"

/* The figures that the estimates are made of, and what they come to for some shapes: lines, or a member "estimate" of
 * the JSON object that is being printed. */
void sac_cli_estimates(int json);

/* What a run of `config` is expected to take, on each device here: a table, or one JSON object. Makes the run's
 * environments and steps them for a while, as their time is not estimated but measured. Errors: as a run's beginning.
 */
sac_status sac_cli_expected(const sac_config* config, int json);

/* What `device: auto` takes for a run of `config`, as sac_estimate_choose says it. Errors: as a run's beginning. */
sac_status sac_cli_device_why(const sac_config* config, char why[SAC_WHY_MAX]);

#endif
