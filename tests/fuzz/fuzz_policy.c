/* Any bytes as a policy file: refused, or a policy that acts within its memory. */
#include <stdlib.h>
#include <string.h>

#include <sac/policy.h>

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sac_policy* policy;
  int32_t obs, action;
  const size_t bytes = sac_policy_memory(data, size);
  if (bytes == 0) return 0;
  void* memory = aligned_alloc(16, bytes);
  if (!memory) return 0;
  const sac_policy_status status = sac_policy_create(&policy, data, size, memory, bytes);
  if (status == SAC_POLICY_OK) {
    sac_policy_sizes(policy, &obs, &action);
    float* seen = calloc((size_t)obs, sizeof *seen);
    float* done = calloc((size_t)action, sizeof *done);
    if (seen && done) sac_policy_act(policy, seen, done);
    free(seen), free(done);
  } else if (status != SAC_POLICY_NUMERIC) {
    abort();
  }
  free(memory);
  return 0;
}
