/* InvertedDoublePendulum-v5: keep two linked poles upright on a cart. The reward is healthy_reward for every step but
 * the last, minus penalties for the tip's distance from its upright place and for the joints' velocities. Terminated
 * when the tip is low. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double healthy_reward, reset_noise_scale;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("inverted_double_pendulum.xml", 5),
    SAC_MUJOCO_REAL(healthy_reward, 10),
    SAC_MUJOCO_REAL(reset_noise_scale, 0.1),
};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_normal(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;
  (void)step;

  /* terminated when the tip is low */
  const double x = sim->d->site_xpos[0], y = sim->d->site_xpos[2]; /* of the tip */
  const double v1 = sim->d->qvel[1], v2 = sim->d->qvel[2];         /* of the poles' joints */
  *terminated = y <= 1;

  /* the parts of the reward */
  const double distance_penalty = 0.01 * (x * x) + (y - 2) * (y - 2);
  const double velocity_penalty = 1e-3 * (v1 * v1) + 5e-3 * (v2 * v2);
  const double survive = o->healthy_reward * !*terminated;

  /* info, under Gymnasium's names */
  sac_mujoco_info_put(info, "reward_survive", survive);
  sac_mujoco_info_put(info, "distance_penalty", -distance_penalty);
  sac_mujoco_info_put(info, "velocity_penalty", -velocity_penalty);

  return survive - distance_penalty - velocity_penalty;
}

/* The cart's position, sines then cosines of the joints, velocities, and the constraint's force on the cart. */
static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  sac_mujoco_put(row, sim->d->qpos, 1);
  for (int64_t j = 1; j < sim->m->nq; j++) sac_mujoco_put_one(row, sin(sim->d->qpos[j]));
  for (int64_t j = 1; j < sim->m->nq; j++) sac_mujoco_put_one(row, cos(sim->d->qpos[j]));
  sac_mujoco_put_clipped(row, sim->d->qvel, sim->m->nv, -10, 10);
  sac_mujoco_put_clipped(row, sim->d->qfrc_constraint, 1, -10, 10);
}

const sac_mujoco_task sac_mujoco_inverted_double_pendulum = {
    .max_episode_steps = 1000,
    .nq = 1,
    .nv = 3,
    .nsite = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .reward = reward,
    .observe = observe,
};
