#include "cli/score_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/out.h"
#include "env/record.h"

/* The path of a video. It fits, because check_videos has made it before. */
static const char* video(const char* record, const sac_score* s, int64_t episode, char path[SAC_PATH_MAX]) {
  return sac_env_record_path(path, record, s->name, episode) == SAC_OK ? path : "";
}

void sac_score_print(const sac_score* scores, int64_t count, const sac_score* all, const char* record) {
  char path[SAC_PATH_MAX];
  for (int64_t i = 0; i < count; i++) {
    const sac_score* s = &scores[i];

    /* name the policy, and print its statistics; one episode has no interval */
    if (s->step[0]) sac_print("step %s of ", s->step);
    sac_print("%s\n  mean %.2f", s->path, s->mean);
    if (s->episodes > 1) sac_print(" +- %.2f (95%%), std %.2f", s->half_width, s->std);
    sac_print(", min %.2f, max %.2f over %lld episode%s of %.1f steps", s->min, s->max, (long long)s->episodes,
              s->episodes > 1 ? "s" : "", s->mean_length);
    if (s->cut) sac_print(", %lld cut after %d steps", (long long)s->cut, (int)s->limit);
    if (s->told) sac_print(", success rate %.4g %%", 100 * s->success_rate);
    if (s->told && s->told < s->episodes) sac_print(" of the %lld that tell it", (long long)s->told);
    if (s->sampled) sac_print(", actions sampled");
    sac_print("\n");

    /* name its videos */
    for (int64_t e = 0; record && e < s->episodes; e++)
      sac_print("  %.2f in %s\n", s->episode_return[e], video(record, s, e, path));
  }

  /* print the statistics over the seeds */
  if (count > 1)
    sac_print("all %lld seeds\n  mean %.2f +- %.2f (95%%), std between seeds %.2f, min %.2f, max %.2f",
              (long long)count, all->mean, all->half_width, all->std, all->min, all->max);
  if (count > 1 && !isnan(all->success_rate)) sac_print(", success rate %.4g %%", 100 * all->success_rate);
  if (count > 1) sac_print("\n");
}

/* One policy as a JSON object. *bad becomes not 0 when a part could not be made. */
static json_t* score_json(const sac_score* s, const char* record, int* bad) {
  /* fill the arrays, one element for each episode */
  char path[SAC_PATH_MAX];
  json_t *one = sac_score_json(s), *returns = json_array(), *lengths = json_array(), *videos = json_array();
  json_t* successes = json_array();
  for (int64_t e = 0; e < s->episodes; e++) {
    *bad += json_array_append_new(returns, sac_json_real(s->episode_return[e]));
    *bad += json_array_append_new(lengths, json_integer(s->length[e]));
    *bad += json_array_append_new(successes, isnan(s->success[e]) ? json_null() : json_boolean(s->success[e] > 0));
    if (record) *bad += json_array_append_new(videos, json_string(video(record, s, e, path)));
  }

  /* put everything into the object; `videos` stays out without --record-video, `successes` where none is known */
  *bad += json_object_set_new(one, "path", json_string(s->path));
  if (s->step[0]) *bad += json_object_set_new(one, "step", json_integer(strtoll(s->step, NULL, 10)));
  *bad += json_object_set_new(one, "cut", json_integer(s->cut));
  *bad += json_object_set_new(one, "mean_length", sac_json_real(s->mean_length));
  *bad += json_object_set_new(one, "returns", returns) + json_object_set_new(one, "lengths", lengths);
  *bad += record ? json_object_set(one, "videos", videos) : 0;
  *bad += isnan(s->success_rate) ? 0 : json_object_set(one, "successes", successes);
  json_decref(videos);
  json_decref(successes);
  return one;
}

int sac_score_print_json(const sac_score* scores, int64_t count, const sac_score* all, const char* record,
                         int64_t episodes, int64_t seed) {
  json_t *root = json_object(), *list = json_array();
  int bad = json_object_set_new(root, "episodes", json_integer(episodes)) +
            json_object_set_new(root, "seed", json_integer(seed)) +
            json_object_set_new(root, "sample", json_boolean(all->sampled));

  /* list the policies */
  for (int64_t i = 0; i < count; i++) {
    json_t* one = score_json(&scores[i], record, &bad);
    bad += json_array_append_new(list, one);
  }

  /* add the statistics over all of them, and print */
  bad += json_object_set_new(root, "policies", list) + json_object_set_new(root, "all", sac_score_json(all));
  if (bad == 0)
    bad = json_dumpf(root, sac_out, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) || fputc('\n', sac_out) == EOF;
  json_decref(root);
  return bad;
}
