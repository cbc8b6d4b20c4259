/* The interface of an environment: what the built-in tasks implement and what a plugin exports.
 *
 * An instance is n environments stepped together. Environments do not reset themselves and keep no time limit: step
 * gives the true next observation, also at the end of an episode; the library truncates at max_episode_steps and calls
 * reset. */
#ifndef SAC_ENV_H
#define SAC_ENV_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAC_ENV_ABI 1u

#define SAC_ENV_INFO_MAX 32      /* terms that info may have */
#define SAC_ENV_INFO_NAME_MAX 64 /* bytes of a term's name, its '\0' included */

/* Sizes and bounds, filled by create; the arrays belong to the instance and live as long as it. */
typedef struct sac_env_spec {
  int32_t obs_size;          /* O >= 1 */
  int32_t action_size;       /* A >= 1; 1 for discrete actions */
  int32_t actions;           /* number of discrete actions, >= 2; 0: continuous */
  int32_t max_episode_steps; /* an episode is truncated after so many steps; 0: no limit */
  const float* action_low;   /* (A) finite, below action_high; NULL for discrete actions */
  const float* action_high;  /* (A) */
} sac_env_spec;

/* One table of functions. Functions that return int return 0 for success; anything else ends the run with error(self)'s
 * text. Called from one thread at a time, not always the same one; see `concurrent`. obs, reward: float; NaN or
 * infinity stops the run and names step and environment. */
typedef struct sac_env_api {
  uint32_t abi;     /* SAC_ENV_ABI */
  uint32_t size;    /* sizeof(sac_env_api) */
  const char* name; /* for messages */

  /* Makes n environments of task `id` (a name this table serves). options: a JSON object, "{}" when there are none.
   * On failure *self may hold an instance, for error(); it is then destroyed. SAC_ERROR_CONFIG in place of another
   * nonzero value says that the options are wrong: the user's mistake, not the environment's failure. */
  int (*create)(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec);

  /* Starts a new episode in each environment i with mask[i] != 0, from seed[i] alone: the same seed gives the same
   * episode start, whatever came before. Writes obs row i of those; leaves the other rows alone. mask (n), seed (n),
   * obs (n, O). */
  int (*reset)(void* self, const uint8_t* mask, const uint64_t* seed, float* obs);

  /* One step of all n. action (n, A) in the task's own units (discrete: the action's number as a float). Writes every
   * row of obs (n, O), reward (n), terminated (n), truncated (n): 0 or 1; truncated only for limits the environment
   * itself has. */
  int (*step)(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated);

  void (*destroy)(void* self); /* takes NULL */

  /* Optional, may be NULL. */
  const char* (*error)(void* self);                           /* what the last failed call says */
  size_t (*state_size)(void* self);                           /* bytes of one environment's state */
  int (*state_get)(void* self, int32_t i, void* state);       /* everything that step depends on */
  int (*state_set)(void* self, int32_t i, const void* state); /* continues to the bit from there */

  /* Optional, the two together: what a step tells beside its reward (its parts, a speed, a success), for people alone.
   * The mean of each term over the steps between two rows of metrics is the column info/NAME. A table that ends before
   * these two, of a header that had not got them, is taken too.
   *
   * info_names: at most SAC_ENV_INFO_MAX names, then NULL. A name is of letters of ASCII, digits and '_', does not
   * begin with a digit, and stands there once. Asked for once, after create; they live as long as the instance.
   * info: the terms of the last step of all n, called after it and before any reset. value (n, terms). A value that is
   * not finite ends no run: NaN says that the step had no such term, and the mean is that of the others. */
  const char* const* (*info_names)(void* self);
  int (*info)(void* self, float* value);

  /* Optional. 1: instances share nothing that changes, not even a generator of random numbers, so that one may be
   * called while another is: evaluations are then played beside training where there is a thread for it. An instance
   * itself is always called from one thread at a time. */
  int32_t concurrent;
} sac_env_api;

/* What a plugin (a shared object, --env ./libmyenv.so) exports under the name "sac_env_plugin". Static storage. */
typedef const sac_env_api* (*sac_env_plugin_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
