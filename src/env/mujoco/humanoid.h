/* The observation and the costs that Humanoid-v5 and HumanoidStandup-v5 share. */
#ifndef SAC_ENV_MUJOCO_HUMANOID_H
#define SAC_ENV_MUJOCO_HUMANOID_H

#include <math.h>

#include "env/mujoco/mujoco.h"

typedef struct sac_humanoid_view {
  int32_t exclude_current_positions_from_observation, include_cinert_in_observation, include_cvel_in_observation,
      include_qfrc_actuator_in_observation, include_cfrc_ext_in_observation;
} sac_humanoid_view;

/* The lines of these options in a task's list. The task's own struct has a member `view` of this type. */
#define SAC_HUMANOID_OPTION(name) \
  { #name, SAC_ENV_OPTION_BOOL, offsetof(options, view.name), 1, 0, 1, "" }
#define SAC_HUMANOID_VIEW                                                                                              \
  SAC_HUMANOID_OPTION(exclude_current_positions_from_observation), SAC_HUMANOID_OPTION(include_cinert_in_observation), \
      SAC_HUMANOID_OPTION(include_cvel_in_observation), SAC_HUMANOID_OPTION(include_qfrc_actuator_in_observation),     \
      SAC_HUMANOID_OPTION(include_cfrc_ext_in_observation)

/* Positions (without x and y, if the option says so) and velocities. Then, each if its option says so: inertia (10) and
 * velocity (6) of every body, about the centre of mass; the actuators' forces on all joints but the root, which has 6
 * degrees of freedom; the external force (6) on every body. Body 0, the world, is left out. */
static inline void sac_humanoid_observe(const sac_mujoco_sim* sim, const sac_humanoid_view* view, sac_mujoco_row* row) {
  const mjData* d = sim->d;
  const int64_t bodies = (int64_t)sim->m->nbody - 1;
  sac_mujoco_put_state(sim, row, view->exclude_current_positions_from_observation ? 2 : 0, INFINITY);
  if (view->include_cinert_in_observation) sac_mujoco_put(row, d->cinert + 10, 10 * bodies);
  if (view->include_cvel_in_observation) sac_mujoco_put(row, d->cvel + 6, 6 * bodies);
  if (view->include_qfrc_actuator_in_observation) sac_mujoco_put(row, d->qfrc_actuator + 6, sim->m->nv - 6);
  if (view->include_cfrc_ext_in_observation) sac_mujoco_put(row, d->cfrc_ext + 6, 6 * bodies);
}

/* weight * the sum of the squares of the controls. They are mjData's, so the sum is in double. */
static inline double sac_humanoid_control_cost(const sac_mujoco_sim* sim, double weight) {
  return weight * sac_mujoco_squares(sim->d->ctrl, sim->m->nu, -INFINITY, INFINITY);
}

/* weight * the sum of the squares of the contact forces; the cost, not each force, is clipped to `range`. */
static inline double sac_humanoid_contact_cost(const sac_mujoco_sim* sim, double weight, const double range[2]) {
  const double cost = weight * sac_mujoco_squares(sim->d->cfrc_ext, 6 * (int64_t)sim->m->nbody, -INFINITY, INFINITY);
  return sac_mujoco_clip(cost, range[0], range[1]);
}

#endif
