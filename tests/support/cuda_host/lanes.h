// The threads of a warp, and the operations in which they exchange values. Included by blocks.cpp alone.
#ifndef CUDA_HOST_LANES_H
#define CUDA_HOST_LANES_H

#include "fibers.h"
#include "internal.h"

namespace cuda_host {
namespace {

constexpr unsigned warp_size = 32;

enum class state { running, at_barrier, at_cluster, in_warp, ended };
// As large as a cache line, as every switch between threads reads it.
struct alignas(64) device_thread {
  uint3 index;
  state is;
  fiber* on;
  const char* file;  // the source file in which it waits
  uint64_t value, result;
  int line, width;
  unsigned lane_argument;
  unsigned groups;  // groups of asynchronous copies closed so far
};
static_assert(sizeof(device_thread) == 64, "one line of the cache");
// An operation of a warp that waits for lanes. Each part of a divergent warp has its own.
struct meeting {
  cuda_host_kind kind;
  unsigned mask, arrived;
  const char* file;
  int line;
};
struct warp {
  unsigned meetings;
  meeting meeting_of[warp_size];
};

// The warp's fragments. Not inline: threads wait here, and with small frames the stacks of a block fit the cache.
__attribute__((noinline)) void multiply(const device_thread* lanes) {
  const cuda_host_fragments* f[warp_size];
  for (unsigned lane = 0; lane < warp_size; lane++)
    f[lane] = reinterpret_cast<const cuda_host_fragments*>(static_cast<uintptr_t>(lanes[lane].value));
  multiply_fragments(f);
}

// The lane whose value a lane gets, by the definition of shfl.sync in PTX.
template <cuda_host_kind kind>
unsigned source(const device_thread& self, unsigned lane) {
  const unsigned width = static_cast<unsigned>(self.width), argument = self.lane_argument & 31;
  const unsigned low = lane & ~(width - 1), high = low + width - 1;
  if (kind == cuda_host_shfl) return low | (argument & (width - 1));
  if (kind == cuda_host_shfl_up) return lane >= low + argument ? lane - argument : lane;
  if (kind == cuda_host_shfl_down) return lane + argument <= high ? lane + argument : lane;
  return (lane ^ argument) <= high ? lane ^ argument : lane;
}
template <cuda_host_kind kind>
void exchange(unsigned mask, device_thread* lanes) {
  for (unsigned left = mask; left; left &= left - 1) {
    const unsigned lane = static_cast<unsigned>(__builtin_ctz(left)), from = source<kind>(lanes[lane], lane);
    lanes[lane].result = mask >> from & 1 ? lanes[from].value : ~uint64_t{0};
  }
}

// Computes what the lanes of a mask get, when all of them have arrived.
inline void meet(cuda_host_kind kind, unsigned mask, device_thread* lanes) {
  unsigned votes = 0;
  switch (kind) {
    case cuda_host_shfl:
      return exchange<cuda_host_shfl>(mask, lanes);
    case cuda_host_shfl_up:
      return exchange<cuda_host_shfl_up>(mask, lanes);
    case cuda_host_shfl_down:
      return exchange<cuda_host_shfl_down>(mask, lanes);
    case cuda_host_shfl_xor:
      return exchange<cuda_host_shfl_xor>(mask, lanes);
    case cuda_host_mma:
      return multiply(lanes);
    case cuda_host_ballot:
      for (unsigned l = 0; l < warp_size; l++)
        if (mask >> l & 1) votes |= static_cast<unsigned>(lanes[l].value) << l;
      for (unsigned l = 0; l < warp_size; l++)
        if (mask >> l & 1) lanes[l].result = votes;
      return;
    case cuda_host_syncwarp:
    case cuda_host_syncthreads:
      return;
  }
}

}  // namespace
}  // namespace cuda_host

#endif
