/* The interface of an environment. The built-in tasks implement it, and a plugin exports it.
 *
 * An instance is n environments that are stepped together. Environments do not reset themselves and keep no time limit.
 * step gives the true next observation, also at the end of an episode. The library truncates episodes at
 * max_episode_steps and calls reset. */
#ifndef SAC_ENV_H
#define SAC_ENV_H

#include <stddef.h>
#include <stdint.h>

#include <sac/env_options.h>
#include <sac/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAC_ENV_ABI 1u

#define SAC_ENV_INFO_MAX 32      /* the most terms that info may have */
#define SAC_ENV_INFO_NAME_MAX 64 /* the most bytes of a term's name, with its '\0' */

/* Sizes and bounds, filled by create. The arrays belong to the instance and live as long as it. */
typedef struct sac_env_spec {
  int32_t obs_size;          /* O, 1 to 65536 */
  int32_t action_size;       /* A, 1 to 65536; 1 for discrete actions */
  int32_t actions;           /* number of discrete actions, 2 to 65536; 0: continuous */
  int32_t max_episode_steps; /* an episode is truncated after this many steps; 0: no limit */
  const float* action_low;   /* (A) at least -1e6, less than action_high; NULL for discrete actions */
  const float* action_high;  /* (A) at most 1e6; floats lie between the two */
} sac_env_spec;

/* An environment shares the process of its host. After each call the host's signal handlers and blocked signals, umask,
 * locale, float modes and working folder are put back, if the call has changed them; the working folder that an
 * environment has chosen is there again in its next call. A handler of its own for SIGCHLD or for timers may stay.
 * exit, abort, a C++ exception that leaves a function of the table, and a crash end the process, and lose what was
 * learnt since the last checkpoint: return an error instead.
 *
 * The program sac keeps the signals that stop a run to itself, names the call and the step where an environment ends
 * the process, and sends what environments print to standard error.
 *
 * The table of functions. A function that returns int returns 0 for success. Any other value ends the run, with the
 * text of error(self), and with the value unless it is 1 or SAC_ERROR_ENV. An instance is called from one thread at a
 * time, but not always from the same one; see `concurrent`. An observation or reward that is not finite ends the run;
 * the message names the step. */
typedef struct sac_env_api {
  uint32_t abi;     /* SAC_ENV_ABI */
  uint32_t size;    /* sizeof(sac_env_api) */
  const char* name; /* for messages */

  /* Makes n environments of task `id`. A table may have several tasks; a plugin gets the path as id. options: a JSON
   * object, "{}" if there are none; sac_env_read_options reads it. On failure *self may hold an instance for error();
   * the library then destroys it. Return SAC_ERROR_CONFIG if the options are wrong, and any other nonzero value for
   * another failure. */
  int (*create)(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec);

  /* Starts a new episode in each environment i with mask[i] != 0. The start depends on seed[i] alone: the same seed
   * gives the same start, whatever came before. Writes row i of obs for these environments, and no other rows.
   * mask (n), seed (n), obs (n, O). */
  int (*reset)(void* self, const uint8_t* mask, const uint64_t* seed, float* obs);

  /* Makes one step of all n environments. action (n, A), in the task's own units; discrete: the number of the action,
   * as a float. Writes every row of obs (n, O), reward (n), terminated (n) and truncated (n). The last two are 0 or 1.
   * truncated is 1 only for a limit that the environment itself has. Return SAC_ERROR_NUMERIC if a simulation has
   * become unstable: the run then ends as for a value that is not finite. */
  int (*step)(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated);

  void (*destroy)(void* self); /* self may be NULL */

  /* Optional: each may be NULL. The three state functions go together. */
  const char* (*error)(void* self);                           /* the text of the last failure */
  size_t (*state_size)(void* self);                           /* bytes of the state of one environment */
  int (*state_get)(void* self, int32_t i, void* state);       /* copies out all that step depends on */
  int (*state_set)(void* self, int32_t i, const void* state); /* restores it; the next steps give the same bits */

  /* Optional: both or none. Numbers of a step other than its reward, such as the parts of the reward, a speed or a
   * success. They are reported and have no effect on training. The column info/NAME of the metrics is the mean of a
   * term over the steps since the last row. An older table, which ends before info_names, is accepted.
   *
   * info_names: at most SAC_ENV_INFO_MAX names, then NULL. A name consists of ASCII letters, digits and '_', does not
   * begin with a digit, and differs from the other names. Called once, after create. The list and its names live as
   * long as the instance. A step may add names: it writes them at the end of the list, and NULL behind them. They are
   * metrics from then on.
   *
   * info: writes the terms of the last step of all n environments, those that this step has added too. Called after a
   * step and before any reset. value (n, terms). A value that is not finite does not end the run. NaN: the step has no
   * such term, and the mean leaves that step out. A term is_success or success of an episode's last step is its
   * success, of which an evaluation gives the rate. */
  const char* const* (*info_names)(void* self);
  int (*info)(void* self, float* value);

  /* Optional. 1: instances share no data that changes, not even a random number generator or a working folder. Two
   * threads may then call two instances at the same time, and evaluations can run at the same time as training. 0:
   * training waits while an evaluation runs. In both cases one instance is called from one thread at a time. */
  int32_t concurrent;

  /* Optional. A JSON object that says what the numbers are, for the reader of policy.safetensors, whose metadata
   * `spaces` it becomes: {"observation": [{"name": "arm.angle", "offset": 0, "size": 3, "unit": "rad"}, ...],
   * "action": [...]}. Members besides these are free. NULL: not known. Called once, after create. The text lives as
   * long as the instance. An older table, which ends before describe, is accepted. */
  const char* (*describe)(void* self);
} sac_env_api;

/* The type of the function that a plugin (a shared object, --env ./libmyenv.so) exports under the name
 * "sac_env_plugin". The table has static storage. */
typedef const sac_env_api* (*sac_env_plugin_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
