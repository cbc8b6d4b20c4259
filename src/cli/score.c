#include "cli/score.h"

#include <math.h>
#include <stdlib.h>

#include "cli/json.h"
#include "train/evaluate.h"
#include "util/error.h"

/* The 97.5% point of Student's t with `freedom` degrees of freedom, to within 0.1%: a table up to 10, then two terms of
 * the expansion of Cornish and Fisher about the normal quantile z. */
static double student_t(int64_t freedom) {
  static const double table[] = {NAN,     12.7062, 4.30265, 3.18245, 2.77645, 2.57058,
                                 2.44691, 2.36462, 2.306,   2.26216, 2.22814};
  if (freedom < (int64_t)(sizeof table / sizeof *table)) return table[freedom];
  const double z = 1.959963985, n = (double)freedom, z2 = z * z;
  return z * (1 + (z2 + 1) / (4 * n) + ((5 * z2 + 16) * z2 + 3) / (96 * n * n));
}

/* Half the width of the 95% confidence interval of a mean of n values; NaN for n = 1. */
static double half_width(double std, int64_t n) { return n > 1 ? student_t(n - 1) * std / sqrt((double)n) : NAN; }

/* Moves the episodes that have ended to the front. Those that have not are NaN. */
static void keep_ended(sac_score* s, int64_t episodes) {
  s->episodes = 0;
  for (int64_t i = 0; i < episodes; i++) {
    if (isnan(s->episode_return[i])) continue;
    s->episode_return[s->episodes] = s->episode_return[i];
    s->success[s->episodes] = s->success[i];
    s->length[s->episodes++] = s->length[i];
  }
}

/* Fills the statistics of the episodes. */
static void summarize(sac_score* s) {
  int64_t steps = 0;

  /* find mean, spread and confidence */
  sac_mean_std(s->episode_return, (int32_t)s->episodes, &s->mean, &s->std);
  s->half_width = half_width(s->std, s->episodes);

  /* find the range of the returns, the mean length, and how many episodes were cut */
  s->min = INFINITY;
  s->max = -INFINITY;
  for (int64_t i = 0; i < s->episodes; i++) {
    s->min = fmin(s->min, s->episode_return[i]);
    s->max = fmax(s->max, s->episode_return[i]);
    s->cut += s->limit > 0 && s->length[i] >= s->limit;
    steps += s->length[i];
  }

  /* find the share of successes among the episodes that tell */
  int64_t successes = 0;
  for (int64_t i = 0; i < s->episodes; i++) {
    s->told += !isnan(s->success[i]);
    successes += s->success[i] > 0;
  }
  s->success_rate = s->told > 0 ? (double)successes / (double)s->told : NAN;
  s->mean_length = (double)steps / (double)s->episodes;
}

void sac_score_fill(sac_score* score, int64_t episodes) {
  keep_ended(score, episodes);
  if (score->episodes > 0) summarize(score);
}

sac_status sac_score_combine(const sac_score* scores, int64_t count, sac_score* all) {
  *all = scores[0];
  if (count <= 1) return SAC_OK;

  /* collect the means, and find the range over all episodes */
  double* means = calloc((size_t)count, sizeof *means);
  double rate = 0; /* NaN if one of them is */
  if (!means) return sac_fail(SAC_ERROR_MEMORY, "no memory for the means of %lld policies", (long long)count);
  for (int64_t i = 0; i < count; i++) {
    means[i] = scores[i].mean;
    all->min = fmin(all->min, scores[i].min);
    all->max = fmax(all->max, scores[i].max);
    rate += scores[i].success_rate;
  }
  all->success_rate = rate / (double)count;

  /* the interval is over seeds, not over episodes */
  sac_mean_std(means, (int32_t)count, &all->mean, &all->std);
  all->half_width = half_width(all->std, count);
  free(means);
  return SAC_OK;
}

json_t* sac_score_json(const sac_score* s) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "mean", sac_json_real(s->mean), "std", sac_json_real(s->std),
                   "half_width_95", sac_json_real(s->half_width), "min", sac_json_real(s->min), "max",
                   sac_json_real(s->max), "success_rate", sac_json_real(s->success_rate));
}
