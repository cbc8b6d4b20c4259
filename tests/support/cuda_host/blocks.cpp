// How a kernel runs: blocks in turn, a block's threads as fibers.
//
// A fiber runs threads that have not started, one after another, until one of them has to wait; then a thread that may
// go on is resumed, or a new fiber starts the next thread. So a kernel without barriers costs no switch at all. When
// nothing can go on and not all threads have ended, some thread waits for one that will never come: a fault.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <unordered_map>

#include "fibers.h"
#include "internal.h"

cuda_host_thread cuda_host_now;

namespace cuda_host {
namespace {

constexpr unsigned threads_max = 1024, warp_size = 32, nobody = ~0u;

struct pending_copy {
  void* to;
  const void* from;
  unsigned group;
};
enum class state { running, at_barrier, in_warp, ended };
// One line of the cache: every switch from a thread to another reads it.
struct alignas(64) device_thread {
  uint3 index;
  state is;
  fiber* on;
  const char* file;  // where it waits
  uint64_t value, result;
  int line, width;
  unsigned lane_argument;
  unsigned groups;  // asynchronous copies: groups closed so far
};
static_assert(sizeof(device_thread) == 64, "one line of the cache");
// A warp's operation that waits for lanes. A warp may have several: one for each part of it.
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

device_thread threads[threads_max];
std::vector<pending_copy> copies[threads_max];  // a thread's
bool copied;                                    // whether any thread of the block has made one
warp warps[threads_max / warp_size];
unsigned order[threads_max], ready[threads_max];
unsigned count, started, ended, waiting, true_predicates, ready_first, ready_count;
unsigned barrier_result;   // of the last whole barrier: read by every thread before the next one can be whole
const char* barrier_file;  // where the first that waits at a barrier does so
int barrier_line;
bool barriers_differ;  // another waits elsewhere
bool in_order;         // natural(), for as long as the kernel runs
dim3 indexed;          // the size of the block that the threads' indices are of
unsigned current = nobody;
const launch* running;
fiber scheduler;
fiber* current_fiber;
std::vector<fiber*>& all_fibers = *new std::vector<fiber*>;  // never destroyed, as the fibers are not
std::vector<fiber*>& free_fibers = *new std::vector<fiber*>;
std::string fault_text;
cudaError_t fault_error;

void fiber_main();

std::string position(unsigned t) {
  const dim3& b = cuda_host_now.block_size;
  char text[64];
  snprintf(text, sizeof text, "(%u,%u,%u)", t % b.x, t / b.x % b.y, t / b.x / b.y);
  return text;
}
bool same_file(const char* a, const char* b) { return a == b || !strcmp(a, b); }
std::string at(const char* file, int line) { return std::string(file) + ":" + std::to_string(line); }
std::string state_of(unsigned t) {
  if (threads[t].is == state::ended) return "has ended";
  if (threads[t].is == state::at_barrier) return "waits at the barrier " + at(threads[t].file, threads[t].line);
  if (threads[t].is == state::in_warp) return "waits for its warp at " + at(threads[t].file, threads[t].line);
  return "runs";
}
// A thread and what it does.
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

// Ends the block, from inside one of its threads or from the scheduler.
void report(cudaError_t error, unsigned t, const std::string& what) {
  const uint3& b = cuda_host_now.block;
  char block[64];
  snprintf(block, sizeof block, "(%u,%u,%u)", b.x, b.y, b.z);
  fault_text = "kernel " + running->name + ", block " + block + ", thread " + position(t) + ": " + what;
  fault_error = error;
}
// Its caller's frame is never left, so nothing that has to be destroyed may live there: STOP.
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
}

// One of n, at random: without a division, which would take longer than the switch.
unsigned one_of(unsigned n) { return static_cast<unsigned>((random_number() >> 32) * n >> 32); }

fiber* resume() {
  const unsigned t = ready[ready_first];
  ready_first = (ready_first + 1) % threads_max;
  --ready_count;
  threads[t].is = state::running;
  set_now(t);
  return threads[t].on;
}
__attribute__((noinline)) fiber* next_in_any_order() {
  const bool may_start = started < count;
  if (ready_count && (!may_start || in_order || random_number() % 2)) {
    if (!in_order) std::swap(ready[ready_first], ready[(ready_first + one_of(ready_count)) % threads_max]);
    return resume();
  }
  if (!may_start) return &scheduler;
  if (free_fibers.empty()) {
    all_fibers.push_back(fiber_create(fiber_main));
    return all_fibers.back();
  }
  fiber* f = free_fibers.back();
  free_fibers.pop_back();
  return f;
}
// Who runs next: nobody can be without a fiber, because a fiber that has nothing to do comes here itself.
inline fiber* next() { return ready_count && in_order ? resume() : next_in_any_order(); }

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
      self.is = state::ended;
      ++ended;
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

// Nothing can go on: says which thread waits for which.
void explain() {
  for (unsigned w = 0; w * warp_size < count; ++w) {
    for (unsigned i = 0; i < warps[w].meetings; ++i) {
      const meeting& m = warps[w].meeting_of[i];
      const unsigned here = w * warp_size + static_cast<unsigned>(__builtin_ctz(m.arrived));
      const unsigned missing = w * warp_size + static_cast<unsigned>(__builtin_ctz(m.mask & ~m.arrived));
      return report(cudaErrorLaunchFailure, here,
                    "waits at " + at(m.file, m.line) + " for a lane of its mask that does not come: " + doing(missing));
    }
  }
  unsigned here = 0, other = 0;
  while (threads[here].is != state::at_barrier) ++here;
  while (threads[other].is == state::at_barrier) ++other;
  report(cudaErrorLaunchFailure, here,
         "waits at the barrier " + at(threads[here].file, threads[here].line) +
             ", which not every thread reaches: " + doing(other));
}

bool run_block() {
  started = ended = waiting = true_predicates = ready_first = ready_count = 0;
  if (copied)
    for (unsigned t = 0; t < count; ++t) copies[t].clear();
  copied = false;
  for (unsigned w = 0; w * warp_size < count; ++w) warps[w].meetings = 0;
  shuffle(order, count);
  fault_error = cudaSuccess;
  current_fiber = &scheduler;
  go_to(next());
  if (!fault_error && ended != count) explain();
  if (!fault_error) return true;
  free_fibers = all_fibers;  // those that wait will never go on
  for (fiber* f : all_fibers) fiber_reset(f, fiber_main);
  return false;
}

// ---- shared memory ----
struct variable {
  unsigned char* address;
  size_t size;
};
std::vector<variable> shared_variables;                        // every __shared__ of the program
std::unordered_map<const void*, std::vector<size_t>> used_by;  // kernel -> the ones it was seen to write
unsigned char* dynamic_memory;
size_t dynamic_capacity;

// The sanitizer's margins may lie inside (clang): no checks, and no memset that has them.
__attribute__((no_sanitize("address", "undefined"))) void fill(const variable& v) {
  static_assert(poison == 0xff, "every bit");
  size_t i = 0;
  for (; i < v.size && reinterpret_cast<uintptr_t>(v.address + i) % 8; ++i)
    *const_cast<volatile unsigned char*>(v.address + i) = poison;
  for (; i + 8 <= v.size; i += 8) *reinterpret_cast<volatile uint64_t*>(v.address + i) = ~uint64_t{0};
  for (; i < v.size; ++i) *const_cast<volatile unsigned char*>(v.address + i) = poison;
}
__attribute__((no_sanitize("address", "undefined"))) bool untouched(const variable& v) {
  for (size_t i = 0; i < v.size; ++i)
    if (v.address[i] != poison) return false;
  return true;
}

// The symbols that __shared__ tagged, in one loaded file.
int find_shared(dl_phdr_info* info, size_t, void*) {
  const char* name = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
  const int file = open(name, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) || status.st_size < static_cast<off_t>(sizeof(ElfW(Ehdr)))) {
    if (file >= 0) close(file);
    return 0;
  }
  const size_t size = static_cast<size_t>(status.st_size);
  const unsigned char* image = static_cast<unsigned char*>(mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0));
  close(file);
  if (image == MAP_FAILED) return 0;
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(image);
  if (!memcmp(image, ELFMAG, SELFMAG) && header->e_shoff &&
      header->e_shoff + header->e_shnum * sizeof(ElfW(Shdr)) <= size) {
    const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(image + header->e_shoff);
    for (unsigned s = 0; s < header->e_shnum; ++s) {
      if (sections[s].sh_type != SHT_SYMTAB) continue;
      const auto* symbols = reinterpret_cast<const ElfW(Sym)*>(image + sections[s].sh_offset);
      const char* names = reinterpret_cast<const char*>(image + sections[sections[s].sh_link].sh_offset);
      for (size_t i = 0; i < sections[s].sh_size / sizeof *symbols; ++i)
        if ((symbols[i].st_info & 0xf) == STT_OBJECT && symbols[i].st_shndx &&
            strstr(names + symbols[i].st_name, "B10sac_shared"))
          shared_variables.push_back(
              {reinterpret_cast<unsigned char*>(info->dlpi_addr + symbols[i].st_value), symbols[i].st_size});
    }
  }
  munmap(const_cast<unsigned char*>(image), size);
  return 0;
}

void find_shared_once() {
  static bool done;
  if (done) return;
  done = true;
  dl_iterate_phdr(find_shared, nullptr);
  for (const variable& v : shared_variables) fill(v);
}

// Between launches every variable is full of poison. Which ones a kernel writes is learned from its first and last
// block.
void learn_shared(const void* kernel) {
  std::vector<size_t>& used = used_by[kernel];
  for (size_t i = 0; i < shared_variables.size(); ++i) {
    if (untouched(shared_variables[i])) continue;
    bool known = false;
    for (const size_t u : used) known = known || u == i;
    if (!known) used.push_back(i);
  }
}

// Exactly `size` bytes that may be touched, and poison behind them.
void take_dynamic(size_t size) {
  if (size > dynamic_capacity || !dynamic_memory) {
    if (dynamic_memory) ASAN_UNPOISON_MEMORY_REGION(dynamic_memory, dynamic_capacity + 4096);
    free(dynamic_memory);
    dynamic_capacity = (size + 4095) / 4096 * 4096;
    dynamic_memory = static_cast<unsigned char*>(aligned_alloc(4096, dynamic_capacity + 4096));
    if (!dynamic_memory) abort();
  }
  ASAN_POISON_MEMORY_REGION(dynamic_memory, dynamic_capacity + 4096);
  ASAN_UNPOISON_MEMORY_REGION(dynamic_memory, size);
  cuda_host_now.dynamic_shared = dynamic_memory;
}

bool is_shared(const void* pointer, size_t size) {
  const auto p = reinterpret_cast<uintptr_t>(pointer);
  const auto d = reinterpret_cast<uintptr_t>(dynamic_memory);
  if (p >= d && p + size <= d + running->shared) return true;
  for (const variable& v : shared_variables) {
    const auto a = reinterpret_cast<uintptr_t>(v.address);
    if (p >= a && p + size <= a + v.size) return true;
  }
  return false;
}

float tf32(uint32_t bits) {
  bits &= 0xffffe000u;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// kernels/cuda.cuh says which element is where. Not inline, as what waits in a warp has a small frame: a block's stacks
// together fit a cache then.
__attribute__((noinline)) void multiply(unsigned first) {
  const cuda_host_fragments* f[warp_size];
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < warp_size; ++lane) {
    f[lane] = reinterpret_cast<const cuda_host_fragments*>(static_cast<uintptr_t>(threads[first + lane].value));
    const unsigned group = lane / 4, place = lane % 4;
    for (unsigned i = 0; i < 4; ++i) a[group + i % 2 * 8][place + i / 2 * 4] = tf32(f[lane]->a[i]);
    for (unsigned i = 0; i < 2; ++i) b[place + i * 4][group] = tf32(f[lane]->b[i]);
  }
  for (unsigned lane = 0; lane < warp_size; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = f[lane]->d[i];
      for (unsigned k = 0; k < 8; ++k) sum += a[row][k] * b[k][column];
      f[lane]->d[i] = sum;
    }
}

// Which lane's value a lane gets, by the definition of shfl.sync in PTX.
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

// What the lanes of a mask get when all have come.
void meet(cuda_host_kind kind, unsigned mask, unsigned first) {
  device_thread* const lanes = threads + first;
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
      return multiply(first);
    case cuda_host_ballot:
      for (unsigned l = 0; l < warp_size; ++l)
        if (mask >> l & 1) votes |= static_cast<unsigned>(lanes[l].value) << l;
      for (unsigned l = 0; l < warp_size; ++l)
        if (mask >> l & 1) lanes[l].result = votes;
      return;
    case cuda_host_syncwarp:
    case cuda_host_syncthreads:
      return;
  }
}

[[noreturn]] void wrong_barrier(const char* file, int line) {
  unsigned other = 0;
  while (order[other] == current || (threads[order[other]].line == line && same_file(threads[order[other]].file, file)))
    ++other;
  STOP(cudaErrorLaunchFailure, "is at the barrier " + at(file, line) + ", while " + doing(order[other]));
}
[[noreturn]] void wrong_warp(const char* what, const char* file, int line) {
  STOP(cudaErrorLaunchFailure, what + (" at " + at(file, line)));
}

}  // namespace

cudaError_t run_kernel(int device, const launch& l) {
  count_launch(l.name);
  if (fault_wanted(l.name)) {
    fault(device, cudaErrorIllegalAddress, "kernel " + l.name + ": injected fault");
    return cudaErrorIllegalAddress;
  }
  find_shared_once();
  take_dynamic(l.shared);
  running = &l;
  in_order = natural();
  count = l.block.x * l.block.y * l.block.z;
  for (unsigned t = 0; t < count; ++t) order[t] = t;
  if (memcmp(&indexed, &l.block, sizeof indexed)) {
    for (unsigned t = 0; t < count; ++t)
      threads[t].index = {t % l.block.x, t / l.block.x % l.block.y, t / l.block.x / l.block.y};
    indexed = l.block;
  }
  cuda_host_now.block_size = l.block;
  cuda_host_now.grid_size = l.grid;
  const uint64_t blocks = static_cast<uint64_t>(l.grid.x) * l.grid.y * l.grid.z;
  std::vector<uint32_t> shuffled;
  if (!in_order && blocks <= UINT32_MAX) {
    shuffled.resize(blocks);
    for (uint64_t i = 0; i < blocks; ++i) shuffled[i] = static_cast<uint32_t>(i);
    shuffle(shuffled.data(), blocks);
  }
  bool well = true;
  for (uint64_t i = 0; i < blocks && well; ++i) {
    const uint64_t b = shuffled.empty() ? i : shuffled[i];
    cuda_host_now.block = {static_cast<unsigned>(b % l.grid.x), static_cast<unsigned>(b / l.grid.x % l.grid.y),
                           static_cast<unsigned>(b / l.grid.x / l.grid.y)};
    memset(dynamic_memory, poison, l.shared);
    well = run_block();
    if (i == 0 || i + 1 == blocks || !well) learn_shared(l.function);
    for (const size_t u : used_by[l.function]) fill(shared_variables[u]);
  }
  running = nullptr;
  current = nobody;
  cuda_host_now.dynamic_shared = nullptr;
  if (!well) fault(device, fault_error, fault_text);
  return well ? cudaSuccess : fault_error;
}

}  // namespace cuda_host

using namespace cuda_host;

unsigned cuda_host_barrier(bool predicate, const char* file, int line) {
  if (waiting == 0) {
    true_predicates = 0;
    barriers_differ = false;
    barrier_file = file;
    barrier_line = line;
  } else if (line != barrier_line || !same_file(file, barrier_file)) {
    barriers_differ = true;
  }
  true_predicates += predicate;
  if (++waiting < count) {
    wait(threads[current], state::at_barrier, file, line);
    return barrier_result;
  }
  const unsigned t = current;
  waiting = 0;
  if (barriers_differ) wrong_barrier(file, line);
  for (unsigned i = 0; i < count; ++i)
    if (order[i] != t) release(order[i]);
  return barrier_result = true_predicates;
}

uint64_t cuda_host_warp(cuda_host_kind kind, unsigned mask, uint64_t value, unsigned lane_argument, int width,
                        const char* file, int line) {
  const unsigned t = current, lane = t % warp_size, first = t - lane;
  if (!(mask >> lane & 1)) wrong_warp("is not in the mask it gives", file, line);
  if (width < 1 || width > 32 || (width & (width - 1))) wrong_warp("gives a wrong width", file, line);
  device_thread& self = threads[t];
  self.value = value;
  self.lane_argument = lane_argument;
  self.width = width;
  warp& w = warps[first / warp_size];
  unsigned i = 0;
  for (; i < w.meetings; ++i) {
    const meeting& m = w.meeting_of[i];
    if (m.kind == kind && m.mask == mask && m.line == line && same_file(m.file, file)) break;
  }
  if (i == w.meetings) w.meeting_of[w.meetings++] = {kind, mask, 0, file, line};
  w.meeting_of[i].arrived |= 1u << lane;
  if (w.meeting_of[i].arrived != mask) {
    wait(self, state::in_warp, file, line);
    return self.result;
  }
  w.meeting_of[i] = w.meeting_of[--w.meetings];
  meet(kind, mask, first);
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
  copied = true;
}

void sac_copy_commit() { ++threads[current].groups; }

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
