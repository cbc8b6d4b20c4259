#include "cpu/isa.h"

#include <stdlib.h>
#include <string.h>

const sac_isa* sac_isa_available(int32_t index) {
  const sac_isa* list[4] = {NULL, NULL, NULL, NULL};
  int32_t count = 0;

  /* list the sets that the processor has, the best first */
#if defined(__x86_64__)
  __builtin_cpu_init();
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    list[count++] = &sac_isa_avx512;
  if (avx2) list[count++] = &sac_isa_avx2;
#endif

  /* portable C runs everywhere, so the list is never empty */
  list[count++] = &sac_isa_portable;
  return index >= 0 && index < count ? list[index] : NULL;
}

const sac_isa* sac_isa_choose(void) {
  /* a name that the processor does not have is ignored */
  const char* wanted = getenv("SAC_CPU");
  for (int32_t i = 0; wanted && sac_isa_available(i); i++)
    if (strcmp(sac_isa_available(i)->name, wanted) == 0) return sac_isa_available(i);
  return sac_isa_available(0);
}
