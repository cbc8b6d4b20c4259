/* Any bytes as a policy file: refused, or a policy that acts within its memory, with a copy of the weights and in place
 * alike. */
#include <stdlib.h>
#include <string.h>

#include <sac/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/* A policy of the file, made by one of the two functions, and an action of it. */
static void act(const uint8_t* data, size_t size, size_t bytes, int in_place) {
  sac_policy* policy;
  int32_t obs, action;
  if (bytes == 0) return;
  void* memory = aligned_alloc(16, bytes);
  if (!memory) return;
  const sac_policy_status status = in_place ? sac_policy_create_in_place(&policy, data, size, memory, bytes)
                                            : sac_policy_create(&policy, data, size, memory, bytes);
  if (status == SAC_POLICY_OK) {
    sac_policy_sizes(policy, &obs, &action);
    float* seen = calloc((size_t)obs, sizeof *seen);
    float* done = calloc((size_t)action, sizeof *done);
    if (seen && done) sac_policy_act(policy, seen, done);
    free(seen), free(done);
  } else if (status != SAC_POLICY_NUMERIC && status != SAC_POLICY_DAMAGED &&
             !(in_place && status == SAC_POLICY_UNALIGNED)) {
    abort();
  }
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  act(data, size, sac_policy_memory(data, size), 0);
  act(data, size, sac_policy_memory_in_place(data, size), 1);
  return 0;
}
