/* What an environment must be before it is used: its table of functions and what create said about itself. */
#ifndef SAC_ENV_CHECK_H
#define SAC_ENV_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include <sac/env.h>

/* A table as it was before it had info; its missing slots must not be read. */
#define SAC_ENV_API_SIZE_BEFORE_INFO offsetof(sac_env_api, info_names)

#define SAC_ENV_SIZE_MAX 65536    /* observations, actions, discrete actions */
#define SAC_ENV_COUNT_MAX 1048576 /* environments of a vector */
#define SAC_ENV_BOUND_MAX 1e6     /* of an action: beyond it "no bound" is meant, and there is no scale to learn at */

/* Errors: ENV (another ABI or size, a function is missing); `id` is for the message. */
sac_status sac_env_check_api(const char* id, const sac_env_api* api);

/* Errors: ENV (sizes, bounds: says which and what is possible). */
sac_status sac_env_check_spec(const char* id, const sac_env_spec* spec);

/* The names of `self`'s terms of info and how many there are; 0 for a table that knows none. Errors: ENV (names: says
 * which and what is possible). */
sac_status sac_env_check_info(const char* id, const sac_env_api* api, void* self, const char* const** name,
                              int32_t* count);

#endif
