/* Any bytes as a policy file: refused, or a policy that acts within its memory, with a copy of the weights and in place
 * alike. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sac/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/* A policy of the file in `bytes` bytes of memory of its own, which the caller frees; NULL if the file is refused. */
static sac_policy* create(const uint8_t* data, size_t size, size_t bytes, int in_place, void** memory) {
  sac_policy* policy = NULL;
  *memory = bytes ? aligned_alloc(16, bytes) : NULL;
  if (!*memory) return NULL;
  const sac_policy_status status = in_place ? sac_policy_create_in_place(&policy, data, size, *memory, bytes)
                                            : sac_policy_create(&policy, data, size, *memory, bytes);

  /* other errors were noticed when the memory was counted */
  if ((status == SAC_POLICY_OK) != (policy != NULL)) abort();
  if (status != SAC_POLICY_OK && status != SAC_POLICY_NUMERIC && status != SAC_POLICY_DAMAGED &&
      !(in_place && status == SAC_POLICY_UNALIGNED))
    abort();
  return policy;
}

/* Two actions have the same bits and are within all bounds: a discrete one is a number that exists. actions: how many
 * there are; 0: continuous. */
static void compare(const float* first, const float* second, int32_t count, int32_t actions) {
  for (int32_t i = 0; i < count; i++) {
    const float x = first[i];
    if (isinf(x) || (actions > 0 && !isnan(x) && !(x >= 0 && x < (float)actions && x == floorf(x)))) abort();
    if (memcmp(&x, &second[i], sizeof x) != 0 && !(isnan(x) && isnan(second[i]))) abort();
  }
}

/* Both policies give the same bits, of modes and of samples. */
static void act(sac_policy* copied, sac_policy* in_place) {
  int32_t obs, action, actions;
  sac_policy_sizes(copied, &obs, &action);
  sac_policy_describe(copied, NULL, &actions);
  if (actions > 0 && action != 1) abort();
  float* seen = malloc((size_t)obs * sizeof *seen);
  float* first = malloc((size_t)action * sizeof *first);
  float* second = malloc((size_t)action * sizeof *second);
  float* noise = malloc((size_t)action * sizeof *noise);
  for (int32_t i = 0; noise && i < action; i++) noise[i] = (float)(i % 5) * 0.25f;
  for (int32_t i = 0; seen && i < obs; i++) seen[i] = (float)(i % 7 - 3) * 0.75f;
  if (seen && first && second && noise) {
    sac_policy* other = in_place ? in_place : copied;
    sac_policy_act(copied, seen, first), sac_policy_act(other, seen, second);
    compare(first, second, action, actions);
    sac_policy_sample(copied, seen, noise, first), sac_policy_sample(other, seen, noise, second);
    compare(first, second, action, actions);
  }
  free(seen), free(first), free(second), free(noise);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  void* memory[2];
  sac_policy* copied = create(data, size, sac_policy_memory(data, size), 0, &memory[0]);
  sac_policy* in_place = create(data, size, sac_policy_memory_in_place(data, size), 1, &memory[1]);
  if (copied) act(copied, in_place);
  free(memory[0]), free(memory[1]);
  return 0;
}
