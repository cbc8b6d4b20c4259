/* Files compiled into the library: the presets of scripts/configs, so that a program needs no files beside it.
 * scripts/cmake/embed.cmake generates the tables at build time. */
#ifndef SAC_UTIL_EMBEDDED_H
#define SAC_UTIL_EMBEDDED_H

#include <stddef.h>

typedef struct {
  const char* name; /* the env.id that the file sets, or the file's name without ".yaml": "Pendulum-v1" */
  const char* text; /* the file's bytes, then '\0' */
  size_t size;      /* bytes without the '\0' */
} sac_embedded_file;

extern const sac_embedded_file sac_embedded_configs[]; /* ordered by name */
extern const size_t sac_embedded_config_count;

/* In sac_gym.so: the Python files of src/env/gym, ordered by name. */
extern const sac_embedded_file sac_embedded_gyms[];
extern const size_t sac_embedded_gym_count;

#endif
