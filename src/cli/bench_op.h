/* Times of the parts of an update, for sac bench op. */
#ifndef SAC_CLI_BENCH_OP_H
#define SAC_CLI_BENCH_OP_H

#include <sac/status.h>

struct sac_agent;

/* Makes updates of an agent that has warmed up, part by part, and prints each part: its stage, time, share of the sum,
 * launches, the rate of its products, what it runs as, and its operations. Then prints the sum of the parts, and in a
 * table also `measured`, the seconds of a whole update, beside it. json 0: lines of a table; 1: members of a JSON
 * object. seconds: how long the host's clock measures; a device chooses the number of updates itself. Errors: MEMORY,
 * those of the updates. */
sac_status sac_bench_ops(struct sac_agent* agent, double seconds, double measured, int json);

#endif
