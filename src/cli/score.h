/* The returns of one policy's episodes, and their statistics. */
#ifndef SAC_CLI_SCORE_H
#define SAC_CLI_SCORE_H

#include <jansson.h>
#include <stdint.h>

#include <sac/status.h>

#include "util/file.h"

/* The episodes of one policy, and their statistics. The arrays are owned. */
typedef struct sac_score {
  char path[SAC_PATH_MAX];
  char name[SAC_PATH_MAX]; /* of its videos; "" without --record-video */

  int sampled;   /* 1: actions were drawn from the policy; 0: they were its mode */
  char step[24]; /* of training, of the policy; "" when the file does not say it */

  /* episode_return, length (episodes): each episode's return and steps; half_width: of the 95% interval of the mean */
  int64_t episodes; /* that have ended: fewer than were asked for if the evaluation was left */
  double *episode_return, mean, std, half_width, min, max;
  int64_t* length;
  double* success;     /* (episodes) sac_vector_success of each */
  double success_rate; /* the mean of those that are known; NaN: none is */
  int64_t told;        /* how many are known */
  double mean_length;
  int32_t limit; /* steps of an episode, if it is not the environment's own limit; otherwise 0 */
  int64_t cut;   /* episodes that were as long */
} sac_score;

/* Moves the episodes that have ended to the front, of `episodes` that were begun, and fills the statistics of these.
 * The return of an episode that has not ended is NaN. */
void sac_score_fill(sac_score* score, int64_t episodes);

/* The statistics of all policies. Of several seeds: mean and std of their means, min and max of all episodes. Of the
 * only policy: its own. Errors: MEMORY. */
sac_status sac_score_combine(const sac_score* scores, int64_t count, sac_score* all);

/* The statistics as a JSON object, which becomes the caller's. */
json_t* sac_score_json(const sac_score* score);

#endif
