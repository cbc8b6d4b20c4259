/* The random numbers of C code, for a test in a .cu file, where kernels/random.h uses another library. */
#ifndef TESTS_SUPPORT_WORDS_H
#define TESTS_SUPPORT_WORDS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct word_case {
  uint64_t seed, stream, block, range;
} word_case;

typedef struct word_results {
  uint64_t index[2], episode;
  uint32_t word[4];
  float normal[4], uniform[4];
} word_results;

void words_of_c(const word_case* c, word_results* to);

#ifdef __cplusplus
}
#endif

#endif
