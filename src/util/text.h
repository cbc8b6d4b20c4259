/* Text for people: what was probably meant, sizes in bytes, and what may safely be shown. Any thread. */
#ifndef SAC_UTIL_TEXT_H
#define SAC_UTIL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define SAC_BYTES_MAX 48 /* chars that hold any sac_text_bytes */
#define SAC_SHOW_MAX 96  /* chars that hold any sac_text_show */

/* Edits (insert, delete, replace a character; swap two neighbours) from one text to the other; a letter in the wrong
 * case counts half. In halves: 2 is one edit. Texts beyond 128 bytes are compared by their first 128. */
unsigned sac_text_distance(const char* a, const char* b);

/* The entry of `list` (count, or NULL-terminated when count is SIZE_MAX) nearest to `word`; the first of equals.
 * NULL when none is near enough to be what was meant (more than half of the longer one differs). */
const char* sac_nearest(const char* word, const char* const* list, size_t count);

/* Whether two texts are the same but for the case of ASCII letters, in any locale. */
int sac_text_same(const char* a, const char* b);

/* "512 B", "3.1 GB": powers of 1000, one digit behind the point below 100. Returns `text`. */
const char* sac_text_bytes(char text[SAC_BYTES_MAX], uint64_t bytes);

/* `length` bytes (SIZE_MAX: up to the '\0') fit for a message: control characters and bytes that are not UTF-8 as \xNN,
 * long text cut with "...". Returns `shown`. */
const char* sac_text_show(char shown[SAC_SHOW_MAX], const char* text, size_t length);

/* Whether `length` bytes are valid UTF-8 (no surrogates, no overlong forms) without control characters. */
int sac_text_printable(const char* text, size_t length);

/* Appends (printf) at text[*used], never beyond `size`; *used counts what is there, at most size - 1. */
void sac_text_append(char* text, size_t size, size_t* used, const char* format, ...)
    __attribute__((format(printf, 4, 5)));

/* As above: `string` in double quotes, escaped so that JSON and YAML both read it back. Valid UTF-8. */
void sac_text_append_quoted(char* text, size_t size, size_t* used, const char* string);

#endif
