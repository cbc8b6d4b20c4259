/* HumanoidStandup-v5: get up from lying on the back. The reward is 1, plus the height of the torso divided by the
 * seconds of a substep, minus the cost of the torques and of the contact forces. Ends only by the time limit. */
#include "env/mujoco/humanoid.h"

typedef struct options {
  sac_mujoco_common common;
  double uph_cost_weight; /* has no effect, as in Gymnasium */
  double ctrl_cost_weight, impact_cost_weight, reset_noise_scale;
  double impact_cost_range[2];
  sac_humanoid_view view;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("humanoidstandup.xml", 5),
    SAC_MUJOCO_REAL(uph_cost_weight, 1),
    SAC_MUJOCO_REAL(ctrl_cost_weight, 0.1),
    SAC_MUJOCO_REAL(impact_cost_weight, 0.5e-6),
    SAC_MUJOCO_RANGE(impact_cost_range, -INFINITY, 10),
    SAC_MUJOCO_REAL(reset_noise_scale, 1e-2),
    SAC_HUMANOID_VIEW,
};

static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  sac_mujoco_reset_uniform(sim, seed, ((const options*)sim->options)->reset_noise_scale, qpos, qvel);
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;
  (void)step;
  *terminated = 0; /* only the time limit ends an episode */

  /* the parts of the reward */
  const double up = sim->d->qpos[2] / sim->m->timestep;
  const double ctrl_cost = sac_humanoid_control_cost(sim, o->ctrl_cost_weight);
  const double impact_cost = sac_humanoid_contact_cost(sim, o->impact_cost_weight, o->impact_cost_range);

  /* info, under Gymnasium's names */
  sac_mujoco_info_position(sim, info);
  sac_mujoco_info_height(sim, info, 2);
  sac_mujoco_info_put(info, "reward_linup", up);
  sac_mujoco_info_put(info, "reward_quadctrl", -ctrl_cost);
  sac_mujoco_info_put(info, "reward_impact", -impact_cost);

  return up - ctrl_cost - impact_cost + 1;
}

static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  sac_humanoid_observe(sim, &((const options*)sim->options)->view, row);
}

const sac_mujoco_task sac_mujoco_humanoid_standup = {
    .max_episode_steps = 1000,
    .nq = 3,
    .nv = 6,
    .contact_forces = 1,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .reward = reward,
    .observe = observe,
};
