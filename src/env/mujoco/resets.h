/* Unstable simulations. Where a number of the state is bad, mj_step warns and goes on from the model's initial state.
 * Gymnasium's tasks do not notice; here such steps are counted, and end a run when they are many. */
#ifndef SAC_ENV_MUJOCO_RESETS_H
#define SAC_ENV_MUJOCO_RESETS_H

#include <stddef.h>
#include <stdint.h>

#include "env/mujoco/abi.h"

/* A simulation that was reset in more than SAC_MUJOCO_RESETS_MAX of so many steps has failed. */
#define SAC_MUJOCO_RESETS_MAX 100
#define SAC_MUJOCO_RESETS_STEPS 1000

typedef struct sac_mujoco_resets {
  int32_t n;          /* N simulations */
  uint8_t* was_reset; /* (N) 1: MuJoCo reset the simulation in the last step */
  int32_t* count;     /* (N) such steps among the last `steps` */
  int32_t steps;      /* goes from 0 to SAC_MUJOCO_RESETS_STEPS, and begins anew */
} sac_mujoco_resets;

int sac_mujoco_resets_make(sac_mujoco_resets* resets, int32_t n); /* returns 0 when there is no memory */
void sac_mujoco_resets_free(sac_mujoco_resets* resets);

/* Before and after the substeps of simulation i, on the thread that steps it. */
void sac_mujoco_resets_begin(mjData* d);
void sac_mujoco_resets_end(const sac_mujoco_resets* resets, const mjData* d, int i);

/* Counts a step of all. Returns whether a simulation was reset. */
int sac_mujoco_resets_count(sac_mujoco_resets* resets);

/* Returns SAC_ERROR_NUMERIC when a simulation has failed; error (size) then says which. Otherwise SAC_OK. */
int sac_mujoco_resets_check(const sac_mujoco_resets* resets, char* error, size_t size);

#endif
