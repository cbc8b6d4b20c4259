// Device memory, pinned memory, and copies between them.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

namespace cuda_host {
namespace {

constexpr size_t arena_size = size_t{128} << 30;  // of addresses, not of memory
constexpr size_t alignment = 256;

// Each device has a range of addresses that cannot be accessed while no work runs. An allocation ends at the end of a
// page, as far as its alignment allows, and an unused page follows it.
struct arena {
  char* base = nullptr;
  size_t used = 0;  // addresses given out so far, which are never reused
  size_t live = 0;  // bytes allocated now
  int open = 0;
  int key = -1;  // a protection key, if the processor has them: it opens and closes the range without a system call
  std::map<uintptr_t, size_t> allocations;
};
arena arenas[devices_max];
std::map<uintptr_t, size_t> pinned;
struct sigaction previous_action;

size_t page() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}
size_t round_up(size_t x, size_t to) { return (x + to - 1) / to * to; }

void on_fault(int, siginfo_t* info, void*) {
  for (const arena& a : arenas) {
    const char* p = static_cast<char*>(info->si_addr);
    if (!a.base || p < a.base || p >= a.base + arena_size) continue;
    const char in_host[] = "cuda_host: host code touched device memory\n";
    const char in_kernel[] = "cuda_host: a kernel or copy touched device memory that is not allocated\n";
    const ssize_t written = a.open ? write(2, in_kernel, sizeof in_kernel - 1) : write(2, in_host, sizeof in_host - 1);
    (void)written;
  }
  sigaction(SIGSEGV, &previous_action, nullptr);  // the fault happens again and goes to the previous handler
}

arena& prepared(int device) {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    return sigaction(SIGSEGV, &action, &previous_action) == 0;
  }();
  (void)installed;
  arena& a = arenas[device];
  if (!a.base) {
    void* base = mmap(nullptr, arena_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
      perror("cuda_host: no addresses for device memory");
      abort();
    }
    a.base = static_cast<char*>(base);
    a.key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
    // Every wait opens and closes the used part, which large pages make cheap. If they are refused, it is only slower.
    if (a.key < 0) (void)madvise(base, arena_size, MADV_HUGEPAGE);
  }
  return a;
}
// Lets the threads of this process, or this thread, access the used part of an arena, or forbids it.
void permit(const arena& a, bool yes) {
  if (a.key >= 0) (void)pkey_set(a.key, yes ? 0 : PKEY_DISABLE_ACCESS);
  else if (a.used) mprotect(a.base, a.used, yes ? PROT_READ | PROT_WRITE : PROT_NONE);
}

// Replaces pages by new ones, of a file or (-1) of zeros.
constexpr size_t large = 1 << 20;
void replace(char* first, size_t size, int file) {
  const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (file < 0 ? MAP_ANONYMOUS : 0);
  if (mmap(first, size, PROT_READ | PROT_WRITE, flags, file, 0) != MAP_FAILED) return;
  perror("cuda_host: no pages for device memory");
  abort();
}
// Fills pages that are used for the first time with poison. Large ranges are mapped from a file full of poison, so that
// they take time and memory only where they are written: a workspace of cuBLAS mostly is not.
void fill(char* first, size_t size) {
  static const int file = [] {
    const int made = memfd_create("cuda_host", MFD_CLOEXEC);
    const std::vector<char> full(large, static_cast<char>(poison));
    return made >= 0 && write(made, full.data(), large) == static_cast<ssize_t>(large) ? made : -1;
  }();
  size_t done = 0;
  for (; file >= 0 && size - done >= large; done += large) replace(first + done, large, file);
  if (done < size && mprotect(first + done, size - done, PROT_READ | PROT_WRITE)) abort();
  memset(first + done, poison, size - done);
}
// Fills allocated memory of an open arena with zeros, at the same low cost.
void clear(const arena& a, char* first, size_t size) {
  char* const from = first + round_up(reinterpret_cast<uintptr_t>(first), page()) - reinterpret_cast<uintptr_t>(first);
  if (size < large + page()) {
    memset(first, 0, size);
    return;
  }
  const size_t head = static_cast<size_t>(from - first), whole = (size - head) / page() * page();
  memset(first, 0, head);
  replace(from, whole, -1);
  if (a.key >= 0) pkey_mprotect(from, whole, PROT_READ | PROT_WRITE, a.key);
  memset(from + whole, 0, size - head - whole);
}

// The entry whose range holds the address, or end.
std::map<uintptr_t, size_t>::const_iterator holder(const std::map<uintptr_t, size_t>& ranges, uintptr_t p) {
  auto it = ranges.upper_bound(p);
  if (it == ranges.begin()) return ranges.end();
  it--;
  return p - it->first < it->second ? it : ranges.end();
}

cudaError_t host_alloc(void** pointer, size_t size) {
  *pointer = nullptr;
  if (!size) return cudaSuccess;
  void* p = aligned_alloc(4096, round_up(size, 4096));
  if (!p) return cudaErrorMemoryAllocation;
  memset(p, poison, size);
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(p) + size, round_up(size, 4096) - size);
  pinned[reinterpret_cast<uintptr_t>(p)] = size;
  *pointer = p;
  return cudaSuccess;
}

// A copy or fill, row by row.
struct rows {
  char* to;
  size_t to_pitch;
  const char* from;
  size_t from_pitch, width, height;
  size_t to_extent() const { return (height - 1) * to_pitch + width; }
  size_t from_extent() const { return (height - 1) * from_pitch + width; }
};
struct ends {
  place to, from;
  int to_device = 0, from_device = 0;
};
void move(const rows& r, const ends& e) {
  const opened to(e.to == place::device ? e.to_device : -1), from(e.from == place::device ? e.from_device : -1);
  for (size_t y = 0; y < r.height; y++) memcpy(r.to + y * r.to_pitch, r.from + y * r.from_pitch, r.width);
}

// Checks the ends of a copy, and finds out where they are.
cudaError_t check(const rows& r, cudaMemcpyKind kind, ends* e) {
  if (r.height > 1 && (r.to_pitch < r.width || r.from_pitch < r.width)) return cudaErrorInvalidValue;
  e->to = where(r.to, r.to_extent(), &e->to_device);
  e->from = where(r.from, r.from_extent(), &e->from_device);
  if (e->to == place::invalid || e->from == place::invalid || !r.to || !r.from) return cudaErrorInvalidValue;

  const bool to_device = e->to == place::device, from_device = e->from == place::device;
  switch (kind) {
    case cudaMemcpyHostToHost:
      return to_device || from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyHostToDevice:
      return !to_device || from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDeviceToHost:
      return to_device || !from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDeviceToDevice:
      return !to_device || !from_device ? cudaErrorInvalidValue : cudaSuccess;
    case cudaMemcpyDefault:
      return cudaSuccess;
  }
  return cudaErrorInvalidMemcpyDirection;
}

// Pageable memory is staged as in CUDA: a source is read now, a target is written before the call returns.
cudaError_t copy(const rows& r, cudaMemcpyKind kind, cudaStream_t handle, bool wait) {
  if (!r.width || !r.height) return cudaSuccess;
  const stream_ref s = find_stream(handle);
  if (!s) return cudaErrorInvalidResourceHandle;
  ends e = {};
  cudaError_t error = check(r, kind, &e);
  if (error) return error;

  // A graph cannot have copies of pageable memory.
  if (s->capturing && (e.to == place::pageable || e.from == place::pageable)) {
    s->capturing->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }

  // A synchronous copy is ordered with all work of another device that it touches.
  if (wait && e.to == place::device && e.to_device != s->device) synchronize_device(e.to_device);
  if (wait && e.from == place::device && e.from_device != s->device) synchronize_device(e.from_device);

  // The operation.
  node n;
  n.type = cudaGraphNodeTypeMemcpy;
  if (e.from == place::pageable) {
    auto staged = std::make_shared<std::vector<char>>(r.from_extent());
    for (size_t y = 0; y < r.height; y++) memcpy(staged->data() + y * r.from_pitch, r.from + y * r.from_pitch, r.width);
    n.run = [r, e, staged] {
      rows from_stage = r;
      from_stage.from = staged->data();
      move(from_stage, e);
      return cudaSuccess;
    };
  } else {
    n.run = [r, e] {
      move(r, e);
      return cudaSuccess;
    };
  }
  if (e.to == place::pinned && !wait)
    n.when_queued = [r] {
      for (size_t y = 0; y < r.height; y++) memset(r.to + y * r.to_pitch, poison, r.width);
    };

  error = enqueue(s, std::move(n));
  if (!error && (wait || e.to == place::pageable)) error = run_until(s, s->end());
  return error;
}

// Fills memory, row by row.
cudaError_t set(char* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t handle) {
  const stream_ref s = find_stream(handle);
  if (!s) return cudaErrorInvalidResourceHandle;
  if (!width || !height) return cudaSuccess;
  if (height > 1 && pitch < width) return cudaErrorInvalidValue;
  int device = -1;
  const place at = where(to, (height - 1) * pitch + width, &device);
  if (at != place::device && at != place::pinned) return cudaErrorInvalidValue;

  node n;
  n.type = cudaGraphNodeTypeMemset;
  n.run = [=] {
    const opened open(at == place::device ? device : -1);
    if (at == place::device && value == 0 && height == 1) clear(arenas[device], to, width);
    else
      for (size_t y = 0; y < height; y++) memset(to + y * pitch, value, width);
    return cudaSuccess;
  };
  return enqueue(s, std::move(n));
}

}  // namespace

place where(const void* pointer, size_t size, int* device) {
  const auto p = reinterpret_cast<uintptr_t>(pointer);
  for (int d = 0; d < devices_max; d++) {
    const auto base = reinterpret_cast<uintptr_t>(arenas[d].base);
    if (!base || p < base || p >= base + arena_size) continue;
    if (device) *device = d;
    const auto it = holder(arenas[d].allocations, p);
    return it != arenas[d].allocations.end() && size <= it->first + it->second - p ? place::device : place::invalid;
  }
  const auto it = holder(pinned, p);
  if (it == pinned.end()) return place::pageable;
  return size <= it->first + it->second - p ? place::pinned : place::invalid;
}

opened::opened(int device) : device_(device) {
  if (device >= 0 && arenas[device].base && !arenas[device].open++) permit(arenas[device], true);
}
opened::~opened() {
  if (device_ >= 0 && arenas[device_].base && !--arenas[device_].open) permit(arenas[device_], false);
}

size_t live_memory() {
  size_t n = pinned.size();
  for (const arena& a : arenas) n += a.allocations.size();
  return n;
}
void release_memory() {
  for (arena& a : arenas) {
    if (!a.base) continue;
    ASAN_UNPOISON_MEMORY_REGION(a.base, a.used);
    munmap(a.base, arena_size);
    if (a.key >= 0) pkey_free(a.key);
    a = arena();
  }
  while (!pinned.empty()) {
    void* p = reinterpret_cast<void*>(pinned.begin()->first);
    ASAN_UNPOISON_MEMORY_REGION(p, round_up(pinned.begin()->second, 4096));
    pinned.erase(pinned.begin());
    free(p);
  }
}

}  // namespace cuda_host

using namespace cuda_host;

cudaError_t cudaMalloc(void** pointer, size_t size) {
  return call(unsafe, [&] {
    if (!pointer) return cudaErrorInvalidValue;
    *pointer = nullptr;
    if (!size) return cudaSuccess;
    arena& a = prepared(current_device());
    const size_t given = round_up(size, alignment), pages = round_up(given, page());
    if (size > memory_limit() || given > memory_limit() - std::min(a.live, memory_limit()) ||
        pages + page() > arena_size - a.used)
      return cudaErrorMemoryAllocation;

    // The allocation ends at the end of its pages, so that the next byte cannot be accessed.
    char* first = a.base + a.used;
    char* p = first + pages - given;
    a.used += pages + page();
    a.live += given;

    // Fill it, and let the sanitizer know its bounds.
    const opened open(current_device());
    permit(a, true);
    fill(first, pages);
    if (a.key >= 0) pkey_mprotect(first, pages + page(), PROT_READ | PROT_WRITE, a.key);
    ASAN_POISON_MEMORY_REGION(first, pages + page());
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    a.allocations[reinterpret_cast<uintptr_t>(p)] = size;
    *pointer = p;
    return cudaSuccess;
  });
}
cudaError_t cudaFree(void* pointer) {
  return call(unsafe | releases, [&] {
    if (!pointer) return cudaSuccess;
    int device = 0;
    const auto p = reinterpret_cast<uintptr_t>(pointer);
    if (where(pointer, 1, &device) != place::device || !arenas[device].allocations.count(p))
      return cudaErrorInvalidValue;

    // Free it when the device has finished; its pages go back to the system.
    const cudaError_t error = synchronize_device(device);
    arena& a = arenas[device];
    const size_t size = a.allocations[p], given = round_up(size, alignment);
    ASAN_POISON_MEMORY_REGION(pointer, size);
    char* end = static_cast<char*>(pointer) + given;
    madvise(end - round_up(given, page()), round_up(given, page()), MADV_DONTNEED);
    a.live -= given;
    a.allocations.erase(p);
    return error;
  });
}
cudaError_t cudaMallocHost(void** pointer, size_t size) {
  return call(unsafe, [&] { return pointer ? host_alloc(pointer, size) : cudaErrorInvalidValue; });
}
cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned flags) {
  return call(unsafe, [&] { return pointer && flags < 8 ? host_alloc(pointer, size) : cudaErrorInvalidValue; });
}
cudaError_t cudaFreeHost(void* pointer) {
  return call(unsafe | releases, [&] {
    if (!pointer) return cudaSuccess;
    const auto it = pinned.find(reinterpret_cast<uintptr_t>(pointer));
    if (it == pinned.end()) return cudaErrorInvalidValue;
    cudaError_t error = cudaSuccess;
    for (int d = 0; d < devices_max; d++) {
      const cudaError_t e = synchronize_device(d);
      if (e) error = e;
    }
    ASAN_UNPOISON_MEMORY_REGION(pointer, round_up(it->second, 4096));
    pinned.erase(it);
    free(pointer);
    return error;
  });
}
cudaError_t cudaHostGetDevicePointer(void** device_pointer, void* host_pointer, unsigned flags) {
  return call(plain, [&] {
    if (flags || where(host_pointer, 1) != place::pinned) return cudaErrorInvalidValue;
    *device_pointer = host_pointer;
    return cudaSuccess;
  });
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  return call(plain, [&] {
    *total = memory_limit();
    *available = *total - std::min(arenas[current_device()].live, *total);
    return cudaSuccess;
  });
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call(plain, [&] {
    cudaPointerAttributes a = {};
    a.device = current_device();
    void* p = const_cast<void*>(pointer);
    switch (where(pointer, 1, &a.device)) {
      case place::device:
        a.type = cudaMemoryTypeDevice;
        a.devicePointer = p;
        break;
      case place::pinned:
        a.type = cudaMemoryTypeHost;
        a.devicePointer = a.hostPointer = p;
        break;
      case place::pageable:
      case place::invalid:
        a.type = cudaMemoryTypeUnregistered;
        a.device = -2;
        a.hostPointer = p;
        break;
    }
    *attributes = a;
    return cudaSuccess;
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind) {
  const rows r = {static_cast<char*>(to), size, static_cast<const char*>(from), size, size, 1};
  return call(unsafe, [&] { return copy(r, kind, nullptr, true); });
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind kind, cudaStream_t stream) {
  const rows r = {static_cast<char*>(to), size, static_cast<const char*>(from), size, size, 1};
  return call(plain, [&] { return copy(r, kind, stream, false); });
}
cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                         cudaMemcpyKind kind) {
  const rows r = {static_cast<char*>(to), to_pitch, static_cast<const char*>(from), from_pitch, width, height};
  return call(unsafe, [&] { return copy(r, kind, nullptr, true); });
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  const rows r = {static_cast<char*>(to), to_pitch, static_cast<const char*>(from), from_pitch, width, height};
  return call(plain, [&] { return copy(r, kind, stream, false); });
}
cudaError_t cudaMemset(void* to, int value, size_t size) {
  return call(unsafe, [&] { return set(static_cast<char*>(to), size, value, size, 1, nullptr); });
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t size, cudaStream_t stream) {
  return call(plain, [&] { return set(static_cast<char*>(to), size, value, size, 1, stream); });
}
cudaError_t cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream) {
  return call(plain, [&] { return set(static_cast<char*>(to), pitch, value, width, height, stream); });
}
