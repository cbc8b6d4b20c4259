/* An agent's file: what sac_agent_save writes, and what a checkpoint holds besides the run's own state. */
#ifndef SAC_AGENT_FILE_H
#define SAC_AGENT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "formats/safetensors.h"

/* State of the run that is not the agent's: saved under its name, restored in place. data holds `bytes`, fixed size. */
typedef struct sac_state {
  const char* name; /* "env.state", "run.schedule", ... */
  sac_dtype dtype;
  void* data;
  size_t bytes;
  int optional; /* 1: a checkpoint without it, an older one, gives zeros */
} sac_state;

/* The agent's own file (sac_agent_save and _load): agents first to first+count, leading P when count > 1. Metadata of
 * its own comes first: format, version, env, algo, sizes, and the configuration unless it is given. Read checks all
 * before it changes anything. Errors: FILE, NUMERIC (write: not finite); FORMAT, SHAPE (read). */
sac_status sac_agent_write(const sac_agent* agent, const char* path, int32_t first, int32_t count,
                           const sac_state* states, int32_t state_count, const sac_metadata* metadata,
                           int32_t metadata_count);
sac_status sac_agent_read(sac_agent* agent, const sac_safetensors* file, int32_t first, int32_t count);

/* Whether it is an agent's file at all, with finite values throughout. Errors: FORMAT (names the tensor). */
sac_status sac_agent_file_check(const sac_safetensors* file);

#endif
