/* Any bytes as a checkpoint beside good rows: refused with a message, or loaded, by a resume and as an agent's file. */
#include <stdlib.h>
#include <string.h>

#include <sac/agent.h>

#include "config/settings.h"
#include "support/checksum.h"
#include "support/folder.h"
#include "support/rows_agent.h"
#include "train/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

static double env_state[2];
static const sac_state states[] = {{"env.state", SAC_F64, env_state, sizeof env_state, 0}};

/* Copies a file without its checksum, which would refuse every change. */
static void copy_seed(const char* from, const char* to) {
  size_t size;
  char* bytes = test_read(from, &size);
  test_forget_checksum(bytes, size);
  test_write(to, bytes, size);
  free(bytes);
}

/* SAC_FUZZ_SEED=FOLDER writes the files that the corpus starts from: a checkpoint, `good`, and an agent with its
 * replay, `all`. */
static sac_checkpoint* begin(char dir[256]) {
  sac_checkpoint* checkpoint;
  snprintf(dir, 256, "%s", test_folder_in_memory());
  atexit(test_folder_remove);
  sac_agent* agent = rows_agent("network.hidden", "2", "network.critics", "1", "replay.capacity", "16", NULL);
  if (sac_checkpoint_create(&checkpoint, dir, agent, 0, states, 1) != SAC_OK) abort();
  rows_push(agent, 20);
  if (sac_checkpoint_save(checkpoint, 20, 1, NULL) != SAC_OK) abort();
  const char* seeds = getenv("SAC_FUZZ_SEED");
  if (seeds) {
    const char* all = test_path(dir, "all");
    if (sac_agent_save_all(agent, all) != SAC_OK) abort();
    copy_seed(test_path(dir, "checkpoints/step_20.safetensors"), test_path(seeds, "good"));
    copy_seed(all, test_path(seeds, "all"));
  }
  return checkpoint;
}

/* Whether the agent of a file is small: another may rightly ask for gigabytes. */
static int is_small(const char* path) {
  sac_safetensors* file = NULL;
  sac_config* config = NULL;
  sac_settings s;
  const char* text = sac_safetensors_open(&file, path) == SAC_OK ? sac_safetensors_metadata(file, "config") : NULL;
  int small = text && sac_config_create(&config) == SAC_OK &&
              sac_config_parse(config, text, strlen(text), "config", SAC_ORIGIN_SAVED) == SAC_OK &&
              sac_config_settings(config, &s) == SAC_OK;
  small = small && s.replay_capacity <= 4096 && s.batch <= 4096 && s.seeds <= 2 && s.critics <= 4 && s.threads <= 2;
  for (int32_t i = 0; small && i < s.hidden.count; i++) small = s.hidden.size[i] <= 64;

  /* the sizes of the environment, of at most two digits */
  static const char* const keys[] = {"obs_size", "action_size"};
  for (int i = 0; small && i < 2; i++) {
    const char* number = sac_safetensors_metadata(file, keys[i]);
    small = number && strlen(number) <= 2;
  }
  sac_config_destroy(config);
  sac_safetensors_close(file);
  return small;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static sac_checkpoint* checkpoint;
  static char dir[256], path[512], config[8192];
  sac_agent* agent = NULL;
  if (!checkpoint) {
    checkpoint = begin(dir);
    snprintf(path, sizeof path, "%s/checkpoints/step_20.safetensors", dir);
    if (sac_checkpoint_probe(dir, 20, NULL, 0) != SAC_OK) abort();
  }
  test_write(path, data, size);
  config[0] = '\0';
  const sac_status probed = sac_checkpoint_probe(dir, 20, config, sizeof config);
  const sac_status loaded = sac_checkpoint_load(checkpoint, 20);
  if (probed == SAC_OK && loaded != SAC_OK && loaded != SAC_ERROR_SHAPE && loaded != SAC_ERROR_FORMAT) abort();

  /* the same file as an agent's, if it may be one */
  if ((probed != SAC_OK && !memmem(data, size, "actor_hold", 10)) || !is_small(path)) return 0;
  const sac_status status = sac_agent_load(&agent, path, "cpu");
  if ((status == SAC_OK) != (agent != NULL) || (status != SAC_OK && !*sac_last_error())) abort();
  if (status != SAC_OK && status != SAC_ERROR_SHAPE && status != SAC_ERROR_FORMAT && status != SAC_ERROR_CONFIG)
    abort();
  sac_agent_destroy(agent);
  return 0;
}
