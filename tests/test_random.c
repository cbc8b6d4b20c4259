/* ctest: one-thread */
#include "kernels/random.h"

#include "golden/formulas.h"
#include "support/formulas.h"

#define SEED ((uint64_t)20181213)
#define SAMPLES (1 << 20)

static float samples[SAMPLES];

/* Random words for the tests, from another generator than the tested one. */
static uint64_t splitmix(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t join(uint32_t low, uint32_t high) { return (uint64_t)high << 32 | low; }

/* The test vectors that Random123 publishes for philox4x32-10. */
START_TEST(known_answers) {
  static const struct {
    uint32_t counter[4], key[2], words[4];
  } vectors[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < COUNT(vectors); i++) {
    const uint32_t *c = vectors[i].counter, *k = vectors[i].key;
    const sac_words words = sac_philox(join(k[0], k[1]), join(c[2], c[3]), join(c[0], c[1]));
    ck_assert_mem_eq(words.word, vectors[i].words, sizeof words.word);
  }
}
END_TEST

/* Philox4x32-10 as in the paper, round by round. */
static sac_words ten_rounds(uint64_t seed, uint64_t stream, uint64_t block) {
  uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
  uint32_t k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k[0];
    c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k[1];
    c[1] = (uint32_t)p1;
    c[3] = (uint32_t)p0;
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return (sac_words){{c[0], c[1], c[2], c[3]}};
}

/* Keys and counters are placed as kernels/random.h says. */
START_TEST(equals_ten_rounds) {
  uint64_t state = 1;
  for (int i = 0; i < 100000; i++) {
    const uint64_t seed = splitmix(&state), stream = splitmix(&state), block = splitmix(&state) >> (i % 64);
    const sac_words words = sac_philox(seed, stream, block), expected = ten_rounds(seed, stream, block);
    ck_assert_mem_eq(words.word, expected.word, sizeof words.word);
    ck_assert(sac_philox_seed(seed, stream, block) == join(words.word[0], words.word[1]));
  }
}
END_TEST

/* Different uses have different streams, and so have environments; no use has the stream of an environment. */
START_TEST(streams_are_distinct) {
  uint64_t streams[7 + 64] = {SAC_STREAM_INIT,         SAC_STREAM_SAMPLE, SAC_STREAM_ACT, SAC_STREAM_NEXT_ACTION_NOISE,
                              SAC_STREAM_ACTION_NOISE, SAC_STREAM_WARMUP, SAC_STREAM_EVAL};
  for (uint32_t i = 0; i < 32; i++) {
    streams[7 + i] = sac_stream_env(i == 31 ? UINT32_MAX : i);
    streams[39 + i] = sac_stream_eval_env(i == 31 ? UINT32_MAX : i);
  }
  for (size_t i = 0; i < COUNT(streams); i++)
    for (size_t j = 0; j < i; j++) ck_assert(streams[i] != streams[j]);
  ck_assert(sac_stream_env(5) == (((uint64_t)1 << 32) | 5) && sac_stream_eval_env(5) == (((uint64_t)2 << 32) | 5));
}
END_TEST

START_TEST(draws_do_not_overlap) {
  for (uint64_t n = 1; n < 40; n++)
    for (uint64_t draw = 0; draw < 5; draw++) {
      const uint64_t first = sac_draw_block(draw, n, 4), next = sac_draw_block(draw + 1, n, 4);
      ck_assert((next - first) * 4 >= n && (next - first) * 4 < n + 4);
    }
  ck_assert(sac_draw_block(7, 256, SAC_INDICES_PER_BLOCK) == 7 * 128);
  ck_assert(sac_draw_block((uint64_t)1 << 40, 1536, SAC_NORMALS_PER_BLOCK) == (uint64_t)384 << 40);
}
END_TEST

START_TEST(uniforms_are_open_and_symmetric) {
  uint64_t state = 2;
  ck_assert(sac_uniform(0) == 0x1p-24f && sac_uniform(~0u) == 1 - 0x1p-24f);
  ck_assert(sac_uniform_double(0, 0) == 0x1p-53 && sac_uniform_double(~0u, ~0u) == 1 - 0x1p-53);
  ck_assert(sac_uniform_within(0, 1) == -(1 - 0x1p-23f) && sac_uniform_within(~0u, 1) == 1 - 0x1p-23f);
  for (int i = 0; i < 100000; i++) {
    const uint32_t low = (uint32_t)splitmix(&state), high = (uint32_t)splitmix(&state);
    const float u = sac_uniform(low), within = sac_uniform_within(low, 0.125f);
    ck_assert(u > 0 && u < 1 && 1 - u == sac_uniform(~low));
    ck_assert(within > -0.125f && within < 0.125f && within != 0 && within == -sac_uniform_within(~low, 0.125f));
    ck_assert((double)within == (2 * (double)u - 1) * 0.125);
    const double d = sac_uniform_double(low, high);
    ck_assert(d > 0 && d < 1 && 1 - d == sac_uniform_double(~low, ~high));
    ck_near(d, ldexp((double)join(low, high), -64), 0x1p-52);
  }
}
END_TEST

START_TEST(index_is_the_high_half_of_the_product) {
  uint64_t state = 3;
  __extension__ typedef unsigned __int128 wide;
  for (int i = 0; i < 100000; i++) {
    const uint64_t bits = i % 5 ? splitmix(&state) : UINT64_MAX, n = splitmix(&state) >> (i % 64);
    const uint64_t index = sac_index((uint32_t)bits, (uint32_t)(bits >> 32), n);
    ck_assert(index == (uint64_t)((wide)bits * n >> 64));
    ck_assert(n == 0 ? index == 0 : index < n);
  }
  ck_assert(sac_index(~0u, ~0u, UINT64_MAX) == UINT64_MAX - 1 && sac_index(0, 0, 7) == 0 &&
            sac_index(~0u, ~0u, 1) == 0);
}
END_TEST

/* Chi-square of `counts` against equal probabilities, as a standard normal number (Wilson and Hilferty). */
static double chi_square_z(const uint32_t* counts, size_t bins, double total) {
  const double expected = total / (double)bins, freedom = (double)bins - 1;
  double sum = 0;
  for (size_t i = 0; i < bins; i++) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  return (cbrt(sum / freedom) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom));
}

START_TEST(bytes_are_even) {
  for (int word = 0; word < 4; word++)
    for (int shift = 0; shift < 32; shift += 8) {
      uint32_t counts[256] = {0};
      for (uint64_t i = 0; i < 1 << 18; i++) counts[sac_philox(SEED, SAC_STREAM_ACT, i).word[word] >> shift & 255]++;
      ck_near(chi_square_z(counts, 256, 1 << 18), 0, STANDARD_ERRORS);
    }
}
END_TEST

START_TEST(indices_are_even) {
  static const uint64_t ranges[] = {2, 3, 7, 100, 1000, 65536};
  static uint64_t index[SAMPLES];
  static uint32_t counts[65536];
  for (size_t r = 0; r < COUNT(ranges); r++) {
    memset(counts, 0, sizeof counts);
    sac_fill_indices(SEED, SAC_STREAM_SAMPLE, 0, SAMPLES, ranges[r], index);
    for (int i = 0; i < SAMPLES; i++) counts[index[i]]++;
    ck_near(chi_square_z(counts, ranges[r], SAMPLES), 0, STANDARD_ERRORS);
  }
  /* large ranges, counted in 64 equal parts */
  for (uint64_t range = 1000000; range < (uint64_t)1 << 50; range *= 977) {
    memset(counts, 0, sizeof counts);
    sac_fill_indices(SEED, SAC_STREAM_SAMPLE, 12345, SAMPLES, range, index);
    for (int i = 0; i < SAMPLES; i++) counts[(uint64_t)((double)index[i] / (double)range * 64)]++;
    ck_near(chi_square_z(counts, 64, SAMPLES), 0, STANDARD_ERRORS);
  }
}
END_TEST

START_TEST(normal_pair) {
  float z[2];
  sac_normal_pair((uint32_t)golden_normal[_i].radius_word, (uint32_t)golden_normal[_i].angle_word, &z[0], &z[1]);
  const double expected[2] = {golden_normal[_i].z0, golden_normal[_i].z1};
  /* the relative error is small at the ends of the range too: for the logarithm near u = 1 and for angles near the
   * axes */
  ck_near_array(z, expected, 2, NORMAL_REL, 0);
}
END_TEST

START_TEST(normals_are_finite_at_the_ends) {
  static const uint32_t ends[] = {0, 1, 0x1fffffff, 0x20000000, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000, ~0u};
  for (size_t i = 0; i < COUNT(ends); i++)
    for (size_t j = 0; j < COUNT(ends); j++) {
      float z0, z1;
      sac_normal_pair(ends[i], ends[j], &z0, &z1);
      ck_assert(fabsf(z0) <= 6.67f && fabsf(z1) <= 6.67f && z0 != 0 && z1 != 0);
    }
}
END_TEST

static int by_value(const void* a, const void* b) {
  const float x = *(const float*)a, y = *(const float*)b;
  return (x > y) - (x < y);
}

START_TEST(normals_are_normal) {
  sac_fill_normals(SEED, SAC_STREAM_ACTION_NOISE, 0, SAMPLES, samples);
  const double n = SAMPLES;
  double sum[5] = {0};
  int beyond[6] = {0};
  for (int i = 0; i < SAMPLES; i++) {
    for (int power = 1; power <= 4; power++) sum[power] += pow(samples[i], power);
    for (int s = 1; s < 6; s++) beyond[s] += fabsf(samples[i]) > (float)s;
  }
  /* the moments: the variances of x, x^2, x^3, x^4 are 1, 2, 15, 96 */
  ck_near(sum[1] / n, 0, STANDARD_ERRORS * sqrt(1 / n));
  ck_near(sum[2] / n, 1, STANDARD_ERRORS * sqrt(2 / n));
  ck_near(sum[3] / n, 0, STANDARD_ERRORS * sqrt(15 / n));
  ck_near(sum[4] / n, 3, STANDARD_ERRORS * sqrt(96 / n));
  for (int s = 1; s < 6; s++) {
    const double p = erfc(s / sqrt(2));
    ck_near(beyond[s] / n, p, STANDARD_ERRORS * sqrt(p / n));
  }
  /* the whole distribution, by Kolmogorov-Smirnov */
  qsort(samples, SAMPLES, sizeof *samples, by_value);
  double distance = 0;
  for (int i = 0; i < SAMPLES; i++) {
    const double p = 0.5 * erfc(-samples[i] / sqrt(2));
    distance = check_larger(distance, fmax(p - i / n, (i + 1) / n - p));
  }
  ck_assert(sqrt(n) * distance < KOLMOGOROV_SMIRNOV);
}
END_TEST

static double correlation(const float* x, const float* y, size_t n, size_t step) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i * step] * (double)y[i * step];
  return sum / sqrt((double)n); /* a standard normal number if they are independent */
}

/* All kinds of neighbours: lanes of a block, blocks, streams, seeds (a population uses seed, seed + 1, ...). */
START_TEST(neighbours_are_independent) {
  enum { N = 1 << 16 };
  float *a = samples, *b = samples + N, *c = samples + 2 * N;
  for (uint64_t stream = 0; stream < 7; stream++) {
    sac_fill_normals(SEED, stream, 0, N, a);
    for (int lane = 0; lane < 4; lane++)
      for (int other = 0; other < lane; other++)
        ck_near(correlation(a + lane, a + other, N / 4, 4), 0, STANDARD_ERRORS);
    for (int lag = 1; lag < 9; lag++) ck_near(correlation(a, a + lag, N - lag, 1), 0, STANDARD_ERRORS);
    sac_fill_normals(SEED, stream + 1, 0, N, b);
    sac_fill_normals(SEED + 1, stream, 0, N, c);
    ck_near(correlation(a, b, N, 1), 0, STANDARD_ERRORS);
    ck_near(correlation(a, c, N, 1), 0, STANDARD_ERRORS);
    sac_fill_normals(SEED, sac_stream_env((uint32_t)stream), 0, N, b);
    sac_fill_normals(SEED, sac_stream_eval_env((uint32_t)stream), 0, N, c);
    ck_near(correlation(a, b, N, 1), 0, STANDARD_ERRORS);
    ck_near(correlation(b, c, N, 1), 0, STANDARD_ERRORS);
    for (int i = 0; i < N; i++) b[i] = a[i] * a[i] - 1, c[i] = i + 1 < N ? a[i + 1] * a[i + 1] - 1 : 0;
    ck_near(correlation(b, c, N, 1) / 2, 0, STANDARD_ERRORS); /* squares too, because pairs of normals share a radius */
  }
}
END_TEST

/* An element does not depend on the length of the row, and nothing is written after the row. */
START_TEST(rows_are_their_elements) {
  for (size_t n = 0; n < 40; n++) {
    float z[41], x[41];
    uint64_t index[41];
    for (size_t j = 0; j < 41; j++) z[j] = x[j] = 99, index[j] = 99;
    const uint64_t block = ((uint64_t)1 << 32) - 3; /* the counter carries into its upper word */
    sac_fill_normals(SEED, 4, block, n, z);
    sac_fill_uniform(SEED, 5, block, n, 0.25f, x);
    sac_fill_indices(SEED, 6, block, n, 1000, index);
    for (size_t j = 0; j < n; j++) {
      float block_z[4];
      sac_normals(sac_philox(SEED, 4, block + j / 4), block_z);
      const sac_words pair = sac_philox(SEED, 6, block + j / 2);
      ck_assert(z[j] == block_z[j % 4]);
      ck_assert(x[j] == sac_uniform_within(sac_philox(SEED, 5, block + j / 4).word[j % 4], 0.25f));
      ck_assert(index[j] == sac_index(pair.word[2 * (j % 2)], pair.word[2 * (j % 2) + 1], 1000));
    }
    for (size_t j = n; j < 41; j++) ck_assert(z[j] == 99 && x[j] == 99 && index[j] == 99);
  }
}
END_TEST

/* kernels/random.h promises these bits on every machine, with every compiler and every optimisation level. */
START_TEST(bits_are_the_same_everywhere) {
  sac_fill_normals(SEED, SAC_STREAM_ACTION_NOISE, 0, SAMPLES, samples);
  uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < SAMPLES; i++) hash = (hash ^ sac_float_bits(samples[i])) * 0x100000001b3u;
  ck_assert_msg(hash == 0x95934feb49e5164eu, "the hash of 2^20 normals is 0x%016llx", (unsigned long long)hash);
}
END_TEST

CHECK_MAIN("random", CASE(known_answers), CASE(equals_ten_rounds), CASE(streams_are_distinct),
           CASE(draws_do_not_overlap), CASE(uniforms_are_open_and_symmetric),
           CASE(index_is_the_high_half_of_the_product), CASE(bytes_are_even), CASE(indices_are_even),
           LOOP(normal_pair, COUNT(golden_normal)), CASE(normals_are_finite_at_the_ends), CASE(normals_are_normal),
           CASE(neighbours_are_independent), CASE(rows_are_their_elements), CASE(bits_are_the_same_everywhere))
