/* How minibatches are drawn from the replay: a table of samplers, each in a file of its own. This is the table for the
 * host. A backend that has the replay on a device has a table of its own (cuda/replay.c), which may lack a sampler.
 *
 * A sampler gives four values for each row of a minibatch: its index in the ring, its weight in the critics' loss, its
 * reward, and its discount (gamma, or 0 where the transition terminated; truncation does not count). It draws each row
 * of a minibatch from its part of the ring (sac_ring_part_of in kernels/ring.h). */
#ifndef SAC_REPLAY_SAMPLER_H
#define SAC_REPLAY_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "replay/rows.h"

/* One agent's replay, as a sampler sees it. */
typedef struct sac_ring {
  const float* rows; /* (C, row) */
  const sac_replay_row* row;
  int64_t size;   /* number of rows that can be drawn */
  uint64_t fixed; /* the first of them, which are kept; 0: none (kernels/ring.h) */
  void* state;    /* memory of the sampler, sac_sampler.bytes; the backend owns it */
} sac_ring;

/* Some rows of one minibatch: `count` of its B rows, from row `first` on. */
typedef struct sac_draw {
  uint64_t seed;    /* the agent's seed: the key of its random streams */
  uint64_t number;  /* the minibatch's number: updates made before it */
  uint64_t batch;   /* B */
  uint64_t offline; /* the first rows of the minibatch, which are drawn from the fixed rows if there are any */
  size_t first, count;
  float gamma;
} sac_draw;

typedef struct sac_sampler {
  const char* meaning; /* one line, for people */

  /* Bytes of state that an agent's ring needs; NULL: none. The backend gives them zeroed. Checkpoints do not hold this
   * state: a sampler that has any must add it to them, or its runs do not resume exactly. */
  size_t (*bytes)(const sac_shape* shape);

  /* Called when rows first .. first + n - 1 of the ring were just written; ring->size does not count them yet. NULL:
   * the sampler does not need to know. */
  void (*pushed)(const sac_ring* ring, int64_t first, int64_t n);

  /* Chooses the rows: writes index and weight (count). */
  void (*draw)(const sac_ring* ring, const sac_draw* draw, uint64_t* index, float* weight);

  /* Reads these rows: writes reward and discount (count). */
  void (*read)(const sac_ring* ring, const sac_draw* draw, const uint64_t* index, float* reward, float* discount);

  /* Called after the critics' loss. td_error (count): the mean over critics of |Q - y|, of the rows index (count).
   * NULL: the sampler does not learn from errors. */
  void (*learnt)(const sac_ring* ring, const uint64_t* index, const float* td_error, size_t count);
} sac_sampler;

/* X(name): a value of key replay.sampling, and `const sac_sampler sac_sampler_<name>`. The first is the default. */
#define SAC_SAMPLERS(X) X(uniform)

#define SAC_SAMPLER_DECLARE(name) extern const sac_sampler sac_sampler_##name;
SAC_SAMPLERS(SAC_SAMPLER_DECLARE)
#undef SAC_SAMPLER_DECLARE

/* Their indices: SAC_SAMPLER_uniform and so on. */
typedef enum sac_sampler_id {
#define SAC_SAMPLER_ENUM(name) SAC_SAMPLER_##name,
  SAC_SAMPLERS(SAC_SAMPLER_ENUM)
#undef SAC_SAMPLER_ENUM
      SAC_SAMPLER_COUNT
} sac_sampler_id;

/* The sampler with this index in the list (the value of key replay.sampling). */
const sac_sampler* sac_sampler_at(int id);

#endif
