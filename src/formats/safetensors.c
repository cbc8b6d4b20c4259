/* The types of safetensors files, and reading them. Writing is in safetensors_write.c. */
#include "formats/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/checksum.h"
#include "policy/header.h"
#include "util/crc.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/text.h"

#define FIRST 16        /* bytes at the beginning of a file that tell what it is */
#define SMALL (1 << 20) /* bytes of a file that fits into any memory */

_Static_assert(SAC_RANK_MAX == SAC_HEADER_RANK_MAX, "the header's reader has the same limit of dimensions");

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

/* Fails with the reason why a header is refused. `entry` holds the fields that were read before the error. data_at: the
 * byte of the file at which the data begins. */
static sac_status bad_entry(const sac_safetensors* file, const sac_header* header, const sac_header_entry* entry,
                            uint64_t data_at) {
  char name[SAC_SHOW_MAX], dtype[SAC_SHOW_MAX];

  /* the data of a tensor lies behind the end of the file: give both sizes */
  if (header->error && strcmp(header->error, "data_offsets lie outside the file") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: cut short (tensor '%s' ends at byte %llu, file %zu)", file->path,
                    sac_text_show(name, entry->name.at, entry->name.size), (unsigned long long)(data_at + entry->end),
                    file->size);

  /* a dtype that this library does not read */
  if (header->error && strcmp(header->error, "unknown dtype") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' has dtype '%s'; F32, F64, U8, BOOL, I64 and U64 are read",
                    file->path, sac_text_show(name, entry->name.at, entry->name.size),
                    sac_text_show(dtype, entry->dtype.at, entry->dtype.size));

  /* any other error: what is wrong and where, with the name of the entry if that was read */
  if (entry->name.size > 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header byte %zu, at '%s')", file->path, header->error, header->position,
                    sac_text_show(name, entry->name.at, entry->name.size));
  return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header byte %zu)", file->path, header->error, header->position);
}

/* Turns a text of the header into a C string, in place: a decoded text is never longer, and its '\0' takes at most the
 * place of the closing quote. */
static const char* end_text(const sac_header_text* text, char* json) {
  char* at = json + (text->at - json);
  at[sac_header_decode(text, at)] = '\0';
  return at;
}

/* Adds an entry of the header to the file's tensors. */
static sac_status take_tensor(sac_safetensors* file, sac_header* header, const sac_header_entry* entry, char* json,
                              const char* data) {
  sac_file_tensor* tensor = &file->tensors[file->count];

  /* Find the dtype. The reader of the header accepts more dtypes than this library. */
  int32_t dtype = 0;
  while (dtype < SAC_DTYPE_COUNT && !sac_header_is(&entry->dtype, dtypes[dtype].name)) dtype++;
  if (dtype == SAC_DTYPE_COUNT && sac_header_is(&entry->dtype, "BOOL")) dtype = SAC_U8; /* a byte, 0 or 1 */
  if (dtype == SAC_DTYPE_COUNT) {
    header->error = "unknown dtype";
    return bad_entry(file, header, entry, 0);
  }

  /* Fill the tensor. Its data and its name stay where they are, in the bytes of the file. */
  tensor->dtype = (sac_dtype)dtype;
  tensor->rank = entry->rank;
  memcpy(tensor->dims, entry->dims, sizeof tensor->dims);
  tensor->bytes = (size_t)(entry->end - entry->begin);
  tensor->data = data + entry->begin;
  tensor->name = end_text(&entry->name, json);
  file->count++;
  return SAC_OK;
}

static int by_name(const void* a, const void* b) {
  return strcmp(((const sac_file_tensor*)a)->name, ((const sac_file_tensor*)b)->name);
}
static int by_key(const void* a, const void* b) {
  return strcmp(((const sac_metadata*)a)->key, ((const sac_metadata*)b)->key);
}

/* An empty tensor comes before the tensor that begins at the same byte. */
static int by_place(const void* a, const void* b) {
  const sac_file_tensor *x = a, *y = b;
  if (x->data != y->data) return (const char*)x->data < (const char*)y->data ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Refuses a key that is given twice. Leaves the metadata ordered by key. */
static sac_status check_metadata_keys(sac_safetensors* file) {
  char text[SAC_SHOW_MAX];

  /* after sorting, equal keys are neighbours */
  if (file->metadata_count > 1) qsort(file->metadata, (size_t)file->metadata_count, sizeof *file->metadata, by_key);
  for (int32_t i = 1; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, file->metadata[i - 1].key) == 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s: metadata '%s' is there twice", file->path,
                      sac_text_show(text, file->metadata[i].key, strlen(file->metadata[i].key)));
  return SAC_OK;
}

/* Refuses a name that is given twice. Leaves the tensors ordered by name. */
static sac_status check_tensor_names(sac_safetensors* file) {
  char text[SAC_SHOW_MAX];
  const size_t count = (size_t)file->count;

  /* after sorting, equal names are neighbours */
  if (count > 1) qsort(file->tensors, count, sizeof *file->tensors, by_name);
  for (size_t i = 1; i < count; i++)
    if (strcmp(file->tensors[i].name, file->tensors[i - 1].name) == 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' is there twice", file->path,
                      sac_text_show(text, file->tensors[i].name, strlen(file->tensors[i].name)));
  return SAC_OK;
}

/* Checks that the tensors cover the data, without overlaps or gaps. Leaves the tensors in the order of their data. */
static sac_status check_offsets(sac_safetensors* file, const char* data, uint64_t data_size) {
  char text[SAC_SHOW_MAX];
  const size_t count = (size_t)file->count;

  /* bring the tensors into the order of their data */
  if (count > 1) qsort(file->tensors, count, sizeof *file->tensors, by_place);

  /* each tensor begins where the one before it ends */
  uint64_t end = 0;
  for (size_t i = 0; i < count; i++) {
    const sac_file_tensor* tensor = &file->tensors[i];
    assert(tensor->name);
    const uint64_t begin = (uint64_t)((const char*)tensor->data - data);
    if (begin != end)
      return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' begins at data byte %llu, %s %llu", file->path,
                      sac_text_show(text, tensor->name, strlen(tensor->name)), (unsigned long long)begin,
                      begin < end ? "inside the one before, which ends at" : "after a hole from",
                      (unsigned long long)end);
    end += tensor->bytes;
  }

  /* the last one ends with the file */
  if (end != data_size)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %llu bytes follow the last tensor", file->path,
                    (unsigned long long)(data_size - end));
  return SAC_OK;
}

/* Copies tensors that are not aligned to their elements, so that callers may use `data` as an array of its type. */
static sac_status align_tensors(sac_safetensors* file) {
  size_t bytes = 0;

  /* the first pass counts the bytes to copy, the second pass copies */
  for (int pass = 0; pass < 2; pass++) {
    size_t used = 0;
    for (int32_t i = 0; i < file->count; i++) {
      sac_file_tensor* tensor = &file->tensors[i];
      if ((uintptr_t)tensor->data % sac_dtype_size(tensor->dtype) == 0) continue;

      /* each copy takes a multiple of 8 bytes, the size of the largest element, so that the next one is aligned */
      if (pass == 1) tensor->data = memcpy((char*)file->moved + used, tensor->data, tensor->bytes);
      used += (tensor->bytes + 7) / 8 * 8;
    }

    /* Allocate between the two passes. In most files every tensor is aligned, and nothing is copied. */
    bytes = used;
    if (bytes == 0) return SAC_OK;
    if (pass == 0 && !(file->moved = malloc(bytes)))
      return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for %zu bytes", file->path, bytes);
  }
  return SAC_OK;
}

/* Compares the bytes of the file with the checksum in its metadata, if it has one. */
static sac_status check_checksum(const sac_safetensors* file, const char* json, const sac_checksum_entries* entries) {
  char digits[SAC_CHECKSUM_DIGITS + 1], shown[SAC_SHOW_MAX];

  /* the file begins 8 bytes before the header */
  if (sac_checksum_fits(json - 8, file->size, entries, sac_crc32c, digits)) return SAC_OK;
  if (!entries->written.at)
    return sac_fail(SAC_ERROR_FORMAT,
                    "%s: damaged: its checksum is missing (metadata '" SAC_CHECKSUM_KEY
                    "', which '" SAC_CHECKSUM_PROMISE "' promises; a program that changes the file removes both)",
                    file->path);
  return sac_fail(SAC_ERROR_FORMAT, "%s: damaged: its checksum is %s, metadata '" SAC_CHECKSUM_KEY "' says %s",
                  file->path, digits, sac_text_show(shown, entries->written.at, entries->written.size));
}

/* Checks the header and the checksum, and allocates file->tensors and file->metadata. */
static sac_status count_entries(sac_safetensors* file, const char* json, size_t json_size, uint64_t data_size) {
  sac_header header;
  sac_header_entry entry;
  sac_header_kind kind;
  sac_checksum_entries checksum = {{NULL, 0, 0}, 0};
  sac_status status = SAC_OK;
  int64_t tensors = 0, metadata = 0;
  memset(&entry, 0, sizeof entry);

  /* Count the entries. Reading them also checks the whole header. */
  sac_header_begin(&header, json, json_size, data_size);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END) {
    if (kind == SAC_HEADER_TENSOR) tensors++;
    else metadata++;
    if (kind == SAC_HEADER_METADATA) sac_checksum_take(&checksum, &entry);
  }
  if (kind == SAC_HEADER_BAD) return bad_entry(file, &header, &entry, file->size - data_size);

  /* compare the checksum now, because the texts of the header are changed later */
  SAC_TRY(check_checksum(file, json, &checksum));

  /* A tensor's entry takes at least 49 bytes of the header, a pair of metadata at least 5: the two arrays have at most
   * a few times the size of the header, also for a hostile file. One element more, because calloc of none may return
   * NULL. */
  file->tensors = calloc((size_t)tensors + 1, sizeof *file->tensors);
  file->metadata = calloc((size_t)metadata + 1, sizeof *file->metadata);
  if (!file->tensors || !file->metadata)
    return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for its %lld tensors", file->path, (long long)tensors);
fail:
  return status;
}

/* Reads the file whose header is `json` and whose data follows it, at a multiple of 16. */
static sac_status parse(sac_safetensors* file, char* json, size_t json_size) {
  sac_status status = SAC_OK;
  const char* data = json + json_size;
  const uint64_t data_size = file->size - 8 - json_size;
  sac_header header;
  sac_header_entry entry;
  sac_header_kind kind;

  /* check the header, and make room for its entries */
  SAC_TRY(count_entries(file, json, json_size, data_size));

  /* Take the entries. This writes the '\0' of each text into the header, which cannot be read again after that. */
  sac_header_begin(&header, json, json_size, data_size);
  while ((kind = sac_header_next(&header, &entry)) > SAC_HEADER_END) {
    if (kind == SAC_HEADER_TENSOR) {
      SAC_TRY(take_tensor(file, &header, &entry, json, data));
    } else {
      sac_metadata* pair = &file->metadata[file->metadata_count++];
      pair->value = end_text(&entry.value, json);
      pair->key = end_text(&entry.name, json);
    }
  }

  /* check what needs all entries at once: repeated names, overlaps and gaps */
  SAC_TRY(check_metadata_keys(file));
  SAC_TRY(check_tensor_names(file));
  SAC_TRY(check_offsets(file, data, data_size));

  /* last, because check_offsets needs the addresses within the file */
  SAC_TRY(align_tensors(file));
fail:
  return status;
}

/* What a file is that is no safetensors file, by its first `count` bytes; NULL: not known. */
static const char* foreign_kind(const unsigned char* first, size_t count) {
  static const struct {
    const char* bytes;
    size_t length;
    const char* kind;
  } kinds[] = {{"PK\3\4", 4, "a zip file, as .pt, .pth, .npz and other trainers' .zip are"},
               {"\x80\2", 2, "a pickle, as .pkl and old .pt files are"},
               {"\x80\3", 2, "a pickle, as .pkl and old .pt files are"},
               {"\x80\4", 2, "a pickle, as .pkl and old .pt files are"},
               {"\x80\5", 2, "a pickle, as .pkl and old .pt files are"},
               {"\x93NUMPY", 6, "a NumPy array"},
               {"\x89HDF", 4, "an HDF5 file"},
               {"\x1f\x8b", 2, "compressed by gzip"},
               {"\x89PNG", 4, "a PNG picture"},
               {"\xff\xd8\xff", 3, "a JPEG picture"},
               {"%PDF", 4, "a PDF document"},
               {"\x7f"
                "ELF",
                4, "a program or shared object"}};
  size_t printed = 0;

  /* compare with the beginnings that are known */
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (count >= kinds[i].length && memcmp(first, kinds[i].bytes, kinds[i].length) == 0) return kinds[i].kind;

  /* the header's size of a real file has zeros, which text has not */
  while (printed < count && (first[printed] >= ' ' || (first[printed] >= '\t' && first[printed] <= '\r'))) printed++;
  return count == 0 ? "empty" : printed == count ? "text" : NULL;
}

/* Fails where the first `count` bytes, at most FIRST of them, are not those of a safetensors file: the '{' of the
 * header stands behind its size. */
static sac_status check_kind(const char* path, const unsigned char* first, size_t count) {
  if (count > 8 && first[8] == '{') return SAC_OK;
  const char* kind = foreign_kind(first, count);
  return sac_fail(SAC_ERROR_FORMAT, "%s is no safetensors file, as policies and checkpoints are%s%s", path,
                  kind ? "; it is " : "", kind ? kind : "");
}

/* Allocates memory for a file of `size` bytes. first: its first FIRST bytes, or all if it is shorter. *at: where in
 * memory the file has to be copied. *json_size: bytes of the header. */
static sac_status allocate(sac_safetensors* file, const void* first, uint64_t size, char** at, size_t* json_size) {
  uint64_t json;
  const sac_status kind = check_kind(file->path, first, size < FIRST ? (size_t)size : FIRST);
  if (kind != SAC_OK) return kind;

  /* Read the header's size, which must fit the file. Each message gives the sizes that were found. */
  const char* error = sac_header_size(first, size, &json);
  if (error && strcmp(error, "cut short") == 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: cut short (header %llu bytes, file %llu)", file->path,
                    (unsigned long long)json, (unsigned long long)size);
  if (error && json > 0)
    return sac_fail(SAC_ERROR_FORMAT, "%s: %s (header %llu bytes, file %llu)", file->path, error,
                    (unsigned long long)json, (unsigned long long)size);
  if (error) return sac_fail(SAC_ERROR_FORMAT, "%s: %s (file %llu bytes)", file->path, error, (unsigned long long)size);

  /* shift the file in memory so that its data begins at a multiple of 16 */
  const size_t shift = (size_t)(16 - (8 + json) % 16) % 16;
  char has[SAC_BYTES_MAX];

  /* compare a large file with the free memory first: malloc may promise more memory than the machine has */
  if ((size > SMALL && size > sac_memory_available()) || !(file->bytes = malloc((size_t)size + 16))) {
    sac_text_bytes(has, sac_memory_available());
    return sac_fail(SAC_ERROR_MEMORY, "%s: no memory for its %llu bytes, %s are free", file->path,
                    (unsigned long long)size, has);
  }

  /* The caller copies the file to *at. Its header begins at *at + 8. */
  file->size = (size_t)size;
  *at = (char*)file->bytes + shift;
  *json_size = (size_t)json;
  return SAC_OK;
}

/* Makes an empty file object. `path` is for messages. */
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
  sac_safetensors* file = NULL;
  char first[FIRST] = {0}, *at;
  size_t json_size;
  uint64_t size;
  int fd = -1;
  *out = NULL;

  /* read the first bytes: the header's size decides where the file goes in memory */
  SAC_TRY(sac_open_file(path, &fd, &size));
  SAC_TRY(make(&file, path));
  SAC_TRY(sac_read_at(fd, path, 0, first, size < sizeof first ? (size_t)size : sizeof first));
  SAC_TRY(allocate(file, first, size, &at, &json_size));

  /* Read the whole file. The memory was sized by the first bytes, so they must not have changed since. */
  SAC_TRY(sac_read_at(fd, path, 0, at, file->size));
  if (memcmp(at, first, file->size < sizeof first ? file->size : sizeof first) != 0) {
    status = sac_fail(SAC_ERROR_FILE, "%s changed while it was read", path);
    goto fail;
  }

  /* give the object to the caller, or close it after an error */
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

  /* copy the bytes to memory that aligns their data */
  SAC_TRY(make(&file, name));
  SAC_TRY(allocate(file, bytes, size, &at, &json_size));
  memcpy(at, bytes, size);

  /* give the object to the caller, or close it after an error */
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

  /* the tensor must have the dtype and the shape that the caller expects */
  int same = tensor->dtype == dtype && tensor->rank == rank;
  for (int32_t i = 0; same && i < rank; i++) same = tensor->dims[i] == dims[i];
  if (!same) {
    char has[128], wants[128];
    return sac_fail(SAC_ERROR_SHAPE, "%s: tensor '%s' is %s %s; %s %s is wanted", file->path, name,
                    sac_dtype_name(tensor->dtype), shape_text(has, tensor->rank, tensor->dims), sac_dtype_name(dtype),
                    shape_text(wants, rank, dims));
  }

  /* a caller without `data` wanted the check alone; a tensor may be empty */
  if (data && tensor->bytes > 0) memcpy(data, tensor->data, tensor->bytes);
  return SAC_OK;
}
