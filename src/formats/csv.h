/* A table of numbers as text: a row a line, numbers separated by commas or blanks. Empty lines and lines that begin
 * with # are skipped, and so is a first line of names alone. All rows have the same number of columns, and all numbers
 * are finite. */
#ifndef SAC_FORMATS_CSV_H
#define SAC_FORMATS_CSV_H

#include <stddef.h>

#include <sac/status.h>

#define SAC_CSV_BYTES ((size_t)64 << 20)

typedef struct sac_csv {
  size_t rows, columns; /* at least 1 */
  double* value;        /* (rows, columns) */
} sac_csv;

/* Reads a file of at most SAC_CSV_BYTES. The caller frees csv->value with sac_free; it is NULL on error. Errors: FILE,
 * FORMAT (the message has the line: "pi.csv:3: ..."), MEMORY. */
sac_status sac_csv_read(sac_csv* csv, const char* path);

/* The same from memory: `size` bytes, with a '\0' behind the last one. `name` is for messages. text is changed. */
sac_status sac_csv_parse(sac_csv* csv, char* text, size_t size, const char* name);

#endif
