/* Times of the stages, for sac bench --stages. */
#ifndef SAC_CLI_BENCH_STAGES_H
#define SAC_CLI_BENCH_STAGES_H

#include <sac/status.h>

struct sac_agent;
struct sac_vector;

/* A number with six digits as text. It is in one of eight buffers used in turn: the eighth call after it overwrites
 * it. Not for several threads. */
const char* sac_bench_number(double value);

/* Makes updates of an agent that has warmed up (with `vector`: whole steps of a run), and prints the time of each stage
 * and their sum. json 0: lines of a table; 1: members of a JSON object. updates: the number of updates in one count of
 * the loop. measured: the seconds of that count, an update or a step; the table compares the sum with it. Errors: those
 * of the updates and steps. */
sac_status sac_bench_stages(struct sac_agent* agent, struct sac_vector* vector, double updates, double measured,
                            int json);

#endif
