/* sac bench op --cases: the sizes at which every operation is tested (verify/cases.h). */
#ifndef SAC_CLI_BENCH_ROWS_H
#define SAC_CLI_BENCH_ROWS_H

#include "cli/bench_case.h"

/* Measures one case. one: as in sac_bench_case_config. */
typedef sac_status sac_bench_run(const sac_bench* b, const sac_config* base, const char* const one[5]);

/* Measures each row of sac_cases with every kind of network and every algorithm. Says on standard error what it leaves
 * out, as the device that was named does not run it. Errors: those of `run`. */
sac_status sac_bench_rows(const sac_bench* b, const sac_config* base, sac_bench_run* run);

#endif
