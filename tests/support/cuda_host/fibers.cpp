// See fibers.h. A switch saves the registers that a call keeps, and the address sanitizer is told.
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

#if defined(__x86_64__)
// cuda_host_switch(void** save, void* to)
__asm__(R"(
  .text
  .hidden cuda_host_switch
  .globl cuda_host_switch
  .type cuda_host_switch, @function
cuda_host_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size cuda_host_switch, .-cuda_host_switch
)");
extern "C" void cuda_host_switch(void** save, void* to);
#endif

namespace cuda_host {
namespace {

#ifdef CUDA_HOST_ASAN
constexpr size_t stack_size = 256 << 10;
#else
constexpr size_t stack_size = 128 << 10;
#endif
fiber* left;  // the fiber that switched last

// The one that was left tells its bounds: the scheduler has no other way to know them.
void arrive(fiber* self) {
#ifdef CUDA_HOST_ASAN
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(self ? self->fake_stack : nullptr, &bottom, &size);
  left->bottom = const_cast<void*>(bottom);
  left->size = size;
#else
  (void)self;
#endif
}

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
  fiber_reset(f, main);
  return f;
}

void fiber_reset(fiber* f, void (*main)()) {
  ASAN_UNPOISON_MEMORY_REGION(f->bottom, f->size);
  f->fake_stack = nullptr;
#if defined(__x86_64__)
  void** top = reinterpret_cast<void**>(static_cast<char*>(f->bottom) + f->size);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  f->pointer = top;
#else
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->bottom;
  f->context.uc_stack.ss_size = f->size;
  f->context.uc_link = nullptr;
  makecontext(&f->context, main, 0);
#endif
}

void fiber_switch(fiber* from, fiber* to) {
  left = from;
#ifdef CUDA_HOST_ASAN
  __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#if defined(__x86_64__)
  cuda_host_switch(&from->pointer, to->pointer);
#else
  swapcontext(&from->context, &to->context);
#endif
  arrive(from);
}

void fiber_begin() { arrive(nullptr); }

}  // namespace cuda_host
