#include "env/mujoco/resets.h"

#include <stdio.h>
#include <string.h>

#include "env/list.h"
#include "util/memory.h"
#include "util/text.h"

int sac_mujoco_resets_make(sac_mujoco_resets* resets, int32_t n) {
  resets->n = n;
  resets->was_reset = sac_alloc((size_t)n);
  resets->count = sac_alloc(sac_bytes((size_t)n, sizeof *resets->count));
  return resets->was_reset && resets->count;
}

void sac_mujoco_resets_free(sac_mujoco_resets* resets) {
  sac_free(resets->was_reset);
  sac_free(resets->count);
}

/* The counts are of the thread's mjData, in which other simulations ran before. */
void sac_mujoco_resets_begin(mjData* d) { d->bad_qpos = d->bad_qvel = d->bad_qacc = 0; }

void sac_mujoco_resets_end(const sac_mujoco_resets* resets, const mjData* d, int i) {
  resets->was_reset[i] = d->bad_qpos > 0 || d->bad_qvel > 0 || d->bad_qacc > 0;
}

int sac_mujoco_resets_count(sac_mujoco_resets* resets) {
  const size_t n = (size_t)resets->n;

  /* begin anew after so many steps */
  if (resets->steps == SAC_MUJOCO_RESETS_STEPS) {
    memset(resets->count, 0, n * sizeof *resets->count);
    resets->steps = 0;
  }
  resets->steps++;

  /* the usual case is one fast pass */
  if (!memchr(resets->was_reset, 1, n)) return 0;
  for (size_t i = 0; i < n; i++) resets->count[i] += resets->was_reset[i];
  return 1;
}

int sac_mujoco_resets_check(const sac_mujoco_resets* resets, char* error, size_t size) {
  int32_t i = 0;
  while (i < resets->n && resets->count[i] <= SAC_MUJOCO_RESETS_MAX) i++;
  if (i == resets->n) return SAC_OK;

  /* name the first one, and MuJoCo's last warning */
  char last[SAC_SHOW_MAX];
  (void)sac_mujoco_warnings(last);
  (void)snprintf(error, size,
                 "the simulation of environment %d is unstable: MuJoCo reset it in %d of %d steps; last warning: %s",
                 (int)i, (int)resets->count[i], (int)resets->steps, last);
  return SAC_ERROR_NUMERIC;
}
