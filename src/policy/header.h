/* The header of a safetensors file, read strictly, one entry at a time: no memory, no recursion, no JSON tree that a
 * hostile file could blow up. Shared by the policy library and src/formats/safetensors.c.
 *
 *   u64 little-endian header size | {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
 *   "__metadata__": {"KEY": "VALUE", ...}} | data
 *
 * Checked here, entry by entry: the JSON itself (escapes, UTF-8, numbers, no unknown or doubled fields), sizes without
 * overflow, offsets inside the data, length = product of the shape * size of the dtype. What needs all entries at once
 * (doubled names, holes, overlaps) is the caller's. */
#ifndef SAC_POLICY_HEADER_H
#define SAC_POLICY_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define SAC_HEADER_RANK_MAX 6
#define SAC_HEADER_MAX 100000000u /* bytes, the format's own limit */

/* A JSON string as it stands between its quotes. */
typedef struct sac_header_text {
  const char* at;
  size_t size;
  int escaped; /* holds backslashes: sac_header_decode */
} sac_header_text;

typedef enum sac_header_kind {
  SAC_HEADER_BAD,      /* header->error says what, header->position where */
  SAC_HEADER_END,      /* the whole header was right */
  SAC_HEADER_TENSOR,   /* name, dtype, rank, dims, begin, end */
  SAC_HEADER_METADATA, /* name, value */
} sac_header_kind;

typedef struct sac_header_entry {
  sac_header_text name;
  sac_header_text value; /* of metadata */
  sac_header_text dtype; /* "F32", ... */
  size_t element;        /* bytes of an element */
  int32_t rank;
  int64_t dims[SAC_HEADER_RANK_MAX];
  uint64_t begin, end; /* within the data */
} sac_header_entry;

typedef struct sac_header {
  const char* json;
  size_t size;        /* of the JSON text */
  uint64_t data_size; /* bytes behind it */
  size_t position;    /* read so far */
  int state;
  int metadata_seen;
  const char* error; /* static text; NULL: none */
} sac_header;

/* Checks the first 8 bytes against the file's size. bytes: at least the first min(size, 8) of the file; *json_size
 * (may be NULL) gets the header's size. Returns NULL when right, else what is wrong (static text). */
const char* sac_header_size(const void* bytes, uint64_t file_size, uint64_t* json_size);

/* json: the `size` bytes behind the first 8. They must stay where they are while entries are used. */
void sac_header_begin(sac_header* header, const char* json, size_t size, uint64_t data_size);

sac_header_kind sac_header_next(sac_header* header, sac_header_entry* entry);

/* 1 when the text is exactly `word` (plain ASCII); a text with escapes never is. */
int sac_header_is(const sac_header_text* text, const char* word);

/* Writes the text with its escapes resolved: at most text->size bytes; returns how many. `out` may be where the text
 * stands. */
size_t sac_header_decode(const sac_header_text* text, char* out);

#endif
