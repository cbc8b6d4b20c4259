// The replay ring: the row of each transition, and the rows from which a minibatch is drawn.
//
// The first `fixed` rows of a ring of `capacity` rows keep the first transitions for ever; later transitions overwrite
// each other in the other rows. fixed = 0 is a plain ring. fixed < capacity.
#ifndef SAC_KERNELS_RING_H
#define SAC_KERNELS_RING_H

#include <stdint.h>

#include "kernels/real.h"

// [ring.place] The row of transition i, counted from 0 over the whole run.
SAC_FN uint64_t sac_ring_place(uint64_t i, uint64_t capacity, uint64_t fixed) {
  return i < fixed ? i : fixed + (i - fixed) % (capacity - fixed);
}

// Rows first .. first + count - 1 of a ring.
typedef struct sac_ring_part {
  uint64_t first, count;
} sac_ring_part;

// [ring.part] The part of the ring from which row r of a minibatch is drawn. The first `offline` rows of a minibatch
// come from the fixed rows, the others from the rest, as soon as it has a row. size: rows that the ring has so far.
SAC_FN sac_ring_part sac_ring_part_of(uint64_t r, uint64_t offline, uint64_t size, uint64_t fixed) {
  const int of_fixed = fixed > 0 && (r < offline || size <= fixed);
  sac_ring_part part;
  part.first = of_fixed ? 0 : fixed;
  part.count = of_fixed ? fixed : size - fixed;
  return part;
}

#endif
