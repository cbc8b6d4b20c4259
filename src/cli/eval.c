/* sac eval */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "env/record.h"
#include "env/vector.h"
#include "formats/safetensors.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/folder.h"
#include "util/error.h"
#include "util/number.h"

static const char notes[] =
    "DIR is a run folder (all its seeds) or one of its seed folders: the last checkpoint plays, or with --best the "
    "best\n"
    "evaluated one. POLICY is a policy or checkpoint file. Actions are the policy's mean. All policies play the same\n"
    "episodes, which are none of those that training evaluates on.\n"
    "\n"
    "--record-video plays the episodes one after the other and writes each to FOLDER/NAME-episode-I.mp4, replacing\n"
    "what is there; NAME is the seed folder's or the policy's, I counts from 0. Gymnasium's recorder does it, for\n"
    "gym:ID and for the tasks here that Gymnasium has too (Pendulum-v1, HalfCheetah-v5): it plays those itself, from\n"
    "starts of its own. The Python that sac finds ('sac envs --help') needs Gymnasium, MoviePy and what the\n"
    "environment draws with. Without a display MuJoCo draws through EGL, unless MUJOCO_GL says otherwise; without a\n"
    "GPU that takes a second for some ten steps.\n"
    "\n"
    "The interval is the mean's, 95% by Student's t: over the episodes of one policy, over the seeds of several.\n"
    "\n"
    "Exit codes: 0 well, 1 failed, 2 wrong usage, 3 a value was not finite.\n"
    "\n"
    "Examples:\n"
    "  sac eval runs/mine\n"
    "  sac eval runs/mine/seed_1/policy.safetensors --episodes 1000 --json\n"
    "  sac eval runs/mine --best --record-video videos --episodes 1\n";

#define EPISODES 100
#define EPISODES_RECORDED 3
#define EPISODES_RECORDED_MAX 100

typedef struct options {
  int64_t episodes, seed;
  const char* env;    /* NULL: as the file says */
  const char* record; /* the folder of videos; NULL: none */
  int best, json;
} options;

/* One policy's episodes. */
typedef struct score {
  char path[SAC_PATH_MAX];
  char name[SAC_PATH_MAX]; /* of its videos */
  double *episode_return, mean, std, half_width, min, max;
  int64_t* length;
  double mean_length;
} score;

/* --- statistics --------------------------------------------------------------------------------------------------- */

/* The 97.5% point of Student's t. Exact to four digits: a table, then Cornish and Fisher's expansion. */
static double student(int64_t freedom) {
  static const double table[] = {NAN,     12.7062, 4.30265, 3.18245, 2.77645, 2.57058,
                                 2.44691, 2.36462, 2.306,   2.26216, 2.22814};
  if (freedom < (int64_t)(sizeof table / sizeof *table)) return table[freedom];
  const double z = 1.959963985, n = (double)freedom, z2 = z * z;
  return z * (1 + (z2 + 1) / (4 * n) + ((5 * z2 + 16) * z2 + 3) / (96 * n * n));
}

static double half_width(double std, int64_t n) { return n > 1 ? student(n - 1) * std / sqrt((double)n) : NAN; }

static void summarize(score* s, int64_t episodes) {
  int64_t steps = 0;
  sac_mean_std(s->episode_return, (int32_t)episodes, &s->mean, &s->std);
  s->half_width = half_width(s->std, episodes);
  s->min = INFINITY;
  s->max = -INFINITY;
  for (int64_t i = 0; i < episodes; i++) {
    s->min = fmin(s->min, s->episode_return[i]);
    s->max = fmax(s->max, s->episode_return[i]);
    steps += s->length[i];
  }
  s->mean_length = (double)steps / (double)episodes;
}

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Where its episodes are played: environment `id` as it is, or what records it. `record` outlives `arena`. */
static sac_status find_arena(const options* o, const score* s, const char* id, const char* env_options,
                             sac_env_record* record, sac_arena* arena) {
  sac_status status = SAC_OK;
  *arena = (sac_arena){.id = id, .options = env_options, .in_turn = o->record != NULL};
  if (!o->record) return sac_env_find(id, &arena->api);
  SAC_TRY(sac_env_record_make(record, id, env_options, o->record, s->name));
  arena->api = record->api;
  arena->id = record->id;
  arena->options = record->options;
fail:
  return status;
}

/* The agent of a checkpoint file, without a replay to speak of: whoever looks at a big run need not have its memory. */
static sac_status play_checkpoint(const sac_safetensors* file, const char* text, const options* o, score* s) {
  char number[SAC_NUMBER_MAX];
  sac_config* config = NULL;
  sac_settings settings;
  sac_arena arena;
  sac_env_record record = {0};
  sac_vector* vector = NULL;
  sac_agent* agent = NULL;
  sac_evaluator* evaluator = NULL;
  const uint64_t seed = (uint64_t)o->seed;
  sac_status status = SAC_OK;
  SAC_TRY(sac_config_create(&config));
  SAC_TRY(sac_config_parse(config, text, strlen(text), file->path, SAC_ORIGIN_SAVED));
  if (o->env) SAC_TRY(sac_config_set_from(config, "env.id", o->env, SAC_ORIGIN_FLAG, "--env"));
  SAC_TRY(sac_config_settings(config, &settings));
  (void)sac_print_integer(number, settings.batch);
  SAC_TRY(sac_config_set_from(config, "replay.capacity", number, SAC_ORIGIN_FLAG, "eval"));
  SAC_TRY(sac_config_set_from(config, "seeds", "1", SAC_ORIGIN_FLAG, "eval"));
  SAC_TRY(find_arena(o, s, settings.env_id, settings.env_options, &record, &arena));
  SAC_TRY(sac_vector_create(&vector, arena.api, arena.id, arena.options, 1, 1, &seed, 0));
  SAC_TRY(sac_agent_create(&agent, config, &vector->spec));
  SAC_TRY(sac_agent_read(agent, file, 0, 1));
  agent->seed[0] = seed;
  SAC_TRY(sac_evaluator_create(&evaluator, agent, &arena, (int32_t)o->episodes));
  SAC_TRY(sac_evaluator_run(evaluator, agent, SAC_EVALUATION_APART, s->episode_return, s->length));
fail:
  sac_evaluator_destroy(evaluator);
  sac_agent_destroy(agent);
  sac_vector_destroy(vector);
  sac_env_record_clear(&record);
  sac_config_destroy(config);
  return status;
}

/* A policy file alone. */
static sac_status play_policy(const sac_safetensors* file, const options* o, score* s) {
  sac_arena arena;
  sac_env_record record = {0};
  sac_status status = SAC_OK;
  const char* env = o->env ? o->env : sac_safetensors_metadata(file, "env");
  if (!env) return sac_fail(SAC_ERROR_FORMAT, "%s does not say its environment: give --env", file->path);
  SAC_TRY(find_arena(o, s, env, sac_safetensors_metadata(file, "env.options"), &record, &arena));
  SAC_TRY(sac_evaluate_policy(file, &arena, (uint64_t)o->seed, (int32_t)o->episodes, s->episode_return, s->length));
fail:
  sac_env_record_clear(&record);
  return status;
}

/* What the videos of `path` are called: as its folder when that is a seed's, otherwise as the file. */
static sac_status name_videos(const char* path, int seed_folder, char name[SAC_PATH_MAX]) {
  char whole[PATH_MAX];
  if (!realpath(path, whole)) return sac_fail(SAC_ERROR_FILE, "%s: %s", path, strerror(errno));
  const char* last = strrchr(whole, '/') + 1;
  const char* end = seed_folder ? NULL : strstr(last, ".safetensors");
  return sac_path(name, "%.*s", end ? (int)(end - last) : (int)strlen(last), last);
}

/* Every episode's video is there. */
static sac_status check_videos(const options* o, const score* s) {
  char path[SAC_PATH_MAX];
  struct stat info;
  sac_status status = SAC_OK;
  for (int64_t e = 0; e < o->episodes; e++) {
    SAC_TRY(sac_env_record_path(path, o->record, s->name, e));
    if (stat(path, &info) != 0 || info.st_size == 0)
      return sac_fail(SAC_ERROR_FILE, "Gymnasium's recorder has not written %s", path);
  }
fail:
  return status;
}

static sac_status play(const char* path, const options* o, score* s) {
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(s->path, "%s", path));
  s->episode_return = calloc((size_t)o->episodes, sizeof *s->episode_return);
  s->length = calloc((size_t)o->episodes, sizeof *s->length);
  if (!s->episode_return || !s->length)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %lld episodes", (long long)o->episodes));
  SAC_TRY(sac_safetensors_open(&file, path));
  const char* config = sac_safetensors_metadata(file, "config");
  SAC_TRY(config ? play_checkpoint(file, config, o, s) : play_policy(file, o, s));
  summarize(s, o->episodes);
  if (o->record) SAC_TRY(check_videos(o, s));
fail:
  sac_safetensors_close(file);
  return status;
}

/* --- which files -------------------------------------------------------------------------------------------------- */

static int is_folder(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static sac_status seed_file(const char* folder, const options* o, char path[SAC_PATH_MAX]) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(path, "%s/checkpoints/%s", folder, o->best ? "best" : "last"));
  struct stat info;
  if (stat(path, &info) != 0 && o->best)
    return sac_fail(SAC_ERROR_FILE, "%s has no best checkpoint: it was never evaluated", folder);
fail:
  return status;
}

/* The seeds of a run folder. */
static sac_status run_seeds(const char* folder, int64_t* seed, int64_t* seeds) {
  char* text = NULL;
  size_t size;
  sac_config* config = NULL;
  sac_settings settings;
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_config_read(folder, &text, &size));
  SAC_TRY(sac_config_create(&config));
  SAC_TRY(sac_config_parse(config, text, size, folder, SAC_ORIGIN_SAVED));
  SAC_TRY(sac_config_settings(config, &settings));
  *seed = settings.seed;
  *seeds = settings.seeds;
fail:
  free(text);
  sac_config_destroy(config);
  return status;
}

/* scores (count), the caller's to free. */
static sac_status play_all(const char* target, const options* o, score** scores, int64_t* count) {
  char folder[SAC_PATH_MAX], path[SAC_PATH_MAX];
  int64_t seed = 0, seeds = 1;
  sac_status status = SAC_OK;
  const int run = sac_folder_holds_run(target);
  if (run) SAC_TRY(run_seeds(target, &seed, &seeds));
  *scores = calloc((size_t)seeds, sizeof **scores);
  if (!*scores) return sac_fail(SAC_ERROR_MEMORY, "no memory for %lld seeds", (long long)seeds);
  *count = seeds;
  for (int64_t i = 0; i < seeds; i++) {
    if (run) SAC_TRY(sac_folder_seed(target, (uint64_t)(seed + i), folder));
    else SAC_TRY(sac_path(folder, "%s", target));
    if (o->record) SAC_TRY(name_videos(folder, is_folder(folder), (*scores)[i].name));
    if (is_folder(folder)) SAC_TRY(seed_file(folder, o, path));
    else SAC_TRY(sac_path(path, "%s", folder));
    SAC_TRY(play(path, o, &(*scores)[i]));
  }
fail:
  return status;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* The path of a video, of which check_videos knows that it fits. */
static const char* video(const options* o, const score* s, int64_t episode, char path[SAC_PATH_MAX]) {
  return sac_env_record_path(path, o->record, s->name, episode) == SAC_OK ? path : "";
}

static void print_text(const options* o, const score* scores, int64_t count, const score* all) {
  char path[SAC_PATH_MAX];
  for (int64_t i = 0; i < count; i++) {
    const score* s = &scores[i];
    (void)printf("%s\n  mean %.2f", s->path, s->mean);
    if (o->episodes > 1) (void)printf(" +- %.2f (95%%), std %.2f", s->half_width, s->std);
    (void)printf(", min %.2f, max %.2f over %lld episodes of %.1f steps\n", s->min, s->max, (long long)o->episodes,
                 s->mean_length);
    for (int64_t e = 0; o->record && e < o->episodes; e++)
      (void)printf("  %.2f in %s\n", s->episode_return[e], video(o, s, e, path));
  }
  if (count > 1)
    (void)printf("all %lld seeds\n  mean %.2f +- %.2f (95%%), std between seeds %.2f, min %.2f, max %.2f\n",
                 (long long)count, all->mean, all->half_width, all->std, all->min, all->max);
}

static json_t* number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t* summary(const score* s) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "mean", number(s->mean), "std", number(s->std), "half_width_95",
                   number(s->half_width), "min", number(s->min), "max", number(s->max));
}

static int print_json(const options* o, const score* scores, int64_t count, const score* all) {
  char path[SAC_PATH_MAX];
  json_t *root = json_object(), *list = json_array();
  int bad = json_object_set_new(root, "episodes", json_integer(o->episodes)) +
            json_object_set_new(root, "seed", json_integer(o->seed));
  for (int64_t i = 0; i < count; i++) {
    json_t *one = summary(&scores[i]), *returns = json_array(), *lengths = json_array(), *videos = json_array();
    for (int64_t e = 0; e < o->episodes; e++) {
      bad += json_array_append_new(returns, number(scores[i].episode_return[e]));
      bad += json_array_append_new(lengths, json_integer(scores[i].length[e]));
      if (o->record) bad += json_array_append_new(videos, json_string(video(o, &scores[i], e, path)));
    }
    bad += json_object_set_new(one, "path", json_string(scores[i].path));
    bad += json_object_set_new(one, "mean_length", number(scores[i].mean_length));
    bad += json_object_set_new(one, "returns", returns) + json_object_set_new(one, "lengths", lengths);
    bad += o->record ? json_object_set(one, "videos", videos) : 0;
    json_decref(videos);
    bad += json_array_append_new(list, one);
  }
  bad += json_object_set_new(root, "policies", list) + json_object_set_new(root, "all", summary(all));
  if (bad == 0) bad = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) || putchar('\n') == EOF;
  json_decref(root);
  return bad;
}

/* Over the seeds when there are several. */
static score combine(const score* scores, int64_t count) {
  score all = scores[0];
  if (count <= 1) return all;
  double* means = calloc((size_t)count, sizeof *means);
  for (int64_t i = 0; means && i < count; i++) {
    means[i] = scores[i].mean;
    all.min = fmin(all.min, scores[i].min);
    all.max = fmax(all.max, scores[i].max);
  }
  if (means) sac_mean_std(means, (int32_t)count, &all.mean, &all.std);
  all.half_width = half_width(all.std, count);
  free(means);
  return all;
}

int sac_cli_eval(int argc, char** argv) {
  options o = {0};
  const sac_option table[] = {
      SAC_OPTION_INTEGER("--episodes", "N", &o.episodes, 1, 100000, "episodes a policy (100; 3 to record)"),
      SAC_OPTION_INTEGER("--seed", "N", &o.seed, 0, 9007199254740992.0, "which episodes (0)"),
      SAC_OPTION_SWITCH("--best", &o.best, "the best evaluated checkpoint, not the last"),
      SAC_OPTION_TEXT("--env", "ID", (void*)&o.env, "environment, if not the file's own"),
      SAC_OPTION_TEXT("--record-video", "FOLDER", (void*)&o.record, "write each episode's video there"),
      SAC_OPTION_SWITCH("--json", &o.json, "print one JSON object"),
      {0}};
  const sac_syntax syntax = {.command = "eval",
                             .arguments = "DIR|POLICY [options]",
                             .help = "Plays evaluation episodes and prints their returns.",
                             .notes = notes,
                             .options = table,
                             .operands_min = 1,
                             .operands_max = 1};
  sac_operands operands;
  score* scores = NULL;
  int64_t count = 0;
  int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;
  if (o.episodes == 0) o.episodes = o.record ? EPISODES_RECORDED : EPISODES;
  if (o.record && !*o.record) return sac_options_usage(&syntax, "--record-video takes a folder, such as videos");
  if (o.record && o.episodes > EPISODES_RECORDED_MAX)
    return sac_options_usage(&syntax, "--record-video records every episode: at most %d of --episodes, not %lld",
                             EPISODES_RECORDED_MAX, (long long)o.episodes);
  code = SAC_EXIT_WELL;
  const sac_status status = play_all(operands.text[0], &o, &scores, &count);
  if (status != SAC_OK) {
    code = sac_cli_fail(status);
  } else {
    const score all = combine(scores, count);
    if (!o.json) print_text(&o, scores, count, &all);
    else if (print_json(&o, scores, count, &all) != 0) code = SAC_EXIT_FAILED;
  }
  for (int64_t i = 0; i < count; i++) {
    free(scores[i].episode_return);
    free(scores[i].length);
  }
  free(scores);
  return code;
}
