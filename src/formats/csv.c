#include "formats/csv.h"

#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "util/memory.h"
#include "util/number.h"
#include "util/text.h"

#define BLANKS " \t\r"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_\"" /* that begin the name of a column */

/* Where the text is read. */
typedef struct reader {
  const char* name;
  size_t line;        /* from 1 */
  int header;         /* 1: the names of the columns were read */
  size_t count, room; /* values that are read, and that fit */
  sac_csv* csv;
} reader;

/* Appends a number. */
static sac_status append(reader* r, double value) {
  /* twice the room where it is full */
  if (r->count == r->room) {
    const size_t room = r->room ? 2 * r->room : 256;
    double* larger = sac_alloc(sac_bytes(room, sizeof *larger));
    if (!larger) return sac_fail(SAC_ERROR_MEMORY, "%s: not enough memory for its numbers", r->name);
    if (r->count > 0) memcpy(larger, r->csv->value, r->count * sizeof *larger);
    sac_free(r->csv->value);
    r->csv->value = larger;
    r->room = room;
  }
  r->csv->value[r->count++] = value;
  return SAC_OK;
}

/* Whether a word is the name of a column: it begins with a letter or a quote, and is no number of any kind. */
static int is_name(const char* word, size_t length) {
  char copy[SAC_NUMBER_MAX], *end;
  if (length == 0 || !strchr(LETTERS, word[0])) return 0;
  if (length >= sizeof copy) return 1;
  memcpy(copy, word, length);
  copy[length] = '\0';
  (void)strtod(copy, &end); /* "nan", "inf" */
  return *end != '\0';
}

/* Whether a line is the names of the columns: the first line that is read, with names alone. */
static int is_header(reader* r, const char* text) {
  if (r->csv->rows > 0 || r->header) return 0;
  for (size_t length; *text; text += length + strspn(text + length, "," BLANKS)) {
    length = strcspn(text, "," BLANKS);
    if (!is_name(text, length)) return 0;
  }
  r->header = 1;
  return 1;
}

/* Reads one line, which ends with '\0'. */
static sac_status read_line(reader* r, char* text) {
  const size_t first = r->count;
  char shown[SAC_SHOW_MAX];
  sac_status status = SAC_OK;

  /* skip blanks, empty lines and comments */
  text += strspn(text, BLANKS);
  if (*text == '\0' || *text == '#' || is_header(r, text)) return SAC_OK;

  for (;;) {
    /* one word, whose end is cut for the parser */
    const size_t length = strcspn(text, "," BLANKS);
    char* end = text + length;
    const char* after = end + strspn(end, BLANKS);
    const int comma = *after == ',';
    double value;
    *end = '\0';
    if (length == 0) return sac_fail(SAC_ERROR_FORMAT, "%s:%zu: a number is missing at a comma", r->name, r->line);
    if (sac_parse_real(text, &value) != SAC_NUMBER_OK)
      return sac_fail(SAC_ERROR_FORMAT, "%s:%zu: '%s' is no number, or beyond the range of double", r->name, r->line,
                      sac_text_show(shown, text, SIZE_MAX));
    SAC_TRY(append(r, value));

    /* go on behind a comma or blanks, to the end of the line */
    if (!comma && *after == '\0') break;
    text += (size_t)(after - text) + (size_t)comma;
    text += strspn(text, BLANKS);
  }

  /* the first row says how many columns there are */
  const size_t columns = r->count - first;
  if (r->csv->rows == 0) r->csv->columns = columns;
  if (columns != r->csv->columns)
    return sac_fail(SAC_ERROR_FORMAT, "%s:%zu: the row has %zu numbers, the first row has %zu", r->name, r->line,
                    columns, r->csv->columns);
  r->csv->rows++;
fail:
  return status;
}

sac_status sac_csv_parse(sac_csv* csv, char* text, size_t size, const char* name) {
  reader r = {.name = name, .csv = csv};
  sac_status status = SAC_OK;
  *csv = (sac_csv){0};
  for (char *line = text, *stop = text + size; line < stop;) {
    /* cut the text at the end of the line; a '\0' within a line would hide the rest of it */
    char* end = memchr(line, '\n', (size_t)(stop - line));
    if (!end) end = stop;
    *end = '\0';
    r.line++;
    if (strlen(line) != (size_t)(end - line))
      SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s:%zu: the line has a zero byte; a row is numbers with commas between them",
                       name, r.line));
    SAC_TRY(read_line(&r, line));
    line = end + 1;
  }
  if (csv->rows == 0) SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: the file has no row of numbers", name));
  return SAC_OK;
fail:
  sac_free(csv->value);
  *csv = (sac_csv){0};
  return status;
}

sac_status sac_csv_read(sac_csv* csv, const char* path) {
  void* bytes = NULL;
  size_t size = 0;
  *csv = (sac_csv){0};
  sac_status status = sac_read_file(path, SAC_CSV_BYTES, &bytes, &size);
  if (status == SAC_OK) status = sac_csv_parse(csv, bytes, size, path);
  free(bytes);
  return status;
}
