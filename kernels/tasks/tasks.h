// The list of the built-in environments, a line each. The registry, the drivers of both backends, `sac envs` and the
// tests that run every task are made from it.
#ifndef SAC_KERNELS_TASKS_TASKS_H
#define SAC_KERNELS_TASKS_TASKS_H

#include "kernels/tasks/acrobot.h"
#include "kernels/tasks/cartpole.h"
#include "kernels/tasks/mountain_car_continuous.h"
#include "kernels/tasks/pendulum.h"
#include "kernels/tasks/point_mass.h"
#include "kernels/tasks/quadratic.h"
#include "kernels/tasks/tabular.h"

// X(name, NAME, id, summary): the prefix of its symbols, the prefix of its options, its name for users, what it is.
#define SAC_TASKS(X)                                                                                             \
  X(pendulum, PENDULUM, "Pendulum-v1", "swing a pendulum up and hold it")                                        \
  X(mountain_car_continuous, MOUNTAIN_CAR_CONTINUOUS, "MountainCarContinuous-v0", "swing a car out of a valley") \
  X(cartpole, CARTPOLE, "CartPole-v1", "balance a pole on a cart")                                               \
  X(acrobot, ACROBOT, "Acrobot-v1", "swing a two-link arm over a line")                                          \
  X(quadratic, QUADRATIC, "SacQuadratic-v0", "one step, quadratic reward (for tests)")                           \
  X(point_mass, POINT_MASS, "SacPointMass-v0", "push a mass to the origin (for tests)")                          \
  X(tabular, TABULAR, "SacTabular-v0", "a random MDP with an exact answer (for tests)")

#endif
