/* Ant-v5: walk along x on four legs. The reward is the speed of main_body along x plus healthy_reward, minus the cost
 * of the torques and of the contact forces. Terminated when the torso is too low or too high, or the state is not
 * finite. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  char main_body[64];
  double forward_reward_weight, ctrl_cost_weight, contact_cost_weight, healthy_reward, reset_noise_scale;
  double healthy_z_range[2], contact_force_range[2];
  int32_t terminate_when_unhealthy, exclude_current_positions_from_observation, include_cfrc_ext_in_observation;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("ant.xml", 5),
    SAC_MUJOCO_REAL(forward_reward_weight, 1),
    SAC_MUJOCO_REAL(ctrl_cost_weight, 0.5),
    SAC_MUJOCO_REAL(contact_cost_weight, 5e-4),
    SAC_MUJOCO_REAL(healthy_reward, 1),
    SAC_MUJOCO_TEXT(main_body, "1"),
    SAC_MUJOCO_BOOL(terminate_when_unhealthy, 1),
    SAC_MUJOCO_RANGE(healthy_z_range, 0.2, 1),
    SAC_MUJOCO_RANGE(contact_force_range, -1, 1),
    SAC_MUJOCO_REAL(reset_noise_scale, 0.1),
    SAC_MUJOCO_BOOL(exclude_current_positions_from_observation, 1),
    SAC_MUJOCO_BOOL(include_cfrc_ext_in_observation, 1),
};

static void bodies(const void* o, const char* name[SAC_MUJOCO_BODIES]) { name[0] = ((const options*)o)->main_body; }

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_normal(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

/* The position of main_body in the plane. */
static void position(const sac_mujoco_sim* sim, double at[2]) {
  const double* xpos = sim->d->xpos + 3 * (size_t)sim->body[0];
  at[0] = xpos[0];
  at[1] = xpos[1];
}

static int is_healthy(const sac_mujoco_sim* sim, const options* o) {
  const double z = sim->d->qpos[2];
  return o->healthy_z_range[0] <= z && z <= o->healthy_z_range[1] && sac_mujoco_is_finite(sim);
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;

  /* a fall terminates the episode, unless the option says otherwise */
  const int healthy = is_healthy(sim, o);
  *terminated = !healthy && o->terminate_when_unhealthy;

  /* the parts of the reward */
  const double contact_cost =
      o->contact_cost_weight * sac_mujoco_squares(sim->d->cfrc_ext, 6 * (int64_t)sim->m->nbody,
                                                  o->contact_force_range[0], o->contact_force_range[1]);
  const double forward = step->velocity[0] * o->forward_reward_weight, survive = healthy * o->healthy_reward;
  const double ctrl_cost = sac_mujoco_action_cost(sim, step, o->ctrl_cost_weight);

  /* info, under Gymnasium's names */
  sac_mujoco_info_position(sim, info);
  sac_mujoco_info_distance(sim, info);
  sac_mujoco_info_velocity(step, info, 2);
  sac_mujoco_info_put(info, "reward_forward", forward);
  sac_mujoco_info_put(info, "reward_ctrl", -ctrl_cost);
  sac_mujoco_info_put(info, "reward_contact", -contact_cost);
  sac_mujoco_info_put(info, "reward_survive", survive);

  return (forward + survive) - (ctrl_cost + contact_cost);
}

/* Positions, without x and y unless the option keeps them, velocities, and the contact forces, clipped. */
static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  const options* o = sim->options;
  sac_mujoco_put_state(sim, row, o->exclude_current_positions_from_observation ? 2 : 0, INFINITY);
  if (o->include_cfrc_ext_in_observation) /* of all bodies but body 0, the world */
    sac_mujoco_put_clipped(row, sim->d->cfrc_ext + 6, 6 * ((int64_t)sim->m->nbody - 1), o->contact_force_range[0],
                           o->contact_force_range[1]);
}

const sac_mujoco_task sac_mujoco_ant = {
    .max_episode_steps = 1000,
    .nq = 3,
    .nv = 1,
    .contact_forces = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .position = position,
    .reward = reward,
    .observe = observe,
    .bodies = bodies,
};
