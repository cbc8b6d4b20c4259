/* What an environment must be before it is used: its table of functions and what create said about itself. */
#ifndef SAC_ENV_CHECK_H
#define SAC_ENV_CHECK_H

#include <sac/env.h>

#define SAC_ENV_SIZE_MAX 65536    /* observations, actions, discrete actions */
#define SAC_ENV_COUNT_MAX 1048576 /* environments of a vector */
#define SAC_ENV_BOUND_MAX 1e6     /* of an action: beyond it "no bound" is meant, and there is no scale to learn at */

/* Errors: ENV (another ABI or size, a function is missing); `id` is for the message. */
sac_status sac_env_check_api(const char* id, const sac_env_api* api);

/* Errors: ENV (sizes, bounds: says which and what is possible). */
sac_status sac_env_check_spec(const char* id, const sac_env_spec* spec);

#endif
