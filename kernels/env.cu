// env step: the built-in tasks (kernels/tasks), one thread for each environment. The CPU runs the same source.
#include "kernels/cuda.cuh"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "kernels/tasks/tasks.h"

namespace {

constexpr int threads = 128;

// The names of a task's functions and sizes as members of a struct, which is an argument of the templates below.
#define TRAITS(name, NAME, id, summary)                                                                           \
  struct name##_task {                                                                                            \
    using state = sac_##name;                                                                                     \
    using options = sac_##name##_options;                                                                         \
    static constexpr int obs_max = sac_##name##_obs_size, action = sac_##name##_action_size;                      \
    static constexpr bool discrete = sac_##name##_actions > 0;                                                    \
    __device__ static int obs(const options* o) { return sac_##name##_obs_of(o); }                                \
    __device__ static int actions(const options* o) { return sac_##name##_actions_of(o); }                        \
    static_assert(sizeof(options) <= SAC_ENV_OPTIONS_DOUBLES * sizeof(double), "raise SAC_ENV_OPTIONS_DOUBLES");  \
    static_assert(action <= SAC_ENV_ACTIONS_MAX, "raise SAC_ENV_ACTIONS_MAX");                                    \
    static_assert(sizeof(state) % sizeof(double) == 0, "a state is made of doubles");                             \
    __device__ static void reset(const options* o, state* s, uint64_t seed) { sac_##name##_reset(o, s, seed); }   \
    __device__ static int step(const options* o, state* s, const float* a, double* r) {                           \
      return sac_##name##_step(o, s, a, r);                                                                       \
    }                                                                                                             \
    __device__ static void observe(const options* o, const state* s, float* x) { sac_##name##_observe(o, s, x); } \
  };
SAC_TASKS(TRAITS)

// Reports a failure of environment i. Of all reports the earliest is kept, whatever the order of the threads: first by
// step, then by environment. The earliest report has the largest code.
__device__ void report_failure(const sac_env_step_args& a, size_t i, int what) {
  atomicMax(reinterpret_cast<unsigned long long*>(a.failure),
            static_cast<unsigned long long>(SAC_ENV_FAILURE(a.step, i, what)));
}

// Scales an action from [-1, 1] to the environment's bounds; a NaN stays a NaN. A discrete action that does not exist
// is reported and becomes 0.
template <typename Task>
__device__ void scale(const sac_env_step_args& a, size_t i, float scaled[Task::action]) {
  const float* action = a.env.action + i * Task::action;
  for (int j = 0; j < Task::action; j++) {
    // a discrete action is the number of an action
    if (Task::discrete) {
      const int actions = Task::actions(reinterpret_cast<const typename Task::options*>(a.options));
      const bool exists =
          action[j] >= 0 && action[j] < actions && action[j] == static_cast<float>(static_cast<int>(action[j]));
      if (!exists) report_failure(a, i, SAC_ENV_BAD_ACTION);
      scaled[j] = exists ? action[j] : 0.0f;
      continue;
    }

    // a continuous action
    const float centre = sac_action_centre(a.low[j], a.high[j]), half = sac_action_half_range(a.low[j], a.high[j]);
    scaled[j] = sac_clamp(sac_action_scale(action[j], centre, half), a.low[j], a.high[j]);
  }
}

// One step of each environment. Where the step ends an episode, the next episode starts.
template <typename Task>
__global__ void __launch_bounds__(threads) env_step(sac_env_step_args a) {
  // the environment of this thread: agent i / N
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  const size_t num_envs = static_cast<size_t>(a.num_envs);
  if (i >= static_cast<size_t>(a.population) * num_envs) return;
  const typename Task::options* options = reinterpret_cast<const typename Task::options*>(a.options);
  const size_t obs_size = static_cast<size_t>(Task::obs(options));

  // step with the state in registers
  typename Task::state* place = reinterpret_cast<typename Task::state*>(a.env.state) + i;
  typename Task::state state = *place;
  float scaled[Task::action], obs[Task::obs_max];
  double exact;
  scale<Task>(a, i, scaled);
  const bool terminated = Task::step(options, &state, scaled, &exact) != 0;
  const float reward = static_cast<float>(exact);
  Task::observe(options, &state, obs);

  // the observations of the transition, and whether all its numbers are finite
  bool finite = true;
  for (size_t j = 0; j < obs_size; j++) {
    finite = finite && isfinite(obs[j]);
    a.env.prev_obs[i * obs_size + j] = a.env.obs[i * obs_size + j];
    a.env.next_obs[i * obs_size + j] = obs[j];
  }
  if (!finite) report_failure(a, i, SAC_ENV_BAD_OBS);
  else if (!isfinite(reward)) report_failure(a, i, SAC_ENV_BAD_REWARD);

  // the episode so far
  double episode_return = a.env.episode_return[i] + static_cast<double>(reward);
  int64_t length = a.env.episode_length[i] + 1;

  // the time limit truncates
  const bool truncated = a.limit > 0 && length >= a.limit, over = terminated || truncated;
  a.env.reward[i] = reward;
  a.env.terminated[i] = terminated;
  a.env.truncated[i] = truncated;

  // start the next episode where this one is over
  sac_env_finished finished = {0, 0};
  if (over) {
    finished.episode_return = episode_return;
    finished.length = length;
    const uint64_t episode = a.env.episode[i];
    Task::reset(options, &state, sac_philox_seed(a.seed[i / num_envs], a.stream + i % num_envs, episode));
    Task::observe(options, &state, obs);
    a.env.episode[i] = episode + 1;
    episode_return = 0;
    length = 0;
  }

  // the state after the step, and after a reset if there was one
  a.finished[i] = finished;
  a.env.episode_return[i] = episode_return;
  a.env.episode_length[i] = length;
  for (size_t j = 0; j < obs_size; j++) a.env.obs[i * obs_size + j] = obs[j];
  *place = state;
}

template <typename Task>
void launch(cudaStream_t stream, const sac_env_step_args& args) {
  const size_t count = static_cast<size_t>(args.population) * static_cast<size_t>(args.num_envs);
  SAC_LAUNCH(env_step<Task>, dim3(sac_blocks(count, threads)), dim3(threads), 0, stream, args);
}

}  // namespace

cudaError_t sac_env_step_all(cudaStream_t stream, const sac_env_step_args* args) {
// The kernel of each task, in the order of the list.
#define ENTRY(name, NAME, id, summary) launch<name##_task>,
  static void (*const launches[])(cudaStream_t, const sac_env_step_args&) = {SAC_TASKS(ENTRY)};

  // reject a number that is not in the list
  if (args->task < 0 || static_cast<size_t>(args->task) >= sizeof launches / sizeof *launches)
    return cudaErrorInvalidValue;
  launches[args->task](stream, *args);
  return cudaGetLastError();
}
