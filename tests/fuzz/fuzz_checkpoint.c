/* Any bytes as a checkpoint beside good rows: refused with a message, or loaded, by a resume and as an agent's file. */
#include <stdlib.h>
#include <string.h>

#include <sac/agent.h>

#include "support/folder.h"
#include "support/rows_agent.h"
#include "train/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

static double env_state[2];
static const sac_state states[] = {{"env.state", SAC_F64, env_state, sizeof env_state, 0}};

/* SAC_FUZZ_SEED=FILE writes the checkpoint that the corpus starts from. */
static sac_checkpoint* begin(char dir[256]) {
  sac_checkpoint* checkpoint;
  snprintf(dir, 256, "%s", test_folder());
  atexit(test_folder_remove);
  sac_agent* agent = rows_agent("network.hidden", "2", "network.critics", "1", "replay.capacity", "16", NULL);
  if (sac_checkpoint_create(&checkpoint, dir, agent, 0, states, 1) != SAC_OK) abort();
  rows_push(agent, 20);
  if (sac_checkpoint_save(checkpoint, 20, 1, NULL) != SAC_OK) abort();
  if (getenv("SAC_FUZZ_SEED")) {
    size_t size;
    char* bytes = test_read(test_path(dir, "checkpoints/step_20.safetensors"), &size);
    test_write(getenv("SAC_FUZZ_SEED"), bytes, size);
    free(bytes);
  }
  return checkpoint;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sac_checkpoint* checkpoint;
  static char dir[256], path[512], good[8192], config[8192];
  sac_agent* agent = NULL;
  if (!checkpoint) {
    checkpoint = begin(dir);
    snprintf(path, sizeof path, "%s/checkpoints/step_20.safetensors", dir);
    if (sac_checkpoint_probe(dir, 20, good, sizeof good) != SAC_OK) abort();
  }
  test_write(path, data, size);
  config[0] = '\0';
  const sac_status probed = sac_checkpoint_probe(dir, 20, config, sizeof config);
  const sac_status loaded = sac_checkpoint_load(checkpoint, 20);
  if (probed == SAC_OK && loaded != SAC_OK && loaded != SAC_ERROR_SHAPE && loaded != SAC_ERROR_FORMAT) abort();
  /* another configuration may rightly ask for an agent of gigabytes */
  if (strcmp(config, good) == 0 && sac_agent_load(&agent, path, "cpu") != SAC_OK && !*sac_last_error()) abort();
  sac_agent_destroy(agent);
  return 0;
}
