/* sac bench: measures the speed of the stages on this machine, one line for each case. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "agent/update.h"
#include "cli/bench_case.h"
#include "cli/bench_check.h"
#include "cli/bench_notes.h"
#include "cli/bench_op.h"
#include "cli/bench_print.h"
#include "cli/bench_rows.h"
#include "cli/bench_stages.h"
#include "cli/bench_time.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/profile.h"
#include "env/vector.h"
#include "train/step.h"
#include "util/error.h"

#define WARMUP_STEPS 1000 /* steps of sac bench train before it is measured; they fill the replay */

/* --- loops: each runs what is measured `count` times, and waits for its end --------------------------------------- */

/* Whole updates. A device queues them, so that the loop ends with a wait. */
static sac_status loop_update(void* user, int64_t count) {
  sac_bench_case* c = user;
  const sac_status status = sac_update(c->agent, (int32_t)count);
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

/* One action for each of the N observations of every agent. It is on the host when `act` returns. */
static sac_status loop_act(void* user, int64_t count) {
  sac_bench_case* c = user;
  const sac_act act = {.n = c->agent->shape.num_envs, .mode = SAC_ACT_SAMPLE, .obs = c->obs, .action = c->action};
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) status = c->agent->backend->act(c->agent, &act);
  return status;
}

/* One transition of each environment into the replay. */
static sac_status loop_push(void* user, int64_t count) {
  sac_bench_case* c = user;
  const sac_transitions t = {
      c->agent->shape.num_envs, c->obs, c->action, c->reward, c->terminated, c->truncated, c->next_obs};
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) status = c->agent->backend->replay_push(c->agent, &t, NULL);
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

/* Minibatches from the replay, without the rest of an update: each draws other rows, as in training. */
static sac_status loop_sample(void* user, int64_t count) {
  sac_bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) status = sac_sample_ahead(c->agent, c->draws++);
  return status == SAC_OK ? sac_settle(c->agent, NULL) : status;
}

/* Waits for the agent at the end of a burst of steps, and after the last of `count` steps. */
static sac_status end_burst(sac_bench_case* c, int64_t step, int64_t count) {
  if (!c->agent) return SAC_OK;
  return (step + 1) % sac_burst(c->agent, c->vector) == 0 || step + 1 == count ? sac_settle(c->agent, c->vector)
                                                                               : SAC_OK;
}

/* Steps of all environments: on the device when an agent is attached, otherwise on the host. */
static sac_status loop_env(void* user, int64_t count) {
  sac_bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) {
    status = c->agent ? c->agent->backend->env_step(c->agent, c->vector) : sac_bench_env_step(&c->env);
    if (status == SAC_OK) status = end_burst(c, i, count);
  }
  return status;
}

/* Steps of the simulator alone. */
static sac_status loop_bare(void* user, int64_t count) {
  sac_bench_case* c = user;
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) status = sac_bench_env_bare(&c->env);
  return status;
}

/* Updates that are due for each step of the vector, which gives N transitions of each agent. May be a fraction. */
static double due_of(const sac_bench_case* c) {
  return c->agent->settings.updates_per_step * (double)c->agent->shape.num_envs;
}

/* Steps of a run after its warm-up. The updates of each step are rounded to a whole number. */
static sac_status loop_train(void* user, int64_t count) {
  sac_bench_case* c = user;
  const int32_t due = (int32_t)lrint(due_of(c));
  sac_status status = SAC_OK;
  for (int64_t i = 0; i < count && status == SAC_OK; i++) {
    status = sac_step(c->agent, c->vector, SAC_ACT_SAMPLE, due);
    if (status == SAC_OK) status = end_burst(c, i, count);
  }
  return status;
}

/* Times a loop as long and as often as the command line says. */
static sac_status measure(sac_bench_case* c, sac_bench_loop* loop, sac_timing* t) {
  return sac_bench_time(loop, NULL, c, c->b->warmup, c->b->seconds, (int32_t)c->b->repeats, t);
}

static void print_label(const sac_bench_case* c) {
  const sac_bench_label label = {.kind = c->b->kind,
                                 .json = c->b->json,
                                 .repeats = (int32_t)c->b->repeats,
                                 .config = c->config,
                                 .agent = c->agent,
                                 .vector = c->vector};
  sac_bench_print_label(&label);
}

/* --- cases -------------------------------------------------------------------------------------------------------- */

/* sac bench update */
static sac_status run_update(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;

  /* create an agent with a filled replay */
  SAC_TRY(sac_bench_make_learner(c, c->b->rows));

  /* measure whole updates */
  SAC_TRY(measure(c, loop_update, &t));

  /* print the rates, and with --stages the time of each stage */
  print_label(c);
  sac_bench_print_rate(c->b->json, "updates_per_second", "agent-updates/s", c->agent->shape.population, t);
  sac_bench_print_microseconds(c->b->json, "microseconds", t);
  if (c->b->stages) SAC_TRY(sac_bench_stages(c->agent, NULL, 1, t.median, c->b->json));
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* Prints the kind of the networks where it is not the default. */
static void print_network(const sac_bench_case* c) {
  const char* kind = sac_config_get(c->config, "network.kind");
  if (strcmp(kind, sac_network_kind_names[0]) != 0) sac_print(c->b->json ? ", \"network\": \"%s\"" : " %s", kind);
}

/* sac bench op */
static sac_status run_op(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;

  /* create an agent with a filled replay */
  SAC_TRY(sac_bench_make_learner(c, c->b->rows));

  /* measure whole updates, which also warms up for the parts */
  SAC_TRY(measure(c, loop_update, &t));

  /* print the case and the time of a whole update */
  print_label(c);
  if (!c->b->json) sac_print("  %s", sac_config_get(c->config, "algo"));
  print_network(c);
  sac_bench_print_microseconds(c->b->json, "microseconds", t);

  /* measure and print the parts */
  SAC_TRY(sac_bench_ops(c->agent, c->b->seconds, t.median, c->b->json));
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* sac bench act */
static sac_status run_act(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;

  /* create an agent, and one observation for each environment */
  SAC_TRY(sac_bench_make_agent(c, 1));

  /* measure acting */
  SAC_TRY(measure(c, loop_act, &t));

  /* print the rate; one count of the loop gives P*N actions */
  print_label(c);
  sac_bench_print_rate(c->b->json, "actions_per_second", "actions/s",
                       (double)c->agent->shape.population * c->agent->shape.num_envs, t);
  sac_bench_print_microseconds(c->b->json, "microseconds", t);
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* sac bench replay */
static sac_status run_replay(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing push, sample;

  /* create an agent with a filled replay */
  SAC_TRY(sac_bench_make_learner(c, c->b->rows));

  /* measure pushing, then sampling */
  SAC_TRY(measure(c, loop_push, &push));
  SAC_TRY(measure(c, loop_sample, &sample));

  /* print the rates; one count pushes P*N transitions, or samples P*B rows */
  print_label(c);
  const double agents = c->agent->shape.population;
  sac_bench_print_rate(c->b->json, "pushes_per_second", "pushed/s", agents * c->agent->shape.num_envs, push);
  sac_bench_print_rate(c->b->json, "samples_per_second", "sampled/s", agents * c->agent->shape.batch, sample);
  sac_bench_print_microseconds(c->b->json, "sample_microseconds", sample);
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* sac bench env */
static sac_status run_env(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t[3]; /* of sac; with --bare also of the simulator alone, and the ratio of the two */

  /* create the environments */
  SAC_TRY(sac_bench_make_vector(c));
  if (c->b->bare && !sac_bench_env_has_bare(&c->env)) {
    status = sac_fail(SAC_ERROR_CONFIG, "--bare works only with MuJoCo's tasks; %s is not one of them", c->vector->id);
    goto fail;
  }

  /* move them to the device; --bare compares with a simulator of the host, and stays there */
  if (!c->b->bare) SAC_TRY(sac_bench_attach_env(c));

  /* measure; with --bare alternate with the simulator alone */
  SAC_TRY(sac_bench_time(loop_env, c->b->bare ? loop_bare : NULL, c, c->b->warmup, c->b->seconds,
                         (int32_t)c->b->repeats, t));

  /* print the rates; one count steps P*N environments */
  print_label(c);
  const double each = (double)c->vector->population * c->vector->num_envs;
  sac_bench_print_rate(c->b->json, "steps_per_second", "steps/s", each, t[0]);

  /* print the rate of the simulator, and the speed of sac as a share of it */
  if (c->b->bare) {
    sac_bench_print_rate(c->b->json, "bare_steps_per_second", "bare", each, t[1]);
    sac_bench_print_rate(c->b->json, "ratio", "of it", 1, t[2]);
  }
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* sac bench train */
static sac_status run_train(sac_bench_case* c) {
  sac_status status = SAC_OK;
  sac_timing t;

  /* create the environments and the agent */
  SAC_TRY(sac_bench_make_vector(c));
  SAC_TRY(sac_agent_create(&c->agent, c->config, &c->vector->spec));

  /* move the environments to the device if it can step them, and prepare for train.overlap */
  if (c->agent->backend->env_attach) SAC_TRY(c->agent->backend->env_attach(c->agent, c->vector));
  SAC_TRY(sac_step_overlap(c->agent, c->vector));

  /* fill the replay with the transitions of random actions */
  for (int i = 0; i < WARMUP_STEPS; i++) {
    SAC_TRY(sac_step(c->agent, c->vector, SAC_ACT_UNIFORM, 0));
    SAC_TRY(end_burst(c, i, WARMUP_STEPS));
  }

  /* measure the loop with updates */
  SAC_TRY(measure(c, loop_train, &t));

  /* print the rates, and with --stages the time of each stage */
  print_label(c);
  sac_bench_print_rate(c->b->json, "steps_per_second", "steps/s", (double)c->vector->population * c->vector->num_envs,
                       t);
  sac_bench_print_microseconds(c->b->json, "microseconds", t);
  if (c->b->stages) SAC_TRY(sac_bench_stages(c->agent, c->vector, rint(due_of(c)), t.median, c->b->json));
  sac_bench_print_end(c->b->json);
fail:
  return status;
}

/* The first argument of sac bench, and the function that measures and prints one case of it. */
static const struct {
  const char* name;
  sac_status (*run)(sac_bench_case* c);
} kinds[] = {{"update", run_update}, {"op", run_op},   {"act", run_act},
             {"replay", run_replay}, {"env", run_env}, {"train", run_train}};

/* Checks one case without measuring it. */
static sac_status check_case(const sac_bench* b, const sac_config* base, const char* const one[5]) {
  sac_config* config = NULL;
  (void)b;
  const sac_status status = sac_bench_case_config(&config, base, one);
  sac_config_destroy(config);
  return status;
}

/* Measures one case. */
static sac_status run_case(const sac_bench* b, const sac_config* base, const char* const one[5]) {
  char warning[1024];
  sac_status status = SAC_OK;
  sac_bench_case c = {.b = b};

  /* set the values of this case */
  SAC_TRY(sac_bench_case_config(&c.config, base, one));

  /* measure and print */
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (strcmp(kinds[k].name, b->kind) == 0) SAC_TRY(kinds[k].run(&c));
fail:
  /* pass on news of the backend about how updates ran, also after an error */
  if (c.agent && c.agent->backend->take_warning && c.agent->backend->take_warning(c.agent, warning, sizeof warning))
    (void)fprintf(stderr, "sac bench: %s\n", warning);
  sac_bench_case_end(&c);
  return status;
}

/* Copies element `index` of a list to text, and sets *one to it. Returns 0 when the list has no such element. A NULL
 * list has one element, NULL. */
static int element(const char* list, char separator, int index, char text[SAC_TEXT_MAX], const char** one) {
  /* treat a list that was not given as one element */
  *one = NULL;
  if (!list) return index == 0;

  /* skip the elements before it */
  for (; index > 0; index--) {
    list = strchr(list, separator);
    if (!list) return 0;
    list++;
  }

  /* copy it up to the next separator */
  const char* end = strchr(list, separator);
  (void)snprintf(text, SAC_TEXT_MAX, "%.*s", end ? (int)(end - list) : (int)strlen(list), list);
  *one = text;
  return 1;
}

/* Calls `each` for every combination of the values that the lists of the command line hold. */
static sac_status all_cases(const sac_bench* b, const sac_config* base,
                            sac_status (*each)(const sac_bench* b, const sac_config* base, const char* const one[5])) {
  const char* const list[5] = {b->hidden, b->batch, b->population, b->threads, b->envs};
  char text[5][SAC_TEXT_MAX];
  const char* one[5];
  sac_status status = SAC_OK;

  /* go through the lists, the last one fastest; networks are separated by "/" */
  for (int h = 0; element(list[0], '/', h, text[0], &one[0]); h++)
    for (int n = 0; element(list[1], ',', n, text[1], &one[1]); n++)
      for (int p = 0; element(list[2], ',', p, text[2], &one[2]); p++)
        for (int t = 0; element(list[3], ',', t, text[3], &one[3]); t++)
          for (int e = 0; element(list[4], ',', e, text[4], &one[4]); e++) SAC_TRY(each(b, base, one));
fail:
  return status;
}

/* Measures all cases, after every one was checked: an error in the last must not come after minutes. */
static sac_status run_all(const sac_bench* b, const sac_config* base) {
  const sac_status status = all_cases(b, base, check_case);
  return status == SAC_OK ? all_cases(b, base, run_case) : status;
}

int sac_cli_bench(int argc, char** argv) {
  sac_bench b = {.repeats = 5, .seconds = 0.5, .warmup = 0.5};

  /* describe the command line */
  const sac_option options[] = {
      SAC_OPTION_INTEGER("--obs", "N", &b.obs, 1, 65536, "numbers in an observation (update, op, act, replay); 17"),
      SAC_OPTION_INTEGER("--act", "N", &b.act, 1, 65536, "numbers in an action (update, op, act, replay); 6"),
      SAC_OPTION_INTEGER("--actions", "N", &b.actions, 2, 65536,
                         "number of discrete actions, for algorithms that take them; 4"),
      SAC_OPTION_TEXT("--hidden", "N,N", (void*)&b.hidden, "widths of the hidden layers; 256,256"),
      SAC_OPTION_TEXT("--batch", "N", (void*)&b.batch, "rows of a minibatch; 256"),
      SAC_OPTION_TEXT("--population", "N", (void*)&b.population, "agents side by side; 1"),
      SAC_OPTION_TEXT("--envs", "N", (void*)&b.envs, "environments per agent, or observations acted on together; 1"),
      SAC_OPTION_TEXT("--threads", "N", (void*)&b.threads,
                      "threads of the CPU backend; 0: the cores this process may use"),
      SAC_OPTION_INTEGER("--rows", "N", &b.rows, 1, 1e12, "transitions in the replay, at most its capacity; 1e5"),
      SAC_OPTION_REAL("--seconds", "S", &b.seconds, 1e-6, 3600, "length of a repeat; 0.5"),
      SAC_OPTION_INTEGER("--repeats", "N", &b.repeats, 1, SAC_REPEATS_MAX, "repeats, of which the median counts; 5"),
      SAC_OPTION_REAL("--warmup", "S", &b.warmup, 0, 3600, "time before the first repeat; 0.5"),
      SAC_OPTION_SWITCH("--json", &b.json, "one JSON object per case on standard output"),
      SAC_OPTION_SWITCH("--stages", &b.stages, "the time of each stage too (update, train)"),
      SAC_OPTION_SWITCH("--cases", &b.cases, "the odd sizes of sac's own tests, with every algorithm and network (op)"),
      SAC_OPTION_SWITCH("--bare", &b.bare, "MuJoCo's own loop beside sac's, in turn (env)"),
      SAC_OPTION_PROFILE(&b.profile),
      SAC_OPTION_KEY("--algo", "NAME", "algo", "algorithm; 'sac info' lists them"),
      SAC_OPTION_ENV,
      SAC_OPTION_DEVICE,
      SAC_OPTION_CONFIG,
      SAC_OPTION_SET,
      {0}};

  /* describe the arguments */
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

  /* the kind of benchmark */
  int known = 0;
  b.kind = operands.text[0];
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) known |= strcmp(kinds[k].name, b.kind) == 0;

  /* check the options, then measure all cases */
  const int go =
      known ? sac_bench_check(&syntax, &b, config)
            : sac_options_usage(&syntax, "there is no bench '%s': update, op, act, replay, env or train", b.kind);
  if (b.obs == 0) b.obs = 17;
  if (b.act == 0) b.act = 6;
  if (b.actions == 0) b.actions = 4;
  if (b.rows == 0) b.rows = 100000;
  const sac_status status = go != SAC_OPTIONS_GO ? SAC_OK
                            : b.cases            ? sac_bench_rows(&b, config, run_case)
                                                 : run_all(&b, config);

  /* choose the exit code; a capture that was cut short is reported */
  sac_config_destroy(config);
  if (go != SAC_OPTIONS_GO) return go;
  sac_cli_profile_end(b.profile);
  return status == SAC_OK ? SAC_EXIT_WELL : sac_cli_fail(status);
}
