/* The safetensors format, written whole and read strictly.
 *
 * Layout: u64 little-endian header size, a JSON object of {"NAME": {"dtype", "shape", "data_offsets"}, "__metadata__":
 * {text: text}}, then the data. Read: any size, offset, shape, dtype, name or JSON that is not exactly right is FORMAT,
 * never a crash. */
#ifndef SAC_FILES_SAFETENSORS_H
#define SAC_FILES_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#define SAC_RANK_MAX 6

typedef enum sac_dtype { SAC_F32, SAC_F64, SAC_U8, SAC_I64, SAC_U64, SAC_DTYPE_COUNT } sac_dtype;

size_t sac_dtype_size(sac_dtype dtype);

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

/* Writes PATH.part, syncs, renames to PATH, syncs the folder: PATH is always the old file or the whole new one. The
 * tensors' data is 8-byte aligned in the file. Errors: FILE (says errno; the part is removed). */
sac_status sac_safetensors_write(const char* path, const sac_file_tensor* tensors, int32_t count,
                                 const sac_metadata* metadata, int32_t metadata_count);

/* A file opened for reading: read whole, checked, tensors point into it. */
typedef struct sac_safetensors {
  char path[1024];
  void* bytes;
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
