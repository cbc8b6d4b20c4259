/* Checks of an environment before it is used: its table of functions, its spec and its terms of info. */
#ifndef SAC_ENV_CHECK_H
#define SAC_ENV_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include <sac/env.h>

/* The size of a table that was built before sac_env_api had info_names, info and concurrent. Where `size` is this,
 * those members must not be read. */
#define SAC_ENV_API_SIZE_BEFORE_INFO offsetof(sac_env_api, info_names)
/* The same for a table that was built before it had describe. */
#define SAC_ENV_API_SIZE_BEFORE_DESCRIBE offsetof(sac_env_api, describe)

#define SAC_ENV_SIZE_MAX 65536    /* the largest obs_size, action_size, and number of discrete actions */
#define SAC_ENV_COUNT_MAX 1048576 /* the most environments of a vector: P*N */
#define SAC_ENV_BOUND_MAX 1e6     /* the largest bound of an action: a larger one means "no bound" and gives no scale */

/* Whether two instances may be stepped at the same time. A plugin built with an older header has a shorter table,
 * without `concurrent`. */
int sac_env_is_concurrent(const sac_env_api* api);

/* The environment's text about its last failure; NULL when it has none. */
const char* sac_env_error_text(const sac_env_api* api, void* self);

/* Checks a table of functions, which may be NULL. `id` is for messages. Errors: ENV (no table, another ABI or size, a
 * function is missing). */
sac_status sac_env_check_api(const char* id, const sac_env_api* api);

/* Checks sizes and bounds. Errors: ENV (the message says which is wrong and what is possible). */
sac_status sac_env_check_spec(const char* id, const sac_env_spec* spec);

/* Gets the names of the terms of info, and checks them. *name (count) belongs to the environment. *count is 0 when the
 * table has no info. Errors: ENV (the message says which name is wrong and what is possible). */
sac_status sac_env_check_info(const char* id, const sac_env_api* api, void* self, const char* const** name,
                              int32_t* count);

/* Checks such names, which end with NULL, and counts them. Errors: ENV. */
sac_status sac_env_check_names(const char* id, const char* const* names, int32_t* count);

/* Gets what the environment says of the numbers of its observations and actions: a JSON object, which belongs to it;
 * NULL when it says nothing. Errors: ENV (no JSON object). */
sac_status sac_env_check_description(const char* id, const sac_env_api* api, void* self, const char** text);

#endif
