/* Published returns of tasks, to compare a run with. They are only shown; nothing is computed from them. */
#ifndef SAC_ENV_REFERENCES_H
#define SAC_ENV_REFERENCES_H

#include <stdint.h>

typedef struct sac_reference {
  const char* id;
  double mean;        /* undiscounted return of an episode */
  double spread;      /* standard deviation over seeds; NAN: unknown */
  const char* source; /* who published it, after how many steps, and of which version of the task if not of `id` */
} sac_reference;

extern const sac_reference sac_references[]; /* (sac_reference_count) */
extern const int32_t sac_reference_count;

/* The return of `id`; for gym:ID without its own line, that of ID. NULL when there is none. */
const sac_reference* sac_reference_find(const char* id);

#endif
