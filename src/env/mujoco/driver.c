/* MuJoCo tasks: N simulations of one model, stepped by MuJoCo's batches on MuJoCo's threads. Results do not depend on
 * the number of threads.
 *
 * A step does what Gymnasium's does. It sets the controls, calls mj_step frame_skip times, then mj_rnePostConstraint,
 * and computes reward and observation from the mjData as it is. Derived fields (xpos, cinert, cfrc_ext) are then a
 * substep behind the state. mj_rnePostConstraint takes some 3 % of a step, and is left out where the task does not read
 * its result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env/list.h"
#include "env/mujoco/mujoco.h"
#include "env/mujoco/resets.h"
#include "env/mujoco/tsan.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/system.h"
#include "util/text.h"

#define ERROR_MAX 1024

typedef struct instance {
  const sac_mujoco_library* mj;
  const sac_mujoco_task* task;
  const char* id; /* the caller's, for messages of env_create; NULL after it */
  mjBatch* batch;
  const mjModel* m;            /* the batch's copy */
  int32_t n, obs_size;         /* N, O */
  int32_t state_size;          /* doubles of a simulation's state in the batch */
  void* options;               /* the task's own struct */
  int body[SAC_MUJOCO_BODIES]; /* numbers of the bodies that the task names */
  double* position;            /* (N, 2) the task's `position` after the last step or reset */
  int* ids;                    /* (N) scratch: simulations to run */
  float* bounds;               /* (2, A) of actions: low, then high */
  float* info;                 /* (N, info_count + 1) of the last step; the last column is of RESETS_NAME */
  int32_t info_count;          /* terms of the task */
  sac_mujoco_resets resets;
  const char* info_name[SAC_ENV_INFO_MAX + 1];
  mjData* bare; /* env_bare's simulation when N is 1; NULL before its first call */
  char error[ERROR_MAX];
} instance;

/* The arguments of a function that the batch runs on its simulations. Row i belongs to environment i. */
typedef struct call {
  instance* env;
  const float* action;   /* (N, A) env_step's; NULL elsewhere */
  const double* wide;    /* (N, A) env_step_wide's; NULL elsewhere */
  double* exact;         /* (N) env_step_wide's rewards; NULL elsewhere */
  const uint64_t* seed;  /* (N) env_reset's */
  const double* initial; /* the state of one environment to start; NULL: from the seeds */
  float* obs;            /* (N, O); with initial: (O) */
  float* reward;         /* (N) env_step's */
  uint8_t* terminated;   /* (N) */
} call;

static const struct {
  const char* id;
  const sac_mujoco_task* task;
} tasks[] = {
#define TASK(name, id, summary) {id, &sac_mujoco_##name},
    SAC_MUJOCO_TASKS(TASK)};

static const sac_mujoco_task* find(const char* id) {
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
    if (strcmp(tasks[i].id, id) == 0) return tasks[i].task;
  return NULL;
}

const sac_env_option* sac_mujoco_options_of(const char* id, int32_t* count) {
  const sac_mujoco_task* task = find(id);
  *count = task ? task->option_count : 0;
  return task ? task->options : NULL;
}

/* The options that all tasks share. They are the first member of each task's struct. */
static const sac_mujoco_common* common(const instance* env) { return env->options; }

static sac_mujoco_sim sim_of(const instance* env, const mjModel* m, mjData* d) {
  return (sac_mujoco_sim){m, d, env->options, env->body, m->timestep * common(env)->frame_skip};
}

/* --- what runs on a simulation, on one of the batch's threads ----------------------------------------------------- */

/* Writes the observation (O) of environment i, and stores its position for the velocity of the next step. */
static void observe(const instance* env, const sac_mujoco_sim* sim, int i, float* obs) {
  sac_mujoco_row row = {obs, 0};
  env->task->observe(sim, &row);
  if (env->task->position) env->task->position(sim, env->position + 2 * (size_t)i);
}

/* Starts an episode in environment i. d: the mjData of this thread. */
static void reset_one(const mjModel* m, mjData* d, int i, void* arg) {
  TSAN_ACQUIRE(arg);
  const call* c = arg;
  const instance* env = c->env;
  const sac_mujoco_sim sim = sim_of(env, m, d);

  /* clear derived fields, which are of the simulation that this thread ran before */
  env->mj->mj_resetData(m, d);
  /* set positions and velocities */
  if (c->initial) {
    memcpy(d->qpos, c->initial, (size_t)m->nq * sizeof(double));
    memcpy(d->qvel, c->initial + m->nq, (size_t)m->nv * sizeof(double));
  } else {
    env->task->reset(&sim, c->seed[i], d->qpos, d->qvel);
  }

  /* compute the derived fields and the first observation */
  env->mj->mj_forward(m, d);
  observe(env, &sim, i, c->initial ? c->obs : c->obs + (size_t)i * (size_t)env->obs_size);
  TSAN_RELEASE(arg);
}

static void step_one(const mjModel* m, mjData* d, int i, void* arg) {
  TSAN_ACQUIRE(arg);
  const call* c = arg;
  const instance* env = c->env;
  const sac_mujoco_sim sim = sim_of(env, m, d);
  const size_t row = (size_t)i;

  /* set the controls (A) */
  const size_t at = row * (size_t)m->nu;
  sac_mujoco_step step = {.action = c->wide ? NULL : c->action + at, .wide = c->wide ? c->wide + at : NULL};
  for (int64_t j = 0; j < m->nu; j++) d->ctrl[j] = step.wide ? step.wide[j] : (double)step.action[j];

  /* simulate; mj_step alone does not compute the contact forces */
  sac_mujoco_resets_begin(d);
  for (int32_t k = 0; k < common(env)->frame_skip; k++) env->mj->mj_step(m, d);
  sac_mujoco_resets_end(&env->resets, d, i);
  if (env->task->contact_forces) env->mj->mj_rnePostConstraint(m, d);

  /* observation and velocity; observe overwrites the position, so keep the one before */
  const double before[2] = {env->position[2 * row], env->position[2 * row + 1]};
  observe(env, &sim, i, c->obs + row * (size_t)env->obs_size);
  for (size_t k = 0; k < 2; k++) step.velocity[k] = (env->position[2 * row + k] - before[k]) / sim.dt;

  /* reward, terminated and info */
  int terminated;
  sac_mujoco_info info = {.to = env->info + row * ((size_t)env->info_count + 1)};
  const double reward = env->task->reward(&sim, &step, &terminated, &info);

  /* store the results; env_step_wide keeps the reward in double */
  c->terminated[i] = terminated != 0;
  if (c->exact) c->exact[i] = reward;
  else c->reward[i] = (float)reward;
  TSAN_RELEASE(arg);
}

/* Runs `function` on `count` simulations. ids (count): their numbers; NULL: all of them. */
static int run_batch(instance* env, const int* ids, int count, mjfBatchFunc function, call* c) {
  /* run on the batch's threads, wait for all, and save the new states (the last argument) */
  TSAN_RELEASE(c);
  const int failed = env->mj->mjb_apply(env->batch, ids, count, function, c, 1);
  TSAN_ACQUIRE(c);
  if (failed == 0) return SAC_OK;

  /* find the first environment that failed; the error text names it */
  const int* status = env->mj->mjb_status(env->batch);
  int first = 0;
  while (first + 1 < env->n && !status[first]) first++;
  char shown[SAC_SHOW_MAX];
  (void)snprintf(env->error, sizeof env->error, "MuJoCo in environment %d: %s", first,
                 sac_text_show(shown, env->mj->mjb_error(env->batch, first), SIZE_MAX));
  return SAC_ERROR_ENV;
}

/* --- the table of functions --------------------------------------------------------------------------------------- */

static const char* env_error(void* self) { return ((const instance*)self)->error; }

static void env_destroy(void* self) {
  instance* env = self;
  if (!env) return;

  /* what MuJoCo allocated, then our own arrays; sac_free takes NULL */
  if (env->bare) env->mj->mj_deleteData(env->bare);
  if (env->batch) env->mj->mjb_deleteBatch(env->batch);
  sac_free(env->options);
  sac_free(env->position);
  sac_free(env->ids);
  sac_free(env->bounds);
  sac_free(env->info);
  sac_mujoco_resets_free(&env->resets);
  sac_free(env);
}

/* Copies this thread's error message to the instance, and returns the status. */
static int fail(instance* env, sac_status status) {
  (void)snprintf(env->error, sizeof env->error, "%s", sac_last_error());
  return (int)status;
}

/* The file that the option xml_file names. As in Gymnasium, a name that begins with '.', '/' or '~' is a path, and any
 * other is one of Gymnasium's models. */
static sac_status model_path(const instance* env, char path[SAC_PATH_MAX]) {
  const char *file = common(env)->xml_file, *home = getenv("HOME");
  if (*file == '.' || *file == '/') return sac_path(path, "%s", file);
  if (*file == '~' && file[1] == '/' && home) return sac_path(path, "%s%s", home, file + 1);
  return sac_path(path, "%s/%s", env->mj->models, file);
}

/* Reads the model. *m is the caller's to delete, also when this fails. */
static sac_status load_model(const instance* env, mjModel** m) {
  char path[SAC_PATH_MAX], error[512] = "", shown[SAC_SHOW_MAX];
  const sac_status status = model_path(env, path);
  if (status != SAC_OK) return status;

  *m = sac_mujoco_read(env->mj, path, error, sizeof error);
  if (!*m)
    return sac_fail(SAC_ERROR_CONFIG, "env.options: %s cannot read xml_file %s: %s", env->id, path,
                    sac_text_show(shown, error, SIZE_MAX));

  /* a user's own model must have what the task reads */
  if ((*m)->nq < env->task->nq || (*m)->nv < env->task->nv || (*m)->nsite < env->task->nsite || (*m)->nu < 1)
    return sac_fail(SAC_ERROR_CONFIG,
                    "env.options: %s needs a model with at least %d positions, %d velocities, %d sites and 1 actuator; "
                    "%s has %lld, %lld, %lld and %lld",
                    env->id, (int)env->task->nq, (int)env->task->nv, (int)env->task->nsite, path, (long long)(*m)->nq,
                    (long long)(*m)->nv, (long long)(*m)->nsite, (long long)(*m)->nu);
  return SAC_OK;
}

/* Looks up the numbers of the bodies that the task names. */
static sac_status find_bodies(instance* env) {
  const char* name[SAC_MUJOCO_BODIES] = {NULL};
  if (env->task->bodies) env->task->bodies(env->options, name);
  for (int i = 0; i < SAC_MUJOCO_BODIES && name[i]; i++) {
    /* a name in digits is the number; any other name is looked up, and -1 means not found */
    const int numeric = name[i][strspn(name[i], "0123456789")] == '\0';
    const long number = numeric ? strtol(name[i], NULL, 10) : env->mj->mj_name2id(env->m, mjOBJ_BODY, name[i]);
    char shown[SAC_SHOW_MAX];
    /* refuse a body that the model has not got: the task would read outside its arrays */
    if (number < 0 || number >= (long)env->m->nbody)
      return sac_fail(SAC_ERROR_CONFIG, "env.options: the model of %s has no body '%s'", env->id,
                      sac_text_show(shown, name[i], SIZE_MAX));
    env->body[i] = (int)number;
  }
  return SAC_OK;
}

/* Checks that the model's fields are where abi.h declares them, and are doubles. The version does not tell: a library
 * that was built with other settings (floats, for example) has the same one. */
static sac_status check_layout(const instance* env) {
  /* the sizes of three fields, from the model as abi.h declares it */
  const struct {
    const char* name;
    int64_t size;
  } row[] = {{"qpos0", env->m->nq}, {"body_mass", env->m->nbody}, {"actuator_ctrlrange", 2 * env->m->nu}};
  /* compare them with what the library says; mjb_expanded writes the sizes even where it returns NULL */
  for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
    int size = 0, bytes = 0;
    (void)env->mj->mjb_expanded(env->batch, row[i].name, &size, &bytes);
    if (size != row[i].size || bytes != (int)sizeof(double))
      return sac_fail(SAC_ERROR_ENV,
                      "%s was built in another way than MuJoCo's releases (%s has %d numbers of %d bytes, not %lld of "
                      "%d): scripts/setup --mujoco brings one",
                      env->mj->path, row[i].name, size, bytes, (long long)row[i].size, (int)sizeof(double));
  }
  return SAC_OK;
}

/* Makes the simulations and their threads, by default one thread for each processor. */
static sac_status make_batch(instance* env, const mjModel* m) {
  char error[512] = "", shown[SAC_SHOW_MAX];
  /* at least one thread, and at most one for each simulation */
  const int32_t threads = common(env)->threads;
  const int cores = threads > 0 ? threads : sac_system_cores();
  const mjBatchConfig config = {.nthread = cores < 1 ? 1 : cores < env->n ? cores : env->n};
  env->batch = env->mj->mjb_makeBatch(m, env->n, &config, error, sizeof error);
  if (!env->batch)
    return sac_fail(SAC_ERROR_ENV, "MuJoCo cannot make %d simulations: %s", (int)env->n,
                    sac_text_show(shown, error, SIZE_MAX));
  /* from here on the batch's copy is the model */
  env->m = env->mj->mjb_model(env->batch);
  env->state_size = env->mj->mjb_nstate(env->batch);
  return check_layout(env);
}

/* Counts the numbers of an observation, and lists the terms of info. It needs no real step: only the count and the
 * names are used, so the bounds serve as an action. */
static void count_one(const mjModel* m, mjData* d, int i, void* arg) {
  TSAN_ACQUIRE(arg);
  const call* c = arg;
  const sac_mujoco_sim sim = sim_of(c->env, m, d);
  const sac_mujoco_step step = {.action = c->env->bounds};
  sac_mujoco_row row = {NULL, 0};
  sac_mujoco_info info = {.name = c->env->info_name};
  int terminated;
  /* without memory to write to, the task's functions only count and list */
  (void)i;
  c->env->task->observe(&sim, &row);
  c->env->obs_size = row.count;
  (void)c->env->task->reward(&sim, &step, &terminated, &info);
  c->env->info_count = info.count;
  TSAN_RELEASE(arg);
}

static sac_status no_memory(const instance* env) {
  return sac_fail(SAC_ERROR_MEMORY, "not enough memory for %d environments", (int)env->n);
}

/* The bounds of actions, from the model. */
static sac_status make_bounds(instance* env, const mjModel* m) {
  const size_t actions = (size_t)m->nu;
  env->bounds = sac_alloc(2 * actions * sizeof *env->bounds);
  if (!env->bounds) return no_memory(env);
  /* the model has pairs (A, 2); ours are rows (2, A) */
  for (size_t j = 0; j < actions; j++) {
    env->bounds[j] = (float)m->actuator_ctrlrange[2 * j];
    env->bounds[actions + j] = (float)m->actuator_ctrlrange[2 * j + 1];
  }
  return SAC_OK;
}

/* Counts the numbers of an observation and the terms of info, on the first simulation. */
static sac_status count_outputs(instance* env) {
  call c = {.env = env};
  const int first = 0;
  /* one simulation is enough: all have the same model and options */
  if (run_batch(env, &first, 1, count_one, &c) != SAC_OK) return sac_fail(SAC_ERROR_ENV, "%s", env->error);
  env->info = sac_alloc(sac_bytes((size_t)env->n, ((size_t)env->info_count + 1) * sizeof *env->info));
  return env->info && sac_mujoco_resets_make(&env->resets, env->n) ? SAC_OK : no_memory(env);
}

/* Makes the simulations and everything that they need. */
static sac_status prepare(instance* env, sac_env_spec* spec) {
  sac_status status = SAC_OK;
  mjModel* m = NULL;

  /* the model, the bounds of its actions, the simulations, the bodies */
  SAC_TRY(load_model(env, &m));
  SAC_TRY(make_bounds(env, m));
  SAC_TRY(make_batch(env, m));
  SAC_TRY(find_bodies(env));

  /* memory for each simulation, then the sizes for the caller */
  env->position = sac_alloc(sac_bytes((size_t)env->n, 2 * sizeof *env->position));
  env->ids = sac_alloc(sac_bytes((size_t)env->n, sizeof *env->ids));
  if (!env->position || !env->ids) SAC_TRY(no_memory(env));
  SAC_TRY(count_outputs(env));
  *spec = (sac_env_spec){.obs_size = env->obs_size,
                         .action_size = (int32_t)env->m->nu,
                         .max_episode_steps = env->task->max_episode_steps,
                         .action_low = env->bounds,
                         .action_high = env->bounds + env->m->nu};
fail:
  if (m) env->mj->mj_deleteModel(m); /* the batch has its own copy */
  return status;
}

static int env_create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  instance* env = *self = sac_alloc(sizeof(instance)); /* set also when this fails, for the error text */
  if (!env) return SAC_ERROR_MEMORY;

  /* the task */
  env->id = id;
  env->task = find(id);
  env->n = n;
  if (!env->task || n < 1) {
    (void)snprintf(env->error, sizeof env->error, "there are no %d environments of '%.64s'", (int)n, id);
    return SAC_ERROR_ENV;
  }

  /* load MuJoCo, and read the options */
  env->options = sac_alloc(env->task->options_size);
  if (!env->options) {
    (void)snprintf(env->error, sizeof env->error, "not enough memory");
    return SAC_ERROR_MEMORY;
  }
  sac_status status = sac_mujoco_open(&env->mj);
  if (status == SAC_OK)
    status = sac_env_options_read(env->task->options, env->task->option_count, id, options, env->options);

  /* make the simulations; the id is the caller's, so forget it */
  if (status == SAC_OK) status = prepare(env, spec);
  env->id = NULL;
  return status == SAC_OK ? SAC_OK : fail(env, status);
}

static int env_reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  instance* env = self;
  /* list the environments to reset, then reset them on the batch's threads */
  int count = 0;
  for (int32_t i = 0; i < env->n; i++)
    if (mask[i]) env->ids[count++] = (int)i;
  call c = {.env = env, .seed = seed, .obs = obs};
  return count > 0 ? run_batch(env, env->ids, count, reset_one, &c) : SAC_OK;
}

static int env_start(void* self, int32_t i, const double* initial, float* obs) {
  call c = {.env = self, .initial = initial, .obs = obs};
  const int one = i;
  return run_batch(self, &one, 1, reset_one, &c);
}

static int32_t env_initial_count(void* self) {
  const instance* env = self;
  return (int32_t)(env->m->nq + env->m->nv);
}

static int env_step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated,
                    uint8_t* truncated) {
  instance* env = self;
  call c = {.env = env, .action = action, .obs = obs, .reward = reward, .terminated = terminated};
  memset(truncated, 0, (size_t)env->n); /* no task truncates: the vector applies max_episode_steps */
  const int status = run_batch(env, NULL, (int)env->n, step_one, &c);
  if (status != SAC_OK || !sac_mujoco_resets_count(&env->resets)) return status;

  /* the first reset adds a term to info: a healthy run has Gymnasium's alone */
  if (env->info_count < SAC_ENV_INFO_MAX) env->info_name[env->info_count] = "simulation_resets";
  return sac_mujoco_resets_check(&env->resets, env->error, sizeof env->error);
}

static int env_step_wide(void* self, const double* action, float* obs, double* reward, uint8_t* terminated) {
  instance* env = self;
  call c = {.env = env, .wide = action, .exact = reward, .obs = obs, .terminated = terminated};
  return run_batch(env, NULL, (int)env->n, step_one, &c);
}

/* The fastest loop that MuJoCo itself has: mjb_step for several simulations, mj_step for one. */
static int env_bare(void* self, const float* action) {
  instance* env = self;
  const size_t actions = (size_t)env->m->nu, skip = (size_t)common(env)->frame_skip;

  /* several: write the controls into the batch's states (N, state_size), and step all */
  if (env->n > 1) {
    double* control = env->mj->mjb_stateComponent(env->batch, mjSTATE_CTRL, NULL);
    for (size_t i = 0; i < (size_t)env->n; i++)
      for (size_t j = 0; j < actions; j++) control[i * (size_t)env->state_size + j] = (double)action[i * actions + j];
    return env->mj->mjb_step(env->batch, NULL, env->n, (int)skip, mjSTAGE_NONE);
  }

  /* one: an mjData of its own, made at the first call */
  if (!env->bare) env->bare = env->mj->mj_makeData(env->m);
  if (!env->bare) return 1;
  for (size_t j = 0; j < actions; j++) env->bare->ctrl[j] = (double)action[j];
  for (size_t k = 0; k < skip; k++) env->mj->mj_step(env->m, env->bare);
  return 0;
}

/* The state of an environment: its row of the batch (state_size), then its position (2), all doubles. */
static size_t env_state_size(void* self) { return ((size_t)((const instance*)self)->state_size + 2) * sizeof(double); }

static int env_state_get(void* self, int32_t i, void* state) {
  instance* env = self;
  const size_t row = (size_t)env->state_size * sizeof(double);
  memcpy(state, env->mj->mjb_state(env->batch) + (size_t)i * (size_t)env->state_size, row);
  memcpy((char*)state + row, env->position + 2 * (size_t)i, 2 * sizeof(double));
  return SAC_OK;
}

static int env_state_set(void* self, int32_t i, const void* state) {
  instance* env = self;
  const size_t row = (size_t)env->state_size * sizeof(double);
  memcpy(env->mj->mjb_state(env->batch) + (size_t)i * (size_t)env->state_size, state, row);
  memcpy(env->position + 2 * (size_t)i, (const char*)state + row, 2 * sizeof(double));
  return SAC_OK;
}

static const char* const* env_info_names(void* self) { return ((const instance*)self)->info_name; }

static int env_info(void* self, float* value) {
  const instance* env = self;
  const size_t terms = (size_t)env->info_count, row = terms + (env->info_name[terms] != NULL);
  for (size_t i = 0; i < (size_t)env->n; i++) {
    env->info[i * (terms + 1) + terms] = env->resets.was_reset[i];
    memcpy(value + i * row, env->info + i * (terms + 1), row * sizeof *value);
  }
  return SAC_OK;
}

static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                .size = sizeof(sac_env_api),
                                .name = "MuJoCo",
                                .create = env_create,
                                .reset = env_reset,
                                .step = env_step,
                                .destroy = env_destroy,
                                .error = env_error,
                                .state_size = env_state_size,
                                .state_get = env_state_get,
                                .state_set = env_state_set,
                                .info_names = env_info_names,
                                .info = env_info,
                                .concurrent = 1};

static sac_status ready(void) {
  const sac_mujoco_library* library;
  return sac_mujoco_open(&library);
}

#define ENTRY(name, id, summary) {id, summary, &api, 0, env_start, ready, env_initial_count, env_step_wide, env_bare},
const sac_env_entry sac_mujoco_envs[] = {SAC_MUJOCO_TASKS(ENTRY)};
const int32_t sac_mujoco_env_count = (int32_t)(sizeof sac_mujoco_envs / sizeof *sac_mujoco_envs);
