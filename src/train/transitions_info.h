/* What a replay or a transitions file holds, in numbers. */
#ifndef SAC_TRAIN_TRANSITIONS_INFO_H
#define SAC_TRAIN_TRANSITIONS_INFO_H

#include "train/transitions_read.h"

/* The smallest and the largest number of each component, over the transitions whose values are all finite. */
typedef struct sac_transitions_range {
  int64_t size;
  float *min, *max; /* (size) */
} sac_transitions_range;

typedef struct sac_transitions_info {
  int64_t terminated;                        /* transitions that ended an episode */
  int64_t truncated;                         /* that only cut one */
  int64_t not_finite, first_not_finite;      /* transitions with a value that is not finite; the number of the first,
                                              * counted from 0, or -1 */
  double reward_mean;                        /* of the others; NaN without any */
  sac_transitions_range reward, action, obs; /* actions in the environment's units; obs and next_obs together */
} sac_transitions_info;

/* Reads all transitions of an open reader. The caller frees the info, also after an error. Errors: those of
 * sac_transitions_visit. */
sac_status sac_transitions_info_read(sac_transitions_info* info, const sac_transitions_reader* reader);
void sac_transitions_info_free(sac_transitions_info* info);

#endif
