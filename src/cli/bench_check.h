/* Checks of the command line of sac bench. */
#ifndef SAC_CLI_BENCH_CHECK_H
#define SAC_CLI_BENCH_CHECK_H

#include "cli/bench_case.h"
#include "cli/options.h"

/* Checks that the options fit together and the kind of benchmark, and asks for the capture of --profile. Returns
 * SAC_OPTIONS_GO, or the exit code after a message. */
int sac_bench_check(const sac_syntax* syntax, const sac_bench* b, sac_config* config);

#endif
