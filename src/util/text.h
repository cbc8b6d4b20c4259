/* Text for messages: the nearest word of a list, sizes in bytes, and text that is safe to print. Any thread. */
#ifndef SAC_UTIL_TEXT_H
#define SAC_UTIL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define SAC_BYTES_MAX 48 /* chars that hold any sac_text_bytes */
#define SAC_SHOW_MAX 96  /* chars that hold any sac_text_show */
#define SAC_WORD_MAX 1100

/* The number of half edits from one text to the other. An edit inserts, deletes or replaces a character, or swaps two
 * neighbours, and counts 2; a letter in the wrong case counts 1. Compares the first 128 bytes. */
unsigned sac_text_distance(const char* a, const char* b);

/* The same up to `limit`; limit + 1 for any larger distance, which takes less time. */
unsigned sac_text_distance_within(const char* a, const char* b, unsigned limit);

/* The largest distance at which two texts are near: a third of the longer one may differ. */
unsigned sac_text_near(const char* a, const char* b);

/* The entry of `list` with the smallest distance to `word`; the first one when several are equally near. The list has
 * `count` entries, or ends with NULL (count: SIZE_MAX). Entries are ignored where more characters than a third of the
 * longer word would change, unless they hold the whole word, of three characters or more; NULL when none is left. */
const char* sac_nearest(const char* word, const char* const* list, size_t count);

/* Whether two texts are equal apart from the case of ASCII letters, in any locale. */
int sac_text_same(const char* a, const char* b);

/* "512 B", "3.1 GB": powers of 1000, one digit behind the point below 100 units. Returns `text`. */
const char* sac_text_bytes(char text[SAC_BYTES_MAX], uint64_t bytes);

/* Makes `length` bytes (SIZE_MAX: up to the '\0') safe for a message: control characters and bytes that are not UTF-8
 * become \xNN, long text is cut and ends with "...". Returns `shown`. */
const char* sac_text_show(char shown[SAC_SHOW_MAX], const char* text, size_t length);

/* A path as one word of a command, for messages: in quotes where it has blanks or the like, behind "./" where
 * its '-' would begin an option. The word may be cut at its end. Returns `word`. */
const char* sac_text_word(char word[SAC_WORD_MAX], const char* path);

/* Makes a whole message safe to print, in place: control characters other than newline and tab, and bytes that are not
 * UTF-8, become '?'. */
void sac_text_clean(char* text);

/* Whether `length` bytes are valid UTF-8 (no surrogates, no overlong forms) without control characters. */
int sac_text_printable(const char* text, size_t length);

/* Appends (printf) at text[*used], never beyond `size`. *used is the length of the text, at most size - 1. */
void sac_text_append(char* text, size_t size, size_t* used, const char* format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends `string`, which is valid UTF-8, in double quotes, escaped so that both JSON and YAML read it back. */
void sac_text_append_quoted(char* text, size_t size, size_t* used, const char* string);

#endif
