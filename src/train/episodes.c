#include "train/episodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "env/list.h"
#include "kernels/random.h"
#include "util/error.h"
#include "util/memory.h"

/* --- environments ------------------------------------------------------------------------------------------------- */

int32_t sac_eval_env_count(const sac_eval_env* env, int32_t episodes) {
  const sac_env_entry* entry = sac_env_entry_find(env->id);
  if (env->num_envs > 0) return env->num_envs < episodes ? (int32_t)env->num_envs : episodes;

  /* a simulator from outside may exist once, start slowly, or take much memory */
  return entry && entry->api == env->api ? episodes : 1;
}

/* Sets the limit of an episode. */
static void set_limit(sac_episodes* e, int64_t max_steps) {
  const int32_t own = e->vector->spec.max_episode_steps;
  e->by_default = max_steps == 0 && own == 0;
  const int64_t limit = e->by_default ? SAC_EVAL_STEPS_MAX : max_steps;

  /* the environment's own limit stays if it is not longer */
  if (limit == 0 || (own > 0 && own <= limit)) return;
  e->limit = e->vector->spec.max_episode_steps = (int32_t)limit;
}

sac_status sac_episodes_make(sac_episodes* e, const sac_eval_env* env, int32_t population, const uint64_t* seed,
                             int32_t episodes) {
  const uint64_t stream = sac_stream_eval_env(0);
  sac_status status = SAC_OK;
  e->episodes = episodes;
  e->leave = env->leave;
  e->user = env->user;
  e->success = env->success;

  /* make or share the environments; between two rounds nobody but this file starts episodes */
  if (env->vector) SAC_TRY(sac_vector_share(&e->vector, env->vector, stream, env->success != NULL));
  else
    SAC_TRY(sac_vector_create(&e->vector, env->api, env->id, env->options, population,
                              sac_eval_env_count(env, episodes), seed, stream));
  e->vector->keep_ended = 1;
  set_limit(e, env->max_steps);

  /* allocate a flag for each environment, and to sample the noise of its action */
  const size_t envs = sac_bytes((size_t)population, (size_t)e->vector->num_envs);
  e->done = calloc(envs, 1);
  if (env->sample) {
    e->seed = calloc((size_t)population, sizeof *e->seed);
    e->noise = calloc(sac_bytes(envs, (size_t)e->vector->spec.action_size), sizeof *e->noise);
    if (e->seed) memcpy(e->seed, seed, (size_t)population * sizeof *seed);
  }
  if (!e->done || (env->sample && (!e->seed || !e->noise)))
    SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %d evaluation episodes: lower eval.episodes", (int)episodes));
fail:
  return status;
}

void sac_episodes_free(sac_episodes* e) {
  sac_vector_destroy(e->vector);
  free(e->seed);
  free(e->noise);
  free(e->done);
}

/* --- playing ------------------------------------------------------------------------------------------------------ */

/* Takes the results of episodes that ended since the last call, one of each environment. first: the number of the
 * round's first episode. Returns how many it took. */
static int32_t collect(const sac_episodes* e, int32_t first) {
  const sac_vector* vector = e->vector;
  int32_t taken = 0;
  for (int32_t f = 0; f < vector->finished_count; f++) {
    const sac_episode* episode = &vector->finished[f];
    const int32_t p = episode->env / vector->num_envs, i = episode->env % vector->num_envs;

    /* a later episode of this environment, which was reset while others still played */
    if (e->done[episode->env]) continue;
    e->done[episode->env] = 1;
    e->episode_return[p * e->episodes + first + i] = episode->episode_return;
    e->length[p * e->episodes + first + i] = episode->length;
    if (e->success) e->success[p * e->episodes + first + i] = sac_vector_success(vector, episode->env);
    taken++;
  }
  return taken;
}

/* Marks the environments that play no episode of the round: those of stopped agents, and those for which no episode is
 * left. Returns how many play. */
static int32_t begin_round(const sac_episodes* e, int32_t first, const uint8_t* alive) {
  const int32_t n = e->vector->num_envs, all = e->vector->population * n;
  int32_t left = all;
  for (int32_t i = 0; i < all; i++) {
    e->done[i] = !alive[i / n] || first + i % n >= e->episodes;
    left -= e->done[i];
  }
  return left;
}

/* Whether the evaluation must be left. */
static int must_leave(sac_episodes* e) {
  return atomic_load_explicit(&e->ending, memory_order_relaxed) || (e->leave && e->leave(e->user, &e->play));
}

/* Draws the noise of step `step` of the episodes from number `first` on. Each has its own part of stream EVAL. */
static void draw_noise(const sac_episodes* e, int32_t first, int64_t step) {
  const sac_env_spec* spec = &e->vector->spec;
  const size_t a = (size_t)spec->action_size;
  const int32_t n = e->vector->num_envs;
  for (int32_t i = 0; i < e->vector->population * n; i++) {
    const uint64_t seed = e->seed[i / n], draw = (uint64_t)(first + i % n) << 32 | (uint64_t)step;
    float* noise = e->noise + (size_t)i * a;

    /* a uniform number for a discrete action, normal ones for a continuous one */
    if (spec->actions > 0)
      *noise = sac_uniform(sac_philox(seed, SAC_STREAM_EVAL, sac_draw_block(draw, 1, SAC_UNIFORMS_PER_BLOCK)).word[0]);
    else sac_fill_normals(seed, SAC_STREAM_EVAL, sac_draw_block(draw, a, SAC_NORMALS_PER_BLOCK), a, noise);
  }
}

/* Plays one episode in every environment, from episode number `first` on. */
static sac_status play_round(sac_episodes* e, int32_t first, const uint8_t* alive, sac_episodes_step* step,
                             void* player) {
  sac_vector* vector = e->vector;
  const size_t actions = (size_t)vector->population * (size_t)vector->num_envs * (size_t)vector->spec.action_size;
  int32_t left = begin_round(e, first, alive);
  sac_status status = SAC_OK;
  if (left == 0) return SAC_OK;

  /* start the episodes; environment i has the seed of environment first + i if all episodes are stepped together */
  memset(vector->action, 0, sizeof(float) * actions);
  vector->stream = sac_stream_eval_env((uint32_t)first);
  SAC_TRY(sac_vector_reset(vector, e->number));

  /* step until the last episode ends; later episodes of the other environments do not count */
  for (int64_t t = 0; left > 0; t++) {
    if (must_leave(e)) return sac_fail(SAC_STOPPED, "the evaluation was left");
    if (e->noise) draw_noise(e, first, t);
    SAC_TRY(step(player, vector, e->noise));
    e->play.steps += (int64_t)left * vector->burst;
    const int32_t ended = collect(e, first);
    e->play.ended += ended;
    left -= ended;

    /* an environment that waits for others goes on with a new episode, as no environment takes a step after its end */
    if (left > 0 && vector->finished_count > 0 && !vector->resident) SAC_TRY(sac_vector_reset_masked(vector));
  }
fail:
  return status;
}

sac_status sac_episodes_play(sac_episodes* e, const uint8_t* alive, sac_episodes_step* step, void* player) {
  sac_status status = SAC_OK;

  /* clear the results */
  for (int32_t i = 0; i < e->vector->population * e->episodes; i++) {
    e->episode_return[i] = NAN;
    e->length[i] = 0;
    if (e->success) e->success[i] = NAN;
  }

  /* play round by round */
  for (int32_t first = 0; first < e->episodes; first += e->vector->num_envs)
    SAC_TRY(play_round(e, first, alive, step, player));
fail:
  return status;
}
