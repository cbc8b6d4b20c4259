/* InvertedPendulum-v5: keep a pole upright on a cart. The reward is 1 for every step but the last. Terminated when the
 * pole leans too far or the state is not finite. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double reset_noise_scale;
} options;

static const sac_env_option list[] = {SAC_MUJOCO_COMMON("inverted_pendulum.xml", 2),
                                      SAC_MUJOCO_REAL(reset_noise_scale, 0.01)};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_uniform(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  (void)step;

  /* terminated when the pole leans by more than 0.2 rad, or the simulation has diverged */
  *terminated = !sac_mujoco_is_finite(sim) || fabs(sim->d->qpos[1]) > 0.2;
  const double survive = !*terminated;

  sac_mujoco_info_put(info, "reward_survive", survive);
  return survive;
}

static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) { sac_mujoco_put_state(sim, row, 0, INFINITY); }

const sac_mujoco_task sac_mujoco_inverted_pendulum = {
    .max_episode_steps = 1000,
    .nq = 2,
    .nv = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .reward = reward,
    .observe = observe,
};
