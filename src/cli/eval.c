/* sac eval: plays episodes with the policies of a run or of a file, and prints their returns. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/steps.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/out.h"
#include "env/record.h"
#include "env/vector.h"
#include "formats/safetensors.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/folder.h"
#include "train/metrics.h"
#include "util/error.h"
#include "util/number.h"

static const char notes[] =
    "DIR is a run folder (all its seeds are evaluated) or one of its seed folders. The last checkpoint plays, or\n"
    "with --best the one with the best evaluation. POLICY is a policy or checkpoint file. Actions are the policy's\n"
    "mean. All policies play the same episodes; training evaluates on other ones.\n"
    "\n"
    "--record-video plays the episodes one after another and writes each to FOLDER/NAME-episode-I.mp4. NAME is the\n"
    "name of the seed folder or policy file, I counts from 0; existing files are replaced. Gymnasium records the\n"
    "videos, of gym:ID and of the tasks here that Gymnasium has too (Pendulum-v1, HalfCheetah-v5). It steps those\n"
    "tasks itself, from other initial states. The Python that sac uses ('sac envs --help') needs Gymnasium, MoviePy\n"
    "and what the environment draws with. Without a display MuJoCo draws through EGL, unless MUJOCO_GL names another\n"
    "library; without a GPU it draws about 10 steps per second. The camera follows the body where the model of the "
    "task\n"
    "has a camera 'track'; --camera default is the one that stays.\n"
    "\n"
    "The 95% interval of the mean (Student's t) is over the episodes of one policy, or over the seeds of several.\n"
    "\n"
    "Exit codes: 0 well, 1 failed, 2 wrong usage, 3 a value was not finite.\n"
    "\n"
    "Examples:\n"
    "  sac eval runs/mine\n"
    "  sac eval runs/mine/seed_1/policy.safetensors --episodes 1000 --json\n"
    "  sac eval runs/mine --best --record-video videos --episodes 1\n";

/* episodes of each policy: the default, the default with --record-video, and the most with --record-video */
#define EPISODES 100
#define EPISODES_RECORDED 3
#define EPISODES_RECORDED_MAX 100

/* The command line. */
typedef struct options {
  int64_t episodes, seed;
  const char* env;    /* replaces the environment that the file names; NULL: does not */
  const char* record; /* the folder of videos; NULL: none */
  const char* camera; /* replaces eval.camera; NULL: does not */
  int best, json;
} options;

/* The episodes of one policy, and their statistics. The arrays are owned. */
typedef struct score {
  char path[SAC_PATH_MAX];
  char name[SAC_PATH_MAX]; /* of its videos; "" without --record-video */

  /* episode_return, length (episodes): each episode's return and steps; half_width: of the 95% interval of the mean */
  double *episode_return, mean, std, half_width, min, max;
  int64_t* length;
  double mean_length;
} score;

/* --- statistics --------------------------------------------------------------------------------------------------- */

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

/* Fills the statistics of the episodes. */
static void summarize(score* s, int64_t episodes) {
  int64_t steps = 0;

  /* find mean, spread and confidence */
  sac_mean_std(s->episode_return, (int32_t)episodes, &s->mean, &s->std);
  s->half_width = half_width(s->std, episodes);

  /* find the range of the returns, and the mean length */
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

/* Finds the environment `id`. With --record-video: the one that records it, one episode after another. `env` points
 * into `record`, which must outlive it. */
static sac_status find_env(const options* o, const score* s, const char* id, const char* env_options,
                           const char* camera, sac_env_record* record, sac_eval_env* env) {
  const sac_env_film film = {
      .folder = o->record, .name = s->name, .camera = o->camera ? o->camera : camera, .episodes = o->episodes};
  sac_status status = SAC_OK;
  *env = (sac_eval_env){.id = id, .options = env_options, .sequential = o->record != NULL};
  if (!o->record) return sac_env_find(id, &env->api);

  /* replace it by the environment of Gymnasium that records */
  SAC_TRY(sac_env_record_make(record, id, env_options, &film));
  env->api = record->api;
  env->id = record->id;
  env->options = record->options;
fail:
  return status;
}

/* Plays the agent of a checkpoint file. text: its configuration. The replay is as small as possible, so that a big run
 * can be evaluated on a small machine. */
static sac_status play_checkpoint(const sac_safetensors* file, const char* text, const options* o, score* s) {
  char number[SAC_NUMBER_MAX];
  sac_config* config = NULL;
  sac_settings settings;
  sac_eval_env eval_env;
  sac_env_record record = {0};
  sac_vector* vector = NULL;
  sac_agent* agent = NULL;
  sac_evaluator* evaluator = NULL;
  const uint64_t seed = (uint64_t)o->seed;
  sac_status status = SAC_OK;

  /* change the configuration of the run to one agent with a small replay */
  SAC_TRY(sac_config_create(&config));
  SAC_TRY(sac_config_parse(config, text, strlen(text), file->path, SAC_ORIGIN_SAVED));
  if (o->env) SAC_TRY(sac_config_set_from(config, "env.id", o->env, SAC_ORIGIN_FLAG, "--env"));
  SAC_TRY(sac_config_settings(config, &settings));
  (void)sac_print_integer(number, settings.batch);
  SAC_TRY(sac_config_set_from(config, "replay.capacity", number, SAC_ORIGIN_FLAG, "eval"));
  SAC_TRY(sac_config_set_from(config, "seeds", "1", SAC_ORIGIN_FLAG, "eval"));

  /* create the agent; one environment gives its sizes */
  SAC_TRY(find_env(o, s, settings.env_id, settings.env_options, settings.eval_camera, &record, &eval_env));
  SAC_TRY(sac_vector_create(&vector, eval_env.api, eval_env.id, eval_env.options, 1, 1, &seed, 0));
  SAC_TRY(sac_agent_create(&agent, config, &vector->spec));
  status = sac_agent_read(agent, file, 0, 1);
  if (status == SAC_ERROR_SHAPE)
    sac_fail_prefix("%s does not fit %s, which has %d observations and %d actions: ", file->path, eval_env.id,
                    (int)vector->spec.obs_size, (int)vector->spec.action_size);
  if (status != SAC_OK) goto fail;

  /* play; --seed picks the episodes */
  agent->seed[0] = seed;
  SAC_TRY(sac_evaluator_create(&evaluator, agent, &eval_env, (int32_t)o->episodes));
  SAC_TRY(sac_evaluator_run(evaluator, agent, SAC_EVALUATION_STANDALONE, s->episode_return, s->length));
fail:
  sac_evaluator_destroy(evaluator);
  sac_agent_destroy(agent);
  sac_vector_destroy(vector);
  sac_env_record_clear(&record);
  sac_config_destroy(config);
  return status;
}

/* Plays a policy file. */
static sac_status play_policy(const sac_safetensors* file, const options* o, score* s) {
  sac_eval_env eval_env;
  sac_env_record record = {0};
  sac_status status = SAC_OK;

  /* find the environment: that of --env, or the one that the file names */
  const char* env = o->env ? o->env : sac_safetensors_metadata(file, "env");
  if (!env) return sac_fail(SAC_ERROR_FORMAT, "%s does not say its environment: give --env", file->path);
  SAC_TRY(find_env(o, s, env, sac_safetensors_metadata(file, "env.options"), "auto", &record, &eval_env));

  /* play */
  SAC_TRY(sac_evaluate_policy(file, &eval_env, (uint64_t)o->seed, (int32_t)o->episodes, s->episode_return, s->length));
fail:
  sac_env_record_clear(&record);
  return status;
}

/* The name of the videos: the name of the seed folder, or that of the file without ".safetensors". */
static sac_status name_videos(const char* path, int seed_folder, char name[SAC_PATH_MAX]) {
  /* resolve the path, so that "." and links have a name too */
  char whole[PATH_MAX];
  if (!realpath(path, whole)) return sac_fail(SAC_ERROR_FILE, "%s: %s", path, strerror(errno));

  /* take what stands behind the last slash */
  const char* last = strrchr(whole, '/') + 1;
  const char* end = seed_folder ? NULL : strstr(last, ".safetensors");
  return sac_path(name, "%.*s", end ? (int)(end - last) : (int)strlen(last), last);
}

/* Fails unless the video of every episode was written: Gymnasium's recorder does not report its errors. */
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

/* Plays the episodes of one file and fills its score. */
static sac_status play(const char* path, const options* o, score* s) {
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;

  /* allocate the results, one number for each episode */
  SAC_TRY(sac_path(s->path, "%s", path));
  s->episode_return = calloc((size_t)o->episodes, sizeof *s->episode_return);
  s->length = calloc((size_t)o->episodes, sizeof *s->length);
  if (!s->episode_return || !s->length)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %lld episodes", (long long)o->episodes));

  /* play; a checkpoint holds a configuration, a policy file does not */
  SAC_TRY(sac_safetensors_open(&file, path));
  const char* config = sac_safetensors_metadata(file, "config");
  SAC_TRY(config ? play_checkpoint(file, config, o, s) : play_policy(file, o, s));

  /* compute the statistics */
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

/* Says on stderr when the run of a seed folder had come further than the checkpoint of `step`, which plays. */
static void note_older(const char* folder, int64_t step) {
  char path[SAC_PATH_MAX];
  if (step < 0 || sac_path(path, "%s/checkpoints", folder) != SAC_OK) return;
  const int64_t lost = sac_steps_lost(path), reached = sac_metrics_reached(folder);

  /* a checkpoint that is gone; or one that could not be saved, or is not due yet */
  if (lost > step)
    (void)fprintf(stderr, "sac: %s: the last checkpoint, step_%lld, is missing; step_%lld plays\n", folder,
                  (long long)lost, (long long)step);
  else if (reached > step)
    (void)fprintf(stderr, "sac: %s: step_%lld plays, the newest checkpoint; the run has reached step %lld\n", folder,
                  (long long)step, (long long)reached);
}

/* Writes the path of the checkpoint that plays for a seed folder: the last, or with --best the best. */
static sac_status seed_file(const char* folder, const options* o, char path[SAC_PATH_MAX]) {
  sac_status status = SAC_OK;
  char last[SAC_PATH_MAX];

  /* a folder without checkpoints is no seed folder */
  SAC_TRY(sac_path(path, "%s/checkpoints", folder));
  if (!is_folder(path)) return sac_folder_no_run(folder);

  /* the best one is a file of its own */
  if (o->best) {
    SAC_TRY(sac_path(path, "%s/checkpoints/best", folder));
    if (sac_file_exists(path)) return SAC_OK;
    return sac_fail(SAC_ERROR_FILE, "%s has no best checkpoint: it was never evaluated", folder);
  }

  /* the last one is found by its number */
  SAC_TRY(sac_path(last, "%s/checkpoints/last", folder));
  SAC_TRY(sac_steps_path(path, last));
  if (sac_file_exists(path)) note_older(folder, sac_step_of(strrchr(path, '/') + 1));
  else status = sac_fail(SAC_ERROR_FILE, "%s has no checkpoint", folder);
fail:
  return status;
}

/* Reads the first seed and the number of seeds of a run folder. */
static sac_status run_seeds(const char* folder, int64_t* seed, int64_t* seeds) {
  sac_config* config = NULL;
  sac_settings settings;
  sac_status status = SAC_OK;
  SAC_TRY(sac_folder_config_read(folder, &config));
  SAC_TRY(sac_config_settings(config, &settings));
  *seed = settings.seed;
  *seeds = settings.seeds;
fail:
  sac_config_destroy(config);
  return status;
}

/* Plays all policies of the target: a run folder, a seed folder or a file. *scores (count) is the caller's to free,
 * with its arrays, also after an error. */
static sac_status play_all(const char* target, const options* o, score** scores, int64_t* count) {
  char folder[SAC_PATH_MAX], path[SAC_PATH_MAX];
  int64_t seed = 0, seeds = 1;
  sac_status status = SAC_OK;

  /* allocate one score for each seed of a run, or for the only policy */
  const int run = sac_folder_holds_run(target);
  if (run) SAC_TRY(run_seeds(target, &seed, &seeds));
  *scores = calloc((size_t)seeds, sizeof **scores);
  if (!*scores) return sac_fail(SAC_ERROR_MEMORY, "no memory for %lld seeds", (long long)seeds);
  *count = seeds;

  /* play the file of each seed */
  for (int64_t i = 0; i < seeds; i++) {
    /* find the seed folder; a target that is no run is a seed folder or a file itself */
    if (run) SAC_TRY(sac_folder_seed(target, (uint64_t)(seed + i), folder));
    else SAC_TRY(sac_steps_path(folder, target));
    if (o->record) SAC_TRY(name_videos(folder, is_folder(folder), (*scores)[i].name));

    /* find its checkpoint, and play */
    if (is_folder(folder)) SAC_TRY(seed_file(folder, o, path));
    else SAC_TRY(sac_path(path, "%s", folder));
    SAC_TRY(play(path, o, &(*scores)[i]));
  }
fail:
  return status;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

/* The path of a video. It fits, because check_videos has made it before. */
static const char* video(const options* o, const score* s, int64_t episode, char path[SAC_PATH_MAX]) {
  return sac_env_record_path(path, o->record, s->name, episode) == SAC_OK ? path : "";
}

/* Prints the returns of each policy and, for several seeds, those over all of them. */
static void print_text(const options* o, const score* scores, int64_t count, const score* all) {
  char path[SAC_PATH_MAX];
  for (int64_t i = 0; i < count; i++) {
    const score* s = &scores[i];

    /* print the statistics of a policy; one episode has no interval */
    sac_print("%s\n  mean %.2f", s->path, s->mean);
    if (o->episodes > 1) sac_print(" +- %.2f (95%%), std %.2f", s->half_width, s->std);
    sac_print(", min %.2f, max %.2f over %lld episode%s of %.1f steps\n", s->min, s->max, (long long)o->episodes,
              o->episodes > 1 ? "s" : "", s->mean_length);

    /* name its videos */
    for (int64_t e = 0; o->record && e < o->episodes; e++)
      sac_print("  %.2f in %s\n", s->episode_return[e], video(o, s, e, path));
  }

  /* print the statistics over the seeds */
  if (count > 1)
    sac_print("all %lld seeds\n  mean %.2f +- %.2f (95%%), std between seeds %.2f, min %.2f, max %.2f\n",
              (long long)count, all->mean, all->half_width, all->std, all->min, all->max);
}

/* The statistics as a JSON object. */
static json_t* statistics_json(const score* s) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "mean", sac_json_real(s->mean), "std", sac_json_real(s->std),
                   "half_width_95", sac_json_real(s->half_width), "min", sac_json_real(s->min), "max",
                   sac_json_real(s->max));
}

/* One policy as a JSON object. *bad becomes not 0 when a part could not be made. */
static json_t* score_json(const options* o, const score* s, int* bad) {
  /* fill the arrays, one element for each episode */
  char path[SAC_PATH_MAX];
  json_t *one = statistics_json(s), *returns = json_array(), *lengths = json_array(), *videos = json_array();
  for (int64_t e = 0; e < o->episodes; e++) {
    *bad += json_array_append_new(returns, sac_json_real(s->episode_return[e]));
    *bad += json_array_append_new(lengths, json_integer(s->length[e]));
    if (o->record) *bad += json_array_append_new(videos, json_string(video(o, s, e, path)));
  }

  /* put everything into the object; `videos` stays out without --record-video */
  *bad += json_object_set_new(one, "path", json_string(s->path));
  *bad += json_object_set_new(one, "mean_length", sac_json_real(s->mean_length));
  *bad += json_object_set_new(one, "returns", returns) + json_object_set_new(one, "lengths", lengths);
  *bad += o->record ? json_object_set(one, "videos", videos) : 0;
  json_decref(videos);
  return one;
}

/* Returns 0, or not 0 when the object could not be made or printed. */
static int print_json(const options* o, const score* scores, int64_t count, const score* all) {
  json_t *root = json_object(), *list = json_array();
  int bad = json_object_set_new(root, "episodes", json_integer(o->episodes)) +
            json_object_set_new(root, "seed", json_integer(o->seed));

  /* list the policies */
  for (int64_t i = 0; i < count; i++) {
    json_t* one = score_json(o, &scores[i], &bad);
    bad += json_array_append_new(list, one);
  }

  /* add the statistics over all of them, and print */
  bad += json_object_set_new(root, "policies", list) + json_object_set_new(root, "all", statistics_json(all));
  if (bad == 0)
    bad = json_dumpf(root, sac_out, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) || fputc('\n', sac_out) == EOF;
  json_decref(root);
  return bad;
}

/* The statistics of all policies. Of several seeds: mean and std of their means, min and max of all episodes. Of the
 * only policy: its own. */
static sac_status combine(const score* scores, int64_t count, score* all) {
  *all = scores[0];
  if (count <= 1) return SAC_OK;

  /* collect the means, and find the range over all episodes */
  double* means = calloc((size_t)count, sizeof *means);
  if (!means) return sac_fail(SAC_ERROR_MEMORY, "no memory for the means of %lld policies", (long long)count);
  for (int64_t i = 0; i < count; i++) {
    means[i] = scores[i].mean;
    all->min = fmin(all->min, scores[i].min);
    all->max = fmax(all->max, scores[i].max);
  }

  /* the interval is over seeds, not over episodes */
  sac_mean_std(means, (int32_t)count, &all->mean, &all->std);
  all->half_width = half_width(all->std, count);
  free(means);
  return SAC_OK;
}

int sac_cli_eval(int argc, char** argv) {
  /* describe the command line */
  options o = {0};
  const sac_option table[] = {
      SAC_OPTION_INTEGER("--episodes", "N", &o.episodes, 1, 100000,
                         "episodes of each policy (100; 3 with --record-video)"),
      SAC_OPTION_INTEGER("--seed", "N", &o.seed, 0, 9007199254740992.0, "seed of the episodes (0)"),
      SAC_OPTION_SWITCH("--best", &o.best, "the checkpoint with the best evaluation, not the last"),
      SAC_OPTION_TEXT("--env", "ID", (void*)&o.env, "environment, instead of the file's own"),
      SAC_OPTION_TEXT("--record-video", "FOLDER", (void*)&o.record, "write a video of each episode to FOLDER"),
      SAC_OPTION_TEXT("--camera", "NAME", (void*)&o.camera, "of the video; otherwise key eval.camera"),
      SAC_OPTION_SWITCH("--json", &o.json, "print one JSON object"),
      {0}};
  const sac_syntax syntax = {.command = "eval",
                             .arguments = "DIR|POLICY [options]",
                             .help = "Plays evaluation episodes and prints their returns.",
                             .notes = notes,
                             .options = table,
                             .operands_min = 1,
                             .operands_max = 1};

  /* parse the command line */
  sac_operands operands;
  score* scores = NULL;
  int64_t count = 0;
  int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* set the default of --episodes, and check the limits of --record-video */
  if (o.episodes == 0) o.episodes = o.record ? EPISODES_RECORDED : EPISODES;
  char env[SAC_PATH_MAX], record[SAC_PATH_MAX]; /* "--env=~/x" comes as it is: a shell expands whole words only */
  if ((o.env && sac_expand_home(env, o.env) != SAC_OK) || (o.record && sac_expand_home(record, o.record) != SAC_OK))
    return sac_options_usage(&syntax, "%s", sac_last_error());
  if (o.env) o.env = env;
  if (o.record) o.record = record;
  if (o.camera && !o.record) return sac_options_usage(&syntax, "--camera goes with --record-video");
  if (o.record && !*o.record) return sac_options_usage(&syntax, "--record-video takes a folder, such as videos");
  if (o.record && o.episodes > EPISODES_RECORDED_MAX)
    return sac_options_usage(&syntax, "--record-video records every episode: at most %d of --episodes, not %lld",
                             EPISODES_RECORDED_MAX, (long long)o.episodes);

  if (o.best && !is_folder(operands.text[0]))
    return sac_options_usage(&syntax, "--best chooses a checkpoint of a run: give its folder, not a file");

  /* play all policies, then print */
  code = SAC_EXIT_WELL;
  score all = {0};
  sac_status status = play_all(operands.text[0], &o, &scores, &count);
  if (status == SAC_OK) status = combine(scores, count, &all);
  if (status != SAC_OK) code = sac_cli_fail(status);
  else if (!o.json) print_text(&o, scores, count, &all);
  else if (print_json(&o, scores, count, &all) != 0) code = SAC_EXIT_FAILED;

  /* free the scores, also after an error */
  for (int64_t i = 0; i < count; i++) {
    free(scores[i].episode_return);
    free(scores[i].length);
  }
  free(scores);
  return code;
}
