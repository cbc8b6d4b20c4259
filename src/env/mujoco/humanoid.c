/* Humanoid-v5: walk along x on two legs without falling. The reward is the speed of the centre of mass along x
 * plus healthy_reward, minus the cost of the torques and of the contact forces. Terminated by a fall: a height outside
 * the healthy range. */
#include "env/mujoco/humanoid.h"

typedef struct options {
  sac_mujoco_common common;
  double forward_reward_weight, ctrl_cost_weight, contact_cost_weight, healthy_reward, reset_noise_scale;
  double contact_cost_range[2], healthy_z_range[2];
  int32_t terminate_when_unhealthy;
  sac_humanoid_view view;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("humanoid.xml", 5),
    SAC_MUJOCO_REAL(forward_reward_weight, 1.25),
    SAC_MUJOCO_REAL(ctrl_cost_weight, 0.1),
    SAC_MUJOCO_REAL(contact_cost_weight, 5e-7),
    SAC_MUJOCO_RANGE(contact_cost_range, -INFINITY, 10),
    SAC_MUJOCO_REAL(healthy_reward, 5),
    SAC_MUJOCO_BOOL(terminate_when_unhealthy, 1),
    SAC_MUJOCO_RANGE(healthy_z_range, 1, 2),
    SAC_MUJOCO_REAL(reset_noise_scale, 1e-2),
    SAC_HUMANOID_VIEW,
};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_uniform(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

/* The centre of mass of all bodies, in the plane. */
static void position(const sac_mujoco_sim* sim, double at[2]) {
  const double mass = sac_mujoco_sum(sim->m->body_mass, (int64_t)sim->m->nbody);

  /* the mean of the bodies' centres (nbody, 3), weighted by mass */
  at[0] = at[1] = 0;
  for (size_t b = 0; b < (size_t)sim->m->nbody; b++)
    for (size_t k = 0; k < 2; k++) at[k] += sim->m->body_mass[b] * sim->d->xipos[3 * b + k];
  at[0] /= mass;
  at[1] /= mass;
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;

  /* a fall terminates the episode, unless the option says otherwise */
  const int healthy = sac_mujoco_inside(sim->d->qpos[2], o->healthy_z_range);
  *terminated = !healthy && o->terminate_when_unhealthy;

  /* the parts of the reward */
  const double forward = o->forward_reward_weight * step->velocity[0], survive = healthy * o->healthy_reward;
  const double ctrl_cost = sac_humanoid_control_cost(sim, o->ctrl_cost_weight);
  const double contact_cost = sac_humanoid_contact_cost(sim, o->contact_cost_weight, o->contact_cost_range);

  /* info, under Gymnasium's names */
  sac_mujoco_info_position(sim, info);
  sac_mujoco_info_distance(sim, info);
  sac_mujoco_info_velocity(step, info, 2);
  sac_mujoco_info_put(info, "reward_survive", survive);
  sac_mujoco_info_put(info, "reward_forward", forward);
  sac_mujoco_info_put(info, "reward_ctrl", -ctrl_cost);
  sac_mujoco_info_put(info, "reward_contact", -contact_cost);

  return (forward + survive) - (ctrl_cost + contact_cost);
}

static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  sac_humanoid_observe(sim, &((const options*)sim->options)->view, row);
}

const sac_mujoco_task sac_mujoco_humanoid = {
    .max_episode_steps = 1000,
    .nq = 3,
    .nv = 6,
    .contact_forces = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .position = position,
    .reward = reward,
    .observe = observe,
};
