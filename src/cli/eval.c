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
#include "cli/score.h"
#include "cli/score_print.h"
#include "cli/signals.h"
#include "cli/target.h"
#include "cli/watch.h"
#include "env/record.h"
#include "env/vector.h"
#include "formats/safetensors.h"
#include "kernels/random.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/folder.h"
#include "train/metrics.h"
#include "util/error.h"
#include "util/number.h"

static const char notes[] =
    "DIR is a run folder (all its seeds are evaluated) or one of its seed folders. The last checkpoint plays, or\n"
    "with --best the one with the best evaluation. POLICY is a policy or checkpoint file. Actions are the mode of the\n"
    "policy (the mean, squashed; the most probable of discrete ones), or with --sample drawn from it: on the CPU, "
    "from\n"
    "--seed, so that the same command gives the same episodes. All policies play the same episodes; training "
    "evaluates\n"
    "on other ones.\n"
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
    "Of environments whose info tells the success of an episode (is_success, or success, of its last step) the "
    "success\n"
    "rate is printed too.\n"
    "\n"
    "Ctrl-C (or SIGTERM, SIGHUP) leaves the evaluation after its step, and prints the numbers of the episodes that\n"
    "have ended.\n"
    "\n"
    "Exit codes: 0 well, 1 failed, 2 wrong usage, 3 a value was not finite, 130 stopped by Ctrl-C (143 by SIGTERM,\n"
    "129 by SIGHUP).\n"
    "\n"
    "Examples:\n"
    "  sac eval runs/mine\n"
    "  sac eval runs/mine/seed_1/policy.safetensors --episodes 1000 --json\n"
    "  sac eval runs/mine --best --record-video videos --episodes 1\n"
    "  sac eval runs/mine --sample --seed 7\n";

/* episodes of each policy: the default, the default with --record-video, and the most with --record-video */
#define EPISODES 100
#define EPISODES_RECORDED 3
#define EPISODES_RECORDED_MAX 100

/* The command line. */
typedef struct options {
  int64_t episodes, seed;
  int64_t max_steps;  /* steps after which an episode is cut; 0: as the run says */
  const char* env;    /* replaces the environment that the file names; NULL: does not */
  const char* record; /* the folder of videos; NULL: none */
  const char* camera; /* replaces eval.camera; NULL: does not */
  int best, json, sample;
} options;

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Shows how far the evaluation is. user: the sac_watch. Returns whether a signal asked to leave it. */
static int leave(void* user, const sac_eval_play* play) {
  if (user) sac_watch_show(user, play);
  return sac_signals_caught() != 0;
}

/* The environments that play, and what they are made of. */
typedef struct scene {
  sac_eval_env env;
  sac_env_record record; /* with --record-video; env points into it */
  sac_watch watch;       /* otherwise: the recorder shows how far it is */
  sac_vector* vector;
} scene;

static void end_scene(scene* c) {
  sac_watch_clear(&c->watch);
  sac_vector_destroy(c->vector);
  sac_env_record_clear(&c->record);
}

/* Finds the environment `id`. With --record-video: the one that records it, by a camera (eval.camera). */
static sac_status find_env(const options* o, const sac_score* s, const char* id, const char* env_options,
                           const char* camera, scene* c) {
  const sac_env_film film = {.folder = o->record,
                             .name = s->name,
                             .camera = o->camera ? o->camera : camera,
                             .episodes = o->episodes,
                             .steps = c->env.max_steps};
  sac_status status = SAC_OK;
  c->env.id = id;
  c->env.options = env_options;
  if (!o->record) return sac_env_find(id, &c->env.api);

  /* replace it by the environment of Gymnasium that records, one episode after another */
  SAC_TRY(sac_env_record_make(&c->record, id, env_options, &film));
  c->env.api = c->record.api;
  c->env.id = c->record.id;
  c->env.options = c->record.options;
  c->env.num_envs = 1;
fail:
  return status;
}

/* Makes the environments. settings: of the run that the policy is of; NULL: not known. No other environment is made,
 * also not for its sizes. */
static sac_status make_scene(const options* o, const sac_score* s, const char* id, const char* env_options,
                             const sac_settings* settings, scene* c) {
  const uint64_t seed = (uint64_t)o->seed;
  sac_status status = SAC_OK;
  c->env.num_envs = settings ? settings->eval_num_envs : 0;
  c->env.max_steps = o->max_steps > 0 ? o->max_steps : settings ? settings->eval_max_steps : 0;
  c->env.leave = leave;
  c->env.user = o->record ? NULL : &c->watch;
  c->env.success = s->success;
  c->env.sample = o->sample;
  SAC_TRY(find_env(o, s, id, env_options, settings ? settings->eval_camera : "auto", c));
  SAC_TRY(sac_vector_create(&c->vector, c->env.api, c->env.id, c->env.options, 1,
                            sac_eval_env_count(&c->env, (int32_t)o->episodes), &seed, sac_stream_eval_env(0)));
  c->env.vector = c->vector;

  /* episodes may not end by themselves */
  if (c->env.max_steps == 0 && c->vector->spec.max_episode_steps == 0)
    (void)fprintf(stderr, "sac: %s has no limit of steps: an episode is cut after %d (--max-steps)\n", c->vector->id,
                  SAC_EVAL_STEPS_MAX);
fail:
  return status;
}

/* Refuses an environment whose actions are of the other kind than the policy's. */
static sac_status check_kind(const char* path, const sac_settings* settings, const scene* c) {
  const int discrete = sac_algo_at(settings->algo)->discrete;
  if (discrete == (c->vector->spec.actions > 0)) return SAC_OK;
  return sac_fail(SAC_ERROR_SHAPE, "%s is of algo '%s', for %s actions; %s has %s ones", path,
                  sac_algo_name(settings->algo), discrete ? "discrete" : "continuous", c->env.id,
                  discrete ? "continuous" : "discrete");
}

/* Plays the agent of a checkpoint file. text: its configuration. The replay is as small as possible, so that a big run
 * can be evaluated on a small machine. */
static sac_status play_checkpoint(const sac_safetensors* file, const char* text, const options* o, sac_score* s) {
  char number[SAC_NUMBER_MAX];
  sac_config* config = NULL;
  sac_settings settings;
  scene c = {0};
  sac_agent* agent = NULL;
  sac_evaluator* evaluator = NULL;
  sac_status status = SAC_OK;

  /* change the configuration of the run to one agent with a small replay */
  SAC_TRY(sac_config_create(&config));
  SAC_TRY(sac_config_parse(config, text, strlen(text), file->path, SAC_ORIGIN_SAVED));
  if (o->env) SAC_TRY(sac_config_set_from(config, "env.id", o->env, SAC_ORIGIN_FLAG, "--env"));
  if (o->sample) SAC_TRY(sac_config_set_from(config, "device", "cpu", SAC_ORIGIN_FLAG, "--sample"));
  if (o->sample) SAC_TRY(sac_config_set_from(config, "precision", "fp32", SAC_ORIGIN_FLAG, "--sample"));
  SAC_TRY(sac_config_settings(config, &settings));
  (void)sac_print_integer(number, settings.batch);
  SAC_TRY(sac_config_set_from(config, "replay.capacity", number, SAC_ORIGIN_FLAG, "eval"));
  SAC_TRY(sac_config_set_from(config, "seeds", "1", SAC_ORIGIN_FLAG, "eval"));

  /* create the environments, which give the sizes of the agent, then the agent */
  SAC_TRY(make_scene(o, s, settings.env_id, settings.env_options, &settings, &c));
  SAC_TRY(check_kind(file->path, &settings, &c));
  SAC_TRY(sac_agent_create(&agent, config, &c.vector->spec));
  status = sac_agent_read(agent, file, 0, 1);
  if (status == SAC_ERROR_SHAPE)
    sac_fail_prefix("%s does not fit %s, which has %d observations and %d actions: ", file->path, c.env.id,
                    (int)c.vector->spec.obs_size,
                    (int)(c.vector->spec.actions > 0 ? c.vector->spec.actions : c.vector->spec.action_size));
  if (status != SAC_OK) goto fail;

  /* play; --seed picks the episodes */
  agent->seed[0] = (uint64_t)o->seed;
  SAC_TRY(sac_evaluator_create(&evaluator, agent, &c.env, (int32_t)o->episodes));
  s->limit = sac_evaluator_limit(evaluator, NULL);
  SAC_TRY(sac_evaluator_run(evaluator, agent, SAC_EVALUATION_STANDALONE, s->episode_return, s->length));
fail:
  sac_evaluator_destroy(evaluator);
  sac_agent_destroy(agent);
  end_scene(&c);
  sac_config_destroy(config);
  return status;
}

/* Plays a policy file. */
static sac_status play_policy(const sac_safetensors* file, const options* o, sac_score* s) {
  scene c = {0};
  sac_status status = SAC_OK;

  /* find the environment: that of --env, or the one that the file names */
  const char* env = o->env ? o->env : sac_safetensors_metadata(file, "env");
  if (!env) return sac_fail(SAC_ERROR_FORMAT, "%s does not say its environment: give --env", file->path);
  SAC_TRY(make_scene(o, s, env, sac_safetensors_metadata(file, "env.options"), NULL, &c));

  /* play */
  SAC_TRY(sac_evaluate_policy(file, &c.env, (uint64_t)o->seed, (int32_t)o->episodes, s->episode_return, s->length,
                              &s->limit));
fail:
  end_scene(&c);
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
static sac_status check_videos(const options* o, const sac_score* s) {
  char path[SAC_PATH_MAX];
  struct stat info;
  sac_status status = SAC_OK;
  for (int64_t e = 0; e < s->episodes; e++) {
    SAC_TRY(sac_env_record_path(path, o->record, s->name, e));
    if (stat(path, &info) != 0 || info.st_size == 0)
      return sac_fail(SAC_ERROR_FILE, "Gymnasium's recorder has not written %s", path);
  }
fail:
  return status;
}

/* Plays the episodes of one file and fills its score. STOPPED: a signal came, and the score is of the episodes that
 * have ended. */
static sac_status play(const char* path, const options* o, sac_score* s) {
  sac_safetensors* file = NULL;
  sac_status status = SAC_OK;

  /* allocate the results, one number for each episode */
  (void)sac_out_path(s->path, path);
  s->episode_return = calloc((size_t)o->episodes, sizeof *s->episode_return);
  s->length = calloc((size_t)o->episodes, sizeof *s->length);
  s->success = calloc((size_t)o->episodes, sizeof *s->success);
  if (!s->episode_return || !s->length || !s->success)
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %lld episodes", (long long)o->episodes));

  /* play; a checkpoint holds a configuration, a policy file does not */
  SAC_TRY(sac_safetensors_open(&file, path));
  const char *config = sac_safetensors_metadata(file, "config"), *step = sac_safetensors_metadata(file, "step");
  s->sampled = o->sample;
  (void)snprintf(s->step, sizeof s->step, "%s", step ? step : "");
  status = config ? play_checkpoint(file, config, o, s) : play_policy(file, o, s);
  if (status != SAC_OK && status != SAC_STOPPED) goto fail;

  /* compute the statistics */
  sac_score_fill(s, o->episodes);
  if (o->record && status == SAC_OK) SAC_TRY(check_videos(o, s));
fail:
  sac_safetensors_close(file);
  return status;
}

/* --- all policies ------------------------------------------------------------------------------------------------- */

/* Plays all policies of the target: a run folder, a seed folder or a file. *scores (count) is the caller's to free,
 * with its arrays, also after an error. played: receives the number of policies of which an episode has ended. STOPPED:
 * a signal came. */
static sac_status play_all(const char* target, const options* o, sac_score** scores, int64_t* count, int64_t* played) {
  char folder[SAC_PATH_MAX], path[SAC_PATH_MAX];
  int64_t seed = 0, seeds = 1;
  sac_status status = SAC_OK;

  /* allocate one score for each seed of a run, or for the only policy */
  const int run = sac_folder_holds_run(target);
  if (run) SAC_TRY(sac_target_seeds(target, &seed, &seeds));
  *scores = calloc((size_t)seeds, sizeof **scores);
  if (!*scores) return sac_fail(SAC_ERROR_MEMORY, "no memory for %lld seeds", (long long)seeds);
  *count = seeds;

  /* play the file of each seed */
  for (int64_t i = 0; i < seeds; i++) {
    /* find the seed folder; a target that is no run is a seed folder or a file itself */
    if (run) SAC_TRY(sac_folder_seed(target, (uint64_t)(seed + i), folder));
    else SAC_TRY(sac_steps_path(folder, target));
    if (o->record) SAC_TRY(name_videos(folder, sac_target_is_folder(folder), (*scores)[i].name));

    /* find its checkpoint, and play */
    if (sac_target_is_folder(folder)) SAC_TRY(sac_target_seed(folder, o->best, path));
    else SAC_TRY(sac_path(path, "%s", folder));
    status = play(path, o, &(*scores)[i]);
    *played += (status == SAC_OK || status == SAC_STOPPED) && (*scores)[i].episodes > 0;
    if (status != SAC_OK) goto fail;
  }
fail:
  return status;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* Prints the scores of the policies that were played. Returns the exit code. */
static int print_scores(const options* o, const sac_score* scores, int64_t played) {
  sac_score all = {0};
  if (played == 0) return SAC_EXIT_WELL;
  const sac_status status = sac_score_combine(scores, played, &all);
  if (status != SAC_OK) return sac_cli_fail(status);
  if (o->json)
    return sac_score_print_json(scores, played, &all, o->record, o->episodes, o->seed) == 0 ? SAC_EXIT_WELL
                                                                                            : SAC_EXIT_FAILED;
  sac_score_print(scores, played, &all, o->record);
  return SAC_EXIT_WELL;
}

/* Says how far an evaluation came that a signal stopped. Returns the exit code. */
static int tell_stopped(const options* o, const sac_score* scores, int64_t count, int64_t played) {
  int64_t ended = 0;
  for (int64_t i = 0; i < count; i++) ended += scores[i].episodes;
  (void)fflush(sac_out);
  (void)fprintf(stderr, "sac: stopped: %lld of %lld episodes have ended%s\n", (long long)ended,
                (long long)(count * o->episodes), played ? "; the numbers are of these" : "");
  return 128 + sac_signals_caught();
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
      SAC_OPTION_INTEGER("--max-steps", "N", &o.max_steps, 1, 2147483647,
                         "steps after which an episode is cut (eval.max_steps of the run)"),
      SAC_OPTION_TEXT("--record-video", "FOLDER", (void*)&o.record, "write a video of each episode to FOLDER"),
      SAC_OPTION_TEXT("--camera", "NAME", (void*)&o.camera, "of the video; otherwise key eval.camera"),
      SAC_OPTION_SWITCH("--sample", &o.sample, "draw actions from the policy, instead of its mode"),
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
  sac_score* scores = NULL;
  int64_t count = 0, played = 0;
  int code = sac_options_parse(&syntax, argc, argv, NULL, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* set the default of --episodes, and check the limits of --record-video */
  if (o.episodes == 0) o.episodes = o.record ? EPISODES_RECORDED : EPISODES;
  char env[SAC_PATH_MAX], record[SAC_PATH_MAX]; /* "--env=~/x" comes as it is: a shell expands whole words only */
  if ((o.env && sac_expand_home(env, o.env) != SAC_OK) || (o.record && sac_expand_home(record, o.record) != SAC_OK))
    return sac_options_usage(&syntax, "%s", sac_last_error());
  if (o.env) o.env = env;
  if (o.record) o.record = record;
  const sac_env_api* api;
  if (o.env && (code = sac_options_find_env(o.env, &api)) != SAC_OPTIONS_GO) return code;
  if (o.camera && !o.record) return sac_options_usage(&syntax, "--camera goes with --record-video");
  if (o.record && !*o.record) return sac_options_usage(&syntax, "--record-video takes a folder, such as videos");
  if (o.record && o.episodes > EPISODES_RECORDED_MAX)
    return sac_options_usage(&syntax, "--record-video records every episode: at most %d of --episodes, not %lld",
                             EPISODES_RECORDED_MAX, (long long)o.episodes);

  if (o.best && !sac_target_is_folder(operands.text[0]))
    return sac_options_usage(&syntax, "--best chooses a checkpoint of a run: give its folder, not a file");

  /* play all policies until a signal comes, then print what was played */
  sac_signals_catch("stops after this step, and shows the episodes that have ended", 0);
  sac_status status = play_all(operands.text[0], &o, &scores, &count, &played);
  code = status == SAC_OK || status == SAC_STOPPED ? print_scores(&o, scores, played) : sac_cli_fail(status);
  if (status == SAC_STOPPED && code == SAC_EXIT_WELL) code = tell_stopped(&o, scores, count, played);

  /* free the scores, also after an error */
  for (int64_t i = 0; i < count; i++) {
    free(scores[i].episode_return);
    free(scores[i].length);
    free(scores[i].success);
  }
  free(scores);
  return code;
}
