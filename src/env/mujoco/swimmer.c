/* Swimmer-v5: swim along x with three links in a viscous fluid. The reward is the speed along x minus the cost of
 * the torques. Ends only by the time limit. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double forward_reward_weight, ctrl_cost_weight, reset_noise_scale;
  int32_t exclude_current_positions_from_observation;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("swimmer.xml", 4),
    SAC_MUJOCO_REAL(forward_reward_weight, 1),
    SAC_MUJOCO_REAL(ctrl_cost_weight, 1e-4),
    SAC_MUJOCO_REAL(reset_noise_scale, 0.1),
    SAC_MUJOCO_BOOL(exclude_current_positions_from_observation, 1),
};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_uniform(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;
  *terminated = 0; /* only the time limit ends an episode */

  /* the parts of the reward */
  const double forward = o->forward_reward_weight * step->velocity[0];
  const double ctrl_cost = sac_mujoco_action_cost(sim, step, o->ctrl_cost_weight);

  /* info, under Gymnasium's names */
  sac_mujoco_info_position(sim, info);
  sac_mujoco_info_distance(sim, info);
  sac_mujoco_info_velocity(step, info, 2);
  sac_mujoco_info_put(info, "reward_forward", forward);
  sac_mujoco_info_put(info, "reward_ctrl", -ctrl_cost);

  return forward - ctrl_cost;
}

/* Positions, without x and y unless the option keeps them, and velocities. */
static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  const options* o = sim->options;
  sac_mujoco_put_state(sim, row, o->exclude_current_positions_from_observation ? 2 : 0, INFINITY);
}

const sac_mujoco_task sac_mujoco_swimmer = {
    .max_episode_steps = 1000,
    .nq = 3,
    .nv = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .position = sac_mujoco_position_qpos,
    .reward = reward,
    .observe = observe,
};
