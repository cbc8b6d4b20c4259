/* The header of a safetensors file, read strictly and one entry at a time. It needs no memory, no recursion and no JSON
 * tree, so a hostile file cannot make it use more. Shared by the policy library and src/formats/safetensors.c.
 *
 *   u64 little-endian header size | {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
 *   "__metadata__": {"KEY": "VALUE", ...}} | data
 *
 * Checked here, entry by entry: the JSON itself (escapes, UTF-8, numbers, no unknown or repeated fields), that sizes do
 * not overflow, that offsets lie inside the data, and that the length is the product of the shape times the dtype's
 * size. The caller checks what needs all entries at once: repeated names, gaps and overlaps. */
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
  int escaped; /* 1: holds escapes, which sac_header_decode resolves */
} sac_header_text;

typedef enum sac_header_kind {
  SAC_HEADER_BAD,      /* an error: header->error says what is wrong, header->position where */
  SAC_HEADER_END,      /* the end of a header without errors */
  SAC_HEADER_TENSOR,   /* an entry with name, dtype, element, rank, dims, begin and end */
  SAC_HEADER_METADATA, /* an entry with name and value */
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
  uint64_t data_size; /* of the data behind it */
  size_t position;    /* bytes read so far */
  int state;
  int metadata_seen;
  const char* error; /* static text; NULL: none */
} sac_header;

/* Checks the header's size, in the first 8 bytes, against the file's. bytes: at least min(file_size, 8) of the file.
 * *json_size (may be NULL) gets the header's size. Returns NULL, or what is wrong (static text). */
const char* sac_header_size(const void* bytes, uint64_t file_size, uint64_t* json_size);

/* Begins to read the `size` bytes behind the first 8. They must stay in place while entries are used. */
void sac_header_begin(sac_header* header, const char* json, size_t size, uint64_t data_size);

/* Reads the next entry; again and again until it returns END or BAD, which it then repeats. */
sac_header_kind sac_header_next(sac_header* header, sac_header_entry* entry);

/* Whether the text is exactly `word`, which is plain ASCII. 0 for a text with escapes. */
int sac_header_is(const sac_header_text* text, const char* word);

/* Writes the text with its escapes resolved, at most text->size bytes, and returns their number. `out` may be text->at:
 * the text is then decoded in place. */
size_t sac_header_decode(const sac_header_text* text, char* out);

#endif
