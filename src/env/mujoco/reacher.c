/* Reacher-v5: bring the tip of a two-link arm to a target. The reward is minus the tip's distance from the
 * target, minus the cost of the torques. Ends only by the time limit. */
#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct options {
  sac_mujoco_common common;
  double reward_dist_weight, reward_control_weight;
} options;

static const sac_env_option list[] = {
    SAC_MUJOCO_COMMON("reacher.xml", 2),
    SAC_MUJOCO_REAL(reward_dist_weight, 1),
    SAC_MUJOCO_REAL(reward_control_weight, 1),
};

enum { FINGERTIP, TARGET }; /* indices of the task's bodies */

static void bodies(const void* o, const char* name[SAC_MUJOCO_BODIES]) {
  (void)o;
  name[FINGERTIP] = "fingertip";
  name[TARGET] = "target";
}

/* The arm starts near its initial position. The target's position is uniform in a disc. */
static void reset(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel) {
  const int nq = (int)sim->m->nq, nv = (int)sim->m->nv;

  /* noise on the arm: all but the target's two positions and velocities */
  sac_mujoco_add_uniform(seed, 0, 0.1, qpos, nq - 2);
  sac_mujoco_add_uniform(seed, (uint32_t)nq, 0.005, qvel, nv - 2);

  /* draw from the square around the disc until the target is inside the disc; each try takes two new draws */
  uint32_t next = (uint32_t)(nq + nv);
  double* goal = qpos + nq - 2;
  do {
    goal[0] = goal[1] = 0;
    sac_mujoco_add_uniform(seed, next, 0.2, goal, 2);
    next += 2;
  } while (!(sac_mujoco_norm(goal, 2) < 0.2));

  qvel[nv - 2] = qvel[nv - 1] = 0; /* the target does not move */
}

static double reward(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info) {
  const options* o = sim->options;
  double from[3];
  *terminated = 0; /* only the time limit ends an episode */

  /* the parts of the reward */
  sac_mujoco_xpos_difference(sim, FINGERTIP, TARGET, from);
  const double reward_dist = -sac_mujoco_norm(from, 3) * o->reward_dist_weight;
  const double reward_ctrl = -sac_mujoco_action_cost(sim, step, o->reward_control_weight);

  /* info, under Gymnasium's names */
  sac_mujoco_info_put(info, "reward_dist", reward_dist);
  sac_mujoco_info_put(info, "reward_ctrl", reward_ctrl);

  return reward_dist + reward_ctrl;
}

static void observe(const sac_mujoco_sim* sim, sac_mujoco_row* row) {
  double from[3];
  sac_mujoco_xpos_difference(sim, FINGERTIP, TARGET, from);

  /* cosines then sines of the arm's joints, the target's position */
  for (int j = 0; j < 2; j++) sac_mujoco_put_one(row, cos(sim->d->qpos[j]));
  for (int j = 0; j < 2; j++) sac_mujoco_put_one(row, sin(sim->d->qpos[j]));
  sac_mujoco_put(row, sim->d->qpos + 2, sim->m->nq - 2);

  /* the joints' velocities, and from target to tip in the plane */
  sac_mujoco_put(row, sim->d->qvel, 2);
  sac_mujoco_put(row, from, 2);
}

const sac_mujoco_task sac_mujoco_reacher = {
    .max_episode_steps = 50,
    .nq = 4,
    .nv = 4,
    SAC_MUJOCO_OPTIONS(list),
    .reset = reset,
    .reward = reward,
    .observe = observe,
    .bodies = bodies,
};
