/* What a thread does between two looks at what another will write. */
#ifndef SAC_UTIL_RELAX_H
#define SAC_UTIL_RELAX_H

static inline void sac_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
