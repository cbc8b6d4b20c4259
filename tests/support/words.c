/* The random numbers of kernels/random.h, compiled as C with Random123. */
#include "support/words.h"

#include "kernels/random.h"

void words_of_c(const word_case* c, word_results* to) {
  const sac_words words = sac_philox(c->seed, c->stream, c->block);
  for (int i = 0; i < 4; i++) to->word[i] = words.word[i];
  sac_fill_normals(c->seed, c->stream, c->block, 4, to->normal);
  sac_fill_uniform(c->seed, c->stream, c->block, 4, 0.75f, to->uniform);
  sac_fill_indices(c->seed, c->stream, c->block, 2, c->range, to->index);
  to->episode = sac_philox_seed(c->seed, c->stream, c->block);
}
