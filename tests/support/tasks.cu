// Compiled by nvcc, if there is one, and never run. It shows that every task of kernels/tasks compiles as device and as
// host code, from the source that the CPU tests check.
#include "kernels/tasks/tasks.h"

#define USE(name, NAME, id, summary)                                                                                  \
  static __host__ __device__ double use_##name(const sac_##name##_options* options, sac_##name* state, uint64_t seed, \
                                               const double* initial, const real* action, float* obs) {               \
    double reward;                                                                                                    \
    sac_##name##_bounds(options, obs, obs + 1);                                                                       \
    if (seed) sac_##name##_reset(options, state, seed);                                                               \
    else sac_##name##_start(options, state, initial);                                                                 \
    const int terminated = sac_##name##_step(options, state, action, &reward);                                        \
    sac_##name##_observe(options, state, obs);                                                                        \
    return terminated ? 0 : reward;                                                                                   \
  }                                                                                                                   \
  __global__ void sac_compile_##name(const sac_##name##_options* options, sac_##name* state, const uint64_t* seed,    \
                                     const double* initial, const real* action, float* obs, double* reward) {         \
    const size_t i = threadIdx.x;                                                                                     \
    reward[i] = use_##name(options, state + i, seed[i], initial, action + i * sac_##name##_action_size,               \
                           obs + i * sac_##name##_obs_size);                                                          \
  }
SAC_TASKS(USE)

// Uses the host's versions, as they are compiled only when they are used.
#define USE_ON_HOST(name, NAME, id, summary)                              \
  void sac_compile_host_##name(sac_##name* state, float* obs);            \
  void sac_compile_host_##name(sac_##name* state, float* obs) {           \
    const sac_##name##_options options = {};                              \
    const double initial[SAC_TASK_INITIAL_MAX] = {};                      \
    const real action[SAC_TASK_ACTION_MAX] = {};                          \
    obs[0] = (float)use_##name(&options, state, 1, initial, action, obs); \
  }
SAC_TASKS(USE_ON_HOST)
