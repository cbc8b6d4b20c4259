/* sac bench: measures the speed of the stages on this machine, one line for each case. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/estimate.h"
#include "agent/update.h"
#include "backend/registry.h"
#include "cli/bench_env.h"
#include "cli/bench_notes.h"
#include "cli/bench_op.h"
#include "cli/bench_stages.h"
#include "cli/bench_time.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/profile.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "train/step.h"
#include "util/error.h"
#include "verify/cases.h"

#define SYNTHETIC_EPISODE 1000

typedef struct bench {
  const char *kind, *profile;
  int json, stages, bare, cases;
  int64_t obs, act, rows, repeats;
  double seconds, warmup;
  const char *hidden, *batch, *population, *threads, *envs;
} bench;

/* One case: its agent, and the arrays of its loop. */
typedef struct bench_case {
  const bench* b;
  sac_config* config;
  const char *hidden, *batch, *population, *threads, *envs; /* one element of each list */
  sac_agent* agent;
  sac_vector* vector;
  float *obs, *action, *reward, *next_obs;
  uint8_t *terminated, *truncated;
  int32_t rows; /* transitions of an agent in these arrays */
  sac_bench_env env;
} bench_case;

typedef sac_bench_loop bench_loop;

static sac_status loop_update(void* user, int64_t count) {
  bench_case* c = user;
  const sac_status status = sac_update(c->agent, (int32_t)count);
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

static sac_status loop_act(void* user, int64_t count) {
  bench_case* c = user;
  const sac_act act = {.n = c->agent->shape.num_envs, .mode = SAC_ACT_SAMPLE, .obs = c->obs, .action = c->action};
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) status = c->agent->backend->act(c->agent, &act);
  return status;
}

static sac_status loop_push(void* user, int64_t count) {
  bench_case* c = user;
  const sac_transitions t = {
      c->agent->shape.num_envs, c->obs, c->action, c->reward, c->terminated, c->truncated, c->next_obs};
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) status = c->agent->backend->replay_push(c->agent, &t, NULL);
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

static sac_status loop_sample(void* user, int64_t count) {
  bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) {
    status = c->agent->backend->stage(c->agent, SAC_STAGE_REPLAY_SAMPLE);
    for (int32_t p = 0; p < c->agent->shape.population; ++p) ++c->agent->counters[p].updates; /* the next draw */
  }
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

/* Settles the agent at the end of a burst of steps. */
static sac_status end_burst(bench_case* c, int64_t step, int64_t count) {
  if (!c->agent) return SAC_OK;
  return (step + 1) % sac_burst(c->agent, c->vector) == 0 || step + 1 == count ? sac_settle(c->agent, c->vector)
                                                                               : SAC_OK;
}

static sac_status loop_env(void* user, int64_t count) {
  bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) {
    status = c->agent ? c->agent->backend->env_step(c->agent, c->vector) : sac_bench_env_step(&c->env);
    if (status == SAC_OK) status = end_burst(c, i, count);
  }
  return status;
}

static sac_status loop_bare(void* user, int64_t count) {
  bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) status = sac_bench_env_bare(&c->env);
  return status;
}

static double due_of(const bench_case* c) {
  return c->agent->settings.updates_per_step * (double)c->agent->shape.num_envs;
}

/* The loop of a run after its warm-up, with a whole number of updates for each step of the vector. */
static sac_status loop_train(void* user, int64_t count) {
  bench_case* c = user;
  const int32_t due = (int32_t)lrint(due_of(c));
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; ++i) {
    status = sac_step(c->agent, c->vector, SAC_ACT_SAMPLE, due);
    if (status == SAC_OK) status = end_burst(c, i, count);
  }
  return status;
}

static sac_status measure(bench_case* c, bench_loop* loop, sac_timing* t) {
  return sac_bench_time(loop, NULL, c, c->b->warmup, c->b->seconds, (int32_t)c->b->repeats, t);
}

/* --- printing a case ---------------------------------------------------------------------------------------------- */

static void print_head(const bench_case* c) {
  const char* device = c->agent ? c->agent->device : "cpu";
  const sac_backend* backend = c->agent ? c->agent->backend : sac_backend_host();
  const int threaded = c->agent && backend->threads;
  const int with_agent = c->agent != NULL && strcmp(c->b->kind, "env") != 0;
  if (c->b->json) {
    printf("{\"bench\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\"", c->b->kind, device,
           sac_config_get(c->config, "precision"));
    if (c->vector) printf(", \"env\": \"%s\"", c->vector->id);
    if (with_agent)
      printf(", \"algo\": \"%s\", \"obs\": %d, \"act\": %d, \"hidden\": [%s], \"batch\": %d, \"critics\": %d",
             sac_config_get(c->config, "algo"), (int)c->agent->shape.obs, (int)c->agent->shape.action, c->hidden,
             (int)c->agent->shape.batch, (int)c->agent->shape.critics);
    printf(", \"population\": %s, \"envs\": %s", c->population, c->envs);
    if (with_agent) printf(", \"path\": \"%s\"", backend->path(&c->agent->settings));
    if (with_agent && threaded)
      printf(", \"isa\": \"%s\", \"threads\": %d", backend->kernels(c->agent), (int)backend->threads(c->agent));
    const size_t nodes = c->agent && backend->graph_nodes ? backend->graph_nodes(c->agent) : 0;
    if (nodes) printf(", \"nodes\": %zu", nodes);
    printf(", \"repeats\": %d", (int)c->b->repeats);
    return;
  }
  printf("%-6s %s", c->b->kind, c->vector ? c->vector->id : device);
  if (with_agent)
    printf("  obs %d act %d hidden %s batch %d", (int)c->agent->shape.obs, (int)c->agent->shape.action, c->hidden,
           (int)c->agent->shape.batch);
  if (with_agent && threaded) printf(" threads %d %s", (int)backend->threads(c->agent), backend->kernels(c->agent));
  else if (!threaded && c->agent) printf(" on %s %s", device, sac_config_get(c->config, "precision"));
  printf("  P %s N %s:", c->population, c->envs);
}

/* Prints a rate. each: how many of the counted things one count of the loop makes. */
static void print_rate(const bench_case* c, const char* key, const char* words, double each, sac_timing t) {
  if (c->b->json)
    printf(", \"%s\": %s, \"%s_min\": %s, \"%s_max\": %s", key, sac_bench_number(each / t.median), key,
           sac_bench_number(each / t.slowest), key, sac_bench_number(each / t.fastest));
  else
    printf("  %s %s (%s to %s)", sac_bench_number(each / t.median), words, sac_bench_number(each / t.slowest),
           sac_bench_number(each / t.fastest));
}

static void print_microseconds(const bench_case* c, const char* key, sac_timing t) {
  if (c->b->json) printf(", \"%s\": %s", key, sac_bench_number(1e6 * t.median));
  else printf(", %s us each", sac_bench_number(1e6 * t.median));
}

static void print_tail(const bench_case* c) {
  printf(c->b->json ? "}\n" : "\n");
  (void)fflush(stdout);
}

/* --- cases -------------------------------------------------------------------------------------------------------- */

static void fill_random(bench_case* c) {
  const sac_shape* s = &c->agent->shape;
  const size_t rows = (size_t)s->population * (size_t)c->rows;
  sac_fill_normals(1, 91, 0, rows * (size_t)s->obs, c->obs);
  sac_fill_normals(1, 92, 0, rows * (size_t)s->obs, c->next_obs);
  sac_fill_uniform(1, 93, 0, rows * (size_t)s->action, 1, c->action);
  sac_fill_normals(1, 94, 0, rows, c->reward);
  for (size_t i = 0; i < rows; ++i) c->terminated[i] = i % 100 == 99;
}

/* Creates an agent for an environment of the wanted sizes, and `rows` random transitions of each agent. */
static sac_status make_agent(bench_case* c, int32_t rows) {
  sac_status status = SAC_OK;
  const size_t actions = (size_t)c->b->act;
  float* bounds = calloc(2 * actions, sizeof(float));
  if (!bounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");
  for (size_t i = 0; i < actions; ++i) bounds[i] = -1, bounds[actions + i] = 1;

  /* create the agent */
  const sac_env_spec spec = {.obs_size = (int32_t)c->b->obs,
                             .action_size = (int32_t)actions,
                             .max_episode_steps = SYNTHETIC_EPISODE,
                             .action_low = bounds,
                             .action_high = bounds + actions};
  SAC_TRY(sac_agent_create(&c->agent, c->config, &spec));

  /* allocate and fill the transitions */
  c->rows = rows > c->agent->shape.num_envs ? rows : c->agent->shape.num_envs;
  const size_t all = (size_t)c->agent->shape.population * (size_t)c->rows, obs = (size_t)spec.obs_size;
  c->obs = calloc(all * obs, sizeof(float));
  c->next_obs = calloc(all * obs, sizeof(float));
  c->action = calloc(all * actions, sizeof(float));
  c->reward = calloc(all, sizeof(float));
  c->terminated = calloc(all, 1);
  c->truncated = calloc(all, 1);
  if (!c->obs || !c->next_obs || !c->action || !c->reward || !c->terminated || !c->truncated) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for %zu transitions: lower --rows", all);
    goto fail;
  }
  fill_random(c);
fail:
  free(bounds);
  return status;
}

/* Pushes `wanted` random transitions of each agent, as many at a time as the arrays hold. */
static sac_status fill_replay(bench_case* c, int64_t wanted) {
  sac_status status = SAC_OK;
  const sac_transitions t = {c->rows, c->obs, c->action, c->reward, c->terminated, c->truncated, c->next_obs};
  const int64_t most = c->agent->shape.capacity < wanted ? c->agent->shape.capacity : wanted;
  for (int64_t done = 0; done < most && status == SAC_OK; done += c->rows)
    status = c->agent->backend->replay_push(c->agent, &t, NULL);
  return status;
}

static sac_status make_vector(bench_case* c) {
  const sac_env_api* api;
  sac_settings settings;
  sac_status status = SAC_OK;
  uint64_t* seed = NULL;
  SAC_TRY(sac_config_settings(c->config, &settings));
  SAC_TRY(sac_env_find(settings.env_id, &api));
  seed = calloc((size_t)settings.seeds, sizeof *seed);
  if (!seed) {
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for %d seeds", (int)settings.seeds);
    goto fail;
  }
  for (int64_t p = 0; p < settings.seeds; ++p) seed[p] = (uint64_t)(settings.seed + p);
  SAC_TRY(sac_vector_create(&c->vector, api, settings.env_id, settings.env_options, (int32_t)settings.seeds,
                            (int32_t)settings.num_envs, seed, sac_stream_env(0)));
  SAC_TRY(sac_bench_env_begin(&c->env, c->vector));
fail:
  free(seed);
  return status;
}

/* Creates an agent that steps the environments on a CUDA device, if they are to run there. Its algorithm does not
 * matter, so tasks with discrete actions get continuous ones. */
static sac_status attach_env(bench_case* c) {
  const size_t actions = (size_t)c->vector->spec.action_size;
  sac_env_spec spec = c->vector->spec;
  sac_settings settings;
  sac_shape shape;
  char why[SAC_WHY_MAX];
  const sac_backend* backend;
  int32_t ordinal;
  sac_status status = SAC_OK;
  float* bounds = calloc(2 * actions, sizeof(float));
  if (!bounds) return sac_fail(SAC_ERROR_MEMORY, "no memory for action bounds");
  for (size_t i = 0; i < actions; ++i) bounds[i] = -1, bounds[actions + i] = 1;
  if (spec.actions) spec.actions = 0, spec.action_low = bounds, spec.action_high = bounds + actions;
  SAC_TRY(sac_config_settings(c->config, &settings));
  SAC_TRY(sac_agent_shape(&shape, &settings, &spec));
  SAC_TRY(sac_estimate_choose(&settings, &shape, &backend, &ordinal, why));
  if (backend->on_host) goto fail;
  SAC_TRY(sac_agent_create(&c->agent, c->config, &spec));
  SAC_TRY(c->agent->backend->env_attach(c->agent, c->vector));
fail:
  free(bounds);
  return status;
}

static sac_status run_update(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;
  SAC_TRY(make_agent(c, 4096));
  SAC_TRY(fill_replay(c, c->b->rows));
  SAC_TRY(measure(c, loop_update, &t));
  print_head(c);
  print_rate(c, "updates_per_second", "agent-updates/s", c->agent->shape.population, t);
  print_microseconds(c, "microseconds", t);
  if (c->b->stages) SAC_TRY(sac_bench_stages(c->agent, NULL, 1, t.median, c->b->json));
  print_tail(c);
fail:
  return status;
}

static sac_status run_op(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;
  SAC_TRY(make_agent(c, 4096));
  SAC_TRY(fill_replay(c, c->b->rows));
  SAC_TRY(measure(c, loop_update, &t));
  print_head(c);
  if (!c->b->json) printf("  %s", sac_config_get(c->config, "algo"));
  print_microseconds(c, "microseconds", t);
  SAC_TRY(sac_bench_ops(c->agent, c->b->seconds, t.median, c->b->json));
  print_tail(c);
fail:
  return status;
}

static sac_status run_act(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;
  SAC_TRY(make_agent(c, 1));
  SAC_TRY(measure(c, loop_act, &t));
  print_head(c);
  print_rate(c, "actions_per_second", "actions/s", (double)c->agent->shape.population * c->agent->shape.num_envs, t);
  print_microseconds(c, "microseconds", t);
  print_tail(c);
fail:
  return status;
}

static sac_status run_replay(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing push, sample;
  SAC_TRY(make_agent(c, 4096));
  SAC_TRY(fill_replay(c, c->b->rows));
  SAC_TRY(measure(c, loop_push, &push));
  SAC_TRY(measure(c, loop_sample, &sample));
  print_head(c);
  const double agents = c->agent->shape.population;
  print_rate(c, "pushes_per_second", "pushed/s", agents * c->agent->shape.num_envs, push);
  print_rate(c, "samples_per_second", "sampled/s", agents * c->agent->shape.batch, sample);
  print_microseconds(c, "sample_microseconds", sample);
  print_tail(c);
fail:
  return status;
}

static sac_status run_env(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t[3];
  SAC_TRY(make_vector(c));
  if (c->b->bare && !sac_bench_env_has_bare(&c->env)) {
    status = sac_fail(SAC_ERROR_CONFIG, "--bare: %s is no task of MuJoCo's", c->vector->id);
    goto fail;
  }
  if (!c->b->bare) SAC_TRY(attach_env(c));
  SAC_TRY(sac_bench_time(loop_env, c->b->bare ? loop_bare : NULL, c, c->b->warmup, c->b->seconds,
                         (int32_t)c->b->repeats, t));
  print_head(c);
  const double each = (double)c->vector->population * c->vector->num_envs;
  print_rate(c, "steps_per_second", "steps/s", each, t[0]);
  if (c->b->bare) {
    print_rate(c, "bare_steps_per_second", "bare", each, t[1]);
    print_rate(c, "ratio", "of it", 1, t[2]);
  }
  print_tail(c);
fail:
  return status;
}

static sac_status run_train(bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;
  SAC_TRY(make_vector(c));
  SAC_TRY(sac_agent_create(&c->agent, c->config, &c->vector->spec));
  if (c->agent->backend->env_attach) SAC_TRY(c->agent->backend->env_attach(c->agent, c->vector));
  SAC_TRY(sac_step_overlap(c->agent, c->vector));
  for (int i = 0; i < 1000; ++i) {
    SAC_TRY(sac_step(c->agent, c->vector, SAC_ACT_UNIFORM, 0));
    SAC_TRY(end_burst(c, i, 1000));
  }
  SAC_TRY(measure(c, loop_train, &t));
  print_head(c);
  print_rate(c, "steps_per_second", "steps/s", (double)c->vector->population * c->vector->num_envs, t);
  print_microseconds(c, "microseconds", t);
  if (c->b->stages) SAC_TRY(sac_bench_stages(c->agent, c->vector, rint(due_of(c)), t.median, c->b->json));
  print_tail(c);
fail:
  return status;
}

static const struct {
  const char* name;
  sac_status (*run)(bench_case* c);
} kinds[] = {{"update", run_update}, {"op", run_op},   {"act", run_act},
             {"replay", run_replay}, {"env", run_env}, {"train", run_train}};

/* Measures one combination of the lists. */
static sac_status run_case(const bench* b, const sac_config* base, const char* const one[5]) {
  static const char* const keys[5][2] = {{"network.hidden", "--hidden"},
                                         {"replay.batch", "--batch"},
                                         {"seeds", "--population"},
                                         {"cpu.threads", "--threads"},
                                         {"env.num_envs", "--envs"}};
  char notice[1024];
  sac_status status = SAC_OK;
  bench_case c = {.b = b};

  /* set the values of this case */
  SAC_TRY(sac_config_copy(&c.config, base));
  for (int i = 0; i < 5; ++i)
    if (one[i]) SAC_TRY(sac_config_set_from(c.config, keys[i][0], one[i], SAC_ORIGIN_FLAG, keys[i][1]));

  /* keep them as text, for printing */
  char value[5][SAC_TEXT_MAX];
  const char** name[5] = {&c.hidden, &c.batch, &c.population, &c.threads, &c.envs};
  for (int i = 0; i < 5; ++i) {
    (void)snprintf(value[i], sizeof value[i], "%s", sac_config_get(c.config, keys[i][0]));
    *name[i] = value[i];
  }
  char hidden[SAC_TEXT_MAX]; /* "[256, 256]" without its brackets */
  (void)snprintf(hidden, sizeof hidden, "%.*s", (int)strcspn(value[0] + (value[0][0] == '['), "]"),
                 value[0] + (value[0][0] == '['));
  c.hidden = hidden;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; ++k)
    if (strcmp(kinds[k].name, b->kind) == 0) SAC_TRY(kinds[k].run(&c));
fail:
  if (c.agent && c.agent->backend->notice && c.agent->backend->notice(c.agent, notice, sizeof notice))
    (void)fprintf(stderr, "sac bench: %s\n", notice);
  sac_vector_destroy(c.vector);
  sac_agent_destroy(c.agent);
  sac_config_destroy(c.config);
  free(c.obs), free(c.next_obs), free(c.action), free(c.reward), free(c.terminated), free(c.truncated);
  sac_bench_env_end(&c.env);
  return status;
}

/* Copies element `index` of a list to text. Returns 0 when there is none. A NULL list has one element, NULL. */
static int element(const char* list, char separator, int index, char text[SAC_TEXT_MAX], const char** one) {
  *one = NULL;
  if (!list) return index == 0;
  for (; index > 0; --index) {
    list = strchr(list, separator);
    if (!list) return 0;
    ++list;
  }
  const char* end = strchr(list, separator);
  (void)snprintf(text, SAC_TEXT_MAX, "%.*s", end ? (int)(end - list) : (int)strlen(list), list);
  *one = text;
  return 1;
}

static sac_status run_all(const bench* b, const sac_config* base) {
  const char* const list[5] = {b->hidden, b->batch, b->population, b->threads, b->envs};
  char text[5][SAC_TEXT_MAX];
  const char* one[5];
  sac_status status = SAC_OK;
  for (int h = 0; element(list[0], '/', h, text[0], &one[0]); ++h)
    for (int n = 0; element(list[1], ',', n, text[1], &one[1]); ++n)
      for (int p = 0; element(list[2], ',', p, text[2], &one[2]); ++p)
        for (int t = 0; element(list[3], ',', t, text[3], &one[3]); ++t)
          for (int e = 0; element(list[4], ',', e, text[4], &one[4]); ++e) SAC_TRY(run_case(b, base, one));
fail:
  return status;
}

/* The table of cases, each with every algorithm. */
static sac_status run_cases(const bench* b, const sac_config* base) {
  static const char* const none[5];
  sac_status status = SAC_OK;
  for (int algo = 0; algo < SAC_ALGO_COUNT; ++algo)
    for (int32_t i = 0; i < sac_case_count && status == SAC_OK; ++i) {
      sac_config* config = NULL;
      bench one = *b;
      one.obs = sac_cases[i].obs, one.act = sac_cases[i].action;
      status = sac_config_copy(&config, base);
      if (status == SAC_OK) status = sac_case_apply(&sac_cases[i], algo, config);
      if (status == SAC_OK) status = run_case(&one, config, none);
      sac_config_destroy(config);
    }
  return status;
}

int sac_cli_bench(int argc, char** argv) {
  bench b = {.obs = 17, .act = 6, .rows = 100000, .repeats = 5, .seconds = 0.5, .warmup = 0.5};
  const sac_option options[] = {
      SAC_OPTION_INTEGER("--obs", "N", &b.obs, 1, 65536, "numbers in an observation (update, op, act, replay); 17"),
      SAC_OPTION_INTEGER("--act", "N", &b.act, 1, 65536, "numbers in an action (update, op, act, replay); 6"),
      SAC_OPTION_TEXT("--hidden", "N,N", (void*)&b.hidden, "widths of the hidden layers; 256,256"),
      SAC_OPTION_TEXT("--batch", "N", (void*)&b.batch, "rows of a minibatch; 256"),
      SAC_OPTION_TEXT("--population", "N", (void*)&b.population, "agents side by side; 1"),
      SAC_OPTION_TEXT("--envs", "N", (void*)&b.envs, "environments an agent, or observations acted on together; 1"),
      SAC_OPTION_TEXT("--threads", "N", (void*)&b.threads,
                      "threads of the CPU backend; 0: the cores this process may use"),
      SAC_OPTION_INTEGER("--rows", "N", &b.rows, 1, 1e12, "transitions in the replay, at most its capacity; 1e5"),
      SAC_OPTION_REAL("--seconds", "S", &b.seconds, 1e-6, 3600, "length of a repeat; 0.5"),
      SAC_OPTION_INTEGER("--repeats", "N", &b.repeats, 1, SAC_REPEATS_MAX, "repeats, of which the median counts; 5"),
      SAC_OPTION_REAL("--warmup", "S", &b.warmup, 0, 3600, "time before the first repeat; 0.5"),
      SAC_OPTION_SWITCH("--json", &b.json, "one JSON object a case on standard output"),
      SAC_OPTION_SWITCH("--stages", &b.stages, "the time of each stage too (update, train)"),
      SAC_OPTION_SWITCH("--cases", &b.cases, "the odd sizes of sac's own tests, with every algorithm (op)"),
      SAC_OPTION_SWITCH("--bare", &b.bare, "MuJoCo's own loop beside sac's, in turn (env)"),
      SAC_OPTION_PROFILE(&b.profile),
      SAC_OPTION_ENV,
      SAC_OPTION_DEVICE,
      SAC_OPTION_CONFIG,
      SAC_OPTION_SET,
      {0}};
  const sac_syntax syntax = {.command = "bench",
                             .arguments = "update|op|act|replay|env|train [options]",
                             .help = "Measures speed.",
                             .notes = sac_bench_notes,
                             .options = options,
                             .operands_min = 1,
                             .operands_max = 1};

  /* parse the command line */
  sac_config* config = NULL;
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* check that the options fit together */
  b.kind = operands.text[0];
  int known = 0;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; ++k) known |= strcmp(kinds[k].name, b.kind) == 0;
  const int go =
      !known ? sac_options_usage(&syntax, "there is no bench '%s': update, op, act, replay, env or train", b.kind)
      : b.stages && strcmp(b.kind, "update") != 0 && strcmp(b.kind, "train") != 0
          ? sac_options_usage(&syntax, "--stages goes with update and train")
      : b.cases && strcmp(b.kind, "op") != 0 ? sac_options_usage(&syntax, "--cases goes with op")
      : b.bare && strcmp(b.kind, "env") != 0 ? sac_options_usage(&syntax, "--bare goes with env")
                                             : sac_cli_profile(&syntax, b.profile, config);

  /* run all cases */
  const sac_status status = go != SAC_OPTIONS_GO ? SAC_OK : b.cases ? run_cases(&b, config) : run_all(&b, config);
  sac_config_destroy(config);
  if (go != SAC_OPTIONS_GO) return go;
  sac_cli_profile_end(b.profile);
  return status == SAC_OK ? SAC_EXIT_WELL : sac_cli_fail(status);
}
