#include "env/calls.h"

#include <stdio.h>

#include "env/check.h"
#include "util/error.h"

/* Where a call is, for its guard and for messages. ahead: 1 if it belongs to the next step of the vector. */
static sac_env_place place(const sac_vector* vector, const char* call, uint64_t ahead) {
  return (sac_env_place){vector->id, call, (vector->steps + ahead) * (uint64_t)vector->num_envs};
}

/* The environment's own text about its failure; NULL when it has none. */
static const char* error_text(sac_vector* vector) {
  if (!vector->self) return NULL;
  sac_guard_enter(&vector->guard, place(vector, "error", 0), 1);
  const char* text = sac_env_error_text(vector->api, vector->self);
  sac_guard_leave(&vector->guard);
  return text;
}

/* The error of a function that returned `code`, which is not 0. */
static sac_status failed(sac_vector* vector, sac_env_place at, int code) {
  char step[40] = "", number[40] = "";
  const char* text = error_text(vector);
  if (at.step > 0) (void)snprintf(step, sizeof step, "step %llu: ", (unsigned long long)at.step);

  /* an unstable simulation ends a run as a value that is not finite does */
  if (code == SAC_ERROR_NUMERIC)
    return sac_fail(SAC_ERROR_NUMERIC, "%s%s: %s", step, at.id, text ? text : "the simulation is unstable");

  /* a code of its own may mean something to who wrote the environment */
  if ((code != 1 && code != SAC_ERROR_ENV) || !text) (void)snprintf(number, sizeof number, " with code %d", code);
  return sac_fail(SAC_ERROR_ENV, "%s%s: %s failed%s: %s", step, at.id, at.call, number,
                  text ? text : "it gives no reason");
}

/* The result of a call that returned `code`. */
static sac_status finish(sac_vector* vector, sac_env_place at, int code) {
  if (code != 0) return failed(vector, at, code);
  if (!vector->guard.robbed) return SAC_OK;
  return sac_fail(SAC_ERROR_ENV,
                  "step %llu: %s: it has closed file descriptors that are not its own, with os.closerange or close; "
                  "files of this run may be among them",
                  (unsigned long long)at.step, at.id);
}

sac_status sac_call_check(sac_vector* vector) {
  sac_guard_check(&vector->guard);
  return finish(vector, place(vector, "step", 0), 0);
}

/* Checks what the instance says of itself, before its sizes are used. */
static sac_status check_instance(sac_vector* vector, const char* id) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_env_check_spec(id, &vector->spec));
  if (vector->spec.actions > 0 && (vector->spec.action_low || vector->spec.action_high))
    return sac_fail(SAC_ERROR_ENV, "%s: %d discrete actions with bounds; action_low and action_high must be NULL",
                    vector->id, (int)vector->spec.actions);

  /* what the numbers are */
  sac_guard_enter(&vector->guard, place(vector, "describe", 0), 1);
  status = sac_env_check_description(id, vector->api, vector->self, &vector->description);
  sac_guard_leave(&vector->guard);
  if (status != SAC_OK) return status;

  /* the terms of info */
  sac_guard_enter(&vector->guard, place(vector, "info_names", 0), 1);
  status = sac_env_check_info(id, vector->api, vector->self, &vector->info_name, &vector->info_count);
  sac_guard_leave(&vector->guard);
fail:
  return status;
}

sac_status sac_call_create(sac_vector* vector, const char* id, const char* options) {
  const sac_env_place at = {vector->id, "create", 0};
  const int32_t count = vector->population * vector->num_envs;

  /* an environment without options gets an empty JSON object */
  sac_guard_enter(&vector->guard, at, 1);
  const int code = vector->api->create(&vector->self, id, count, options ? options : "{}", &vector->spec);
  sac_guard_leave(&vector->guard);
  if (code == 0) return check_instance(vector, id);

  /* the text about wrong options, a mistake in the configuration, already says where */
  const char* text = code == SAC_ERROR_CONFIG ? error_text(vector) : NULL;
  return text ? sac_fail(SAC_ERROR_CONFIG, "%s", text) : failed(vector, at, code);
}

sac_status sac_call_reset(sac_vector* vector, int whole) {
  const sac_env_place at = place(vector, "reset", 1);
  sac_guard_enter(&vector->guard, at, whole);
  const int code = vector->api->reset(vector->self, vector->mask, vector->reset_seed, vector->obs);
  sac_guard_leave(&vector->guard);
  return code ? failed(vector, at, code) : SAC_OK;
}

sac_status sac_call_step(sac_vector* vector) {
  const sac_env_place at = place(vector, "step", 1);
  sac_guard_enter(&vector->guard, at, 0);
  const int code = vector->api->step(vector->self, vector->env_action, vector->next_obs, vector->reward,
                                     vector->terminated, vector->truncated);
  sac_guard_leave(&vector->guard);
  return finish(vector, at, code);
}

sac_status sac_call_info(sac_vector* vector) {
  const sac_env_place at = place(vector, "info", 1);
  sac_guard_enter(&vector->guard, at, 0);
  const int code = vector->api->info(vector->self, vector->info);
  sac_guard_leave(&vector->guard);
  return finish(vector, at, code);
}

size_t sac_call_state_size(sac_vector* vector) {
  if (!vector->api->state_size) return 0;
  sac_guard_enter(&vector->guard, place(vector, "state_size", 0), 0);
  const size_t size = vector->api->state_size(vector->self);
  sac_guard_leave(&vector->guard);
  return size;
}

sac_status sac_call_state_get(sac_vector* vector, int32_t i, void* state) {
  const sac_env_place at = place(vector, "state_get", 0);
  if (!vector->api->state_get) return SAC_OK;
  sac_guard_enter(&vector->guard, at, 0);
  const int code = vector->api->state_get(vector->self, i, state);
  sac_guard_leave(&vector->guard);
  return code ? failed(vector, at, code) : SAC_OK;
}

sac_status sac_call_state_set(sac_vector* vector, int32_t i, const void* state) {
  const sac_env_place at = place(vector, "state_set", 0);
  if (!vector->api->state_set) return SAC_OK;
  sac_guard_enter(&vector->guard, at, 1);
  const int code = vector->api->state_set(vector->self, i, state);
  sac_guard_leave(&vector->guard);
  return code ? failed(vector, at, code) : SAC_OK;
}

void sac_call_destroy(sac_vector* vector) {
  sac_guard_enter(&vector->guard, place(vector, "destroy", 0), 1);
  vector->api->destroy(vector->self);
  sac_guard_leave(&vector->guard);
  vector->self = NULL;
}
