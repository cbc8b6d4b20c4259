/* The state of one agent's environments, for checkpoints. For each environment in turn:
 *
 *   header | obs (O) float | the environment's own state, if it has one | padding to 8 bytes */
#include <math.h>
#include <string.h>

#include "env/calls.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/number.h"

#define ENDED INT64_MIN /* the episode_length of an environment whose episode has ended, and has no next one yet */

typedef struct header {
  uint64_t steps;   /* of the vector: the same in all headers */
  uint64_t episode; /* this and the others: of the environment, see sac_vector */
  double episode_return;
  int64_t episode_length;
} header;

static size_t obs_bytes(const sac_vector* vector) { return (size_t)vector->spec.obs_size * sizeof(float); }

/* The bytes of one environment in a saved state. */
static size_t one_size(sac_vector* vector) {
  return (sizeof(header) + obs_bytes(vector) + sac_call_state_size(vector) + 7) / 8 * 8;
}

size_t sac_vector_state_size(sac_vector* vector) { return (size_t)vector->num_envs * one_size(vector); }

sac_status sac_vector_state_get(sac_vector* vector, int32_t p, void* state) {
  const size_t size = one_size(vector), obs = obs_bytes(vector);

  /* clear, so that padding has the same bytes in every checkpoint */
  memset(state, 0, sac_vector_state_size(vector));
  for (int32_t n = 0; n < vector->num_envs; n++) {
    const int32_t i = p * vector->num_envs + n;
    unsigned char* to = (unsigned char*)state + (size_t)n * size;

    /* the header and the current observation */
    const header head = vector->ended ? (header){vector->steps, vector->episode[i], 0, ENDED}
                                      : (header){vector->steps, vector->episode[i], vector->episode_return[i],
                                                 vector->episode_length[i]};
    memcpy(to, &head, sizeof head);
    if (vector->ended) continue; /* the next episode needs its number alone */
    memcpy(to + sizeof head, vector->obs + (size_t)i * (size_t)vector->spec.obs_size, obs);

    /* the environment's own state, if it has one */
    const sac_status status = sac_call_state_get(vector, i, to + sizeof head + obs);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

/* Refuses values that only a damaged file can hold. The next step would fail with them, or train on them. */
static sac_status check(const sac_vector* vector, int32_t n, const header* head, const float* obs) {
  const int32_t limit = vector->spec.max_episode_steps;
  const int ok = isfinite(head->episode_return) && (head->episode_length >= 0 || head->episode_length == ENDED) &&
                 (limit == 0 || head->episode_length < limit) && sac_all_finite(obs, (size_t)vector->spec.obs_size);
  if (!ok)
    return sac_fail(SAC_ERROR_FORMAT, "saved state of environment %d of %s is damaged (episode length %lld)", (int)n,
                    vector->id, (long long)head->episode_length);
  return SAC_OK;
}

sac_status sac_vector_state_set(sac_vector* vector, int32_t p, const void* state, int* exact) {
  const size_t size = one_size(vector), obs = obs_bytes(vector);

  /* without state functions the result is a new episode; `mask` collects the environments to start */
  if (exact) *exact = vector->api->state_set != NULL;
  memset(vector->mask, 0, (size_t)vector->population * (size_t)vector->num_envs);

  for (int32_t n = 0; n < vector->num_envs; n++) {
    const int32_t i = p * vector->num_envs + n;
    const unsigned char* from = (const unsigned char*)state + (size_t)n * size;
    float* row = vector->obs + (size_t)i * (size_t)vector->spec.obs_size;
    header head;

    /* read and check */
    memcpy(&head, from, sizeof head);
    memcpy(row, from + sizeof head, obs);
    sac_status status = check(vector, n, &head, row);
    if (status != SAC_OK) return status;

    /* take the statistics */
    vector->steps = head.steps;
    vector->episode[i] = head.episode;
    vector->episode_return[i] = head.episode_return;
    vector->episode_length[i] = head.episode_length;
    vector->mask[i] = 1;

    /* leave an environment whose episode has ended as it is: sac_vector_start begins the next one */
    vector->ended = head.episode_length == ENDED;
    if (vector->ended) continue;

    /* restore the environment's own state */
    status = sac_call_state_set(vector, i, from + sizeof head + obs);
    if (status != SAC_OK) return status;
  }

  /* a resume goes on with other random numbers than the run began with */
  if (p == 0) sac_vector_seed_generators(vector, vector->steps);

  /* without state functions start new episodes; a backend that steps must read the states again */
  vector->finished_count = 0;
  vector->changed = 1;
  if (vector->ended && exact) *exact = 1;
  return vector->api->state_set || vector->ended ? SAC_OK : sac_vector_reset_masked(vector);
}
