/* The calls of an environment's functions. Each is made inside the guard of its vector (guard.h), so that a crash in it
 * is named. The error of one that fails names the step, the function, the code that it returned, and the environment's
 * own text. Errors of all: ENV; NUMERIC where the environment says so (sac/env.h). */
#ifndef SAC_ENV_CALLS_H
#define SAC_ENV_CALLS_H

#include "env/vector.h"

/* Makes the instance, and checks its sizes, description and info. id, options: as the table takes them. Errors: also
 * CONFIG (options). */
sac_status sac_call_create(sac_vector* vector, const char* id, const char* options);

/* Resets the environments in `mask` to `reset_seed`; writes their rows of `obs`. whole: as for sac_guard_enter. */
sac_status sac_call_reset(sac_vector* vector, int whole);

/* Steps with `env_action`; writes next_obs, reward, terminated and truncated. */
sac_status sac_call_step(sac_vector* vector);

/* Writes `info`. Only for an environment that has terms of info. */
sac_status sac_call_info(sac_vector* vector);

/* The state of environment i. Without state functions they do nothing, and the size is 0. */
size_t sac_call_state_size(sac_vector* vector);
sac_status sac_call_state_get(sac_vector* vector, int32_t i, void* state);
sac_status sac_call_state_set(sac_vector* vector, int32_t i, const void* state);

/* Checks what the environment has changed of the process, as after a call, between sac_guard_begin and end. Errors: ENV
 * (it has closed descriptors of files). */
sac_status sac_call_check(sac_vector* vector);

void sac_call_destroy(sac_vector* vector);

#endif
