// Fibers: stacks that take turns on one thread.
#ifndef TESTS_SUPPORT_CUDA_HOST_FIBERS_H
#define TESTS_SUPPORT_CUDA_HOST_FIBERS_H

#include <stddef.h>

#include "internal.h"
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_host {

struct fiber {
  void* pointer = nullptr;  // where its stack stands while it is not running
  void* bottom = nullptr;   // lowest address of the stack; the scheduler's is told by the sanitizer
  size_t size = 0;
  void* fake_stack = nullptr;  // the address sanitizer's
  // What it leaves free above: stacks that begin at one place of a page would share a few lines of the cache.
  size_t colour = 0;
#if !defined(__x86_64__)
  ucontext_t context;
#endif
};

fiber* fiber_create(void (*main)());         // with a guard page; never freed, but reset
void fiber_reset(fiber* f, void (*main)());  // forgets what it was doing

#ifdef CUDA_HOST_ASAN
void fiber_leave(fiber* from, fiber* to);
void fiber_arrive(fiber* self);
#else
inline void fiber_leave(fiber*, fiber*) {}
inline void fiber_arrive(fiber*) {}
#endif

// Comes back when somebody switches to `from`. Inline, and a jump: a processor that predicts returns by the calls
// before them is then right, as threads of a block wait at the same place most of the time.
inline __attribute__((always_inline)) void fiber_switch(fiber* from, fiber* to) {
  fiber_leave(from, to);
#if defined(__x86_64__)
  void** save = &from->pointer;
  void* pointer = to->pointer;
  __asm__ volatile(
      "leaq -128(%%rsp), %%rsp\n\t"  // the compiler may use what is below
      "pushq %%rbp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "movq %%rsp, (%0)\n\t"
      "movq %1, %%rsp\n\t"
      "popq %%rax\n\t"
      "jmpq *%%rax\n"
      "1:\n\t"
      "popq %%rbp\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "+D"(save), "+S"(pointer)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
        "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
        "cc", "memory");
#else
  swapcontext(&from->context, &to->context);
#endif
  fiber_arrive(from);
}
// The first thing a fiber's main calls.
inline void fiber_begin() { fiber_arrive(nullptr); }

}  // namespace cuda_host
#endif
