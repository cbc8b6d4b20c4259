/* Hopper-v5: hop forwards on one leg. The reward is the speed along x plus healthy_reward, minus the cost of the
 * torques. Terminated by a fall: height, angle or state outside their healthy ranges. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double forward_reward_weight, ctrl_cost_weight, healthy_reward, reset_noise_scale;
  double healthy_state_range[2], healthy_z_range[2], healthy_angle_range[2];
  int32_t terminate_when_unhealthy, exclude_current_positions_from_observation;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("hopper.xml", 4),
    SAC_MUJOCO_REAL(forward_reward_weight, 1),
    SAC_MUJOCO_REAL(ctrl_cost_weight, 1e-3),
    SAC_MUJOCO_REAL(healthy_reward, 1),
    SAC_MUJOCO_BOOL(terminate_when_unhealthy, 1),
    SAC_MUJOCO_RANGE(healthy_state_range, -100, 100),
    SAC_MUJOCO_RANGE(healthy_z_range, 0.7, INFINITY),
    SAC_MUJOCO_RANGE(healthy_angle_range, -0.2, 0.2),
    SAC_MUJOCO_REAL(reset_noise_scale, 5e-3),
    SAC_MUJOCO_BOOL(exclude_current_positions_from_observation, 1),
};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_uniform(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

static int is_healthy(const sac_mujoco_sim* sim, const options* o) {
  /* height and angle of the torso */
  int healthy = sac_mujoco_inside(sim->d->qpos[1], o->healthy_z_range) &&
                sac_mujoco_inside(sim->d->qpos[2], o->healthy_angle_range);

  /* all positions but x and the height, and all velocities */
  for (int64_t j = 2; j < sim->m->nq; j++) healthy &= sac_mujoco_inside(sim->d->qpos[j], o->healthy_state_range);
  for (int64_t j = 0; j < sim->m->nv; j++) healthy &= sac_mujoco_inside(sim->d->qvel[j], o->healthy_state_range);
  return healthy;
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;

  /* a fall terminates the episode, unless the option says otherwise */
  const int healthy = is_healthy(sim, o);
  *terminated = !healthy && o->terminate_when_unhealthy;

  /* the parts of the reward */
  const double forward = o->forward_reward_weight * step->velocity[0], survive = healthy * o->healthy_reward;
  const double ctrl_cost = sac_mujoco_action_cost(sim, step, o->ctrl_cost_weight);

  /* info, under Gymnasium's names */
  sac_mujoco_info_put(info, "x_position", sim->d->qpos[0]);
  sac_mujoco_info_height(sim, info, 1);
  sac_mujoco_info_velocity(step, info, 1);
  sac_mujoco_info_put(info, "reward_forward", forward);
  sac_mujoco_info_put(info, "reward_ctrl", -ctrl_cost);
  sac_mujoco_info_put(info, "reward_survive", survive);

  return forward + survive - ctrl_cost;
}

/* Positions, without x unless the option keeps it, and velocities, clipped. */
static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  const options* o = sim->options;
  sac_mujoco_put_state(sim, row, o->exclude_current_positions_from_observation ? 1 : 0, 10);
}

const sac_mujoco_task sac_mujoco_hopper = {
    .max_episode_steps = 1000,
    .nq = 3,
    .nv = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .position = sac_mujoco_position_qpos,
    .reward = reward,
    .observe = observe,
};
