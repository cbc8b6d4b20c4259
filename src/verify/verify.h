/* What `sac verify` does: runs vectors made elsewhere and says how far off we are.
 *
 * Golden update (update.c): U updates in a row of another framework, replayed through the public API. safetensors,
 * float32 (scripts/golden.py makes them):
 *   before/NAME, after/NAME             every tensor of the agent before the first and after the last update
 *   after/adam_m/NAME, after/adam_v/NAME, after/grad/NAME   optional; compared where present
 *   minibatch/obs (U, B, O)  /action (U, B, A)  /reward (U, B)  /terminated (U, B)  /next_obs (U, B, O)
 *   noise/action (U, B, A)  noise/next_action (U, B, A)     for s and for s'; the second not for sac-v
 *   metrics/critic_loss, actor_loss, alpha_loss, alpha, entropy (U), and value_loss (U) for sac-v
 *   metadata "config": a JSON object of algo, obs, act, hidden, batch, updates, critics, gamma, tau, lr,
 *     alpha ("auto" or "fixed"; its value is exp(before/log_alpha)), target_entropy, reward_scale, log_std_min,
 *     log_std_max
 * Adam starts from zero; critic_loss is the sum over critics; alpha is the value an update reads, before its own step.
 *
 * Environment trace (trace.c): one episode of Gymnasium's, replayed step by step. safetensors, float64:
 *   initial (state), action (T, A), observation (T+1, O), reward (T), terminated (T), truncated (T) (uint8)
 *   info/NAME (T): the terms of info that the environment has, all of them; or none, and they are not compared
 *   metadata "env" (id), "options" (JSON), "gymnasium" (version)
 *
 * A file that is not what it says is FORMAT or SHAPE, with a message, never a crash. */
#ifndef SAC_VERIFY_VERIFY_H
#define SAC_VERIFY_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include <sac/config.h>

#include "formats/safetensors.h"

#define SAC_VERIFY_NAME_MAX 96

/* How one tensor compares: the element that is worst relative to what it was allowed. */
typedef struct sac_verify_row {
  char name[SAC_VERIFY_NAME_MAX];
  size_t count;                   /* numbers compared */
  double absolute;                /* the largest |ours - expected|; NaN or infinity when one of them is not finite */
  double relative;                /* absolute, divided by the largest |expected| of the tensor (0 when both are 0) */
  double share;                   /* the largest |ours - expected| / allowed: beyond tolerance above 1, or NaN */
  size_t worst;                   /* row-major index of that element ... */
  double ours, expected, allowed; /* ... and its numbers */
  size_t blind; /* weights of a golden update whose gradients drown in rounding: allowed more than half a step of lr */
  int ok;       /* every element within its tolerance; NaN never is */
} sac_verify_row;

/* Zeroed before use; owns `row`; free with sac_verify_free. */
typedef struct sac_verify_report {
  int32_t count, capacity;
  sac_verify_row* row; /* (count) in the order of the file's format */
  const char* kind;    /* set by sac_verify_file: "golden update" or "environment trace"; NULL before it is known */
  int ok;              /* set by sac_verify_file: all rows are, and there is one */
} sac_verify_report;

/* Compares `count` numbers element by element and appends a row: |ours[i] - expected[i]| <= allowed[i], and the two are
 * equal or finite. Returns MEMORY, or OK also when the row is beyond tolerance: the report tells. */
sac_status sac_verify_compare(sac_verify_report* report, const char* name, const double* ours, const double* expected,
                              const double* allowed, size_t count);

void sac_verify_free(sac_verify_report* report);

/* Opens `path`, tells its kind by its metadata ("config": golden update, "env": environment trace), runs it and fills
 * `report`. config: what updates run with where the file does not say (device, cpu.threads, ...), or NULL. Errors: what
 * keeps the file from being run (FILE, FORMAT, SHAPE, MEMORY, DEVICE, ENV, NUMERIC), the message beginning with the
 * path; differences are no error but rows with ok == 0. */
sac_status sac_verify_file(const char* path, const sac_config* config, sac_verify_report* report);

/* The two kinds; `file` is open and stays the caller's. Messages without the path. */
sac_status sac_verify_update(const sac_safetensors* file, const sac_config* config, sac_verify_report* report);
sac_status sac_verify_trace(const sac_safetensors* file, sac_verify_report* report);

#endif
