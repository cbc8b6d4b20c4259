/* A pause for loops that wait until another thread writes. */
#ifndef SAC_UTIL_RELAX_H
#define SAC_UTIL_RELAX_H

/* Call it in each round of the loop: the processor then uses less power and leaves resources to its other thread. */
static inline void sac_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
