/* Any bytes as a safetensors file: refused with a message, or tensors that lie inside it, whole and apart. */
#include <stdlib.h>
#include <string.h>

#include <sac/status.h>

#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sac_safetensors* file = NULL;
  const sac_status status = sac_safetensors_parse(&file, "fuzz", data, size);
  if (status != SAC_OK) {
    if (file || status != SAC_ERROR_FORMAT || strncmp(sac_last_error(), "fuzz", 4) != 0) abort();
    return 0;
  }
  size_t whole = 0;
  unsigned sum = 0;
  for (int32_t i = 0; i < file->count; i++) {
    const sac_file_tensor* tensor = &file->tensors[i];
    if (tensor->bytes != sac_tensor_bytes(tensor)) abort();
    if (strcmp(sac_safetensors_find(file, tensor->name)->name, tensor->name) != 0) abort();
    if ((uintptr_t)tensor->data % sac_dtype_size(tensor->dtype) != 0) abort();
    for (size_t b = 0; b < tensor->bytes; b++) sum += ((const uint8_t*)tensor->data)[b]; /* the sanitizer looks */
    whole += tensor->bytes;
    if (sac_safetensors_get(file, tensor->name, tensor->dtype, tensor->rank, tensor->dims, NULL) != SAC_OK) abort();
  }
  for (int32_t i = 0; i < file->metadata_count; i++) {
    sum += (unsigned)strlen(file->metadata[i].value);
    if (!sac_safetensors_metadata(file, file->metadata[i].key)) abort();
  }
  if (whole > size || (sum == 1 && whole > size)) abort();
  sac_safetensors_close(file);
  return 0;
}
