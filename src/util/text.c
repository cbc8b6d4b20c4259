#include "util/text.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

#define COMPARED_MAX 128 /* bytes of a text that sac_text_distance compares */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

int sac_text_same(const char* a, const char* b) {
  while (*a && lower(*a) == lower(*b)) a++, b++;
  return lower(*a) == lower(*b);
}

/* The cost of replacing a by b: 0 if equal, 1 if only the case differs, 2 otherwise. Any other edit costs 2. */
static unsigned replace_cost(char a, char b) {
  if (a == b) return 0;
  return lower(a) == lower(b) ? 1 : 2;
}

static unsigned min_of(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned sac_text_distance(const char* a, const char* b) { return sac_text_distance_within(a, b, UINT_MAX - 1); }

unsigned sac_text_near(const char* a, const char* b) {
  const size_t x = strnlen(a, COMPARED_MAX), y = strnlen(b, COMPARED_MAX);
  return (unsigned)(2 * (x > y ? x : y) / 3); /* half edits */
}

unsigned sac_text_distance_within(const char* a, const char* b, unsigned limit) {
  const size_t rows = strnlen(a, COMPARED_MAX), columns = strnlen(b, COMPARED_MAX);
  const size_t extra = rows > columns ? rows - columns : columns - rows;
  unsigned least = 0; /* of the row above */

  /* each character that one text has more is an edit */
  if (2 * extra > limit) return limit + 1;

  /* Optimal string alignment by dynamic programming. Entry (i, j) of the table is the distance between the first i
   * characters of a and the first j of b. Only rows i - 2, i - 1 and i are kept; row i lies at index i % 3. */
  unsigned table[3][COMPARED_MAX + 1];
  for (size_t j = 0; j <= columns; j++) table[0][j] = (unsigned)(2 * j);

  /* each entry is the cheapest of: replace a character, delete one, insert one, swap two neighbours */
  for (size_t i = 1; i <= rows; i++) {
    unsigned *now = table[i % 3], *above = table[(i + 2) % 3], *twice = table[(i + 1) % 3];
    unsigned smallest = now[0] = (unsigned)(2 * i);
    for (size_t j = 1; j <= columns; j++) {
      now[j] = min_of(above[j - 1] + replace_cost(a[i - 1], b[j - 1]), min_of(above[j], now[j - 1]) + 2);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = min_of(now[j], twice[j - 2] + 2);
      smallest = min_of(smallest, now[j]);
    }

    /* no entry grows smaller; the swap of two neighbours passes over one row, but not over two */
    if (smallest > limit && least > limit) return limit + 1;
    least = smallest;
  }
  return min_of(table[rows % 3][columns], limit + 1);
}

/* Whether `text` holds `word`, in any case of its letters. */
static int holds(const char* text, const char* word) {
  for (; *text; text++) {
    size_t i = 0;
    while (word[i] && lower(text[i]) == lower(word[i])) i++;
    if (!word[i]) return 1;
  }
  return 0;
}

const char* sac_nearest(const char* word, const char* const* list, size_t count) {
  const char* best = NULL;
  unsigned best_distance = 0;
  for (size_t i = 0; i < count && list[i]; i++) {
    const int is_held = strnlen(word, 3) == 3 && holds(list[i], word);
    const unsigned near = sac_text_near(word, list[i]);
    const unsigned distance = sac_text_distance_within(word, list[i], is_held ? UINT_MAX - 1 : near);

    /* skip words that are too different */
    if (distance > near && !is_held) continue;

    /* of equally near words the first one stays */
    if (best && distance >= best_distance) continue;
    best = list[i];
    best_distance = distance;
  }
  return best;
}

const char* sac_text_bytes(char text[SAC_BYTES_MAX], uint64_t bytes) {
  static const char* const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  uint64_t unit = 1;
  int step = 0;

  /* choose the unit: the larger one already from 999.5, which would be rounded to 1000 of the smaller one */
  while (step < 6 && (step == 0 ? bytes >= 1000 : bytes / unit * 2 + bytes % unit * 2 / unit >= 1999))
    unit *= 1000, step++;
  const uint64_t whole = bytes / unit, rest = bytes % unit;

  /* bytes have no fraction */
  if (step == 0) {
    snprintf(text, SAC_BYTES_MAX, "%" PRIu64 " B", bytes);
    return text;
  }

  /* Round to tenths. Print one digit behind the point below 100, none from 100 on. */
  uint64_t tenths = whole * 10 + (rest + unit / 20) / (unit / 10);
  if (tenths < 1000) snprintf(text, SAC_BYTES_MAX, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[step]);
  else snprintf(text, SAC_BYTES_MAX, "%" PRIu64 " %s", whole + (rest >= unit / 2), units[step]);
  return text;
}

/* The length of the character at `text`, of `length` bytes that follow. 0 when it is not valid UTF-8 or is a control
 * character: below space, DEL, or U+0080 to U+009F. */
static size_t printable(const char* text, size_t length) {
  const size_t size = sac_utf8_length(text, length);
  const unsigned char first = (unsigned char)text[0];
  if (size == 1 && (first < 0x20 || first == 0x7F)) return 0;
  if (size == 2 && first == 0xC2 && (unsigned char)text[1] < 0xA0) return 0;
  return size;
}

int sac_text_printable(const char* text, size_t length) {
  for (size_t i = 0, size; i < length; i += size)
    if ((size = printable(text + i, length - i)) == 0) return 0;
  return 1;
}

void sac_text_clean(char* text) {
  const size_t length = strlen(text);
  size_t used = 0;
  for (size_t i = 0, size; i < length; i += size) {
    /* keep a character that can be shown; a control character of two bytes becomes one '?' */
    size = printable(text + i, length - i);
    const int keep = size > 0 || text[i] == '\n' || text[i] == '\t';
    if (size == 0) size = (unsigned char)text[i] == 0xC2 && sac_utf8_length(text + i, length - i) == 2 ? 2 : 1;

    /* the text never grows, so that it can be written over itself */
    if (keep) memmove(text + used, text + i, size);
    else text[used] = '?';
    used += keep ? size : 1;
  }
  text[used] = '\0';
}

const char* sac_text_show(char shown[SAC_SHOW_MAX], const char* text, size_t length) {
  if (length == SIZE_MAX) length = strlen(text);
  const size_t room = SAC_SHOW_MAX - sizeof "...";
  size_t used = 0;

  /* copy character by character, so that a long text is never cut inside a character */
  for (size_t i = 0; i < length;) {
    /* a byte that cannot be shown takes 4 characters: \xNN */
    const size_t size = printable(text + i, length - i), takes = size ? size : 4;

    /* end with "..." where the next character does not fit */
    if (used + takes > room) {
      memcpy(shown + used, "...", 3);
      used += 3;
      break;
    }

    /* copy the character, or write its byte as \xNN */
    if (size) memcpy(shown + used, text + i, size);
    else snprintf(shown + used, 5, "\\x%02X", (unsigned char)text[i]);
    used += takes;
    i += size ? size : 1;
  }
  shown[used] = '\0';
  return shown;
}

const char* sac_text_word(char word[SAC_WORD_MAX], const char* path) {
  static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-:,@%=";
  const int plain = strspn(path, safe) == strlen(path);
  size_t used = 0;

  /* double quotes, with a backslash before what a shell reads in them; single ones for '!', which no backslash helps */
  const int single = strchr(path, '!') != NULL;
  const char *quote = plain ? "" : single ? "'" : "\"", *escaped = plain ? "" : single ? "'" : "\"\\$`";
  const char *before = single ? "'\\" : "\\", *behind = single ? "'" : "";

  /* write the word */
  word[0] = '\0';
  sac_text_append(word, SAC_WORD_MAX, &used, "%s", quote);
  if (path[0] == '-') sac_text_append(word, SAC_WORD_MAX, &used, "./"); /* or it would be an option */
  for (const char* c = path; *c; c++) {
    const int read = strchr(escaped, *c) != NULL;
    sac_text_append(word, SAC_WORD_MAX, &used, "%s%c%s", read ? before : "", *c, read ? behind : "");
  }
  sac_text_append(word, SAC_WORD_MAX, &used, "%s", quote);
  return word;
}

void sac_text_append(char* text, size_t size, size_t* used, const char* format, ...) {
  if (*used + 1 >= size) return;

  /* print behind the text, in the space that is left */
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(text + *used, size - *used, format, args);
  va_end(args);

  /* an error leaves the text as it was; a piece that was cut fills the space */
  if (length < 0) {
    text[*used] = '\0';
    return;
  }
  *used += (size_t)length < size - *used ? (size_t)length : size - *used - 1;
}

/* Whether YAML needs an escape for this character in a quoted string: control characters, line breaks, the byte order
 * mark and two code points that are no characters. JSON reads the same escapes. */
static int needs_escape(unsigned code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029 || code == 0xFEFF ||
         code == 0xFFFE || code == 0xFFFF;
}

void sac_text_append_quoted(char* text, size_t size, size_t* used, const char* string) {
  sac_text_append(text, size, used, "\"");
  const size_t length = strlen(string);
  for (size_t i = 0, bytes; i < length; i += bytes) {
    const unsigned char* c = (const unsigned char*)string + i;

    /* Decode the character. Only characters up to U+FFFF (3 bytes) may need an escape, so 4 bytes are not decoded. */
    bytes = sac_utf8_length(string + i, length - i);
    if (bytes == 0) bytes = 1;
    unsigned code = c[0];
    if (bytes == 2) code = (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu);
    if (bytes == 3) code = (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);

    /* quotes and backslashes get a backslash, control characters become \uXXXX, all others stay */
    if (*c == '"' || *c == '\\') sac_text_append(text, size, used, "\\%c", *c);
    else if (bytes < 4 && needs_escape(code)) sac_text_append(text, size, used, "\\u%04X", code);
    else sac_text_append(text, size, used, "%.*s", (int)bytes, (const char*)c);
  }
  sac_text_append(text, size, used, "\"");
}
