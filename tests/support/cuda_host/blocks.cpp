// How a kernel runs: its blocks one after another, a block's threads as fibers. The blocks of a cluster run together.
//
// A fiber runs threads that have not started, one after another, until one of them has to wait. Then a thread that can
// continue is resumed, or a new fiber starts the next thread. So a kernel without barriers needs no switch. When no
// thread can continue and not all have ended, a thread waits for one that will never arrive: a fault.
#include <stdio.h>

#include "fibers.h"
#include "internal.h"
#include "lanes.h"

cuda_host_thread cuda_host_now;

namespace cuda_host {
namespace {

constexpr unsigned threads_max = 1024 * cluster_blocks_max, nobody = ~0u;

struct pending_copy {
  void* to;
  const void* from;
  unsigned group;
};
// A block that is running.
struct running_block {
  uint3 index;
  unsigned char* dynamic;  // shared memory
  unsigned waiting, true_predicates, ended;
  unsigned barrier_result;   // of the last complete barrier: every thread reads it before the next one can complete
  const char* barrier_file;  // where the first thread that waits at a barrier waits
  int barrier_line;
  bool barriers_differ;  // another thread waits at another barrier
};
// A write to another block of the cluster. It becomes visible at the next barrier of the cluster.
struct pending_put {
  float* to;
  float x;
  unsigned phase;  // of that barrier: the phase after its thread's next arrival
};

running_block members[cluster_blocks_max];
unsigned members_count, in_block;  // threads
// The cluster's barrier: how often it was complete, how many threads have arrived, how many have ended.
unsigned cluster_phase, cluster_arrived, cluster_gone;
unsigned arrived_in[threads_max];  // phase 1 + of a thread's last arrival, 0 after its wait
std::vector<pending_put> pending_puts;

device_thread threads[threads_max];
std::vector<pending_copy> copies[threads_max];  // of each thread
unsigned copied;                                // only threads below this one may have made copies
warp warps[threads_max / warp_size];
unsigned order[threads_max], ready[threads_max];
unsigned count, started, ended, ready_first, ready_count;  // of all blocks that run together
bool in_order;                                             // natural(), kept while the kernel runs
dim3 indexed;                                              // the block size for which the threads' indices are set
unsigned indexed_count;
unsigned current = nobody;
const launch* running;
fiber scheduler;
fiber* current_fiber;
std::vector<fiber*>& all_fibers = *new std::vector<fiber*>;  // never destroyed, as the fibers are not
std::vector<fiber*>& free_fibers = *new std::vector<fiber*>;
std::string fault_text;
cudaError_t fault_error;

void fiber_main();

unsigned member_of(unsigned t) { return members_count == 1 ? 0 : t / in_block; }

std::string position(unsigned t) {
  const dim3& b = cuda_host_now.block_size;
  char text[64];
  t %= in_block;
  snprintf(text, sizeof text, "(%u,%u,%u)", t % b.x, t / b.x % b.y, t / b.x / b.y);
  return text;
}
bool same_file(const char* a, const char* b) { return a == b || !strcmp(a, b); }
std::string at(const char* file, int line) { return std::string(file) + ":" + std::to_string(line); }
std::string state_of(unsigned t) {
  if (threads[t].is == state::ended) return "has ended";
  if (threads[t].is == state::at_barrier) return "waits at the barrier " + at(threads[t].file, threads[t].line);
  if (threads[t].is == state::at_cluster) return "waits for its cluster at " + at(threads[t].file, threads[t].line);
  if (threads[t].is == state::in_warp) return "waits for its warp at " + at(threads[t].file, threads[t].line);
  return "runs";
}
// A thread and its state, as text.
std::string doing(unsigned t) {
  if (t >= count)
    return "lane " + std::to_string(t % warp_size) + " of warp " + std::to_string(t / warp_size) +
           " is beyond the block";
  return "thread " + position(t) + " " + state_of(t);
}

inline void go_to(fiber* to) {
  fiber* from = current_fiber;
  if (to == from) return;
  current_fiber = to;
  fiber_switch(from, to);
}

// Ends the block with a fault, from one of its threads or from the scheduler.
void report(cudaError_t error, unsigned t, const std::string& what) {
  const uint3& b = members[member_of(t)].index;
  char block[64];
  snprintf(block, sizeof block, "(%u,%u,%u)", b.x, b.y, b.z);
  fault_text = "kernel " + running->name + ", block " + block + ", thread " + position(t) + ": " + what;
  fault_error = error;
}
// Never returns to its caller, so no object with a destructor may live in the caller's frame: see STOP.
[[noreturn]] void stop() {
  go_to(&scheduler);
  abort();
}
#define STOP(error, what)             \
  do {                                \
    { report(error, current, what); } \
    stop();                           \
  } while (0)

void set_now(unsigned t) {
  current = t;
  cuda_host_now.thread = threads[t].index;
  if (members_count == 1) return;
  cuda_host_now.rank = member_of(t);
  cuda_host_now.block = members[cuda_host_now.rank].index;
  cuda_host_now.dynamic_shared = members[cuda_host_now.rank].dynamic;
}
void end_cluster_barrier();

// A random number below n, without a division: that would take longer than the switch.
unsigned one_of(unsigned n) { return static_cast<unsigned>((random_number() >> 32) * n >> 32); }

fiber* resume() {
  const unsigned t = ready[ready_first];
  ready_first = (ready_first + 1) % threads_max;
  ready_count--;
  threads[t].is = state::running;
  set_now(t);
  return threads[t].on;
}
// Resumes a thread that can continue, or starts the next thread on a free fiber; the scheduler, if there is neither.
__attribute__((noinline)) fiber* next_in_any_order() {
  const bool may_start = started < count;
  if (ready_count && (!may_start || in_order || random_number() % 2)) {
    if (!in_order) std::swap(ready[ready_first], ready[(ready_first + one_of(ready_count)) % threads_max]);
    return resume();
  }
  if (!may_start) return &scheduler;

  // A fiber for a thread that has not started.
  if (free_fibers.empty()) {
    all_fibers.push_back(fiber_create(fiber_main));
    return all_fibers.back();
  }
  fiber* f = free_fibers.back();
  free_fibers.pop_back();
  return f;
}
// Chooses what runs next. There is always a fiber for it, because a fiber without work calls this function itself.
inline fiber* next() { return ready_count && in_order ? resume() : next_in_any_order(); }

// What every fiber runs: threads that have not started, one after another; then it leaves.
void fiber_main() {
  fiber_begin();
  for (;;) {
    while (started < count) {
      const unsigned t = order[started++];
      device_thread& self = threads[t];
      self.is = state::running;
      self.on = current_fiber;
      self.groups = 0;
      set_now(t);
      running->call->run();

      // The end of a thread may complete the cluster's barrier.
      self.is = state::ended;
      ended++;
      members[member_of(t)].ended++;
      if (arrived_in[t] != cluster_phase + 1) cluster_gone++;
      end_cluster_barrier();
      if (ready_count && !in_order && random_number() % 2) break;
    }
    free_fibers.push_back(current_fiber);
    go_to(next());
  }
}

inline void wait(device_thread& self, state how, const char* file, int line) {
  self.is = how;
  self.file = file;
  self.line = line;
  go_to(next());
}
void release(unsigned t) { ready[(ready_first + ready_count++) % threads_max] = t; }

// When every thread of the cluster has arrived at its barrier or ended: makes the writes to other blocks visible.
void end_cluster_barrier() {
  if (!cluster_arrived || cluster_arrived + cluster_gone < count) return;

  // The writes of this phase become visible.
  size_t kept = 0;
  for (const pending_put& put : pending_puts)
    if (put.phase == cluster_phase) *put.to = put.x;
    else pending_puts[kept++] = put;
  pending_puts.resize(kept);

  // The next phase begins.
  cluster_phase++;
  cluster_arrived = 0;
  cluster_gone = ended;
  for (unsigned i = 0; i < count; i++)
    if (threads[order[i]].is == state::at_cluster) release(order[i]);
}

// Reports that no thread can continue, and which thread waits for which.
void explain() {
  // A warp waits for one of its lanes.
  for (unsigned w = 0; w * warp_size < count; w++) {
    for (unsigned i = 0; i < warps[w].meetings; i++) {
      const meeting& m = warps[w].meeting_of[i];
      const unsigned here = w * warp_size + static_cast<unsigned>(__builtin_ctz(m.arrived));
      const unsigned missing = w * warp_size + static_cast<unsigned>(__builtin_ctz(m.mask & ~m.arrived));
      return report(cudaErrorLaunchFailure, here,
                    "waits at " + at(m.file, m.line) + " for a lane of its mask that does not come: " + doing(missing));
    }
  }

  // A block waits at a barrier.
  unsigned here = 0;  // the cluster's barrier would be complete if no thread waited elsewhere
  while (threads[here].is != state::at_barrier) here++;
  unsigned other = member_of(here) * in_block;
  while (threads[other].is == state::at_barrier) other++;
  report(cudaErrorLaunchFailure, here,
         "waits at the barrier " + at(threads[here].file, threads[here].line) +
             ", which not every thread reaches: " + doing(other));
}

// Runs the blocks of `members`. Returns whether they ended without a fault.
bool run_blocks() {
  // Reset the state of threads, barriers and copies.
  started = ended = ready_first = ready_count = 0;
  cluster_phase = cluster_arrived = cluster_gone = 0;
  memset(arrived_in, 0, count * sizeof *arrived_in);
  pending_puts.clear();
  for (unsigned t = 0; t < copied; t++) copies[t].clear();
  copied = 0;
  for (unsigned w = 0; w * warp_size < count; w++) warps[w].meetings = 0;
  shuffle(order, count);

  // Run until no thread can continue.
  fault_error = cudaSuccess;
  current_fiber = &scheduler;
  go_to(next());
  if (!fault_error && ended != count) explain();
  if (!fault_error) return true;
  free_fibers = all_fibers;  // fibers that still wait will never continue
  for (fiber* f : all_fibers) fiber_reset(f, fiber_main);
  return false;
}

bool is_shared(const void* pointer, size_t size) {
  const auto p = reinterpret_cast<uintptr_t>(pointer), d = reinterpret_cast<uintptr_t>(cuda_host_now.dynamic_shared);
  return (p >= d && p + size <= d + running->shared) || is_shared_variable(pointer, size);
}

[[noreturn]] void wrong_barrier(const char* file, int line) {
  unsigned other = member_of(current) * in_block;
  while (other == current || (threads[other].line == line && same_file(threads[other].file, file))) other++;
  STOP(cudaErrorLaunchFailure, "is at the barrier " + at(file, line) + ", while " + doing(other));
}
[[noreturn]] void wrong_warp(const char* what, const char* file, int line) {
  STOP(cudaErrorLaunchFailure, what + (" at " + at(file, line)));
}

}  // namespace

// Gives each thread of the blocks its index; the indices are kept for the next launch of this shape.
static void index_threads(dim3 shape) {
  if (!memcmp(&indexed, &shape, sizeof indexed) && indexed_count >= count) return;
  for (unsigned t = 0; t < count; t++) {
    const unsigned i = t % in_block;
    threads[t].index = {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
  }
  indexed = shape;
  indexed_count = count;
}

// Makes the members of cluster b ready to run; their dynamic shared memory is poisoned.
static void begin_cluster(const launch& l, uint64_t b, unsigned char* const* dynamic) {
  for (unsigned m = 0; m < l.cluster; m++) {
    const uint64_t each = b * l.cluster + m;
    memset(dynamic[m], poison, l.shared);
    members[m] = {};
    members[m].dynamic = dynamic[m];
    members[m].index = {static_cast<unsigned>(each % l.grid.x), static_cast<unsigned>(each / l.grid.x % l.grid.y),
                        static_cast<unsigned>(each / l.grid.x / l.grid.y)};
  }
  cuda_host_now.rank = 0;
  cuda_host_now.block = members[0].index;
  cuda_host_now.dynamic_shared = members[0].dynamic;
}

cudaError_t run_kernel(int device, const launch& l) {
  count_launch(l.name);
  if (fault_wanted(l.name)) {
    fault(device, cudaErrorIllegalAddress, "kernel " + l.name + ": injected fault");
    return cudaErrorIllegalAddress;
  }

  // What all blocks share: sizes, the order of threads, and their indices.
  unsigned char* dynamic[cluster_blocks_max];
  take_dynamic(l.shared, l.cluster, dynamic);
  running = &l;
  members_count = l.cluster;
  in_order = natural();
  in_block = l.block.x * l.block.y * l.block.z;
  count = in_block * l.cluster;
  for (unsigned t = 0; t < count; t++) order[t] = t;
  index_threads(l.block);
  cuda_host_now.block_size = l.block;
  cuda_host_now.grid_size = l.grid;

  // The order of the blocks, or of the clusters.
  const uint64_t blocks = static_cast<uint64_t>(l.grid.x) * l.grid.y * l.grid.z / l.cluster;
  std::vector<uint32_t> shuffled;
  if (!in_order && blocks <= UINT32_MAX) {
    shuffled.resize(blocks);
    for (uint64_t i = 0; i < blocks; i++) shuffled[i] = static_cast<uint32_t>(i);
    shuffle(shuffled.data(), blocks);
  }

  // Run them.
  bool well = true;
  for (uint64_t i = 0; i < blocks && well; i++) {
    begin_cluster(l, shuffled.empty() ? i : shuffled[i], dynamic);
    well = run_blocks();

    // Which __shared__ variables does the kernel write? Fill them for the next block.
    const bool look = i == 0 || i + 1 == blocks || !well || l.cluster > 1;
    if (look && learn_shared(l.function) && well && l.cluster > 1) {
      report(cudaErrorLaunchFailure, 0, "__shared__ variables are not available in a cluster here");
      well = false;
    }
    poison_shared(l.function);
  }

  running = nullptr;
  current = nobody;
  cuda_host_now.dynamic_shared = nullptr;
  if (!well) fault(device, fault_error, fault_text);
  return well ? cudaSuccess : fault_error;
}

}  // namespace cuda_host

using namespace cuda_host;

// The last thread of the block that arrives releases the others.
unsigned cuda_host_barrier(bool predicate, const char* file, int line) {
  const unsigned member = member_of(current);
  running_block& block = members[member];
  if (block.waiting == 0) {
    block.true_predicates = 0;
    block.barriers_differ = false;
    block.barrier_file = file;
    block.barrier_line = line;
  } else if (line != block.barrier_line || !same_file(file, block.barrier_file)) {
    block.barriers_differ = true;
  }

  // Wait for the others.
  block.true_predicates += predicate;
  if (++block.waiting < in_block) {
    wait(threads[current], state::at_barrier, file, line);
    return block.barrier_result;
  }

  // All have arrived.
  const unsigned t = current;
  block.waiting = 0;
  if (block.barriers_differ) wrong_barrier(file, line);
  for (unsigned i = 0; i < count; i++)
    if (order[i] != t && member_of(order[i]) == member) release(order[i]);
  return block.barrier_result = block.true_predicates;
}

void cuda_host_cluster_arrive(const char* file, int line) {
  if (arrived_in[current]) STOP(cudaErrorLaunchFailure, "arrives at " + at(file, line) + " without a wait before");
  arrived_in[current] = cluster_phase + 1;
  cluster_arrived++;
  end_cluster_barrier();
}

void cuda_host_cluster_wait(const char* file, int line) {
  if (!arrived_in[current])
    STOP(cudaErrorLaunchFailure, "waits for its cluster at " + at(file, line) + " and has not arrived");
  if (arrived_in[current] == cluster_phase + 1) wait(threads[current], state::at_cluster, file, line);
  arrived_in[current] = 0;
}

// Until the barrier, the target is filled with poison.
void sac_cluster_put(float* mine, int rank, float x) {
  const unsigned to = static_cast<unsigned>(rank);
  const size_t offset = static_cast<size_t>(reinterpret_cast<unsigned char*>(mine) - cuda_host_now.dynamic_shared);
  if (to >= members_count) STOP(cudaErrorLaunchFailure, "writes to block " + std::to_string(rank) + " of its cluster");
  if (offset + sizeof x > running->shared || offset % sizeof x)
    STOP(cudaErrorIllegalAddress, "sac_cluster_put to what is not dynamic shared memory");
  if (to != cuda_host_now.rank && cluster_phase == 0)
    STOP(cudaErrorLaunchFailure, "writes to a block that may not have begun: no barrier of the cluster before");
  if (members[to].ended == in_block) STOP(cudaErrorLaunchFailure, "writes to a block that has ended");
  float* there = reinterpret_cast<float*>(members[to].dynamic + offset);
  memset(there, poison, sizeof *there);
  pending_puts.push_back({there, x, cluster_phase + (arrived_in[current] == cluster_phase + 1)});
}

uint64_t cuda_host_warp(cuda_host_kind kind, unsigned mask, uint64_t value, unsigned lane_argument, int width,
                        const char* file, int line) {
  const unsigned t = current, lane = t % warp_size, first = t - lane;
  if (!(mask >> lane & 1)) wrong_warp("is not in the mask it gives", file, line);
  if (width < 1 || width > 32 || (width & (width - 1))) wrong_warp("gives a wrong width", file, line);

  // What this lane brings.
  device_thread& self = threads[t];
  self.value = value;
  self.lane_argument = lane_argument;
  self.width = width;

  // Find the operation, or begin it.
  warp& w = warps[first / warp_size];
  unsigned i = 0;
  for (; i < w.meetings; i++) {
    const meeting& m = w.meeting_of[i];
    if (m.kind == kind && m.mask == mask && m.line == line && same_file(m.file, file)) break;
  }
  if (i == w.meetings) w.meeting_of[w.meetings++] = {kind, mask, 0, file, line};

  // Wait for the other lanes of the mask. The last lane computes for all of them.
  w.meeting_of[i].arrived |= 1u << lane;
  if (w.meeting_of[i].arrived != mask) {
    wait(self, state::in_warp, file, line);
    return self.result;
  }
  w.meeting_of[i] = w.meeting_of[--w.meetings];
  meet(kind, mask, threads + first);
  for (unsigned left = mask & ~(1u << lane); left; left &= left - 1)
    release(first + static_cast<unsigned>(__builtin_ctz(left)));
  return self.result;
}

void cuda_host_trap(const char* file, int line) { STOP(cudaErrorLaunchFailure, "__trap at " + at(file, line)); }

void sac_copy_async(void* shared, const void* global) {
  if (reinterpret_cast<uintptr_t>(shared) % 16 || reinterpret_cast<uintptr_t>(global) % 16)
    STOP(cudaErrorMisalignedAddress, "sac_copy_async between addresses that are not aligned to 16 bytes");
  if (!is_shared(shared, 16)) STOP(cudaErrorIllegalAddress, "sac_copy_async to what is not shared memory");
  const place from = where(global, 16);
  if (from != place::device && from != place::pinned)
    STOP(cudaErrorIllegalAddress, "sac_copy_async from what is not global memory");
  memset(shared, poison, 16);
  copies[current].push_back({shared, global, threads[current].groups});
  copied = count;
}

void sac_copy_commit() { threads[current].groups++; }

void cuda_host_copy_wait(int newest) {
  const unsigned groups = threads[current].groups;
  std::vector<pending_copy>& ours = copies[current];
  size_t kept = 0;
  for (const pending_copy& c : ours) {
    if (c.group + static_cast<unsigned>(newest) < groups) memcpy(c.to, c.from, 16);
    else ours[kept++] = c;
  }
  ours.resize(kept);
}
