/* uniform: draws every row of the ring, or of the part that is meant, with the same probability, with replacement. All
 * weights are 1. */
#include "kernels/bellman.h"
#include "kernels/random.h"
#include "kernels/ring.h"
#include "replay/sampler.h"

/* Draws whole Philox blocks: draw->first is a multiple of SAC_INDICES_PER_BLOCK. */
static void draw_rows(const sac_ring* ring, const sac_draw* draw, uint64_t* index, float* weight) {
  /* the minibatch is one draw of stream SAMPLE; these rows begin at a block inside it */
  const uint64_t block =
      sac_draw_block(draw->number, draw->batch, SAC_INDICES_PER_BLOCK) + (uint64_t)draw->first / SAC_INDICES_PER_BLOCK;
  const sac_ring_part part = sac_ring_part_of(draw->offline, draw->offline, (uint64_t)ring->size, ring->fixed);
  sac_fill_indices(draw->seed, SAC_STREAM_SAMPLE, block, draw->count, part.count, index);

  /* the first rows of the minibatch are drawn from the fixed rows, with the same random numbers */
  if (ring->fixed > 0) {
    const uint64_t left = draw->offline > draw->first ? draw->offline - draw->first : 0;
    const size_t offline = left < draw->count ? (size_t)left : draw->count;
    for (size_t r = offline; r < draw->count; r++) index[r] += part.first;
    sac_fill_indices(draw->seed, SAC_STREAM_SAMPLE, block, offline, ring->fixed, index);
  }
  for (size_t r = 0; r < draw->count; r++) weight[r] = 1;
}

/* Reads the reward and the discount of one step. */
static void read_rows(const sac_ring* ring, const sac_draw* draw, const uint64_t* index, float* reward,
                      float* discount) {
  for (size_t r = 0; r < draw->count; r++) {
    const float* row = ring->rows + index[r] * (uint64_t)ring->row->floats;
    reward[r] = row[ring->row->reward];
    discount[r] = sac_discount(draw->gamma, row[ring->row->terminated]);
  }
}

const sac_sampler sac_sampler_uniform = {
    .meaning = "every transition with the same probability", .draw = draw_rows, .read = read_rows};
