#include "policy/header.h"

#include <string.h>

#include "util/utf8.h"

/* The states of the reader: what it expects next. */
enum {
  START,          /* the '{' of the header */
  FIRST,          /* the first entry, or the end of an empty header */
  NEXT,           /* another entry, or the end of the header */
  FIRST_METADATA, /* the first pair of "__metadata__", or the end of empty metadata */
  NEXT_METADATA,  /* another pair, or the end of the metadata */
  DONE,           /* nothing: the header was read completely */
  BROKEN          /* nothing: there was an error */
};

/* Bytes of an element, for every dtype of the format whose elements are whole bytes. */
static const struct {
  char name[8];
  size_t size;
} dtypes[] = {
    {"F32", 4}, {"F64", 8}, {"U8", 1},  {"I64", 8},  {"U64", 8}, {"BOOL", 1},    {"I8", 1},      {"I16", 2},
    {"U16", 2}, {"I32", 4}, {"U32", 4}, {"BF16", 2}, {"F16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"C64", 8},
};

const char* sac_header_size(const void* bytes, uint64_t file_size, uint64_t* json_size) {
  if (json_size) *json_size = 0;
  if (file_size < 8) return "shorter than the 8 bytes of the header's size";

  /* the size is little-endian */
  const unsigned char* byte = bytes;
  uint64_t size = 0;
  for (int i = 7; i >= 0; i--) size = size << 8 | byte[i];
  if (json_size) *json_size = size;

  /* limits: that of the format, the file itself, and the shortest JSON object, "{}" */
  if (size > SAC_HEADER_MAX) return "header beyond 100000000 bytes";
  if (size > file_size - 8) return "cut short";
  if (size < 2) return "empty header";
  return NULL;
}

void sac_header_begin(sac_header* header, const char* json, size_t size, uint64_t data_size) {
  memset(header, 0, sizeof *header);
  header->json = json;
  header->size = size;
  header->data_size = data_size;
  header->state = START;
}

/* Ends the reading with an error and returns 0. The first error is kept. The functions below return 1 on success and 0
 * after a fail. */
static int fail(sac_header* header, const char* error) {
  if (!header->error) header->error = error;
  header->state = BROKEN;
  return 0;
}

/* The next byte, which is not taken yet; -1 at the end. */
static int peek(const sac_header* header) {
  return header->position < header->size ? (unsigned char)header->json[header->position] : -1;
}

static void skip_space(sac_header* header) {
  for (int c = peek(header); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(header)) header->position++;
}

/* Skips blanks, then takes the next byte and returns 1 if it is `wanted`; else returns 0, without an error. */
static int accept(sac_header* header, char wanted) {
  skip_space(header);
  if (peek(header) != (unsigned char)wanted) return 0;
  header->position++;
  return 1;
}

/* The same as accept, but another byte is an error. */
static int expect(sac_header* header, char wanted, const char* error) {
  return accept(header, wanted) || fail(header, error);
}

/* Reads four hexadecimal digits; 0 when one of them is no digit. */
static int hex4(const char* at, uint32_t* value) {
  *value = 0;
  for (int i = 0; i < 4; i++) {
    const char c = at[i];
    /* 16 stands for a character that is no digit */
    const uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                           : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                           : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                  : 16;
    if (digit > 15) return 0;
    *value = *value << 4 | digit;
  }
  return 1;
}

/* The length of the escape that begins at `at` with a backslash, and its character; 0 when it is not valid. left: bytes
 * from `at` to the end of the text. Character 0 and half a surrogate pair are not valid: a C string of UTF-8 cannot
 * hold them. */
static size_t escape(const char* at, size_t left, uint32_t* character) {
  static const char letter[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
  if (left < 2) return 0;

  /* a backslash and one letter or sign, such as \n */
  const char* found = at[1] ? strchr(letter, at[1]) : NULL;
  if (found) {
    *character = (unsigned char)meaning[found - letter];
    return 2;
  }

  /* \uXXXX: one character, unless it is half of a surrogate pair (0xD800 to 0xDFFF) */
  uint32_t high, low;
  if (at[1] != 'u' || left < 6 || !hex4(at + 2, &high) || high == 0) return 0;
  *character = high;
  if (high < 0xD800 || high > 0xDFFF) return 6;

  /* A first half, 0xD800 to 0xDBFF: the second half must follow, 0xDC00 to 0xDFFF. Each half holds 10 bits. */
  if (high > 0xDBFF || left < 12 || at[6] != '\\' || at[7] != 'u' || !hex4(at + 8, &low)) return 0;
  if (low < 0xDC00 || low > 0xDFFF) return 0;
  *character = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  return 12;
}

/* Reads a JSON string; `error` is the message if none comes next. */
static int read_text(sac_header* header, sac_header_text* text, const char* error) {
  if (!expect(header, '"', error)) return 0;
  text->at = header->json + header->position;
  text->escaped = 0;

  /* check each character up to the closing quote */
  for (;;) {
    const size_t left = header->size - header->position;
    const char* at = header->json + header->position;
    size_t length;
    uint32_t character;

    /* The next quote that is not escaped ends the text. JSON has control characters only as escapes. */
    if (left == 0) return fail(header, "text without its end");
    if (*at == '"') break;
    if ((unsigned char)*at < 0x20) return fail(header, "control character in a text");

    /* an escape, or a character of UTF-8 */
    if (*at == '\\') {
      length = escape(at, left, &character);
      if (length == 0) return fail(header, "wrong escape in a text");
      text->escaped = 1;
    } else {
      length = sac_utf8_length(at, left);
      if (length == 0) return fail(header, "text is not UTF-8");
    }
    header->position += length;
  }

  /* the text ends before the closing quote, the reading goes on behind it */
  text->size = (size_t)(header->json + header->position - text->at);
  header->position++;
  return 1;
}

/* Reads a whole number of at most 2^63 - 1, without sign, leading zeros, fraction or exponent. */
static int read_number(sac_header* header, uint64_t* number) {
  skip_space(header);
  int c = peek(header);
  if (c < '0' || c > '9') return fail(header, "a whole number is missing");

  /* A zero may only stand alone. Each digit is checked for overflow before it is added. */
  const int zero = c == '0';
  *number = 0;
  for (int digits = 0; c >= '0' && c <= '9'; digits++, c = peek(header)) {
    if (zero && digits > 0) return fail(header, "number with a leading zero");
    if (*number > ((uint64_t)INT64_MAX - (uint64_t)(c - '0')) / 10) return fail(header, "number beyond 2^63");
    *number = *number * 10 + (uint64_t)(c - '0');
    header->position++;
  }
  return 1;
}

/* Reads "[n, n, ...]", at most `max` numbers. */
static int read_numbers(sac_header* header, uint64_t* number, int32_t max, int32_t* count, const char* too_many) {
  *count = 0;
  if (!expect(header, '[', "'[' is missing")) return 0;

  /* an empty list is the shape of a single number */
  if (accept(header, ']')) return 1;
  do {
    if (*count == max) return fail(header, too_many);
    if (!read_number(header, &number[*count])) return 0;
    (*count)++;
  } while (accept(header, ','));
  return expect(header, ']', "']' is missing");
}

/* Whether dtype, shape and data_offsets agree with each other and with the file's size. */
static int check_entry(sac_header* header, sac_header_entry* entry) {
  /* the bytes of an element */
  entry->element = 0;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (sac_header_is(&entry->dtype, dtypes[i].name)) entry->element = dtypes[i].size;
  if (entry->element == 0) return fail(header, "unknown dtype");

  /* the bytes of the tensor: an element times all dimensions */
  uint64_t bytes = entry->element;
  for (int32_t i = 0; i < entry->rank; i++)
    if (__builtin_mul_overflow(bytes, (uint64_t)entry->dims[i], &bytes)) return fail(header, "shape too large");

  /* the tensor's place in the data */
  if (entry->begin > entry->end) return fail(header, "data_offsets run backwards");
  if (entry->end > header->data_size) return fail(header, "data_offsets lie outside the file");
  if (entry->end - entry->begin != bytes) return fail(header, "data_offsets do not fit shape and dtype");
  return 1;
}

/* The fields of a tensor's entry. */
enum { DTYPE, SHAPE, DATA_OFFSETS, FIELDS };

/* Which field `key` names; FIELDS when none. */
static int find_field(const sac_header_text* key) {
  static const char* const fields[FIELDS] = {"dtype", "shape", "data_offsets"};
  int field = 0;
  while (field < FIELDS && !sac_header_is(key, fields[field])) field++;
  return field;
}

/* Reads the value of a field. */
static int read_field(sac_header* header, sac_header_entry* entry, int field) {
  uint64_t number[SAC_HEADER_RANK_MAX] = {0};
  int32_t count;

  /* dtype: a text. Its name is checked later, with the whole entry. */
  if (field == DTYPE) return read_text(header, &entry->dtype, "dtype is not a text");

  /* shape: a list of dimensions. read_number has limited each to what int64_t holds. */
  if (field == SHAPE) {
    if (!read_numbers(header, number, SAC_HEADER_RANK_MAX, &count, "shape of more than 6 dimensions")) return 0;
    entry->rank = count;
    for (int32_t d = 0; d < count; d++) entry->dims[d] = (int64_t)number[d];
    return 1;
  }

  /* data_offsets: the first byte in the data, and the byte behind the last */
  if (!read_numbers(header, number, 2, &count, "data_offsets are not two numbers")) return 0;
  if (count != 2) return fail(header, "data_offsets are not two numbers");
  entry->begin = number[0];
  entry->end = number[1];
  return 1;
}

/* Reads {"dtype": ..., "shape": ..., "data_offsets": ...}: the three fields in any order, each once, and no others. */
static int read_tensor(sac_header* header, sac_header_entry* entry) {
  int seen[FIELDS] = {0};
  if (!expect(header, '{', "a tensor's entry is not an object")) return 0;

  /* Read three fields. Each is known and none is repeated, so none can be missing. */
  for (int i = 0; i < FIELDS; i++) {
    sac_header_text key;
    if (i > 0 && !expect(header, ',', "a tensor's entry lacks dtype, shape or data_offsets")) return 0;
    if (!read_text(header, &key, "a tensor's entry lacks dtype, shape or data_offsets")) return 0;
    if (!expect(header, ':', "':' is missing")) return 0;
    const int field = find_field(&key);
    if (field == FIELDS) return fail(header, "unknown field in a tensor's entry");
    if (seen[field]++) return fail(header, "doubled field in a tensor's entry");
    if (!read_field(header, entry, field)) return 0;
  }

  return expect(header, '}', "'}' of a tensor's entry is missing") && check_entry(header, entry);
}

/* Checks that only blanks follow: writers pad the header with them. */
static int read_end(sac_header* header) {
  skip_space(header);
  if (header->position < header->size) return fail(header, "something follows the header's end");
  header->state = DONE;
  return 1;
}

/* Reads the name of an entry, which is a tensor's name or "__metadata__", and the ':' behind it. */
static int read_name(sac_header* header, sac_header_entry* entry) {
  if (header->state == NEXT && !expect(header, ',', "',' or '}' is missing")) return 0;
  if (!read_text(header, &entry->name, "a name is missing")) return 0;
  return expect(header, ':', "':' is missing");
}

/* Reads the start of the object that follows "__metadata__". */
static int enter_metadata(sac_header* header) {
  if (header->metadata_seen++) return fail(header, "__metadata__ is there twice");
  if (!expect(header, '{', "__metadata__ is not an object")) return 0;
  header->state = FIRST_METADATA;
  return 1;
}

/* Reads one "KEY": "VALUE" of the metadata. */
static int read_metadata(sac_header* header, sac_header_entry* entry) {
  if (header->state == NEXT_METADATA && !expect(header, ',', "',' or '}' is missing")) return 0;
  if (!read_text(header, &entry->name, "a key is missing")) return 0;
  if (!expect(header, ':', "':' is missing")) return 0;
  if (!read_text(header, &entry->value, "a value of __metadata__ is not a text")) return 0;
  header->state = NEXT_METADATA;
  return 1;
}

sac_header_kind sac_header_next(sac_header* header, sac_header_entry* entry) {
  /* after the end or an error, repeat the answer */
  if (header->state == DONE) return SAC_HEADER_END;
  if (header->state == BROKEN) return SAC_HEADER_BAD;

  /* the format wants '{' as the very first byte */
  if (header->state == START) {
    if (peek(header) != '{') return fail(header, "header does not begin with '{'"), SAC_HEADER_BAD;
    header->position++;
    header->state = FIRST;
  }

  /* Most calls return in the first round. A brace that begins or ends the metadata is no entry: go on. */
  for (;;) {
    const int in_metadata = header->state == FIRST_METADATA || header->state == NEXT_METADATA;
    memset(entry, 0, sizeof *entry);

    /* the end of the header, or of the metadata */
    if (accept(header, '}')) {
      if (!in_metadata) return read_end(header) ? SAC_HEADER_END : SAC_HEADER_BAD;
      header->state = NEXT;
      continue;
    }

    /* one pair of the metadata */
    if (in_metadata) return read_metadata(header, entry) ? SAC_HEADER_METADATA : SAC_HEADER_BAD;

    /* a tensor */
    if (!read_name(header, entry)) return SAC_HEADER_BAD;
    if (!sac_header_is(&entry->name, "__metadata__")) {
      header->state = NEXT;
      return read_tensor(header, entry) ? SAC_HEADER_TENSOR : SAC_HEADER_BAD;
    }

    /* or the start of the metadata: the next round reads its first pair */
    if (!enter_metadata(header)) return SAC_HEADER_BAD;
  }
}

int sac_header_is(const sac_header_text* text, const char* word) {
  return !text->escaped && text->size == strlen(word) && memcmp(text->at, word, text->size) == 0;
}

size_t sac_header_decode(const sac_header_text* text, char* out) {
  const char* at = text->at;
  const char* const end = text->at + text->size;
  char* to = out;

  /* Copy all characters except escapes. `to` never overtakes `at`, so `out` may be the text itself. */
  while (at < end) {
    uint32_t c = 0;
    if (*at != '\\') {
      *to++ = *at++;
      continue;
    }

    /* Write the character of the escape as UTF-8, in 1 to 4 bytes: never longer than the escape. Each byte after the
     * first holds 6 bits. */
    at += escape(at, (size_t)(end - at), &c);
    if (c < 0x80) {
      *to++ = (char)c;
    } else if (c < 0x800) {
      *to++ = (char)(0xC0 | c >> 6);
      *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      *to++ = (char)(0xE0 | c >> 12);
      *to++ = (char)(0x80 | (c >> 6 & 0x3F));
      *to++ = (char)(0x80 | (c & 0x3F));
    } else {
      *to++ = (char)(0xF0 | c >> 18);
      *to++ = (char)(0x80 | (c >> 12 & 0x3F));
      *to++ = (char)(0x80 | (c >> 6 & 0x3F));
      *to++ = (char)(0x80 | (c & 0x3F));
    }
  }
  return (size_t)(to - out);
}
