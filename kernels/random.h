// Counter-based random numbers: the words of Philox4x32-10, from cuRAND and Random123, and the numbers made of them.
//
// Salmon, Moraes, Dror, Shaw 2011, Parallel Random Numbers: As Easy as 1, 2, 3. Box and Muller 1958.
//
// The generator has no state. Four words are a function of (seed, stream, block): the agent's seed, the use of the
// numbers, and a counter within the stream. A library computes the ten rounds: cuRAND in .cu files, Random123 in C.
// Both get the key {seed.lo, seed.hi} and the counter {block.lo, block.hi, stream.lo, stream.hi}, and return the same
// words. cuRAND's curand_init(seed, stream, 4*block) with curand4 returns these words too.
//
// Numbers are float or integer, whatever `real` is, and have the same bits on every host and device: so the noise of a
// run does not depend on the machine. For this reason the formulas use polynomials, not libm, and sac_mul and sac_add.
//
// The place of element j of draw t: a draw of n elements takes ceil(n/per) blocks (per = 4 normals, 4 uniforms or 2
// indices a block). Element j is lane j % per of block t*ceil(n/per) + j/per. sac_draw_block(t, n, per) is the draw's
// first block. So threads can share a draw at any block, and draw t does not need the draws before it.
#ifndef SAC_KERNELS_RANDOM_H
#define SAC_KERNELS_RANDOM_H

#include "kernels/real.h"

// The two headers have names in common, so a file includes one of them. The host execution of CUDA has cuRAND's header
// in tests/support/cuda_host. cuRAND's functions are declared with QUALIFIERS.
#if defined(__CUDACC__) || (defined(SAC_CUDA_HOST) && defined(__cplusplus))
#define SAC_CURAND 1
#define QUALIFIERS SAC_FN
#include <curand_philox4x32_x.h>
#undef QUALIFIERS
#else
#define SAC_CURAND 0
#include <Random123/philox.h>
#endif

// The streams. A number keeps its meaning for ever, because saved runs use it.
#define SAC_STREAM_INIT ((uint64_t)0)               // initial weights
#define SAC_STREAM_SAMPLE ((uint64_t)1)             // replay sample: indices
#define SAC_STREAM_ACT ((uint64_t)2)                // act: noise of the actions taken
#define SAC_STREAM_NEXT_ACTION_NOISE ((uint64_t)3)  // critic update: noise of a' at s'
#define SAC_STREAM_ACTION_NOISE ((uint64_t)4)       // actor update: noise of a~ at s
#define SAC_STREAM_WARMUP ((uint64_t)5)             // act: uniform actions before train.warmup_steps
#define SAC_STREAM_EVAL ((uint64_t)6)               // evaluation: noise of the actions, unless it takes means
#define SAC_STREAM_EXPLAIN ((uint64_t)7)            // explain: noise of the samples at one state

// Streams of the episodes' seeds: one for each environment i, and others for the environments of evaluations.
SAC_FN uint64_t sac_stream_env(uint32_t i) { return ((uint64_t)1 << 32) + i; }
SAC_FN uint64_t sac_stream_eval_env(uint32_t i) { return ((uint64_t)2 << 32) + i; }

// Streams of the seeds of the generators that environments share (env/generators.h), from one of the above.
SAC_FN uint64_t sac_stream_generators(uint64_t stream) { return stream + ((uint64_t)4 << 32); }

#define SAC_NORMALS_PER_BLOCK 4
#define SAC_UNIFORMS_PER_BLOCK 4
#define SAC_INDICES_PER_BLOCK 2

// First block of draw t of n elements.
SAC_FN uint64_t sac_draw_block(uint64_t draw, uint64_t n, uint32_t per_block) {
  return draw * ((n + per_block - 1) / per_block);
}

typedef struct sac_words {
  uint32_t word[4];
} sac_words;

// [philox] The four words of one block.
SAC_FN sac_words sac_philox(uint64_t seed, uint64_t stream, uint64_t block) {
#if SAC_CURAND
  const uint4 counter = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  const uint2 key = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  const uint4 words = curand_Philox4x32_10(counter, key);
  const sac_words out = {{words.x, words.y, words.z, words.w}};
#else
  const philox4x32_ctr_t counter = {
      {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}};
  const philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
  const philox4x32_ctr_t words = philox4x32_R(10, counter, key);
  const sac_words out = {{words.v[0], words.v[1], words.v[2], words.v[3]}};
#endif
  return out;
}

// [seed] 64 bits of one block: the seed of episode number `block` in the stream of an environment.
SAC_FN uint64_t sac_philox_seed(uint64_t seed, uint64_t stream, uint64_t block) {
  const sac_words words = sac_philox(seed, stream, block);
  return (uint64_t)words.word[1] << 32 | words.word[0];
}

// [uniform] (w' + 1/2) / 2^23, where w' is the upper 23 bits of the word: exact, symmetric about 1/2, never 0 or 1.
SAC_FN float sac_uniform(uint32_t word) { return sac_mul(sac_add((float)(int32_t)(word >> 9), 0.5f), 0x1p-23f); }

// [uniform] A number in (-bound, bound), symmetric about 0, never 0. It is exact before the product with bound.
SAC_FN float sac_uniform_within(uint32_t word, float bound) {
  return sac_mul(sac_mul(sac_add((float)((int32_t)(word >> 9) - 0x400000), 0.5f), 0x1p-22f), bound);
}

// [uniform] The same in (0, 1) in double, from 52 bits of two words.
SAC_FN double sac_uniform_double(uint32_t low, uint32_t high) {
  const uint64_t bits = ((uint64_t)high << 32 | low) >> 12;
  return ((double)(int64_t)bits + 0.5) * 0x1p-52;
}

// [index] A number in [0, n): the upper half of the 128-bit product of two words and n. The probability of each number
// differs from 1/n by less than 2^-64. n = 0 gives 0.
SAC_FN uint64_t sac_index(uint32_t low, uint32_t high, uint64_t n) {
  // Long multiplication by halves of 32 bits. No sum exceeds 64 bits.
  const uint64_t n_low = (uint32_t)n, n_high = n >> 32;
  const uint64_t carry = (low * n_low) >> 32;
  const uint64_t middle = high * n_low + carry;
  const uint64_t middle_low = (uint32_t)middle + low * n_high;
  return high * n_high + (middle >> 32) + (middle_low >> 32);
}

// -log u for u = (h + 1/2) / 2^31, h = word >> 1. The result is in [2^-32, 32 log 2]. It is accurate to the last digits
// of float over the whole range, even near u = 1, where u as a float would be rounded.
SAC_FN float sac_minus_log_uniform(uint32_t word) {
  const int32_t h = (int32_t)(word >> 1);
  const float x = sac_add((float)h, 0.5f);

  // x = m 2^k, m in [sqrt(1/2), sqrt(2))
  const uint32_t shifted = sac_float_bits(x) + (0x3f800000u - 0x3f3504f3u);
  const float m = sac_bits_float((shifted & 0x007fffffu) + 0x3f3504f3u);

  // log u = log m + (k - 31) log 2; for u >= 3/4 it is log(1 - (1 - u)), with 1 - u from the integer
  const int high = h >= 0x60000000;
  const float below = sac_mul(sac_add((float)(0x7fffffff - h), 0.5f), -0x1p-31f);
  const float f = high ? below : sac_add(m, -1.0f);
  const float k = high ? 0.0f : (float)((int32_t)(shifted >> 23) - 127 - 31);

  // log u = k log 2 + log(1 + f), with log 2 in two parts: k times the larger one is exact
  const float fine = sac_add(sac_mul(k, -2.12194440e-4f), sac_log1p_near(f));
  return -sac_add(sac_mul(k, 0.693359375f), fine);
}

// [normal] Box and Muller: two words become two independent numbers from N(0, 1), sqrt(-2 log u) (cos, sin)(2 pi v).
// |z| <= sqrt(64 log 2) = 6.66: the tails beyond it, a probability of 3e-11, are missing.
SAC_FN void sac_normal_pair(uint32_t radius_word, uint32_t angle_word, float* z0, float* z1) {
  // the radius, from the first word
  const float radius = sac_root(sac_mul(2.0f, sac_minus_log_uniform(radius_word)));

  // the angle is `quarter` quarter turns and a rest y in [-pi/4, pi/4]
  const uint32_t quarter = (angle_word + 0x20000000u) >> 30;
  const int32_t rest = (int32_t)(angle_word - (quarter << 30) + 0x20000000u) - 0x20000000;
  const float y = sac_mul(sac_add((float)rest, 0.5f), 1.46291807927e-9f);  // pi/2^31: radians

  // sin y and cos y, by polynomials in y^2
  const float square = sac_mul(y, y);
  float s = -0.000195878907f;
  s = sac_add(sac_mul(s, square), 0.00833274797f);
  s = sac_add(sac_mul(s, square), -0.166666642f);
  s = sac_add(y, sac_mul(sac_mul(y, square), s));
  float c = 2.45479423e-05f;
  c = sac_add(sac_mul(c, square), -0.00138883025f);
  c = sac_add(sac_mul(c, square), 0.0416666642f);
  c = sac_add(1.0f, sac_add(sac_mul(sac_mul(square, square), c), sac_mul(square, -0.5f)));

  // turn by the quarter turns: an odd number of them swaps sine and cosine
  const uint32_t odd = quarter & 1u;
  const float along = odd ? s : c, across = odd ? c : s;
  // the signs of (cos, sin) after 0, 1, 2, 3 quarter turns: ++ -+ -- +-
  const uint32_t cos_sign = (quarter ^ (quarter >> 1)) << 31, sin_sign = (quarter >> 1) << 31;
  *z0 = sac_mul(radius, sac_bits_float(sac_float_bits(along) ^ cos_sign));
  *z1 = sac_mul(radius, sac_bits_float(sac_float_bits(across) ^ sin_sign));
}

// [normal] The four normals of a block.
SAC_FN void sac_normals(sac_words words, float z[4]) {
  sac_normal_pair(words.word[0], words.word[1], &z[0], &z[1]);
  sac_normal_pair(words.word[2], words.word[3], &z[2], &z[3]);
}

// Arrays of n numbers, from block `block` on. These are plain loops over blocks, which the compiler vectorises (for the
// normals gcc needs -fno-trapping-math). The kernels do not call them: a device thread makes the numbers of one block.

// [normal] z[j] is lane j%4 of block + j/4.
SAC_FN void sac_fill_normals(uint64_t seed, uint64_t stream, uint64_t block, size_t n, float* z) {
  // the numbers of whole blocks
  const size_t whole = n / SAC_NORMALS_PER_BLOCK;
  for (size_t i = 0; i < whole; i++) sac_normals(sac_philox(seed, stream, block + i), z + SAC_NORMALS_PER_BLOCK * i);

  // the first numbers of one more block
  if (n % SAC_NORMALS_PER_BLOCK) {
    float last[SAC_NORMALS_PER_BLOCK];
    sac_normals(sac_philox(seed, stream, block + whole), last);
    for (size_t j = SAC_NORMALS_PER_BLOCK * whole; j < n; j++) z[j] = last[j % SAC_NORMALS_PER_BLOCK];
  }
}

// [uniform] x[j] in (-bound, bound) is made of word j%4 of block + j/4.
SAC_FN void sac_fill_uniform(uint64_t seed, uint64_t stream, uint64_t block, size_t n, float bound, float* x) {
  // the numbers of whole blocks
  const size_t whole = n / SAC_UNIFORMS_PER_BLOCK;
  for (size_t i = 0; i < whole; i++) {
    const sac_words words = sac_philox(seed, stream, block + i);
    for (int w = 0; w < SAC_UNIFORMS_PER_BLOCK; w++)
      x[SAC_UNIFORMS_PER_BLOCK * i + (size_t)w] = sac_uniform_within(words.word[w], bound);
  }

  // the first numbers of one more block
  const sac_words words = sac_philox(seed, stream, block + whole);
  for (size_t j = SAC_UNIFORMS_PER_BLOCK * whole; j < n; j++)
    x[j] = sac_uniform_within(words.word[j % SAC_UNIFORMS_PER_BLOCK], bound);
}

// [index] index[j] in [0, range) is made of words 2(j%2) and 2(j%2) + 1 of block + j/2.
SAC_FN void sac_fill_indices(uint64_t seed, uint64_t stream, uint64_t block, size_t n, uint64_t range,
                             uint64_t* index) {
  // the numbers of whole blocks
  for (size_t i = 0; i < n / SAC_INDICES_PER_BLOCK; i++) {
    const sac_words words = sac_philox(seed, stream, block + i);
    index[2 * i] = sac_index(words.word[0], words.word[1], range);
    index[2 * i + 1] = sac_index(words.word[2], words.word[3], range);
  }

  // the first number of one more block
  if (n % SAC_INDICES_PER_BLOCK) {
    const sac_words words = sac_philox(seed, stream, block + n / SAC_INDICES_PER_BLOCK);
    index[n - 1] = sac_index(words.word[0], words.word[1], range);
  }
}

#endif
