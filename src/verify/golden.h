/* A golden update, read from its file and checked. The format is described in verify.h. */
#ifndef SAC_VERIFY_GOLDEN_H
#define SAC_VERIFY_GOLDEN_H

#include <sac/sac.h>

#include "config/settings.h"
#include "formats/safetensors.h"
#include "model/tensors.h"

/* The metrics of the format. X(name, discrete). A file has those that are statistics of its algorithm; discrete 1: only
 * where actions are discrete. */
#define SAC_GOLDEN_METRICS(X) \
  X(critic_loss, 0)           \
  X(actor_loss, 0)            \
  X(alpha_loss, 0) X(alpha, 0) X(entropy, 0) X(value_loss, 0) X(soft_value, 1) X(log_z, 1) X(kl, 1)

enum {
#define SAC_METRIC_ENUM(name, discrete) SAC_METRIC_##name,
  SAC_GOLDEN_METRICS(SAC_METRIC_ENUM) SAC_METRIC_COUNT
#undef SAC_METRIC_ENUM
};

extern const char* const sac_golden_metrics[SAC_METRIC_COUNT]; /* "metrics/critic_loss", ... */

typedef struct sac_golden {
  const sac_safetensors* file; /* the caller's */
  sac_config* config;          /* a copy of the caller's with the values of the metadata */
  sac_settings settings;
  sac_env_spec spec;
  float* bounds; /* (2, A) of the spec: -1 and 1; NULL: discrete actions */
  sac_shape shape;
  sac_tensors list;                                     /* the agent's tensors, as under before/ and after/ */
  int64_t updates;                                      /* U */
  float *obs, *action, *reward, *terminated, *next_obs; /* (U, B, ...) */
  float *noise, *next_noise;                            /* (U, B, A); NULL: the algorithm samples no a~, no a' */
  float* metric[SAC_METRIC_COUNT];                      /* (U), NULL where the algorithm has none */
} sac_golden;

/* Reads everything but the tensors under before/ and after/, whose names and sizes are checked. Allocates only sizes
 * that agree with what the file holds. config: see sac_verify_file. Errors: FORMAT, SHAPE, CONFIG, MEMORY. */
sac_status sac_golden_read(sac_golden* golden, const sac_safetensors* file, const sac_config* config);
void sac_golden_free(sac_golden* golden);

/* Copies the file's tensor PREFIX + the tensor's name to `data`. Errors: FORMAT (absent), SHAPE. */
sac_status sac_golden_tensor(const sac_golden* golden, const char* prefix, const sac_tensor* tensor, float* data);

#endif
