/* The float modes of a thread: rounding, flush to zero, the exceptions that trap. */
#ifndef SAC_UTIL_FLOATS_H
#define SAC_UTIL_FLOATS_H

#include <fenv.h>
#include <stdint.h>

#if defined(__x86_64__)

/* The control words of both units. Reading them takes 1 ns, where fegetenv and fesetenv take 150. */
typedef struct sac_float_modes {
  uint32_t sse;
  uint16_t x87;
} sac_float_modes;

#define SAC_FLOAT_MODES 0xffc0u /* of the word of SSE; the other bits tell which exceptions have occurred */

static inline sac_float_modes sac_float_modes_get(void) {
  sac_float_modes modes = {.sse = __builtin_ia32_stmxcsr()};
  __asm__ volatile("fnstcw %0" : "=m"(modes.x87));
  return modes;
}

/* Sets them where they differ. Exceptions that have occurred in the x87 unit are forgotten, as they might trap now. */
static inline void sac_float_modes_restore(const sac_float_modes* modes) {
  const sac_float_modes now = sac_float_modes_get();
  if ((now.sse ^ modes->sse) & SAC_FLOAT_MODES) __builtin_ia32_ldmxcsr(modes->sse);
  if (now.x87 != modes->x87) __asm__ volatile("fnclex\n\tfldcw %0" : : "m"(modes->x87));
}

#else

typedef struct sac_float_modes {
  fenv_t all;
} sac_float_modes;

static inline sac_float_modes sac_float_modes_get(void) {
  sac_float_modes modes;
  (void)fegetenv(&modes.all);
  return modes;
}

static inline void sac_float_modes_restore(const sac_float_modes* modes) { (void)fesetenv(&modes->all); }

#endif

#endif
