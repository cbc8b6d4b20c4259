/* Times of the parts of an update, for sac bench op. */
#ifndef SAC_CLI_BENCH_OP_H
#define SAC_CLI_BENCH_OP_H

#include <sac/status.h>

struct sac_agent;

/* Makes updates of an agent that has warmed up, part by part, and prints each part: its stage, time, share, launches,
 * rate of its products, what it runs as and its operations; and their sum beside `measured`, the seconds of a whole
 * update. As lines of a table, or as members of a JSON object. seconds: how long to measure by the host's clock; a
 * device takes its own number of updates. Errors: MEMORY, those of the updates. */
sac_status sac_bench_ops(struct sac_agent* agent, double seconds, double measured, int json);

#endif
