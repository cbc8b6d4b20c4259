/* The built-in tasks with double actions: kernels/tasks compiled with `real` as double. See wide.h. */
#define SAC_REAL_DOUBLE

#include "verify/wide.h"

#include "kernels/tasks/tasks.h"

/* run_pendulum and so on: one function for each task, with the types and functions of that task. */
#define RUN(name, NAME, id, summary)                                                                                   \
  static void run_##name(const sac_wide_trace* trace) {                                                                \
    const sac_##name##_options* options = (const sac_##name##_options*)trace->options;                                 \
    sac_##name state;                                                                                                  \
    const int64_t size = sac_##name##_obs_of(options);                                                                 \
    sac_##name##_start(options, &state, trace->initial);                                                               \
    sac_##name##_observe(options, &state, trace->obs);                                                                 \
    for (int64_t t = 0; t < trace->steps; t++) {                                                                       \
      trace->terminated[t] = (uint8_t)sac_##name##_step(options, &state, trace->action + t * sac_##name##_action_size, \
                                                        &trace->reward[t]);                                            \
      sac_##name##_observe(options, &state, trace->obs + (t + 1) * size);                                              \
    }                                                                                                                  \
  }
SAC_TASKS(RUN)

/* In the order of sac_tasks, which gives the index. */
#define RUN_POINTER(name, NAME, id, summary) run_##name,
static void (*const runs[])(const sac_wide_trace*) = {SAC_TASKS(RUN_POINTER)};

void sac_wide_run(const sac_task* task, const sac_wide_trace* trace) { runs[task - sac_tasks](trace); }
