// Clusters of blocks in the host execution of the CUDA model (tests/support/cuda_host).
#include "support/cuda_host/check_cuda.h"

// Each block writes its place in the grid into all blocks of its cluster; what is read before the barrier is not there.
__global__ static void exchange(unsigned blocks, float* out) {
  SAC_DYNAMIC_SHARED(float, x);
  sac_cluster_arrive();
  sac_cluster_wait();
  const unsigned rank = (unsigned)sac_cluster_rank();
  if (threadIdx.x < blocks) sac_cluster_put(x + rank, (int)threadIdx.x, (float)(blockIdx.x + gridDim.x * blockIdx.y));
  const float early = x[0];
  sac_cluster_arrive();
  if (rank > 0 && threadIdx.x == 33) return;  // an ended thread is not waited for
  sac_cluster_wait();
  const unsigned b = blockIdx.x + gridDim.x * blockIdx.y;
  if (threadIdx.x < blocks) out[b * (blocks + 1) + threadIdx.x] = x[threadIdx.x];
  if (threadIdx.x == 32) out[b * (blocks + 1) + blocks] = early;
}
// A write after its thread's own arrival is not there after that barrier.
__global__ static void late(float* out) {
  SAC_DYNAMIC_SHARED(float, x);
  sac_cluster_begin();
  sac_cluster_wait();
  sac_cluster_arrive();
  if (threadIdx.x == 0) sac_cluster_put(x, 1 - sac_cluster_rank(), 1);
  sac_cluster_wait();
  if (threadIdx.x == 1) out[2 * sac_cluster_rank()] = x[0];
  sac_cluster_arrive();
  sac_cluster_wait();
  if (threadIdx.x == 1) out[2 * sac_cluster_rank() + 1] = x[0];
}
START_TEST(late_writes) {
  float* out = device_array<float>(4);
  sac_cuda_host_seed((uint64_t)_i);
  SAC_LAUNCH_CLUSTER(late, 2, 2, 32, 4, 0, out);
  const auto got = read_back(out, 4);
  ck_assert(isnan(got[0]) && isnan(got[2]) && got[1] == 1 && got[3] == 1);
  sac_cuda_host_seed(0);
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

START_TEST(clusters) {
  const unsigned blocks = _i ? 4 : 1, count = 3 * 8;
  float* out = device_array<float>(count * (blocks + 1));
  for (uint64_t seed = 0; seed < 4; seed++) {
    sac_cuda_host_seed(seed);
    SAC_LAUNCH_CLUSTER(exchange, blocks, dim3(8, 3), 64, 32, 0, blocks, out);
    const auto got = read_back(out, count * (blocks + 1));
    for (unsigned b = 0; b < count; b++) {
      for (unsigned r = 0; r < blocks; r++) ck_assert(got[b * (blocks + 1) + r] == (float)(b / blocks * blocks + r));
      ck_assert(isnan(got[b * (blocks + 1) + blocks]));
    }
  }
  sac_cuda_host_seed(0);
  OK(cudaFree(out));
  nothing_left();
}
END_TEST

__global__ static void puts_early(int) {
  SAC_DYNAMIC_SHARED(float, x);
  if (threadIdx.x == 0) sac_cluster_put(x, 1 - sac_cluster_rank(), 1);
}
__global__ static void puts_beyond(int) {
  SAC_DYNAMIC_SHARED(float, x);
  sac_cluster_put(x + 8, sac_cluster_rank(), 1);
}
__global__ static void puts_to_nobody(int) {
  SAC_DYNAMIC_SHARED(float, x);
  sac_cluster_put(x, 2, 1);
}
__global__ static void puts_to_the_ended(int) {
  SAC_DYNAMIC_SHARED(float, x);
  sac_cluster_arrive();
  if (sac_cluster_rank() > 0) return;
  sac_cluster_wait();
  sac_cluster_put(x, 1, 1);
}
__global__ static void never_arrives(int) {
  if (sac_cluster_rank() == 1 && threadIdx.x == 5) __syncthreads();
  sac_cluster_arrive();
  sac_cluster_wait();
}
__global__ static void waits_alone(int) { sac_cluster_wait(); }
__global__ static void arrives_twice(int) {
  sac_cluster_arrive();
  sac_cluster_arrive();
}
__global__ static void fixed_memory(int i) {
  __shared__ int x[2];
  x[i] = 1;
}
static const struct {
  void (*kernel)(int);
  cudaError_t error;
  const char* says;
} clustered[] = {
    {puts_early, cudaErrorLaunchFailure, "may not have begun"},
    {puts_beyond, cudaErrorIllegalAddress, "not dynamic shared memory"},
    {puts_to_nobody, cudaErrorLaunchFailure, "block 2 of its cluster"},
    {puts_to_the_ended, cudaErrorLaunchFailure, "has ended"},
    {never_arrives, cudaErrorLaunchFailure, "which not every thread reaches"},
    {waits_alone, cudaErrorLaunchFailure, "has not arrived"},
    {arrives_twice, cudaErrorLaunchFailure, "without a wait"},
    {fixed_memory, cudaErrorLaunchFailure, "__shared__"},
};
#define CLUSTERED (sizeof clustered / sizeof *clustered)
START_TEST(clusters_are_checked) {
  for (uint64_t seed = 0; seed < 4; seed++) {
    sac_cuda_host_seed(seed);
    SAC_LAUNCH_CLUSTER(clustered[_i].kernel, 2, 4, 32, 32, 0, 1);
    OK(cudaGetLastError());
    GIVES(cudaDeviceSynchronize(), clustered[_i].error);
    ck_assert_msg(strstr(sac_cuda_host_message(), clustered[_i].says) != NULL, "%s", sac_cuda_host_message());
    sac_cuda_host_reset();
    sac_cuda_host_seed(0);
  }
}
END_TEST

__global__ static void any_block(float* x) { (void)x; }
START_TEST(cluster_limits) {
  const auto gives = [](unsigned cluster, unsigned grid, cudaError_t error) {
    SAC_LAUNCH_CLUSTER(any_block, cluster, grid, 32, 0, 0, nullptr);
    GIVES(cudaGetLastError(), error);
  };
  gives(8, 16, cudaSuccess);
  gives(16, 16, cudaErrorInvalidClusterSize);  // more than every device takes
  gives(4, 6, cudaErrorInvalidClusterSize);
  sac_cuda_host_capability(8, 0);
  gives(2, 2, cudaErrorInvalidClusterSize);
  gives(1, 2, cudaSuccess);
  OK(cudaDeviceSynchronize());
  sac_cuda_host_reset();
}
END_TEST

CHECK_MAIN("cuda_host_clusters", LOOP(clusters, 2), LOOP(late_writes, 4), LOOP(clusters_are_checked, CLUSTERED),
           CASE(cluster_limits))
