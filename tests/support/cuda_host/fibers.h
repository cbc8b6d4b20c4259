// Fibers: several stacks that run in turn on one thread.
#ifndef TESTS_SUPPORT_CUDA_HOST_FIBERS_H
#define TESTS_SUPPORT_CUDA_HOST_FIBERS_H

#include <stddef.h>

#include "internal.h"
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_host {

struct fiber {
  void* pointer = nullptr;  // its stack pointer while it is not running
  void* bottom = nullptr;   // the lowest address of its stack; the sanitizer gives the scheduler's
  size_t size = 0;
  void* fake_stack = nullptr;  // the address sanitizer's
  // Bytes that stay free at its top. Without them all stacks would begin at the same offset in a page and compete for a
  // few cache lines.
  size_t colour = 0;
#if !defined(__x86_64__)
  ucontext_t context;
#endif
};

fiber* fiber_create(void (*main)());         // with a guard page; it is never freed, only reset
void fiber_reset(fiber* f, void (*main)());  // starts again from `main`

#ifdef CUDA_HOST_ASAN
void fiber_leave(fiber* from, fiber* to);
void fiber_arrive(fiber* self);
#else
inline void fiber_leave(fiber*, fiber*) {}
inline void fiber_arrive(fiber*) {}
#endif

// Returns when another fiber switches to `from`. It is inline and jumps, so that the processor's prediction of returns
// stays right: the threads of a block mostly wait at the same place.
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
// A fiber's main calls this first.
inline void fiber_begin() { fiber_arrive(nullptr); }

}  // namespace cuda_host
#endif
