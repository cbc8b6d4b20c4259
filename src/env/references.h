/* What is known to be reached on a task: a figure to hold a run against. For people; nothing is computed from it. */
#ifndef SAC_ENV_REFERENCES_H
#define SAC_ENV_REFERENCES_H

#include <stdint.h>

typedef struct sac_reference {
  const char* id;
  double mean;        /* undiscounted return of an episode */
  double spread;      /* standard deviation over seeds; NAN: not said */
  const char* source; /* who says so, of which version where that is another, over how many steps */
} sac_reference;

extern const sac_reference sac_references[]; /* (sac_reference_count) */
extern const int32_t sac_reference_count;

/* The figure of `id`, or of the task that Gymnasium steps under it. NULL where none with a source is known. */
const sac_reference* sac_reference_find(const char* id);

#endif
