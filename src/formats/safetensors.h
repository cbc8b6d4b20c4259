/* The safetensors format, written whole and read strictly.
 *
 * Layout: u64 little-endian header size, a JSON object of {"NAME": {"dtype", "shape", "data_offsets"}, "__metadata__":
 * {text: text}}, then the data. Read: any size, offset, shape, dtype, name or JSON that is not exactly right is FORMAT,
 * never a crash. */
#ifndef SAC_FORMATS_SAFETENSORS_H
#define SAC_FORMATS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#include "util/file.h"

#define SAC_RANK_MAX 6

typedef enum sac_dtype { SAC_F32, SAC_F64, SAC_U8, SAC_I64, SAC_U64, SAC_DTYPE_COUNT } sac_dtype;

size_t sac_dtype_size(sac_dtype dtype);
const char* sac_dtype_name(sac_dtype dtype); /* "F32" */

/* A tensor to write, or one found in a file. */
typedef struct sac_file_tensor {
  const char* name;
  sac_dtype dtype;
  int32_t rank;
  int64_t dims[SAC_RANK_MAX];
  const void* data;
  size_t bytes;
} sac_file_tensor;

typedef struct sac_metadata {
  const char* key;
  const char* value;
} sac_metadata;

size_t sac_tensor_bytes(const sac_file_tensor* tensor); /* product of dims * size of an element */

/* Writes PATH.part, syncs, renames to PATH, syncs the folder: PATH is always the old file or the whole new one. Data
 * begins at a multiple of 8 in the file and large elements come first, so that each tensor is aligned to its element.
 * Allocates nothing. Errors: FILE (says errno; the part is removed). */
sac_status sac_safetensors_write(const char* path, const sac_file_tensor* tensors, int32_t count,
                                 const sac_metadata* metadata, int32_t metadata_count);

/* The same from tensors that are made while they are written, and need not all be in memory. */
typedef struct sac_tensor_source {
  void* user;
  int32_t count;
  /* Fills tensor i but its data; what name points to stays until the next call. Asked more than once. */
  void (*describe)(void* user, int32_t i, sac_file_tensor* tensor);
  /* Puts tensor i's `bytes` bytes into the file, by sac_file_put. */
  sac_status (*write)(void* user, int32_t i, sac_file* file);
} sac_tensor_source;

sac_status sac_safetensors_stream(const char* path, const sac_tensor_source* source, const sac_metadata* metadata,
                                  int32_t metadata_count);

/* A file opened for reading: read whole, checked. tensors are in the order of their data, each aligned to its element;
 * names and metadata end with '\0'. Everything points into the object. */
typedef struct sac_safetensors {
  char path[SAC_PATH_MAX];
  void* bytes;
  void* moved; /* copies of tensors that the file holds unaligned; mostly NULL */
  size_t size;
  int32_t count;
  sac_file_tensor* tensors;
  int32_t metadata_count;
  sac_metadata* metadata;
} sac_safetensors;

/* Errors: FILE (missing, unreadable), FORMAT (what is wrong, with sizes: "cut short (header 18212104 bytes, file
 * 4096)"), MEMORY. */
sac_status sac_safetensors_open(sac_safetensors** file, const char* path);
/* The same from memory (fuzzing, tests). The bytes are copied. */
sac_status sac_safetensors_parse(sac_safetensors** file, const char* name, const void* bytes, size_t size);
void sac_safetensors_close(sac_safetensors* file);

/* NULL when absent. */
const sac_file_tensor* sac_safetensors_find(const sac_safetensors* file, const char* name);
const char* sac_safetensors_metadata(const sac_safetensors* file, const char* key);

/* Copies tensor `name` out after checking dtype, rank and dims. Errors: FORMAT (absent), SHAPE (says both shapes). */
sac_status sac_safetensors_get(const sac_safetensors* file, const char* name, sac_dtype dtype, int32_t rank,
                               const int64_t* dims, void* data);

#endif
