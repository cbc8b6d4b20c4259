/* uniform: draws every row of the ring with the same probability, with replacement. All weights are 1. */
#include "kernels/bellman.h"
#include "kernels/random.h"
#include "replay/sampler.h"

/* Draws whole Philox blocks: draw->first is a multiple of SAC_INDICES_PER_BLOCK. */
static void draw_rows(const sac_ring* ring, const sac_draw* draw, uint64_t* index, float* weight) {
  const uint64_t block = sac_draw_block(draw->number, draw->batch, SAC_INDICES_PER_BLOCK);

  /* the minibatch is one draw of stream SAMPLE; these rows begin at a block inside it */
  sac_fill_indices(draw->seed, SAC_STREAM_SAMPLE, block + draw->first / SAC_INDICES_PER_BLOCK, draw->count,
                   (uint64_t)ring->size, index);
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
