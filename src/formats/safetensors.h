/* The safetensors format. Files are written completely or not at all, with a checksum, and read strictly.
 *
 * Layout: u64 little-endian header size, a JSON object of {"NAME": {"dtype", "shape", "data_offsets"}, "__metadata__":
 * {text: text}}, then the data. When reading, any size, offset, shape, dtype, name or JSON that is not exactly right
 * gives FORMAT, never a crash; so does a file whose bytes do not fit its checksum (policy/checksum.h). */
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

/* Writes through sac_file (util/file.h), so PATH is always the old file or the complete new one. The data begins at a
 * multiple of 8 and large elements come first, so that each tensor is aligned to its element. Allocates nothing.
 * Errors: FILE. */
sac_status sac_safetensors_write(const char* path, const sac_file_tensor* tensors, int32_t count,
                                 const sac_metadata* metadata, int32_t metadata_count);

/* A source of tensors that produces each one when it is written, so that they need not all be in memory. */
typedef struct sac_tensor_source {
  void* user;
  int32_t count;
  /* Fills all members of tensor i except `data`. `name` stays valid until the next call. Called several times for each
   * i. */
  void (*describe)(void* user, int32_t i, sac_file_tensor* tensor);
  /* Writes the data of tensor i with sac_file_put, exactly `bytes` bytes. */
  sac_status (*write)(void* user, int32_t i, sac_file* file);
} sac_tensor_source;

/* The same as sac_safetensors_write, for the tensors of a source. */
sac_status sac_safetensors_stream(const char* path, const sac_tensor_source* source, const sac_metadata* metadata,
                                  int32_t metadata_count);

/* A file that was read and checked. Its tensors are in the order of their data, each aligned to its element; its
 * metadata is in the order of the keys. sac_safetensors_close frees everything that the pointers point to. */
typedef struct sac_safetensors {
  char path[SAC_PATH_MAX];
  void* bytes;
  void* moved; /* copies of the tensors that are not aligned in the file; NULL when there are none */
  size_t size; /* bytes of the file */
  int32_t count;
  sac_file_tensor* tensors;
  int32_t metadata_count;
  sac_metadata* metadata;
} sac_safetensors;

/* Errors: FILE (missing, unreadable), FORMAT (the message gives sizes: "cut short (header 18212104 bytes, file 4096)"),
 * MEMORY. */
sac_status sac_safetensors_open(sac_safetensors** file, const char* path);
/* The same from memory, which is copied. `name` is for messages. */
sac_status sac_safetensors_parse(sac_safetensors** file, const char* name, const void* bytes, size_t size);
void sac_safetensors_close(sac_safetensors* file);

/* NULL when absent. */
const sac_file_tensor* sac_safetensors_find(const sac_safetensors* file, const char* name);
const char* sac_safetensors_metadata(const sac_safetensors* file, const char* key);

/* Copies tensor `name` to `data` when it has this dtype, rank and dims; without `data` (NULL) it only checks. Errors:
 * FORMAT (absent), SHAPE (the message gives both shapes). */
sac_status sac_safetensors_get(const sac_safetensors* file, const char* name, sac_dtype dtype, int32_t rank,
                               const int64_t* dims, void* data);

#endif
