// Random numbers on the device, which are cuRAND's, against those of C, which are Random123's: to the bit.
#include <cstring>
#include <vector>

#include "kernels/cuda.cuh"
#include "kernels/random.h"
#include "support/check_main.h"
#include "support/words.h"

namespace {

constexpr int threads = 128;

__global__ void __launch_bounds__(threads) words_of_device(const word_case* cases, size_t count, word_results* to) {
  const size_t i = static_cast<size_t>(blockIdx.x) * threads + threadIdx.x;
  if (i >= count) return;
  const word_case c = cases[i];
  const sac_words words = sac_philox(c.seed, c.stream, c.block);
  for (int w = 0; w < 4; w++) to[i].word[w] = words.word[w];
  sac_fill_normals(c.seed, c.stream, c.block, 4, to[i].normal);
  sac_fill_uniform(c.seed, c.stream, c.block, 4, 0.75f, to[i].uniform);
  sac_fill_indices(c.seed, c.stream, c.block, 2, c.range, to[i].index);
  to[i].episode = sac_philox_seed(c.seed, c.stream, c.block);
}

// Words for the test's own choices, from another generator than the one under test.
uint64_t splitmix(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Every pair of edges, each single bit of key and counter, neighbours, and random ones of every length.
std::vector<word_case> all_cases() {
  const uint64_t edges[] = {0,           1,          0x7fffffffu,           0x80000000u,
                            0xffffffffu, 1ull << 32, 0x7fffffffffffffffull, 0x8000000000000000ull,
                            ~0ull,       ~0ull << 32};
  std::vector<word_case> cases;
  for (const uint64_t seed : edges)
    for (const uint64_t stream : edges)
      for (const uint64_t block : edges) cases.push_back({seed, stream, block, 1000});
  for (int bit = 0; bit < 64; bit++) {
    const uint64_t one = 1ull << bit;
    cases.push_back({one, 0, 0, one}), cases.push_back({0, one, 0, one}), cases.push_back({0, 0, one, one});
  }
  for (uint64_t block = 0; block < 512; block++) cases.push_back({20181213, SAC_STREAM_ACT, block, block});
  uint64_t state = 1;
  for (int i = 0; i < 20000; i++) {
    const uint64_t seed = splitmix(&state), stream = splitmix(&state), block = splitmix(&state);
    cases.push_back(
        {seed >> (i % 64), stream >> (i / 64 % 64), block >> (i / 4096 % 64), splitmix(&state) >> (i % 64)});
  }
  return cases;
}

START_TEST(device_and_c_agree) {
  // every word and number in C
  const std::vector<word_case> cases = all_cases();
  const size_t count = cases.size();
  std::vector<word_results> got(count), expected(count);
  word_case* device_cases;
  word_results* device_results;
  memset(static_cast<void*>(expected.data()), 0, count * sizeof(word_results));
  for (size_t i = 0; i < count; i++) words_of_c(&cases[i], &expected[i]);

  // the same on the device
  ck_assert_int_eq(cudaMalloc(reinterpret_cast<void**>(&device_cases), count * sizeof(word_case)), cudaSuccess);
  ck_assert_int_eq(cudaMalloc(reinterpret_cast<void**>(&device_results), count * sizeof(word_results)), cudaSuccess);
  ck_assert_int_eq(cudaMemcpy(device_cases, cases.data(), count * sizeof(word_case), cudaMemcpyHostToDevice),
                   cudaSuccess);
  SAC_LAUNCH(words_of_device, dim3(sac_blocks(count, threads)), dim3(threads), 0, nullptr, device_cases, count,
             device_results);
  ck_assert_int_eq(cudaGetLastError(), cudaSuccess);
  ck_assert_int_eq(cudaMemcpy(got.data(), device_results, count * sizeof(word_results), cudaMemcpyDeviceToHost),
                   cudaSuccess);

  // to the bit
  for (size_t i = 0; i < count; i++) {
    const word_case& c = cases[i];
    const int same = memcmp(got[i].word, expected[i].word, sizeof got[i].word) == 0 &&
                     memcmp(got[i].normal, expected[i].normal, sizeof got[i].normal) == 0 &&
                     memcmp(got[i].uniform, expected[i].uniform, sizeof got[i].uniform) == 0 &&
                     memcmp(got[i].index, expected[i].index, sizeof got[i].index) == 0 &&
                     got[i].episode == expected[i].episode;
    ck_assert_msg(same, "seed %llx, stream %llx, block %llx: words %08x %08x %08x %08x, in C %08x %08x %08x %08x",
                  static_cast<unsigned long long>(c.seed), static_cast<unsigned long long>(c.stream),
                  static_cast<unsigned long long>(c.block), got[i].word[0], got[i].word[1], got[i].word[2],
                  got[i].word[3], expected[i].word[0], expected[i].word[1], expected[i].word[2], expected[i].word[3]);
  }
  ck_assert_int_eq(cudaFree(device_cases), cudaSuccess);
  ck_assert_int_eq(cudaFree(device_results), cudaSuccess);
  printf("%zu keys and counters\n", count);
}
END_TEST

}  // namespace

int main() {
  const check_case cases[] = {CASE(device_and_c_agree)};
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return check_skip("no CUDA device is usable here");
  return check_run("cuda random", cases, sizeof cases / sizeof *cases);
}
