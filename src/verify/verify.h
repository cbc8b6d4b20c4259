/* What `sac verify` does: it replays files that other programs have made, and reports the largest differences.
 *
 * Golden update (update.c): U updates in a row, computed by another framework, replayed through the public API.
 * safetensors, float32 (scripts/golden.py makes them):
 *   before/NAME, after/NAME             every tensor of the agent before the first and after the last update
 *   after/adam_m/NAME, after/adam_v/NAME, after/grad/NAME   optional; compared where present
 *   minibatch/obs (U, B, O)  /action (U, B, A)  /reward (U, B)  /terminated (U, B)  /next_obs (U, B, O)
 *     a discrete action is its number: A is 1
 *   noise/action (U, B, A)  noise/next_action (U, B, A)     where the algorithm samples a~, and a'; not read otherwise
 *   metrics/critic_loss, alpha_loss, alpha, entropy (U); actor_loss where there is an actor; value_loss where there is
 *     a value network; soft_value, log_z and kl where actions are discrete
 *   metadata "config": a JSON object of algo, obs, act (A, or how many discrete actions there are), hidden, batch,
 *     updates, critics, gamma, tau, lr, alpha ("auto" or "fixed"; its value is exp(before/log_alpha)), target_entropy,
 *     reward_scale; log_std_min, log_std_max where actions are continuous; critics_join ("min" or "mean") where they
 *     are discrete; alpha_min, alpha_max where alpha has bounds
 * Adam starts from zero; critic_loss is the sum over critics; alpha is the value an update reads, before its own step.
 *
 * Environment trace (trace.c): one episode that Gymnasium played, replayed step by step. safetensors, float64:
 *   initial (state), action (T, A), observation (T+1, O), reward (T), terminated (T), truncated (T) (uint8)
 *   info/NAME (T): all terms of info that the environment has; or no term, and info is not compared
 *   metadata "env" (id), "options" (JSON), "gymnasium" (version)
 *
 * A file whose content does not fit its metadata gives FORMAT or SHAPE with a message, never a crash. */
#ifndef SAC_VERIFY_VERIFY_H
#define SAC_VERIFY_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include <sac/config.h>

#include "formats/safetensors.h"

#define SAC_VERIFY_NAME_MAX 96

/* The difference from Gymnasium that a number of an episode may have: relative above 1, absolute below. On one machine
 * both programs use the same sin and cos, and there is no difference at all. */
#define SAC_TRACE_TOLERANCE 1e-6

/* The comparison of one tensor, with its worst element: the one whose difference is largest relative to its tolerance.
 */
typedef struct sac_verify_row {
  char name[SAC_VERIFY_NAME_MAX];
  size_t count;                   /* numbers compared */
  double absolute;                /* the largest |ours - expected|, 0 for equal numbers; NaN or infinity otherwise if
                                   * one of the two is not finite */
  double relative;                /* absolute, divided by the largest |expected| of the tensor (0 if absolute is 0) */
  double share;                   /* the largest |ours - expected| / allowed: above 1 or NaN is beyond tolerance */
  size_t worst;                   /* the worst element's row-major index ... */
  double ours, expected, allowed; /* ... and its numbers */
  size_t blind; /* weights of a golden update that are not really checked, because rounding can move them by more than
                 * half a step of the learning rate */
  int ok;       /* 1: every element is within its tolerance; NaN never is */
} sac_verify_row;

/* Zero it before use, free it with sac_verify_free. */
typedef struct sac_verify_report {
  int32_t count, capacity;
  sac_verify_row* row; /* (count) in the order of the file's format */
  const char* kind;    /* set by sac_verify_file: "golden update" or "environment trace"; NULL before it is known */
  int ok;              /* set by sac_verify_file: there are rows, and each of them is ok */
} sac_verify_report;

/* Compares `count` numbers and appends a row. An element is ok when |ours[i] - expected[i]| <= allowed[i], and the two
 * are finite or equal. Numbers beyond tolerance are no error: the row has ok == 0. Errors: MEMORY. */
sac_status sac_verify_compare(sac_verify_report* report, const char* name, const double* ours, const double* expected,
                              const double* allowed, size_t count);

void sac_verify_free(sac_verify_report* report);

/* Verifies the file `path` and fills `report`. The metadata tells its kind ("config": golden update, "env": environment
 * trace). config: the configuration of updates where the file does not set it (device, cpu.threads, ...), or NULL.
 * Errors: the file cannot be run (FILE, FORMAT, SHAPE, MEMORY, DEVICE, ENV, NUMERIC); the message begins with the path.
 * Numbers beyond tolerance are no error: their rows have ok == 0. */
sac_status sac_verify_file(const char* path, const sac_config* config, sac_verify_report* report);

/* The two kinds. The caller keeps and closes `file`. */
sac_status sac_verify_update(const sac_safetensors* file, const sac_config* config, sac_verify_report* report);
sac_status sac_verify_trace(const sac_safetensors* file, sac_verify_report* report);

#endif
