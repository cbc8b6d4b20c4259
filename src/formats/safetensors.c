#include "formats/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/header.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian, and data is written as it is");
_Static_assert(SAC_RANK_MAX == SAC_HEADER_RANK_MAX, "one limit of dimensions");

static const struct {
  char name[4];
  size_t size;
} dtypes[SAC_DTYPE_COUNT] = {
    [SAC_F32] = {"F32", 4}, [SAC_F64] = {"F64", 8}, [SAC_U8] = {"U8", 1},
    [SAC_I64] = {"I64", 8}, [SAC_U64] = {"U64", 8},
};

size_t sac_dtype_size(sac_dtype dtype) { return dtypes[dtype].size; }
const char* sac_dtype_name(sac_dtype dtype) { return dtypes[dtype].name; }

size_t sac_tensor_bytes(const sac_file_tensor* tensor) {
  size_t bytes = sac_dtype_size(tensor->dtype);
  for (int32_t i = 0; i < tensor->rank; i++) bytes = sac_bytes(bytes, (size_t)tensor->dims[i]);
  return bytes;
}

/* "[256, 17]", for messages. */
static const char* shape_text(char text[128], int32_t rank, const int64_t* dims) {
  size_t used = 1;
  text[0] = '[';
  for (int32_t i = 0; i < rank; i++)
    used += (size_t)snprintf(text + used, 128 - used, "%s%lld", i ? ", " : "", (long long)dims[i]);
  (void)snprintf(text + used, 128 - used, "]");
  return text;
}

/* ---- writing ---- */

/* The header's text goes through here twice: counted (file NULL), then written. */
typedef struct header_out {
  sac_file* file;
  uint64_t size;
  sac_status status;
} header_out;

static void emit(header_out* out, const char* text, size_t length) {
  out->size += length;
  if (out->file && out->status == SAC_OK) out->status = sac_file_put(out->file, text, length);
}

static void emit_text(header_out* out, const char* text) {
  emit(out, "\"", 1);
  for (size_t left = strlen(text), length; left > 0; left -= length, text += length) {
    char escaped[8];
    length = sac_header_utf8(text, left);
    if (length == 0) {
      emit(out, "\xEF\xBF\xBD", 3); /* the character for what is none */
      length = 1;
    } else if (*text == '\n') {
      emit(out, "\\n", 2);
    } else if ((unsigned char)*text < 0x20) {
      (void)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text);
      emit(out, escaped, 6);
    } else {
      if (*text == '"' || *text == '\\') emit(out, "\\", 1);
      emit(out, text, length);
    }
  }
  emit(out, "\"", 1);
}

static void emit_number(header_out* out, uint64_t number) {
  char text[24];
  emit(out, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

static void emit_string(header_out* out, const char* json) { emit(out, json, strlen(json)); }

/* Calls for each tensor in the file's order: 8-byte elements, 4-byte ones, bytes; else as in the source. */
#define EACH_IN_FILE_ORDER(source, i, tensor)                                               \
  for (size_t element = 8; element >= 1; element = element == 8 ? 4 : element == 4 ? 1 : 0) \
    for (int32_t i = 0; i < (source)->count; i++)                                           \
      if ((source)->describe((source)->user, i, &(tensor)), sac_dtype_size((tensor).dtype) == element)

static void emit_header(header_out* out, const sac_tensor_source* source, const sac_metadata* metadata,
                        int32_t metadata_count) {
  const char* between = "";
  uint64_t offset = 0;
  sac_file_tensor tensor;
  emit_string(out, "{");
  if (metadata_count > 0) {
    emit_string(out, "\"__metadata__\":{");
    for (int32_t i = 0; i < metadata_count; i++) {
      if (i > 0) emit_string(out, ",");
      emit_text(out, metadata[i].key);
      emit_string(out, ":");
      emit_text(out, metadata[i].value);
    }
    emit_string(out, "}");
    between = ",";
  }
  EACH_IN_FILE_ORDER(source, i, tensor) {
    emit_string(out, between);
    between = ",";
    emit_text(out, tensor.name);
    emit_string(out, ":{\"dtype\":\"");
    emit_string(out, sac_dtype_name(tensor.dtype));
    emit_string(out, "\",\"shape\":[");
    for (int32_t d = 0; d < tensor.rank; d++) {
      if (d > 0) emit_string(out, ",");
      emit_number(out, (uint64_t)tensor.dims[d]);
    }
    emit_string(out, "],\"data_offsets\":[");
    emit_number(out, offset);
    emit_string(out, ",");
    offset += tensor.bytes;
    emit_number(out, offset);
    emit_string(out, "]}");
  }
  emit_string(out, "}");
  while (out->size % 8 != 0) emit_string(out, " ");
}

sac_status sac_safetensors_stream(const char* path, const sac_tensor_source* source, const sac_metadata* metadata,
                                  int32_t metadata_count) {
  sac_status status = SAC_OK;
  header_out count = {NULL, 0, SAC_OK};
  sac_file_tensor tensor;
  sac_file file;
  file.fd = -1;
  emit_header(&count, source, metadata, metadata_count);
  if (count.size > SAC_HEADER_MAX)
    return sac_fail(SAC_ERROR_FILE, "%s: header of %llu bytes, %u are the most", path, (unsigned long long)count.size,
                    SAC_HEADER_MAX);
  SAC_TRY(sac_file_begin(&file, path));
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)(count.size >> 8 * i);
  SAC_TRY(sac_file_put(&file, size, sizeof size));
  header_out out = {&file, 0, SAC_OK};
  emit_header(&out, source, metadata, metadata_count);
  SAC_TRY(out.status);
  EACH_IN_FILE_ORDER(source, i, tensor) {
    const uint64_t end = file.size + tensor.bytes;
    SAC_TRY(source->write(source->user, i, &file));
    if (file.size != end) {
      status =
          sac_fail(SAC_ERROR_ARGUMENT, "%s: tensor %s wrote other than its %zu bytes", path, tensor.name, tensor.bytes);
      goto fail;
    }
  }
  SAC_TRY(sac_file_commit(&file));
fail:
  sac_file_abandon(&file);
  return status;
}

typedef struct given {
  const sac_file_tensor* tensors;
} given;

static void describe_given(void* user, int32_t i, sac_file_tensor* tensor) { *tensor = ((given*)user)->tensors[i]; }

static sac_status write_given(void* user, int32_t i, sac_file* file) {
  const sac_file_tensor* tensor = &((given*)user)->tensors[i];
  return sac_file_put(file, tensor->data, tensor->bytes);
}

sac_status sac_safetensors_write(const char* path, const sac_file_tensor* tensors, int32_t count,
                                 const sac_metadata* metadata, int32_t metadata_count) {
  for (int32_t i = 0; i < count; i++)
    if (tensors[i].bytes != sac_tensor_bytes(&tensors[i]))
      return sac_fail(SAC_ERROR_ARGUMENT, "%s: tensor %s has %zu bytes, its shape %zu", path, tensors[i].name,
                      tensors[i].bytes, sac_tensor_bytes(&tensors[i]));
  given all = {tensors};
  const sac_tensor_source source = {&all, count, describe_given, write_given};
  return sac_safetensors_stream(path, &source, metadata, metadata_count);
}

/* ---- reading ---- */

/* A name from a file, fit for a message. */
static const char* shown(char text[80], const char* name, size_t length) {
  size_t used = 0;
  for (size_t i = 0; i < length && used < 72; i++)
    text[used++] = (unsigned char)name[i] < 0x20 || name[i] == 0x7F ? '?' : name[i];
  (void)snprintf(text + used, 80 - used, "%s", used < length ? "..." : "");
  return text;
}

static sac_status bad_entry(const sac_safetensors* file, const sac_header* header, const sac_header_entry* entry,
                            uint64_t data_at) {
  char name[80], dtype[80];
  if (header->error && strcmp(header->error, "data_offsets lie outside the file") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: cut short (tensor '%s' ends at byte %llu, file %zu)", file->path,
                    shown(name, entry->name.at, entry->name.size), (unsigned long long)(data_at + entry->end),
                    file->size);
  if (header->error && strcmp(header->error, "unknown dtype") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' has dtype '%s'; F32, F64, U8, I64 and U64 are read", file->path,
                    shown(name, entry->name.at, entry->name.size), shown(dtype, entry->dtype.at, entry->dtype.size));
  if (entry->name.size > 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header byte %zu, at '%s')", file->path, header->error, header->position,
                    shown(name, entry->name.at, entry->name.size));
  return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header byte %zu)", file->path, header->error, header->position);
}

static const char* terminate(const sac_header_text* text, char* json) {
  char* at = json + (text->at - json);
  at[sac_header_decode(text, at)] = '\0'; /* at most on the closing quote */
  return at;
}

static sac_status take_tensor(sac_safetensors* file, sac_header* header, const sac_header_entry* entry, char* json,
                              const char* data) {
  sac_file_tensor* tensor = &file->tensors[file->count];
  int32_t dtype = 0;
  while (dtype < SAC_DTYPE_COUNT && !sac_header_is(&entry->dtype, dtypes[dtype].name)) dtype++;
  if (dtype == SAC_DTYPE_COUNT) {
    header->error = "unknown dtype";
    return bad_entry(file, header, entry, 0);
  }
  tensor->dtype = (sac_dtype)dtype;
  tensor->rank = entry->rank;
  memcpy(tensor->dims, entry->dims, sizeof tensor->dims);
  tensor->bytes = (size_t)(entry->end - entry->begin);
  tensor->data = data + entry->begin;
  tensor->name = terminate(&entry->name, json);
  file->count++;
  return SAC_OK;
}

static int by_name(const void* a, const void* b) {
  return strcmp(((const sac_file_tensor*)a)->name, ((const sac_file_tensor*)b)->name);
}
static int by_key(const void* a, const void* b) {
  return strcmp(((const sac_metadata*)a)->key, ((const sac_metadata*)b)->key);
}
static int by_place(const void* a, const void* b) {
  const sac_file_tensor *x = a, *y = b;
  if (x->data != y->data) return (const char*)x->data < (const char*)y->data ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* What no entry shows alone: doubled names, holes, overlaps, bytes left over. Leaves tensors in the order of data. */
static sac_status check_whole(sac_safetensors* file, const char* data, uint64_t data_size) {
  char name[80];
  const size_t count = (size_t)file->count;
  if (file->metadata_count > 1) qsort(file->metadata, (size_t)file->metadata_count, sizeof *file->metadata, by_key);
  for (int32_t i = 1; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, file->metadata[i - 1].key) == 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s: metadata '%s' is there twice", file->path,
                      shown(name, file->metadata[i].key, strlen(file->metadata[i].key)));
  if (count > 1) qsort(file->tensors, count, sizeof *file->tensors, by_name);
  for (size_t i = 1; i < count; i++)
    if (strcmp(file->tensors[i].name, file->tensors[i - 1].name) == 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' is there twice", file->path,
                      shown(name, file->tensors[i].name, strlen(file->tensors[i].name)));
  if (count > 1) qsort(file->tensors, count, sizeof *file->tensors, by_place);
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    const sac_file_tensor* tensor = &file->tensors[i];
    assert(tensor->name);
    const uint64_t begin = (uint64_t)((const char*)tensor->data - data);
    if (begin != end)
      return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' begins at data byte %llu, %s %llu", file->path,
                      shown(name, tensor->name, strlen(tensor->name)), (unsigned long long)begin,
                      begin < end ? "inside the one before, which ends at" : "after a hole from",
                      (unsigned long long)end);
    end += tensor->bytes;
  }
  if (end != data_size)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %llu bytes follow the last tensor", file->path,
                    (unsigned long long)(data_size - end));
  return SAC_OK;
}

/* Copies tensors that lie at odd addresses, so that callers may use `data` as an array of its type. */
static sac_status align_tensors(sac_safetensors* file) {
  size_t bytes = 0;
  for (int pass = 0; pass < 2; pass++) {
    size_t used = 0;
    for (int32_t i = 0; i < file->count; i++) {
      sac_file_tensor* tensor = &file->tensors[i];
      if ((uintptr_t)tensor->data % sac_dtype_size(tensor->dtype) == 0) continue;
      if (pass == 1) tensor->data = memcpy((char*)file->moved + used, tensor->data, tensor->bytes);
      used += (tensor->bytes + 7) / 8 * 8;
    }
    bytes = used;
    if (bytes == 0) return SAC_OK;
    if (pass == 0 && !(file->moved = malloc(bytes)))
      return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for %zu bytes", file->path, bytes);
  }
  return SAC_OK;
}

/* file->bytes holds the file so that data, at `json + json_size`, is 16-byte aligned. */
static sac_status parse(sac_safetensors* file, char* json, size_t json_size) {
  sac_status status = SAC_OK;
  const char* data = json + json_size;
  const uint64_t data_at = 8 + json_size, data_size = file->size - data_at;
  sac_header header;
  sac_header_entry entry;
  memset(&entry, 0, sizeof entry);
  int64_t tensors = 0, metadata = 0;
  sac_header_kind kind;
  sac_header_begin(&header, json, json_size, data_size);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END)
    if (kind == SAC_HEADER_TENSOR) tensors++;
    else metadata++;
  if (kind == SAC_HEADER_BAD) return bad_entry(file, &header, &entry, data_at);
  /* an entry takes at least 48 bytes of header, so these are a few times the header's size at most */
  file->tensors = calloc((size_t)tensors + 1, sizeof *file->tensors);
  file->metadata = calloc((size_t)metadata + 1, sizeof *file->metadata);
  if (!file->tensors || !file->metadata)
    return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for its %lld tensors", file->path, (long long)tensors);
  sac_header_begin(&header, json, json_size, data_size);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END) {
    if (kind == SAC_HEADER_TENSOR) {
      SAC_TRY(take_tensor(file, &header, &entry, json, data));
    } else {
      sac_metadata* pair = &file->metadata[file->metadata_count++];
      pair->value = terminate(&entry.value, json);
      pair->key = terminate(&entry.name, json);
    }
  }
  SAC_TRY(check_whole(file, data, data_size));
  SAC_TRY(align_tensors(file));
fail:
  return status;
}

/* Room for a file of `size` bytes whose first 8 are given; *at is where those bytes go. */
static sac_status make_room(sac_safetensors* file, const void* first, uint64_t size, char** at, size_t* json_size) {
  uint64_t json;
  const char* error = sac_header_size(first, size, &json);
  if (error && strcmp(error, "cut short") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: cut short (header %llu bytes, file %llu)", file->path,
                    (unsigned long long)json, (unsigned long long)size);
  if (error && json > 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header %llu bytes, file %llu)", file->path, error,
                    (unsigned long long)json, (unsigned long long)size);
  if (error) return sac_fail(SAC_ERROR_FORMAT, "%s: %s (file %llu bytes)", file->path, error, (unsigned long long)size);
  const size_t shift = (size_t)(16 - (8 + json) % 16) % 16; /* data lands on a multiple of 16 */
  char has[SAC_BYTES_MAX];
  if (size > sac_memory_available() || !(file->bytes = malloc((size_t)size + 16))) {
    sac_text_bytes(has, sac_memory_available());
    return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for its %llu bytes, %s are free", file->path,
                    (unsigned long long)size, has);
  }
  file->size = (size_t)size;
  *at = (char*)file->bytes + shift;
  *json_size = (size_t)json;
  return SAC_OK;
}

static sac_status make(sac_safetensors** out, const char* path) {
  *out = NULL;
  sac_safetensors* file = calloc(1, sizeof *file);
  if (!file) return sac_fail(SAC_ERROR_MEMORY, "%s: no memory", path);
  (void)snprintf(file->path, sizeof file->path, "%s", path);
  *out = file;
  return SAC_OK;
}

sac_status sac_safetensors_open(sac_safetensors** out, const char* path) {
  sac_status status = SAC_OK;
  struct stat info;
  sac_safetensors* file = NULL;
  char first[8] = {0}, *at;
  size_t json_size;
  *out = NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &info) != 0) {
    status = sac_fail(SAC_ERROR_FILE, "cannot read %s: %s", path, strerror(errno));
    goto fail;
  }
  if (!S_ISREG(info.st_mode)) {
    status = sac_fail(SAC_ERROR_FILE, "cannot read %s: it is not a file", path);
    goto fail;
  }
  const uint64_t size = (uint64_t)info.st_size;
  SAC_TRY(make(&file, path));
  SAC_TRY(sac_read_at(fd, path, 0, first, size < sizeof first ? (size_t)size : sizeof first));
  SAC_TRY(make_room(file, first, size, &at, &json_size));
  SAC_TRY(sac_read_at(fd, path, 0, at, file->size));
  if (memcmp(at, first, sizeof first) != 0) { /* what was checked is what is used */
    status = sac_fail(SAC_ERROR_FILE, "%s changed while it was read", path);
    goto fail;
  }
  SAC_TRY(parse(file, at + 8, json_size));
  *out = file;
  file = NULL;
fail:
  if (fd >= 0) close(fd);
  sac_safetensors_close(file);
  return status;
}

sac_status sac_safetensors_parse(sac_safetensors** out, const char* name, const void* bytes, size_t size) {
  sac_status status = SAC_OK;
  sac_safetensors* file = NULL;
  char* at;
  size_t json_size;
  *out = NULL;
  SAC_TRY(make(&file, name));
  SAC_TRY(make_room(file, bytes, size, &at, &json_size));
  memcpy(at, bytes, size);
  SAC_TRY(parse(file, at + 8, json_size));
  *out = file;
  file = NULL;
fail:
  sac_safetensors_close(file);
  return status;
}

void sac_safetensors_close(sac_safetensors* file) {
  if (!file) return;
  free(file->bytes);
  free(file->moved);
  free(file->tensors);
  free(file->metadata);
  free(file);
}

const sac_file_tensor* sac_safetensors_find(const sac_safetensors* file, const char* name) {
  for (int32_t i = 0; i < file->count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

const char* sac_safetensors_metadata(const sac_safetensors* file, const char* key) {
  for (int32_t i = 0; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
  return NULL;
}

sac_status sac_safetensors_get(const sac_safetensors* file, const char* name, sac_dtype dtype, int32_t rank,
                               const int64_t* dims, void* data) {
  const sac_file_tensor* tensor = sac_safetensors_find(file, name);
  if (!tensor) return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' is missing", file->path, name);
  int same = tensor->dtype == dtype && tensor->rank == rank;
  for (int32_t i = 0; same && i < rank; i++) same = tensor->dims[i] == dims[i];
  if (!same) {
    char has[128], wants[128];
    return sac_fail(SAC_ERROR_SHAPE, "%s: tensor '%s' is %s %s; %s %s is wanted", file->path, name,
                    sac_dtype_name(tensor->dtype), shape_text(has, tensor->rank, tensor->dims), sac_dtype_name(dtype),
                    shape_text(wants, rank, dims));
  }
  if (data && tensor->bytes > 0) memcpy(data, tensor->data, tensor->bytes);
  return SAC_OK;
}
