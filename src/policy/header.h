/* The header of a safetensors file, read strictly and one entry at a time. The reader allocates nothing, does not
 * recurse and builds no JSON tree, so a hostile file cannot make it use much memory. The policy library and
 * src/formats/safetensors.c share it.
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

/* A JSON string: the bytes of the header between its quotes. */
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
  uint64_t begin, end; /* offsets in the data: the first byte, and the byte behind the last */
} sac_header_entry;

typedef struct sac_header {
  const char* json;
  size_t size;        /* of the JSON text */
  uint64_t data_size; /* of the data behind the header */
  size_t position;    /* bytes read so far */
  int state;          /* what comes next (header.c) */
  int metadata_seen;  /* 1: "__metadata__" has begun */
  const char* error;  /* static text; NULL: none */
} sac_header;

/* Checks the size of the header, which the first 8 bytes hold, against the size of the file. bytes: the first 8 bytes
 * of the file, or all of a shorter one. *json_size (may be NULL) gets the size of the header, also when it is refused.
 * Returns NULL, or what is wrong (static text). */
const char* sac_header_size(const void* bytes, uint64_t file_size, uint64_t* json_size);

/* Begins to read a header. json, size: the JSON text, which is the `size` bytes behind the first 8 of the file. Entries
 * point into it, so it must stay in place. data_size: bytes of the data behind the header. */
void sac_header_begin(sac_header* header, const char* json, size_t size, uint64_t data_size);

/* Reads the next entry. Call it until it returns END or BAD; calls after that return the same again. */
sac_header_kind sac_header_next(sac_header* header, sac_header_entry* entry);

/* Whether the text is exactly `word`, which is plain ASCII. 0 for a text with escapes. */
int sac_header_is(const sac_header_text* text, const char* word);

/* Writes the text with its escapes resolved, at most text->size bytes, and returns their number. `out` may be text->at:
 * the text is then decoded in place. */
size_t sac_header_decode(const sac_header_text* text, char* out);

#endif
