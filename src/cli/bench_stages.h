/* Times of the stages, for sac bench --stages. */
#ifndef SAC_CLI_BENCH_STAGES_H
#define SAC_CLI_BENCH_STAGES_H

#include <sac/status.h>

struct sac_agent;
struct sac_vector;

/* A number with six digits, in one of eight buffers that are used in turn. */
const char* sac_bench_number(double value);

/* Makes updates of an agent that has warmed up (with `vector`: whole steps of a run), and prints the time of each stage
 * and their sum: as lines of a table, or as members of a JSON object. measured: the seconds of an update, or of a step
 * with `updates` of them, in the loop; the sum is compared with it. */
sac_status sac_bench_stages(struct sac_agent* agent, struct sac_vector* vector, double updates, double measured,
                            int json);

#endif
