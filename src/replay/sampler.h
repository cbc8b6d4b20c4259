/* How minibatches are drawn from the replay: a table of samplers, one a file. Here is what a sampler does on the host;
 * a backend that keeps the replay on a device has a table of its own in the same order (cuda/replay.c).
 *
 * A minibatch carries, for each row, its reward, its discount (gamma, or 0 where the transition ended the episode), its
 * weight in the critics' loss, and its index in the ring. A sampler gives these four. */
#ifndef SAC_REPLAY_SAMPLER_H
#define SAC_REPLAY_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "replay/rows.h"

/* One agent's replay, as a sampler sees it. */
typedef struct sac_ring {
  const float* rows; /* (C, row) */
  const sac_replay_row* row;
  int64_t size; /* rows that can be drawn */
  void* state;  /* the sampler's own, of sac_sampler.bytes */
} sac_ring;

/* Some rows of one minibatch: `count` of its B rows, from row `first` on. */
typedef struct sac_draw {
  uint64_t seed;   /* of the agent: the key of its streams */
  uint64_t number; /* of the minibatch: updates made before it */
  uint64_t batch;  /* B */
  size_t first, count;
  float gamma;
} sac_draw;

typedef struct sac_sampler {
  const char* meaning; /* one line, for people */

  /* Bytes of state that an agent's ring needs; NULL: none. The backend gives them zeroed. */
  size_t (*bytes)(const sac_shape* shape);

  /* Rows first .. first + n - 1 of the ring have been written. NULL: nothing to do. */
  void (*pushed)(const sac_ring* ring, int64_t first, int64_t n);

  /* Which rows to take: index and weight (count). */
  void (*draw)(const sac_ring* ring, const sac_draw* draw, uint64_t* index, float* weight);

  /* What those rows say: reward and discount (count). */
  void (*read)(const sac_ring* ring, const sac_draw* draw, const uint64_t* index, float* reward, float* discount);

  /* After the critics' loss: the mean over critics of |Q - y| (count), for the rows index (count). NULL: it does not
   * learn from errors. */
  void (*learnt)(const sac_ring* ring, const uint64_t* index, const float* td_error, size_t count);
} sac_sampler;

/* X(name, sampler): replay.sampling and `const sac_sampler sac_sampler_<name>`. The first is the default. */
#define SAC_SAMPLERS(X) X(uniform)

#define SAC_SAMPLER_DECLARE(name) extern const sac_sampler sac_sampler_##name;
SAC_SAMPLERS(SAC_SAMPLER_DECLARE)
#undef SAC_SAMPLER_DECLARE

/* The sampler with that place in the list (key replay.sampling as a number). */
const sac_sampler* sac_sampler_at(int id);

#endif
