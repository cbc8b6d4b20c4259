/* A CSV file that grows by complete rows: metrics.csv and evaluations.csv. The first cell of a row is its step, and the
 * rows are in the order of their steps. */
#ifndef SAC_TRAIN_TABLE_H
#define SAC_TRAIN_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "util/file.h"

typedef struct sac_table {
  char path[SAC_PATH_MAX];
  int fd;          /* -1: closed */
  uint64_t whole;  /* bytes of the header and of complete rows */
  uint64_t size;   /* bytes in the file, with those of the row that is being written */
  int64_t rows;    /* complete rows */
  int64_t last;    /* the step of the last of them; -1: there is none */
  int64_t step;    /* the step of the row that is being written */
  int64_t damaged; /* lines that were left out when the file was opened, because they are no rows */
  size_t used;     /* bytes in the buffer, which are not yet in the file */
  char buffer[4096];

  /* between read and start */
  char* text;       /* what was in the file, with the line ends of Linux; '\0' at the end */
  size_t text_size; /* bytes in it */
  int changed;      /* 1: the file has other bytes, those of `raw` (raw_size) */
  char* raw;
  size_t raw_size;
} sac_table;

/* Opening takes two calls, as the caller may choose the header by that of the file. read: finds DIR/NAME; resumed: 0
 * for a new table, which replaces an old one. Line ends of Windows and a byte order mark are taken. start: cuts the
 * table to the rows with step <= last (-1: to none), and writes the header of a new one. A line that is no row of this
 * header is left out, and the file is kept as NAME.damaged. An incomplete last line is left by a killed process or a
 * power cut, and removed. Errors: FILE (also: the file has another header), MEMORY. */
sac_status sac_table_read(sac_table* table, const char* dir, const char* name, int resumed);
sac_status sac_table_start(sac_table* table, const char* header, int64_t last);

/* Takes a table that is closed (fd -1), or whose opening has failed. */
void sac_table_close(sac_table* table);

/* Write a row: begin with its step, then cells, each after `before`, its separator; NaN gives an empty cell. end writes
 * the rest to the file; the row counts only after keep. Errors: FILE; nothing of the row remains. */
sac_status sac_table_begin(sac_table* table, int64_t step);
sac_status sac_table_real(sac_table* table, const char* before, double value);
sac_status sac_table_integer(sac_table* table, const char* before, int64_t value);
sac_status sac_table_end(sac_table* table);
void sac_table_keep(sac_table* table);

/* Removes a row that was not kept. Returns `status`. */
sac_status sac_table_drop(sac_table* table, sac_status status);

/* Writes the table again with `names` at the end of its header and `cells` at the end of each row; both end with '\n'.
 * An error changes nothing. Errors: FILE, MEMORY. */
sac_status sac_table_widen(sac_table* table, const char* names, const char* cells);

/* Syncs the rows to the disk (sac_sync_named). Errors: FILE, MEMORY. */
sac_status sac_table_sync(sac_table* table, int* again);

#endif
