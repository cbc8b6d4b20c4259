#include "train/table.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/number.h"

/* --- rows --------------------------------------------------------------------------------------------------------- */

sac_status sac_table_drop(sac_table* table, sac_status status) {
  table->used = 0;
  table->size = table->whole;
  (void)!ftruncate(table->fd, (off_t)table->whole);
  return status;
}

/* Writes the buffer to the file. An error removes the whole row. */
static sac_status flush(sac_table* table) {
  const sac_status status = sac_write_at(table->fd, table->path, table->size, table->buffer, table->used);
  if (status != SAC_OK) return sac_table_drop(table, status);
  table->size += table->used;
  table->used = 0;
  return SAC_OK;
}

/* Appends text to the row, through the buffer. */
static sac_status put(sac_table* table, const char* text, size_t length) {
  sac_status status = SAC_OK;
  while (length > 0) {
    /* fill the buffer, and write it each time it is full */
    const size_t left = sizeof table->buffer - table->used, n = length < left ? length : left;
    memcpy(table->buffer + table->used, text, n);
    table->used += n;
    text += n;
    length -= n;
    if (table->used == sizeof table->buffer) SAC_TRY(flush(table));
  }
fail:
  return status;
}

sac_status sac_table_real(sac_table* table, const char* before, double value) {
  char text[SAC_NUMBER_MAX];
  const sac_status status = put(table, before, strlen(before));
  return status != SAC_OK || isnan(value) ? status : put(table, text, sac_print_real(text, value));
}

sac_status sac_table_integer(sac_table* table, const char* before, int64_t value) {
  char text[SAC_NUMBER_MAX];
  const sac_status status = put(table, before, strlen(before));
  return status != SAC_OK ? status : put(table, text, sac_print_integer(text, value));
}

sac_status sac_table_begin(sac_table* table, int64_t step) {
  table->step = step;
  return sac_table_integer(table, "", step);
}

sac_status sac_table_end(sac_table* table) {
  const sac_status status = put(table, "\n", 1);
  return status != SAC_OK ? status : flush(table);
}

void sac_table_keep(sac_table* table) {
  table->whole = table->size;
  table->rows++;
  table->last = table->step;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* Forgets what was read. */
static void free_text(sac_table* table) {
  free(table->text);
  free(table->raw);
  table->text = table->raw = NULL;
}

void sac_table_close(sac_table* table) {
  free_text(table);
  if (table->fd >= 0) (void)close(table->fd);
  table->fd = -1;
}

/* Copies the bytes of the file without a byte order mark, and without the '\r' of line ends. */
static void copy_text(sac_table* table) {
  const char *from = table->raw, *end = from + table->raw_size;
  char* to = table->text;
  if (table->raw_size >= 3 && memcmp(from, "\xef\xbb\xbf", 3) == 0) from += 3;
  for (; from < end; from++)
    if (!(*from == '\r' && from + 1 < end && from[1] == '\n')) *to++ = *from;
  *to = '\0';
  table->text_size = (size_t)(to - table->text);
  table->changed = table->text_size != table->raw_size;
}

sac_status sac_table_read(sac_table* table, const char* dir, const char* name, int resumed) {
  void* raw = NULL;
  size_t size = 0;
  sac_status status = SAC_OK;
  table->fd = -1;
  table->last = -1;

  /* read the file, unless it is new */
  SAC_TRY(sac_path(table->path, "%s/%s", dir, name));
  if (resumed && sac_file_exists(table->path)) SAC_TRY(sac_read_file(table->path, SIZE_MAX / 2, &raw, &size));
  table->raw = raw;
  table->raw_size = size;

  /* take it with the line ends of Linux */
  table->text = calloc(size + 1, 1);
  if (!table->text) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for the %zu bytes of %s", size, table->path));
  copy_text(table);
fail:
  return status;
}

/* The number of cells of a line that ends at `end`. */
static size_t count_cells(const char* line, const char* end) {
  size_t cells = 1;
  for (; line < end; line++) cells += *line == ',';
  return cells;
}

/* Whether a line is a row of `cells` cells. step: receives its first cell. */
static int is_row(const char* line, const char* end, size_t cells, int64_t* step) {
  char cell[SAC_NUMBER_MAX];
  const size_t length = strcspn(line, ",\n");
  if (length >= sizeof cell || count_cells(line, end) != cells) return 0;
  memcpy(cell, line, length);
  cell[length] = '\0';
  return sac_parse_integer(cell, step) == SAC_NUMBER_OK;
}

/* Moves the rows with step <= last to the front of the text, behind its header, and leaves out what is no row. */
static void keep_rows(sac_table* table, size_t header, int64_t last) {
  const char *line = table->text + header, *all = table->text + table->text_size, *end;
  const size_t cells = count_cells(table->text, line);
  int64_t step, after = 0;
  char* to = table->text + header;

  /* lines that are no rows count only if a row of before `last` follows them: later ones are not needed */
  for (; (end = memchr(line, '\n', (size_t)(all - line))); line = end + 1) {
    if (!is_row(line, end, cells, &step)) {
      after++;
      continue;
    }
    if (step > last) break;
    memmove(to, line, (size_t)(end - line) + 1);
    to += end - line + 1;
    table->rows++;
    table->last = step;
    table->damaged += after;
    after = 0;
  }
  table->whole = (uint64_t)(to - table->text);
  table->changed |= table->damaged > 0;
}

/* Keeps the file as it was, before it is written without the lines that are no rows. */
static sac_status keep_damaged(const sac_table* table) {
  char path[SAC_PATH_MAX];
  const sac_status status = sac_path(path, "%s.damaged", table->path);
  return status == SAC_OK ? sac_write_file(path, table->raw, table->raw_size) : status;
}

/* Opens the file, whose first table->whole bytes are those of the text, and cuts it there. */
static sac_status cut(sac_table* table) {
  struct stat info;
  sac_status status = SAC_OK;

  /* a file that has other bytes is written again; so is one of which a kill has left only the old one, aside */
  if (table->changed || (table->text_size > 0 && access(table->path, F_OK) != 0)) goto again;
  SAC_TRY(sac_open_kept(&table->fd, table->path, O_RDWR | O_CREAT));
  if (fstat(table->fd, &info) == 0 && info.st_size <= (off_t)table->whole) return SAC_OK;
  if (ftruncate(table->fd, (off_t)table->whole) == 0) return SAC_OK;

  /* and where the file system cannot shorten one */
  (void)close(table->fd);
  table->fd = -1;
again:
  SAC_TRY(sac_write_file(table->path, table->text, table->whole));
  SAC_TRY(sac_open_kept(&table->fd, table->path, O_RDWR));
fail:
  return status;
}

sac_status sac_table_start(sac_table* table, const char* header, int64_t last) {
  const size_t size = strlen(header), there = table->text_size;
  sac_status status = SAC_OK;

  /* check the header; an incomplete one is left by a process that was killed */
  if (memcmp(table->text, header, there < size ? there : size) != 0) {
    status = sac_fail(SAC_ERROR_FILE, "%s has other columns than this version writes: move it away", table->path);
    goto fail;
  }

  /* cut it to the rows that stay */
  if (there >= size) keep_rows(table, size, last);
  if (table->damaged) SAC_TRY(keep_damaged(table));
  SAC_TRY(cut(table));

  /* write the header of a new file */
  table->size = table->whole;
  if (table->whole == 0) {
    SAC_TRY(put(table, header, size));
    SAC_TRY(flush(table));
    table->whole = table->size;
  }
fail:
  free_text(table);
  return status;
}

/* --- writing it again --------------------------------------------------------------------------------------------- */

/* Reads the header and the complete rows. The caller frees *text. */
static sac_status read_rows(const sac_table* table, char** text) {
  *text = malloc((size_t)table->whole + 1);
  if (!*text) return sac_fail(SAC_ERROR_MEMORY, "no memory for the rows of %s", table->path);
  return sac_read_at(table->fd, table->path, 0, *text, (size_t)table->whole);
}

/* Gives the file its name, and goes on in it. */
static sac_status go_on_in(sac_table* table, sac_file* file) {
  /* a second descriptor, taken before the rename: after it nothing may fail */
  const int fd = sac_descriptor_keep(fcntl(file->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (fd < 0) {
    const sac_status status = sac_fail(SAC_ERROR_FILE, "cannot write %s: %s", table->path, strerror(errno));
    sac_file_abandon(file);
    return status;
  }

  /* once it has its name, an error of the last step, the sync of the folder, changes no more than that */
  const uint64_t size = file->size;
  const sac_status status = sac_file_commit(file);
  if (status != SAC_OK && !sac_is_named(fd, table->path)) {
    (void)close(fd);
    return status;
  }
  (void)close(table->fd);
  table->fd = fd;
  table->whole = table->size = size;
  return SAC_OK;
}

sac_status sac_table_widen(sac_table* table, const char* names, const char* cells) {
  char* text = NULL;
  sac_status status = SAC_OK;
  sac_file* file = malloc(sizeof *file);
  if (!file) return sac_fail(SAC_ERROR_MEMORY, "no memory for metrics");

  /* every line of the table is complete */
  SAC_TRY(read_rows(table, &text));
  SAC_TRY(sac_file_begin(file, table->path));
  for (const char *line = text, *last = line + table->whole, *end; line < last; line = end + 1) {
    const char* more = line == text ? names : cells;
    end = memchr(line, '\n', (size_t)(last - line));
    if (!end) break;
    SAC_TRY(sac_file_put(file, line, (size_t)(end - line)));
    SAC_TRY(sac_file_put(file, more, strlen(more)));
  }
  SAC_TRY(go_on_in(table, file));
fail:
  free(text);
  free(file);
  return status;
}

sac_status sac_table_sync(sac_table* table, int* again) {
  return sac_sync_named(table->fd, table->path, table->whole, O_RDWR, again);
}
