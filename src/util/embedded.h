/* Files compiled into the library: the presets of scripts/configs, so that a program moved elsewhere still has them.
 * The table is generated at build time (scripts/cmake/embed.cmake). */
#ifndef SAC_UTIL_EMBEDDED_H
#define SAC_UTIL_EMBEDDED_H

#include <stddef.h>

typedef struct {
  const char* name;  // the env.id that the file says, or its own name without ".yaml": "Pendulum-v1"
  const char* text;  // its bytes, and one '\0' after them
  size_t size;       // bytes, the '\0' not counted
} sac_embedded_file;

extern const sac_embedded_file sac_embedded_configs[];  // ordered by name
extern const size_t sac_embedded_config_count;

/* In sac_gym.so: src/env/gym/bridge.py and, behind it, record.py. */
extern const sac_embedded_file sac_embedded_gyms[];
extern const size_t sac_embedded_gym_count;

#endif
