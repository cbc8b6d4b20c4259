/* The random generators that all code of a process shares: rand and random of C, drand48, random of Python,
 * numpy.random, torch. An environment should draw from the seed that reset gives it alone; many draw from these as
 * well. They are seeded from the run's seed before an environment from outside is made, before its evaluations, and on
 * a resume: so two runs of one seed are equal. Evaluations leave them as they were, where environments share them.
 *
 * A process has one of each: runs in several threads whose environments draw from them depend on each other. */
#ifndef SAC_ENV_GENERATORS_H
#define SAC_ENV_GENERATORS_H

#include <stdint.h>

#include <sac/env.h>

/* Seeds them. self: the instance whose worker processes and spaces are seeded too; NULL: none. */
void sac_generators_seed(const sac_env_api* api, void* self, uint64_t seed);

/* Keeps their states until restore, around what an environment does aside from training. Nothing is done for an
 * environment that is `concurrent`, as it uses none of them. Pairs may be nested, and be of several threads: the first
 * keep stores the states, the last restore brings them back. */
void sac_generators_keep(const sac_env_api* api);
void sac_generators_restore(const sac_env_api* api);

#endif
