/* The times of the stages, for sac bench --stages. */
#ifndef SAC_CLI_BENCH_STAGES_H
#define SAC_CLI_BENCH_STAGES_H

#include <sac/status.h>

struct sac_agent;
struct sac_vector;

/* Six digits of a number; one of eight buffers in turn. */
const char* sac_bench_number(double value);

/* Makes updates of a warm agent (with `vector`, whole steps of a run) and prints what the stages took, and how their
 * sum stands to `measured`, the seconds of an update (of a step with `updates` of them) as the loop makes it: lines of
 * a table, or members of the JSON object that is being printed. */
sac_status sac_bench_stages(struct sac_agent* agent, struct sac_vector* vector, double updates, double measured,
                            int json);

#endif
