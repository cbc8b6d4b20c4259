/* Any bytes as an environment trace: refused with a message, or run; never a crash, never for ever. */
#include <stdlib.h>

#include "verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sac_safetensors* file = NULL;
  if (sac_safetensors_parse(&file, "fuzz", data, size) != SAC_OK) return 0;
  sac_verify_report report = {0};
  if (sac_verify_trace(file, &report) != SAC_OK && report.count > 4) abort();
  sac_verify_free(&report);
  sac_safetensors_close(file);
  return 0;
}
