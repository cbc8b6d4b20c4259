/* For the tests of the kernels. A case holds arrays on the device, each between guards, and knows which of their bytes
 * may be written ("open"). It runs a launcher several times from the same memory, on the host execution (SAC_CUDA_HOST)
 * in different orders of blocks and threads. It fails when runs give different bits, or when something changed that was
 * not open: guards, inputs, agents that are stopped. The host never touches device memory.
 *
 *   cuda_case c = cuda_case_create(SEED);
 *   float* x = cuda_numbers(&c, n, 1.0);                     host memory of the case
 *   float* d_x = cuda_put(&c, x, n);                         its copy on the device
 *   float* d_y = cuda_room(&c, float, n);                    filled with NaN
 *   cuda_open(&c, d_y, n);                                   what the launch may write
 *   cuda_run(&c, sac_launcher(c.stream, &args));
 *   const float* y = cuda_result(&c, d_y);                   the host's copy of its present content
 *   cuda_case_free(&c);
 *   CUDA_MAIN("suite", CASE(...), ...)                       skipped (77) when there is no device */
#ifndef TESTS_SUPPORT_CUDA_CASE_H
#define TESTS_SUPPORT_CUDA_CASE_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "support/check_main.h"
#include "support/tolerances.h"
#ifdef SAC_CUDA_HOST
#include "cuda_host.h"
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define CUDA_GUARD 256 /* bytes before and after an array */
#ifdef SAC_SANITIZED
#define CUDA_RUNS 2 /* of each launch, by default: in shuffled and in natural order */
#else
#define CUDA_RUNS 4
#endif

#define cuda_ok(call)                                                                                    \
  do {                                                                                                   \
    const cudaError_t cuda_error_ = (call);                                                              \
    if (cuda_error_ != cudaSuccess)                                                                      \
      ck_abort_msg("%s: %s: %s", #call, cudaGetErrorName(cuda_error_), cudaGetErrorString(cuda_error_)); \
  } while (0)

/* The comparisons of check_main.h for long loops: they cost one condition when they hold. */
#define cuda_near(actual, expected, tolerance)                                                               \
  do {                                                                                                       \
    if (!(fabs((double)(actual) - (double)(expected)) <= (tolerance))) ck_near(actual, expected, tolerance); \
  } while (0)
#define cuda_true(condition)                        \
  do {                                              \
    if (!(condition)) ck_assert_msg(0, #condition); \
  } while (0)
#define cuda_same(actual, expected, n)                                                                    \
  do {                                                                                                    \
    if (memcmp(actual, expected, (size_t)(n) * sizeof *(actual)) != 0) ck_same_bits(actual, expected, n); \
  } while (0)

static inline int cuda_nan(double x) { return x != x; }

typedef struct cuda_array {
  const char* name;
  char* device; /* guard | bytes | guard */
  size_t bytes;
  unsigned char *before, *after,
      *opened; /* on the host: the content at first, that after the last run, and 1 where it may change */
  int pinned;  /* pinned host memory */
  int ignored; /* 1: scratch; the bits of its open part are not compared */
} cuda_array;

typedef struct cuda_case {
  cudaStream_t stream;
  uint64_t random;
  int runs;
  int arrays, blocks;
  cuda_array array[64];
  void* block[96];
} cuda_case;

static inline cuda_case cuda_case_create(uint64_t seed) {
  cuda_case c = {.random = seed * 2654435761u + 1, .runs = CUDA_RUNS};
  cuda_ok(cudaStreamCreate(&c.stream));
  return c;
}

static inline void cuda_case_free(cuda_case* c) {
  cuda_ok(cudaStreamSynchronize(c->stream));
  for (int i = 0; i < c->arrays; i++) {
    cuda_ok(c->array[i].pinned ? cudaFreeHost(c->array[i].device) : cudaFree(c->array[i].device));
    free(c->array[i].before);
    free(c->array[i].after);
    free(c->array[i].opened);
  }
  for (int i = 0; i < c->blocks; i++) free(c->block[i]);
  cuda_ok(cudaStreamDestroy(c->stream));
}

/* Zeroed host memory that lives as long as the case. */
static inline void* cuda_host_bytes(cuda_case* c, size_t bytes) {
  ck_assert(c->blocks < (int)COUNT(c->block));
  void* block = calloc(bytes + 1, 1);
  ck_assert_ptr_nonnull(block);
  return c->block[c->blocks++] = block;
}
#define cuda_host(c, type, n) ((type*)cuda_host_bytes(c, (size_t)(n) * sizeof(type)))

/* Random numbers (splitmix64): one in (-1, 1) with a full mantissa, and one of 0 .. n-1. */
static inline uint64_t cuda_bits(cuda_case* c) {
  uint64_t z = c->random += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
static inline double cuda_number(cuda_case* c) { return ((double)(cuda_bits(c) >> 11) + 0.5) * 0x1p-52 - 1; }
static inline size_t cuda_below(cuda_case* c, size_t n) { return (size_t)(cuda_bits(c) % n); }

/* n random numbers in (-size, size). */
static inline float* cuda_numbers(cuda_case* c, size_t n, double size) {
  float* x = cuda_host(c, float, n);
  for (size_t i = 0; i < n; i++) x[i] = (float)(size * cuda_number(c));
  return x;
}

static inline void* cuda_put_bytes(cuda_case* c, const char* name, const void* host, size_t bytes, int pinned) {
  ck_assert(c->arrays < (int)COUNT(c->array));
  const size_t whole = bytes + 2 * CUDA_GUARD;
  cuda_array* a = &c->array[c->arrays++];
  void* device;
  if (pinned) cuda_ok(cudaHostAlloc(&device, whole, cudaHostAllocDefault));
  else cuda_ok(cudaMalloc(&device, whole));
  *a = (cuda_array){.name = name, .device = device, .bytes = bytes, .pinned = pinned};
  a->before = malloc(whole);
  a->after = malloc(whole);
  a->opened = calloc(whole, 1);
  ck_assert(a->before && a->after && a->opened);
  memset(a->before, 0xa5, whole);
  if (host) memcpy(a->before + CUDA_GUARD, host, bytes);
  else memset(a->before + CUDA_GUARD, 0xff, bytes);
  return a->device + CUDA_GUARD;
}
#define cuda_put(c, host, n) ((__typeof__(host))cuda_put_bytes(c, #host, host, (size_t)(n) * sizeof *(host), 0))
#define cuda_put_pinned(c, host, n) ((__typeof__(host))cuda_put_bytes(c, #host, host, (size_t)(n) * sizeof *(host), 1))
#define cuda_room(c, type, n) ((type*)cuda_put_bytes(c, "room of " #n, NULL, (size_t)(n) * sizeof(type), 0))

/* The array that contains this address, and the offset in it. */
static inline cuda_array* cuda_find(cuda_case* c, const void* device, size_t bytes, size_t* at) {
  for (int i = 0; i < c->arrays; i++) {
    cuda_array* a = &c->array[i];
    const uintptr_t first = (uintptr_t)a->device + CUDA_GUARD, here = (uintptr_t)device;
    if (here < first || here > first + a->bytes) continue;
    *at = here - (uintptr_t)a->device;
    ck_assert_msg(*at + bytes <= CUDA_GUARD + a->bytes, "%s is %zu bytes", a->name, a->bytes);
    return a;
  }
  ck_abort_msg("no array of the case");
}

static inline void cuda_open_bytes(cuda_case* c, const void* device, size_t bytes) {
  size_t at;
  cuda_array* a = cuda_find(c, device, bytes, &at);
  memset(a->opened + at, 1, bytes);
}
#define cuda_open(c, device, n) cuda_open_bytes(c, device, (size_t)(n) * sizeof *(device))

/* Opens scratch memory: its content may differ from run to run. */
static inline void cuda_ignore(cuda_case* c, const void* device) {
  size_t at;
  cuda_find(c, device, 0, &at)->ignored = 1;
}

/* Sets the content with which the next run starts. */
static inline void cuda_set(cuda_case* c, void* device, const void* host, size_t bytes) {
  size_t at;
  cuda_array* a = cuda_find(c, device, bytes, &at);
  memcpy(a->before + at, host, bytes);
}

/* The next run starts with the results of the last one. */
static inline void cuda_keep(cuda_case* c) {
  for (int i = 0; i < c->arrays; i++) memcpy(c->array[i].before, c->array[i].after, c->array[i].bytes + 2 * CUDA_GUARD);
}

static inline const void* cuda_result(cuda_case* c, const void* device) {
  size_t at;
  const cuda_array* a = cuda_find(c, device, 0, &at);
  return a->after + at;
}

static inline void cuda_order(uint64_t run) {
#ifdef SAC_CUDA_HOST
  static const uint64_t seeds[] = {1, 0, 77,
                                   4096}; /* the natural order (0) is not the first, as it is least like a GPU */
  const char* given = getenv("SAC_CUDA_HOST_SEED");
  if (run < COUNT(seeds)) sac_cuda_host_seed(seeds[run]);
  else sac_cuda_host_seed(given ? strtoull(given, NULL, 10) : 0);
#else
  (void)run;
#endif
}

static inline void cuda_compare(cuda_case* c, int run) {
  for (int i = 0; i < c->arrays; i++) {
    const cuda_array* a = &c->array[i];
    const size_t whole = a->bytes + 2 * CUDA_GUARD;
    unsigned char* now = malloc(whole);
    ck_assert_ptr_nonnull(now);
    cuda_ok(cudaMemcpyAsync(now, a->device, whole, cudaMemcpyDefault, c->stream));
    cuda_ok(cudaStreamSynchronize(c->stream));
    for (size_t b = 0; b < whole; b++)
      if (!a->opened[b] && now[b] != a->before[b])
        ck_abort_msg("%s: byte %td of %zu was written", a->name, (ptrdiff_t)b - CUDA_GUARD, a->bytes);
    for (size_t b = 0; run > 0 && !a->ignored && b < whole; b++)
      if (now[b] != a->after[b])
        ck_abort_msg("%s: byte %td of %zu differs from run to run", a->name, (ptrdiff_t)b - CUDA_GUARD, a->bytes);
    memcpy(a->after, now, whole);
    free(now);
  }
}

static inline int cuda_next(cuda_case* c, int run) {
  if (run > 0) {
    cuda_ok(cudaStreamSynchronize(c->stream));
    cuda_compare(c, run - 1);
  }
  cuda_order(run < c->runs ? (uint64_t)run : UINT64_MAX);
  if (run == c->runs) return 0;
  for (int i = 0; i < c->arrays; i++)
    cuda_ok(cudaMemcpyAsync(c->array[i].device, c->array[i].before, c->array[i].bytes + 2 * CUDA_GUARD,
                            cudaMemcpyDefault, c->stream));
  cuda_ok(cudaStreamSynchronize(c->stream));
  return 1;
}
#define cuda_run(c, call) \
  for (int cuda_run_ = 0; cuda_next(c, cuda_run_); cuda_run_++) cuda_ok(call)

/* The populations of every test: one agent, and three agents of which the middle one is stopped. */
static const int cuda_populations[] = {1, 3};
static inline int cuda_alive(int population, int p) { return population == 1 || p != 1; }

static inline sac_device_state* cuda_states(cuda_case* c, int population) {
  sac_device_state* state = cuda_host(c, sac_device_state, population);
  for (int p = 0; p < population; p++) {
    state[p].seed = cuda_bits(c);
    state[p].alive = (uint32_t)cuda_alive(population, p);
    state[p].pushed = 1000 + (uint64_t)p;
    state[p].updates = 12 + 7 * (uint64_t)p;
    state[p].act = 5 + 100 * (uint64_t)p;
  }
  return state;
}

/* Heads of networks with one output, as the kernels take them, and in double. */
typedef struct cuda_heads {
  sac_head device;
  int nets, rows, width;
  float *hidden, *weights; /* weights of a net: hidden_bias (H) | weight (H) | bias (1) | a gap */
} cuda_heads;

static inline cuda_heads cuda_heads_create(cuda_case* c, int nets, int rows, int width) {
  cuda_heads h = {.nets = nets, .rows = rows, .width = width};
  h.device.hidden_stride = (size_t)rows * (size_t)width + 5;
  h.device.weight_stride = 2 * (size_t)width + 4;
  h.device.width = width;
  h.hidden = cuda_numbers(c, (size_t)nets * h.device.hidden_stride, 2);
  h.weights = cuda_numbers(c, (size_t)nets * h.device.weight_stride, 1);
  return h;
}

static inline void cuda_heads_put(cuda_case* c, cuda_heads* h) {
  const size_t width = (size_t)h->width;
  h->device.hidden = cuda_put(c, h->hidden, (size_t)h->nets * h->device.hidden_stride);
  h->device.hidden_bias = cuda_put(c, h->weights, (size_t)h->nets * h->device.weight_stride);
  h->device.weight = h->device.hidden_bias + width;
  h->device.bias = h->device.weight + width;
}
/* Opens the hidden rows of nets [first, first + n), which the kernel replaces by their activations. */
static inline void cuda_heads_open(cuda_case* c, const cuda_heads* h, int first, int n) {
  for (int k = first; k < first + n; k++)
    cuda_open(c, h->device.hidden + (size_t)k * h->device.hidden_stride, (size_t)h->rows * (size_t)h->width);
}

static inline double cuda_heads_weight(const cuda_heads* h, int net, int j) {
  return (double)h->weights[(size_t)net * h->device.weight_stride + (size_t)(h->width + j)];
}
static inline double cuda_heads_hidden(const cuda_heads* h, int net, int row, int j) {
  const double x =
      (double)h->hidden[(size_t)net * h->device.hidden_stride + (size_t)row * (size_t)h->width + (size_t)j] +
      (double)h->weights[(size_t)net * h->device.weight_stride + (size_t)j];
  return x < 0 ? 0 : x;
}
/* The head's output in double; *error: the largest error of a float sum of its terms. */
static inline double cuda_heads_output(const cuda_heads* h, int net, int row, double* error) {
  const double bias = cuda_heads_weight(h, net, h->width);
  double sum = bias, size = fabs(bias);
  for (int j = 0; j < h->width; j++) {
    const double term = cuda_heads_weight(h, net, j) * cuda_heads_hidden(h, net, row, j);
    sum += term;
    size += fabs(term);
  }
  *error = PRODUCT_REL(h->width) * size;
  return sum;
}
/* Checks that the hidden rows of nets first .. first + n - 1 are relu(x + bias). */
static inline void cuda_heads_check(cuda_case* c, const cuda_heads* h, int first, int n) {
  const float* hidden = cuda_result(c, h->device.hidden);
  for (int k = first; k < first + n; k++)
    for (int r = 0; r < h->rows; r++)
      for (int j = 0; j < h->width; j++) {
        const double expected = cuda_heads_hidden(h, k, r, j);
        cuda_near(hidden[(size_t)k * h->device.hidden_stride + (size_t)r * (size_t)h->width + (size_t)j], expected,
                  FLOAT_EPSILON * fabs(expected));
      }
}

/* Returns 77 when there is no device. */
#define CUDA_MAIN(suite, ...)                                                                 \
  int main(void) {                                                                            \
    const check_case cases[] = {__VA_ARGS__};                                                 \
    int devices = 0;                                                                          \
    cudaError_t error = cudaGetDeviceCount(&devices);                                         \
    if (error == cudaSuccess && devices == 0) error = cudaErrorNoDevice;                      \
    if (error != cudaSuccess) {                                                               \
      char reason[256];                                                                       \
      (void)snprintf(reason, sizeof reason, "no CUDA device: %s", cudaGetErrorString(error)); \
      return check_skip(reason);                                                              \
    }                                                                                         \
    return check_run(suite, cases, sizeof cases / sizeof *cases);                             \
  }

#endif
