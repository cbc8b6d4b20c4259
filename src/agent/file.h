/* The file of an agent: what sac_agent_save writes, and what a checkpoint holds besides the state of the run. */
#ifndef SAC_AGENT_FILE_H
#define SAC_AGENT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "formats/safetensors.h"

/* A part of the run's state that a checkpoint saves under its name and restores in place: `bytes` bytes at data. */
typedef struct sac_state {
  const char* name; /* "env.state", "run.seconds", ... */
  sac_dtype dtype;
  void* data;
  size_t bytes;
  int optional; /* 1: zeros when the checkpoint does not have it, because it is older */
} sac_state;

#define SAC_REPLAY_TENSOR "replay.rows"  /* (P, rows, floats of a row) the rows of the ring, in its order */
#define SAC_HOLD_TENSOR "run.actor_hold" /* (2) the updates in which the actor is held, in the checkpoint of a run */

/* Write and read agents first .. first+count-1; with count > 1 the tensors have a leading dimension P. rows: how many
 * rows of each agent's replay are written, as SAC_REPLAY_TENSOR; reading leaves them out. The metadata is
 * format, version, env, algo and sizes, then that of the caller, then the configuration unless the caller gave one.
 * Reading checks the whole file before it changes anything. Errors: FILE, NUMERIC (write: a value is not finite);
 * FORMAT, SHAPE (read). */
sac_status sac_agent_write(const sac_agent* agent, const char* path, int32_t first, int32_t count,
                           const sac_state* states, int32_t state_count, int64_t rows, const sac_metadata* metadata,
                           int32_t metadata_count);
sac_status sac_agent_read(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count);

/* Writes a tensor of agent p to a file, as much at a time as the staging buffer holds. memory: the slab of the tensor.
 * prefix: of its name in the file. any: 1 takes values that are not finite, which reading would refuse. Errors: FILE,
 * NUMERIC, DEVICE. */
sac_status sac_agent_write_tensor(const sac_agent* agent, int32_t p, sac_memory memory, const sac_tensor* tensor,
                                  const char* prefix, int any, sac_file* file);

/* Reads in which updates the actor of each agent was held (P): Adam's number of an actor's step, and so what its
 * moments are worth, depends on them. None where the file does not say. Errors: FORMAT, SHAPE. */
sac_status sac_agent_read_hold(const sac_safetensors* file, int32_t population, sac_adam_hold* hold);

/* Checks that this is an agent's file, and that all its values are finite. Errors: FORMAT (names the tensor). */
sac_status sac_agent_file_check(const sac_safetensors* file);

#endif
