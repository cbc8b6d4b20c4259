// Fibers: stacks that take turns on one thread.
#ifndef TESTS_SUPPORT_CUDA_HOST_FIBERS_H
#define TESTS_SUPPORT_CUDA_HOST_FIBERS_H

#include <stddef.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuda_host {

struct fiber {
  void* pointer = nullptr;  // where its stack stands while it is not running
  void* bottom = nullptr;   // lowest address of the stack; the scheduler's is told by the sanitizer
  size_t size = 0;
  void* fake_stack = nullptr;  // the address sanitizer's
#if !defined(__x86_64__)
  ucontext_t context;
#endif
};

fiber* fiber_create(void (*main)());         // with a guard page; never freed, but reset
void fiber_reset(fiber* f, void (*main)());  // forgets what it was doing
void fiber_switch(fiber* from, fiber* to);   // comes back when somebody switches to `from`
void fiber_begin();                          // the first thing a fiber's main calls

}  // namespace cuda_host
#endif
