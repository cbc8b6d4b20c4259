// The host execution of the CUDA model (tests/support/cuda_host), against facts of CUDA: what its documentation
// promises, and that what it leaves undefined shows. Kernels first, then the cases that use them.
#include <sys/wait.h>
#include <unistd.h>

#include "support/cuda_host/check_cuda.h"

// --- threads, blocks, reductions -------------------------------------------------------------------------------------
__global__ static void places(uint3* block, uint3* thread) {
  const size_t b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * (size_t)blockIdx.z);
  const size_t t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * (size_t)threadIdx.z);
  const size_t i = b * blockDim.x * blockDim.y * blockDim.z + t;
  block[i] = blockIdx;
  thread[i] = threadIdx;
}
START_TEST(grid_and_block) {
  const dim3 grid(3, 2, 2), block(4, 3, 5);
  uint3 *b = device_array<uint3>(720), *t = device_array<uint3>(720);
  SAC_LAUNCH(places, grid, block, 0, 0, b, t);
  const auto hb = read_back(b, 720), ht = read_back(t, 720);
  for (unsigned i = 0; i < 720; i++) {
    const unsigned j = i % 60, k = i / 60;
    ck_assert(hb[i].x == k % 3 && hb[i].y == k / 3 % 2 && hb[i].z == k / 6);
    ck_assert(ht[i].x == j % 4 && ht[i].y == j / 4 % 3 && ht[i].z == j / 12);
  }
  OK(cudaFree(b));
  OK(cudaFree(t));
  nothing_left();
}
END_TEST

__global__ static void sums(float* x) {
  float y[2] = {(float)threadIdx.x, 1};
  sac_block_sums<float, 2>(y);
  if (threadIdx.x < 2) x[2 * blockIdx.x + threadIdx.x] = y[0];
}
START_TEST(block_sums) {
  float* x = device_array<float>(6);
  const unsigned threads[] = {32, 64, 1024};
  sac_cuda_host_seed((uint64_t)_i);
  for (const unsigned n : threads) {
    SAC_LAUNCH(sums, 3, n, 0, 0, x);
    const auto got = read_back(x, 6);
    for (unsigned b = 0; b < 3; b++) {
      ck_near(got[2 * b], n * (n - 1) / 2, 0);
      ck_near(got[2 * b + 1], n, 0);
    }
  }
  sac_cuda_host_seed(0);
  OK(cudaFree(x));
  nothing_left();
}
END_TEST

// --- warps -----------------------------------------------------------------------------------------------------------
// For each lane: all four shuffles with this argument and width.
template <typename T>
__global__ static void shuffles(T* out, int argument, int width, unsigned mask) {
  const unsigned lane = threadIdx.x % 32;
  const T x = (T)(lane * 3 + 1);
  if (!(mask >> lane & 1)) return;
  T* row = out + threadIdx.x * 4;
  row[0] = __shfl_sync(mask, x, argument, width);
  row[1] = __shfl_up_sync(mask, x, (unsigned)argument, width);
  row[2] = __shfl_down_sync(mask, x, (unsigned)argument, width);
  row[3] = __shfl_xor_sync(mask, x, argument, width);
}
template <typename T>
static void check_shuffles() {
  T* out = device_array<T>(64 * 4);
  for (int width = 1; width <= 32; width *= 2)
    for (int argument = 0; argument < 32; argument++) {
      SAC_LAUNCH(shuffles<T>, 1, 64, 0, 0, out, argument, width, SAC_WHOLE_WARP);
      const auto got = read_back(out, 64 * 4);
      for (int t = 0; t < 64; t++) {
        // CUDA C++ Programming Guide, "Warp Shuffle Functions": the warp as parts of `width` lanes
        const int lane = t % 32, base = lane / width * width, place = lane % width;
        const int index = base + argument % width;
        const int up = place >= argument ? lane - argument : lane,
                  down = place + argument < width ? lane + argument : lane;
        // xor: lanes of earlier parts can be read, lanes of later parts give one's own
        const int other = lane ^ argument, exclusive = other < base + width ? other : lane;
        const int from[4] = {index, up, down, exclusive};
        for (int k = 0; k < 4; k++)
          ck_assert_msg(got[(size_t)t * 4 + (size_t)k] == (T)(from[k] * 3 + 1),
                        "shuffle %d, width %d, argument %d, lane %d", k, width, argument, lane);
      }
    }
  OK(cudaFree(out));
}
START_TEST(shuffle_semantics) {
  check_shuffles<int>();
  check_shuffles<unsigned>();
  check_shuffles<float>();
  check_shuffles<double>();
  check_shuffles<unsigned long long>();
  nothing_left();
}
END_TEST

START_TEST(shuffle_of_a_part) {
  float* out = device_array<float>(32 * 4);
  const unsigned mask = 0x0000ffffu;  // the other lanes have ended
  SAC_LAUNCH(shuffles<float>, 1, 32, 0, 0, out, 16, 32, mask);
  const auto got = read_back(out, 32 * 4);
  for (size_t lane = 0; lane < 16; lane++) {
    ck_assert(isnan(got[lane * 4]) && isnan(got[lane * 4 + 2]) && isnan(got[lane * 4 + 3]));  // from an absent lane
    ck_near(got[lane * 4 + 1], lane * 3 + 1, 0);
  }
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

__global__ static void votes(unsigned* out) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned half = lane < 16 ? 0xffffu : 0xffff0000u;
  out[0 * 64 + threadIdx.x] = __ballot_sync(SAC_WHOLE_WARP, lane % 3 == 0);
  out[1 * 64 + threadIdx.x] = __ballot_sync(half, lane % 3 == 0);
  out[2 * 64 + threadIdx.x] = (unsigned)__any_sync(half, lane == 5) | (unsigned)__all_sync(half, lane != 20) << 1;
  __syncwarp();
  out[3 * 64 + threadIdx.x] = (unsigned)__syncthreads_count(threadIdx.x % 5 == 0);
  out[4 * 64 + threadIdx.x] = (unsigned)__syncthreads_or(threadIdx.x == 63) | (unsigned)__syncthreads_or(0) << 1;
  out[5 * 64 + threadIdx.x] = (unsigned)__syncthreads_and(1) | (unsigned)__syncthreads_and(threadIdx.x != 9) << 1;
}
START_TEST(vote_semantics) {
  unsigned* out = device_array<unsigned>(6 * 64);
  sac_cuda_host_seed((uint64_t)_i);
  SAC_LAUNCH(votes, 1, 64, 0, 0, out);
  sac_cuda_host_seed(0);
  const auto got = read_back(out, 6 * 64);
  unsigned thirds = 0;
  for (unsigned lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
  for (size_t t = 0; t < 64; t++) {
    const bool low = t % 32 < 16;
    ck_assert_uint_eq(got[t], thirds);
    ck_assert_uint_eq(got[64 + t], thirds & (low ? 0xffffu : 0xffff0000u));
    ck_assert_uint_eq(got[2 * 64 + t], low ? 3 : 0);
    ck_assert_uint_eq(got[3 * 64 + t], 13);
    ck_assert_uint_eq(got[4 * 64 + t], 1);
    ck_assert_uint_eq(got[5 * 64 + t], 1);
  }
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

// --- tensor cores ----------------------------------------------------------------------------------------------------
__global__ static void multiply(const float* a, const float* b, float* d) {
  const unsigned lane = threadIdx.x, group = lane / 4, place = lane % 4;
  const uint32_t fa[4] = {sac_to_tf32(a[group * 8 + place]), sac_to_tf32(a[(group + 8) * 8 + place]),
                          sac_to_tf32(a[group * 8 + place + 4]), sac_to_tf32(a[(group + 8) * 8 + place + 4])};
  const uint32_t fb[2] = {sac_to_tf32(b[place + group * 8]), sac_to_tf32(b[place + 4 + group * 8])};
  float* rows[2] = {d + group * 8 + 2 * place, d + (group + 8) * 8 + 2 * place};
  float fd[4] = {rows[0][0], rows[0][1], rows[1][0], rows[1][1]};
  sac_mma_tf32(fd, fa, fb);
  for (int i = 0; i < 4; i++) rows[i / 2][i % 2] = fd[i];
}
START_TEST(mma_layout) {
  // small integers are exact, so every element is compared exactly; all differ
  std::vector<float> a(16 * 8), b(8 * 8), d(16 * 8);
  uint64_t state = 1;
  for (float& x : a) x = roundf(random_float(&state) * 30);
  for (float& x : b) x = roundf(random_float(&state) * 30);
  for (float& x : d) x = roundf(random_float(&state) * 1000);
  float *da = device_array<float>(128), *db = device_array<float>(64), *dd = device_array<float>(128);
  write(da, a), write(db, b), write(dd, d);
  SAC_LAUNCH(multiply, 1, 32, 0, 0, da, db, dd);
  const auto got = read_back(dd, 128);
  for (size_t i = 0; i < 16; i++)
    for (size_t j = 0; j < 8; j++) {
      float expected = d[i * 8 + j];
      for (size_t k = 0; k < 8; k++) expected += a[i * 8 + k] * b[j * 8 + k];  // B is column-major
      ck_near(got[i * 8 + j], expected, 0);
    }
  OK(cudaFree(da)), OK(cudaFree(db)), OK(cudaFree(dd));
  nothing_left();
}
END_TEST

__global__ static void multiply_unrounded(float* d) {
  const uint32_t a[4] = {__float_as_uint(d[0]), 0, 0, 0}, b[2] = {__float_as_uint(1.0f), 0};
  float sum[4] = {0, 0, 0, 0};
  sac_mma_tf32(sum, a, b);
  if (threadIdx.x == 0) d[1] = sum[0];
}
START_TEST(mma_reads_19_bits) {
  float* d = device_array<float>(2);
  write(d, std::vector<float>{float_of(0x3f801fffu), 0});
  SAC_LAUNCH(multiply_unrounded, 1, 32, 0, 0, d);
  ck_near(read_back(d, 2)[1], 4, 0);  // the four places of group 0, each 1.00024 cut to 1
  OK(cudaFree(d));
  nothing_left();
}
END_TEST

START_TEST(tf32_rounding) {
  // cvt.rna.tf32: 10 bits of mantissa, to nearest, ties away from zero
  const uint32_t one = 0x3f800000u, ulp = 0x2000u, half = 0x1000u;
  ck_assert_uint_eq(sac_to_tf32(float_of(one)), one);
  ck_assert_uint_eq(sac_to_tf32(float_of(one + half - 1)), one);
  ck_assert_uint_eq(sac_to_tf32(float_of(one + half)), one + ulp);
  ck_assert_uint_eq(sac_to_tf32(float_of(one + ulp + half)), one + 2 * ulp);
  ck_assert_uint_eq(sac_to_tf32(-float_of(one + half)), 0x80000000u | (one + ulp));
  ck_assert_uint_eq(sac_to_tf32(0.0f), 0);
  ck_assert_uint_eq(sac_to_tf32(-0.0f), 0x80000000u);
  ck_assert_uint_eq(sac_to_tf32(float_of(0x3fffffffu)), 0x40000000u);  // carries into the exponent
  ck_assert(isinf(float_of(sac_to_tf32(float_of(0x7f7fffffu)))));      // and beyond the range
  ck_assert(isinf(float_of(sac_to_tf32(HUGE_VALF))));
  ck_assert(isnan(float_of(sac_to_tf32(NAN))));
}
END_TEST

// --- asynchronous copies ---------------------------------------------------------------------------------------------
__global__ static void copies(const float4* from, float4* out, int waits) {
  SAC_DYNAMIC_SHARED(float4, tile);
  sac_copy_async(&tile[threadIdx.x], &from[threadIdx.x]);
  sac_copy_commit();
  sac_copy_async(&tile[32 + threadIdx.x], &from[32 + threadIdx.x]);
  if (waits != 3) sac_copy_commit();
  if (waits == 1) sac_copy_wait<1>();
  if (waits >= 2) sac_copy_wait<0>();
  out[threadIdx.x] = tile[threadIdx.x];
  out[32 + threadIdx.x] = tile[32 + threadIdx.x];
}
START_TEST(copy_async_waits) {
  std::vector<float4> from(64);
  for (size_t i = 0; i < 64; i++) from[i] = make_float4((float)i, 1, 2, 3);
  float4 *df = device_array<float4>(64), *out = device_array<float4>(64);
  write(df, from);
  SAC_LAUNCH(copies, 1, 32, 64 * sizeof(float4), 0, df, out, _i);
  const auto got = read_back(out, 64);
  for (size_t i = 0; i < 64; i++) {
    // 0: no wait. 1: all but the newest group. 2: all. 3: all groups, but the second one was not closed.
    const bool there = _i == 2 || (_i != 0 && i < 32);
    ck_assert_msg(there ? got[i].x == (float)i && got[i].w == 3 : isnan(got[i].x) && isnan(got[i].w), "element %zu", i);
  }
  OK(cudaFree(df)), OK(cudaFree(out));
  nothing_left();
}
END_TEST

__global__ static void misaligned(const float* from) {
  SAC_DYNAMIC_SHARED(float, tile);
  sac_copy_async(tile, from + 1);
}
__global__ static void from_shared(float* to) {
  SAC_DYNAMIC_SHARED(float, tile);
  sac_copy_async(to, tile);
}
START_TEST(copy_async_checks) {
  float* x = device_array<float>(8);
  SAC_LAUNCH(misaligned, 1, 1, 64, 0, x);
  GIVES(cudaDeviceSynchronize(), cudaErrorMisalignedAddress);
  sac_cuda_host_reset();
  x = device_array<float>(8);
  SAC_LAUNCH(from_shared, 1, 1, 64, 0, x);
  GIVES(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  sac_cuda_host_reset();
}
END_TEST

// --- shared memory ---------------------------------------------------------------------------------------------------
__global__ static void look_at_shared(float* out) {
  SAC_DYNAMIC_SHARED(float, dynamic);
  __shared__ float fixed[8];
  if (threadIdx.x == 0) {
    out[blockIdx.x * 2] = dynamic[7];
    out[blockIdx.x * 2 + 1] = fixed[7];
    dynamic[7] = fixed[7] = 1;  // the next block must not see it
  }
}
START_TEST(shared_memory_is_poison) {
  float* out = device_array<float>(8);
  for (int round = 0; round < 3; round++) {
    SAC_LAUNCH(look_at_shared, 4, 32, 32, 0, out);
    for (const float x : read_back(out, 8)) ck_assert(isnan(x));
  }
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

__global__ static void any_block(float* x) { (void)x; }
START_TEST(launch_limits) {
  const auto gives = [](dim3 grid, dim3 block, size_t shared, cudaError_t error) {
    SAC_LAUNCH(any_block, grid, block, shared, 0, nullptr);
    GIVES(cudaGetLastError(), error);
    GIVES(cudaGetLastError(), cudaSuccess);
  };

  // blocks and grids
  gives(1, 1024, 0, cudaSuccess);
  gives(1, 1025, 0, cudaErrorInvalidConfiguration);
  gives(1, dim3(32, 33), 0, cudaErrorInvalidConfiguration);
  gives(1, dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration);
  gives(0, 32, 0, cudaErrorInvalidConfiguration);
  gives(1, 0, 0, cudaErrorInvalidConfiguration);
  gives(dim3(1, 65536), 32, 0, cudaErrorInvalidConfiguration);
  gives(dim3(1, 1, 65536), 32, 0, cudaErrorInvalidConfiguration);

  // shared memory: 48 KiB, and more where the kernel has asked for it
  gives(1, 32, 48 << 10, cudaSuccess);
  gives(1, 32, (48 << 10) + 1, cudaErrorInvalidValue);
  OK(cudaFuncSetAttribute(any_block, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 10));
  gives(1, 32, 100 << 10, cudaSuccess);
  gives(1, 32, (100 << 10) + 1, cudaErrorInvalidValue);
  GIVES(cudaFuncSetAttribute(any_block, cudaFuncAttributeMaxDynamicSharedMemorySize, (227 << 10) + 1),
        cudaErrorInvalidValue);
  cudaGetLastError();
  OK(cudaDeviceSynchronize());
  sac_cuda_host_reset();
}
END_TEST

// --- divergence ------------------------------------------------------------------------------------------------------
__global__ static void some_leave(int) {
  if (threadIdx.x == 40) return;
  __syncthreads();
}
__global__ static void two_places(int) {
  if (threadIdx.x % 2) __syncthreads();
  else __syncthreads();
}
__global__ static void a_lane_is_missing(int) {
  if (threadIdx.x != 7) __shfl_sync(SAC_WHOLE_WARP, 1, 0);
}
__global__ static void not_in_the_mask(int) { __syncwarp(0xfffffffe); }
__global__ static void beyond_the_block(int) { __syncwarp(); }
__global__ static void warp_against_block(int) {
  if (threadIdx.x < 3) __syncwarp();
  __syncthreads();
}
__global__ static void traps(int) { __trap(); }
static const struct {
  void (*kernel)(int);
  unsigned threads;
  const char* says;
} divergent[] = {
    {some_leave, 64, "thread (40,0,0) has ended"},
    {two_places, 64, "waits at the barrier"},
    {a_lane_is_missing, 32, "thread (7,0,0) has ended"},
    {not_in_the_mask, 32, "not in the mask"},
    {beyond_the_block, 20, "lane 20 of warp 0 is beyond"},
    {warp_against_block, 32, "waits at the barrier"},
    {traps, 32, "__trap"},
};
#define DIVERGENT (sizeof divergent / sizeof *divergent)
START_TEST(divergence_is_reported) {
  for (uint64_t seed = 0; seed < 4; seed++) {
    sac_cuda_host_seed(seed);
    SAC_LAUNCH(divergent[_i].kernel, 2, divergent[_i].threads, 0, 0, 1);
    OK(cudaGetLastError());  // a launch does not wait
    GIVES(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    GIVES(cudaStreamSynchronize(0), cudaErrorLaunchFailure);  // sticky
    float* p;
    GIVES(cudaMalloc(&p, 4), cudaErrorLaunchFailure);
    ck_assert_msg(strstr(sac_cuda_host_message(), divergent[_i].says) != NULL, "%s", sac_cuda_host_message());
    ck_assert(strstr(sac_cuda_host_message(), "block (0,0,0)") != NULL || seed);
    sac_cuda_host_reset();
    sac_cuda_host_seed(0);
    OK(cudaDeviceSynchronize());
  }
}
END_TEST

// Each thread reads the element of the thread before it. Without the barrier thread 0 is wrong even in order, and most
// are wrong in random order.
__global__ static void neighbours(int* out, bool barrier) {
  __shared__ int x[64];
  x[threadIdx.x] = (int)threadIdx.x;
  if (barrier) __syncthreads();
  out[threadIdx.x] = x[(threadIdx.x + 63) % 64];
}
START_TEST(missing_barrier_shows) {
  int* out = device_array<int>(64);
  int wrong[2] = {0, 0};
  for (uint64_t seed = 0; seed < 8; seed++)
    for (int barrier = 0; barrier < 2; barrier++) {
      sac_cuda_host_seed(seed);
      SAC_LAUNCH(neighbours, 1, 64, 0, 0, out, barrier != 0);
      const auto got = read_back(out, 64);
      for (size_t t = 0; t < 64; t++) wrong[barrier] += got[t] != (int)(t + 63) % 64;
      if (seed == 0) ck_assert_int_le(wrong[barrier], 1);
    }
  sac_cuda_host_seed(0);
  ck_assert_int_gt(wrong[0], 8 * 16);
  ck_assert_int_eq(wrong[1], 0);
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

__global__ static void arrivals(unsigned* next, unsigned* order) {
  if (threadIdx.x == 0) order[blockIdx.x] = atomicAdd(next, 1u);
}
START_TEST(block_order) {
  unsigned* x = device_array<unsigned>(65);
  std::vector<std::vector<unsigned>> seen;
  for (uint64_t seed = 0; seed < 3; seed++) {
    sac_cuda_host_seed(seed);
    OK(cudaMemset(x, 0, 4));
    SAC_LAUNCH(arrivals, 64, 32, 0, 0, x, x + 1);
    seen.push_back(read_back(x + 1, 64));
    unsigned sum = 0;
    for (const unsigned i : seen.back()) sum += i;
    ck_assert_uint_eq(sum, 63 * 32);
  }
  sac_cuda_host_seed(0);
  for (unsigned i = 0; i < 64; i++) ck_assert_uint_eq(seen[0][i], i);
  ck_assert(seen[1] != seen[0] && seen[1] != seen[2]);
  OK(cudaFree(x));
  nothing_left();
}
END_TEST

// --- accesses that end the process -----------------------------------------------------------------------------------
__global__ static void writes_at(float* x, size_t i) { x[i] = 1; }
__global__ static void writes_shared_at(size_t i) {
  SAC_DYNAMIC_SHARED(float, tile);
  tile[i] = 1;
}
enum { host_reads_device, kernel_beyond, kernel_freed, kernel_far, shared_beyond, ACCESSES };
START_TEST(wrong_access_stops) {
#ifndef SAC_SANITIZED
  if (_i == kernel_beyond || _i == kernel_freed || _i == shared_beyond) return;  // by the address sanitizer only
#endif
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stderr)) _exit(0);
    float* x = device_array<float>(100);
    size_t i = 100;
    if (_i == host_reads_device) *x = 1;
    if (_i == kernel_freed) OK(cudaFree(x)), i = 0;
    if (_i == kernel_far) i = 1 << 20;
    if (_i == shared_beyond) SAC_LAUNCH(writes_shared_at, 1, 1, 400, 0, i);
    else SAC_LAUNCH(writes_at, 1, 1, 0, 0, x, i);
    cudaDeviceSynchronize();
    _exit(0);
  }
  int status;
  ck_assert(waitpid(child, &status, 0) == child);
  ck_assert_msg(!(WIFEXITED(status) && WEXITSTATUS(status) == 0), "access %d went unseen", _i);
}
END_TEST

CHECK_MAIN("cuda_host", CASE(grid_and_block), LOOP(block_sums, 4), CASE(shuffle_semantics), CASE(shuffle_of_a_part),
           LOOP(vote_semantics, 4), CASE(mma_layout), CASE(mma_reads_19_bits), CASE(tf32_rounding),
           LOOP(copy_async_waits, 4), CASE(copy_async_checks), CASE(shared_memory_is_poison), CASE(launch_limits),
           LOOP(divergence_is_reported, DIVERGENT), CASE(missing_barrier_shows), CASE(block_order),
           LOOP(wrong_access_stops, ACCESSES))
