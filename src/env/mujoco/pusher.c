/* Pusher-v5: push a cylinder to a goal with an arm's tip. The reward is minus the cylinder's distances from the goal
 * and from the tip, minus the cost of the torques. Ends only by the time limit. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double reward_near_weight, reward_dist_weight, reward_control_weight;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("pusher_v5.xml", 5),
    SAC_MUJOCO_REAL(reward_near_weight, 0.5),
    SAC_MUJOCO_REAL(reward_dist_weight, 1),
    SAC_MUJOCO_REAL(reward_control_weight, 0.1),
};

enum { TIP, OBJECT, GOAL }; /* indices of the task's bodies */

static void bodies(const void* o, const char* name[SAC_MUJOCO_BODIES]) {
  (void)o;
  name[TIP] = "tips_arm";
  name[OBJECT] = "object";
  name[GOAL] = "goal";
}

/* The arm starts at its initial position. The cylinder's position is uniform in a rectangle without a disc around the
 * goal. */
static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  const int nq = (int)sim->m->nq, nv = (int)sim->m->nv;

  /* noise on the arm's velocities; the last four are of cylinder and goal */
  sac_mujoco_add_uniform(seed, 0, 0.005, qvel, nv - 4);

  /* draw from the rectangle until the cylinder is outside the disc; each try takes two new draws */
  uint32_t next = (uint32_t)nv;
  double* cylinder = qpos + nq - 4;
  do {
    cylinder[0] = -0.15;
    cylinder[1] = 0;
    sac_mujoco_add_uniform(seed, next, 0.15, cylinder, 1);
    sac_mujoco_add_uniform(seed, next + 1, 0.2, cylinder + 1, 1);
    next += 2;
  } while (!(sac_mujoco_norm(cylinder, 2) > 0.17));

  /* the goal's position and the velocities of cylinder and goal have no noise */
  qpos[nq - 2] = qpos[nq - 1] = 0;
  for (int j = nv - 4; j < nv; j++) qvel[j] = 0;
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;
  double near[3], far[3];
  *terminated = 0; /* only the time limit ends an episode */

  /* the parts of the reward */
  sac_mujoco_xpos_difference(sim, OBJECT, TIP, near);
  sac_mujoco_xpos_difference(sim, OBJECT, GOAL, far);
  const double reward_near = -sac_mujoco_norm(near, 3) * o->reward_near_weight;
  const double reward_dist = -sac_mujoco_norm(far, 3) * o->reward_dist_weight;
  const double reward_ctrl = -sac_mujoco_action_cost(sim, step, o->reward_control_weight);

  /* info, under Gymnasium's names */
  sac_mujoco_info_put(info, "reward_dist", reward_dist);
  sac_mujoco_info_put(info, "reward_ctrl", reward_ctrl);
  sac_mujoco_info_put(info, "reward_near", reward_near);

  return reward_dist + reward_ctrl + reward_near;
}

/* Positions (7) and velocities (7) of the arm's joints, then positions of tip, cylinder and goal (3 each). */
static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  sac_mujoco_put(row, sim->d->qpos, 7);
  sac_mujoco_put(row, sim->d->qvel, 7);
  for (int k = TIP; k <= GOAL; k++) sac_mujoco_put(row, sim->d->xpos + 3 * (size_t)sim->body[k], 3);
}

const sac_mujoco_task sac_mujoco_pusher = {
    .max_episode_steps = 100,
    .nq = 11,
    .nv = 11,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .reward = reward,
    .observe = observe,
    .bodies = bodies,
};
