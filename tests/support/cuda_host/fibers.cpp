// See fibers.h.
#include "fibers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#ifdef CUDA_HOST_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_host {
namespace {

#ifdef CUDA_HOST_ASAN
constexpr size_t stack_size = 256 << 10;
#else
constexpr size_t stack_size = 128 << 10;
#endif
constexpr size_t colour = 320, colours = 12;  // five cache lines; all of them within a page
unsigned made;
#ifdef CUDA_HOST_ASAN
fiber* left;  // the fiber that switched last
#endif

}  // namespace

fiber* fiber_create(void (*main)()) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  char* memory = static_cast<char*>(
      mmap(nullptr, stack_size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE)) {
    perror("cuda_host: no memory for a device thread's stack");
    abort();
  }
  fiber* f = new fiber;
  f->bottom = memory + page;
  f->size = stack_size;
  f->colour = made++ % colours * colour;
  fiber_reset(f, main);
  return f;
}

void fiber_reset(fiber* f, void (*main)()) {
  ASAN_UNPOISON_MEMORY_REGION(f->bottom, f->size);
  f->fake_stack = nullptr;
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(static_cast<char*>(f->bottom) + f->size - f->colour);
  *--top = nullptr;  // main finds its stack as after a call
  *--top = reinterpret_cast<void*>(main);
  f->pointer = top;
#else
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->bottom;
  f->context.uc_stack.ss_size = f->size;
  f->context.uc_link = nullptr;
  makecontext(&f->context, main, 0);
#endif
}

#ifdef CUDA_HOST_ASAN
void fiber_leave(fiber* from, fiber* to) {
  left = from;
  __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
}
// Reads the bounds of the stack that was left from the sanitizer: there is no other way to know the scheduler's.
void fiber_arrive(fiber* self) {
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(self ? self->fake_stack : nullptr, &bottom, &size);
  left->bottom = const_cast<void*>(bottom);
  left->size = size;
}
#endif

}  // namespace cuda_host
