/* One step of a run, in this order:
 *
 *  act -> env step -> replay push
 *      -> replay sample -> critic update -> actor update -> temperature update -> target update
 *
 * With train.overlap the five stages of the update run at the same time as env step. On a device they run at the same
 * time as act too, which then uses the weights from before the update. */
#include "train/step.h"

#include "env/vector.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/system.h"

/* Runs one stage and measures its time. */
#define STAGE(word, call)                                      \
  do {                                                         \
    const double start = sac_seconds();                        \
    SAC_TRY(agent->backend->call);                             \
    agent->seconds[SAC_STAGE_##word] += sac_seconds() - start; \
  } while (0)

/* What env_step needs, as one argument: the worker's job takes one pointer. */
typedef struct side {
  sac_agent* agent;
  sac_vector* vector;
} side;

/* Steps the environments; the job of the worker. */
static sac_status env_step(void* context) {
  const side* s = context;
  sac_agent* agent = s->agent;
  sac_status status = SAC_OK;
  STAGE(ENV_STEP, env_step(agent, s->vector));
fail:
  return status;
}

int sac_learns_beside(const sac_agent* agent, const sac_vector* vector) {
  return agent->settings.overlap > 0 && agent->backend->snapshot && !vector->resident;
}

/* Steps the environments and makes updates at the same time. Neither reads what the other writes, so the order does not
 * change the results. The worker makes all steps, also those of the warm-up, because some environments must always be
 * stepped by the same thread. */
static sac_status env_step_and_update(sac_agent* agent, sac_vector* vector, int32_t updates) {
  side s = {agent, vector};

  /* without a worker: one after another; updates on a device are only queued here */
  if (!vector->worker) {
    const sac_status learnt = sac_update(agent, updates);
    return learnt == SAC_OK ? env_step(&s) : learnt;
  }

  /* with a worker: it steps while this thread learns; wait for it also after an error of the updates */
  sac_worker_start(vector->worker, env_step, &s);
  const sac_status learnt = sac_update(agent, updates);
  const sac_status stepped = sac_worker_wait(vector->worker);
  return stepped == SAC_OK ? learnt : stepped;
}

sac_status sac_step(sac_agent* agent, sac_vector* vector, sac_act_mode mode, int32_t updates) {
  const int late = agent->settings.overlap > 0, beside = sac_learns_beside(agent, vector);
  const sac_act act = {.n = vector->num_envs,
                       .mode = mode,
                       .obs = vector->obs,
                       .action = vector->action,
                       .from_snapshot = beside,
                       .vector = vector};
  side s = {agent, vector};
  sac_status status = SAC_OK;

  /* updates on a device: queue them first, and act with a snapshot of the weights */
  if (beside) {
    SAC_TRY(agent->backend->snapshot(agent));
    SAC_TRY(sac_update(agent, updates));
  }

  /* act, step; with train.overlap update at the same time */
  STAGE(ACT, act(agent, &act));
  if (late && !beside) SAC_TRY(env_step_and_update(agent, vector, updates));
  else SAC_TRY(env_step(&s));

  /* store the transitions, then update */
  const sac_transitions transitions = sac_vector_transitions(vector);
  STAGE(REPLAY_PUSH, replay_push(agent, &transitions, vector));
  return late ? SAC_OK : sac_update(agent, updates);
fail:
  return status;
}

/* Begins the next episodes; the job of the worker. */
static sac_status start_episodes(void* context) { return sac_vector_start(context); }

sac_status sac_step_start(sac_vector* vector) {
  if (!vector->ended || !vector->worker) return sac_vector_start(vector);
  sac_worker_start(vector->worker, start_episodes, vector);
  return sac_worker_wait(vector->worker);
}

sac_status sac_step_overlap(const sac_agent* agent, sac_vector* vector) {
  /* no thread where updates are only queued, or where both threads would share a processor */
  if (agent->settings.overlap == 0 || agent->backend->update || sac_processors() < 2) return SAC_OK;
  return sac_worker_create(&vector->worker);
}

int32_t sac_burst(const sac_agent* agent, const sac_vector* vector) {
  if (vector->resident) return vector->burst;

  /* a backend that queues its work reports stopped agents only when it is waited for */
  return agent->backend->state_get ? SAC_BURST_MAX : 1;
}
