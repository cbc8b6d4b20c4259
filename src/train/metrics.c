#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sac/statistics.h>

#include "formats/tensorboard.h"
#include "util/error.h"
#include "util/file.h"
#include "util/number.h"

/* Each table below holds one part of each metric's line: name, tag or meaning. */
#define METRIC_NAME(name, ...) [SAC_METRIC_##name] = #name,
#define METRIC_TAG(name, tag, meaning) [SAC_METRIC_##name] = tag,
#define METRIC_MEANING(name, tag, meaning) [SAC_METRIC_##name] = meaning,
#define STATISTIC_TAG(name, column, watched, each, over, value, tag, meaning) [SAC_METRIC_##name] = tag,
#define STATISTIC_MEANING(name, column, watched, each, over, value, tag, meaning) [SAC_METRIC_##name] = meaning,
#define STATISTIC_METRIC(name, ...) SAC_METRIC_##name,
#define STAGE_NAME(NAME, name, words) SAC_METRIC_STAGE(METRIC_NAME, name)
#define STAGE_TAG(NAME, name, words) SAC_METRIC_STAGE(METRIC_TAG, name)
#define STAGE_MEANING(NAME, name, words) SAC_METRIC_STAGE(METRIC_MEANING, name)
const char* const sac_metric_names[SAC_METRIC_COUNT] = {
    SAC_METRICS(METRIC_NAME, SAC_STATISTICS(METRIC_NAME), SAC_STAGES(STAGE_NAME))};
const char* const sac_metric_tags[SAC_METRIC_COUNT] = {
    SAC_METRICS(METRIC_TAG, SAC_STATISTICS(STATISTIC_TAG), SAC_STAGES(STAGE_TAG))};
const char* const sac_metric_meanings[SAC_METRIC_COUNT] = {
    SAC_METRICS(METRIC_MEANING, SAC_STATISTICS(STATISTIC_MEANING), SAC_STAGES(STAGE_MEANING))};
const int sac_metric_of_statistic[] = {SAC_STATISTICS(STATISTIC_METRIC)};

static const char evaluations_header[] = "step,mean,std,episodes,returns,lengths\n";

#define NAME_MAX_BYTES 64                /* of a metric's name */
#define COLUMNS_MAX (2 * SAC_METRIC_MAX) /* those of an older table, and behind them new ones */
#define HEADER_MAX ((size_t)COLUMNS_MAX * NAME_MAX_BYTES * 2)

#define EVALUATIONS_MAX ((size_t)1 << 30) /* bytes of the largest evaluations.csv that is read */

_Static_assert(SAC_METRIC_MAX <= SAC_EVENTS_SCALARS_MAX, "a row is one event");

int32_t sac_metric_list_term(sac_metric_list* list, const char* info) {
  const int32_t terms = list->count - SAC_METRIC_COUNT;
  for (int32_t k = 0; k < terms; k++)
    if (strcmp(list->info[k] + sizeof SAC_INFO_PREFIX - 1, info) == 0) return k;
  if (terms == SAC_ENV_INFO_MAX) return -1;

  /* the name of a term is its tag too */
  (void)snprintf(list->info[terms], sizeof list->info[terms], SAC_INFO_PREFIX "%s", info);
  list->name[list->count] = list->tag[list->count] = list->info[terms];
  list->count++;
  return terms;
}

void sac_metric_list_fill(sac_metric_list* list, const char* const* info, int32_t count) {
  /* first the metrics of every run */
  list->count = SAC_METRIC_COUNT;
  memcpy(list->name, sac_metric_names, sizeof sac_metric_names);
  memcpy(list->tag, sac_metric_tags, sizeof sac_metric_tags);

  /* then the environment's terms */
  for (int32_t k = 0; k < count; k++) (void)sac_metric_list_term(list, info[k]);
}

/* A CSV file that grows by complete rows. */
typedef struct csv {
  char path[SAC_PATH_MAX];
  int fd;         /* -1: closed */
  uint64_t whole; /* bytes of the header and of complete rows */
  uint64_t size;  /* bytes in the file, with those of the row that is being written */
  size_t used;    /* bytes in the buffer, which are not yet in the file */
  char buffer[4096];
} csv;

struct sac_metrics_files {
  csv rows, evaluations;
  const sac_metric_list* list;
  int32_t known;               /* metrics of the list for which the table was last completed */
  int32_t columns;             /* number of columns of metrics.csv after the step */
  int32_t column[COLUMNS_MAX]; /* (columns) the metric in each column: its index in the list; -1: empty cells */
  sac_events events;
};

/* Removes an incomplete row from buffer and file. Returns `status`. */
static sac_status csv_drop(csv* table, sac_status status) {
  table->used = 0;
  table->size = table->whole;
  (void)!ftruncate(table->fd, (off_t)table->whole);
  return status;
}

/* Writes the buffer to the file. An error removes the whole row. */
static sac_status csv_flush(csv* table) {
  const sac_status status = sac_write_at(table->fd, table->path, table->size, table->buffer, table->used);
  if (status != SAC_OK) return csv_drop(table, status);
  table->size += table->used;
  table->used = 0;
  return SAC_OK;
}

/* Appends text to the row, through the buffer. */
static sac_status csv_put(csv* table, const char* text, size_t length) {
  sac_status status = SAC_OK;
  while (length > 0) {
    /* fill the buffer, and write it each time it is full */
    const size_t left = sizeof table->buffer - table->used, n = length < left ? length : left;
    memcpy(table->buffer + table->used, text, n);
    table->used += n;
    text += n;
    length -= n;
    if (table->used == sizeof table->buffer) SAC_TRY(csv_flush(table));
  }
fail:
  return status;
}

/* Appends a cell after `before`, its separator. NaN gives an empty cell. */
static sac_status csv_real(csv* table, const char* before, double value) {
  char text[SAC_NUMBER_MAX];
  const sac_status status = csv_put(table, before, strlen(before));
  return status != SAC_OK || isnan(value) ? status : csv_put(table, text, sac_print_real(text, value));
}

static sac_status csv_integer(csv* table, const char* before, int64_t value) {
  char text[SAC_NUMBER_MAX];
  const sac_status status = csv_put(table, before, strlen(before));
  return status != SAC_OK ? status : csv_put(table, text, sac_print_integer(text, value));
}

/* Writes the rest of the row to the file. The row counts as complete only after csv_keep. */
static sac_status csv_end(csv* table) {
  const sac_status status = csv_put(table, "\n", 1);
  return status != SAC_OK ? status : csv_flush(table);
}
static void csv_keep(csv* table) { table->whole = table->size; }

/* The bytes of the header and of all rows with step <= last. Rows are in order. A last line without its '\n' is
 * incomplete: the process was killed while it wrote the line. */
static size_t rows_up_to(const char* text, size_t size, size_t header, int64_t last) {
  size_t keep = header;
  while (keep < size) {
    const char* end = memchr(text + keep, '\n', size - keep);
    char cell[SAC_NUMBER_MAX];
    int64_t step;
    if (!end) break;

    /* read the step, which is the first cell */
    const size_t length = strcspn(text + keep, ",\n");
    if (length >= sizeof cell) break;
    memcpy(cell, text + keep, length);
    cell[length] = '\0';
    if (sac_parse_integer(cell, &step) != SAC_NUMBER_OK || step > last) break;
    keep = (size_t)(end - text) + 1;
  }
  return keep;
}

/* Opens the file and cuts it to its first table->whole bytes, which are at `text` too. */
static sac_status csv_cut(csv* table, const void* text) {
  struct stat info;
  sac_status status = SAC_OK;
  SAC_TRY(sac_open_kept(&table->fd, table->path, O_WRONLY | O_CREAT));
  if (fstat(table->fd, &info) == 0 && info.st_size <= (off_t)table->whole) {
    /* a kill while the file was replaced in two steps has left only the old one, which was read */
    if (info.st_size < (off_t)table->whole) SAC_TRY(sac_write_at(table->fd, table->path, 0, text, table->whole));
    return SAC_OK;
  }
  if (ftruncate(table->fd, (off_t)table->whole) == 0) return SAC_OK;

  /* write the file again where the file system cannot shorten one */
  close(table->fd);
  table->fd = -1;
  SAC_TRY(sac_write_file(table->path, table->whole ? text : "", table->whole));
  SAC_TRY(sac_open_kept(&table->fd, table->path, O_WRONLY));
fail:
  return status;
}

/* Opens a CSV file and cuts it to the rows with step <= last. last: -1 for a new file, which replaces an old one. */
static sac_status csv_open(csv* table, const char* dir, const char* name, const char* header, int64_t last) {
  sac_status status = SAC_OK;
  const size_t header_size = strlen(header);
  void* text = NULL;
  size_t size = 0;

  /* read the file, unless it is new */
  SAC_TRY(sac_path(table->path, "%s/%s", dir, name));
  if (last >= 0 && sac_file_exists(table->path)) SAC_TRY(sac_read_file(table->path, SIZE_MAX / 2, &text, &size));

  /* check the header; an incomplete one is left by a process that was killed */
  if (size > 0 && memcmp(text, header, size < header_size ? size : header_size) != 0) {
    status = sac_fail(SAC_ERROR_FILE, "%s has other columns than this version writes: move it away", table->path);
    goto fail;
  }

  /* cut it to the rows that stay */
  table->whole = size >= header_size ? rows_up_to(text, size, header_size, last) : 0;
  SAC_TRY(csv_cut(table, text));

  /* write the header of a new file */
  table->size = table->whole;
  if (table->whole == 0) {
    SAC_TRY(csv_put(table, header, header_size));
    SAC_TRY(csv_flush(table));
    csv_keep(table);
  }
fail:
  free(text);
  return status;
}

/* The index in the list of the metric with this name of `length` bytes; -1: none. */
static int32_t find_metric(const sac_metric_list* list, const char* name, size_t length) {
  for (int32_t m = 0; m < list->count; m++)
    if (strlen(list->name[m]) == length && memcmp(list->name[m], name, length) == 0) return m;
  return -1;
}

/* Takes over the columns of a table that is continued. line: its header. An older version may have written fewer
 * columns than the list has; columns of info terms that the environment no longer has get empty cells. Returns 0, and
 * changes nothing, if a column is neither a metric nor a term of info. */
static int take_columns(sac_metrics_files* files, const char* line) {
  int32_t count = 0, column[COLUMNS_MAX];
  if (strncmp(line, "step,", 5) != 0) return 0;

  /* find the metric of each column; at: the ',' before its name */
  for (const char* at = line + 4; *at == ',';) {
    const size_t length = strcspn(++at, ",\n"), prefix = strlen(SAC_INFO_PREFIX);
    const int32_t metric = find_metric(files->list, at, length);
    if (count == COLUMNS_MAX || (metric < 0 && strncmp(at, SAC_INFO_PREFIX, prefix) != 0)) return 0;
    column[count++] = metric;
    at += length;
  }

  /* change the files only now: the header is good */
  memcpy(files->column, column, sizeof *column * (size_t)count);
  files->columns = count;
  return 1;
}

/* Chooses the columns of metrics.csv: those of the list, or those of a file that is continued. header: receives the
 * header line. */
static sac_status choose_columns(sac_metrics_files* files, const char* dir, int resumed, char header[HEADER_MAX]) {
  const sac_metric_list* list = files->list;
  char path[SAC_PATH_MAX], line[HEADER_MAX];
  sac_status status = SAC_OK;

  /* make the header of a new table */
  size_t used = (size_t)snprintf(header, HEADER_MAX, "step"), got = 0;
  for (int32_t m = 0; m < list->count; m++) {
    used += (size_t)snprintf(header + used, HEADER_MAX - used, ",%s", list->name[m]);
    files->column[files->columns++] = m;
  }
  (void)snprintf(header + used, HEADER_MAX - used, "\n");

  /* take the header of a table that is continued, if the line is complete */
  SAC_TRY(sac_path(path, "%s/metrics.csv", dir));
  FILE* old = resumed ? fopen(path, "re") : NULL;
  if (!old) return SAC_OK; /* a new file, or csv_open reports what is wrong with it */
  if (fgets(line, sizeof line, old)) got = strlen(line);
  (void)fclose(old);
  if (got > 0 && line[got - 1] == '\n' && take_columns(files, line)) memcpy(header, line, got + 1);
fail:
  return status;
}

/* Lists the metrics without a column: their names, each after a ',', and a '\n' (HEADER_MAX), and an empty cell for
 * each (COLUMNS_MAX + 1). added: receives which they are. Returns how many. */
static int32_t missing_columns(const sac_metrics_files* files, char* names, char* cells, int32_t* added) {
  const sac_metric_list* list = files->list;
  int32_t count = 0;
  size_t used = 0;
  for (int32_t m = 0; m < list->count && files->columns + count < COLUMNS_MAX; m++) {
    int32_t k = 0;
    while (k < files->columns && files->column[k] != m) k++;
    if (k < files->columns) continue;
    used += (size_t)snprintf(names + used, HEADER_MAX - used, ",%s", list->name[m]);
    cells[count] = ',';
    added[count++] = m;
  }
  (void)snprintf(names + used, HEADER_MAX - used, "\n");
  (void)snprintf(cells + count, 2, "\n");
  return count;
}

/* Writes the table again under another name, with `names` at the end of its first line and `cells` at the end of the
 * others, and renames it. */
static sac_status rewrite(const csv* table, const char* names, const char* cells) {
  void* text = NULL;
  size_t size = 0;
  sac_status status = SAC_OK;
  sac_file* file = malloc(sizeof *file);
  if (!file) return sac_fail(SAC_ERROR_MEMORY, "no memory for metrics");

  /* every line of the table is complete */
  SAC_TRY(sac_read_file(table->path, SIZE_MAX / 2, &text, &size));
  SAC_TRY(sac_file_begin(file, table->path));
  for (const char *line = text, *last = line + table->whole, *end; line < last; line = end + 1) {
    const char* more = line == (const char*)text ? names : cells;
    end = memchr(line, '\n', (size_t)(last - line));
    if (!end) break;
    status = sac_file_put(file, line, (size_t)(end - line));
    if (status == SAC_OK) status = sac_file_put(file, more, strlen(more));
    if (status != SAC_OK) goto fail;
  }
  SAC_TRY(sac_file_commit(file));
fail:
  free(text);
  free(file);
  return status;
}

/* Gives columns to metrics that have none: terms of info that are new, or metrics that an older version did not have.
 * An error changes nothing, and the next call tries again. */
static sac_status complete_columns(sac_metrics_files* files) {
  csv* table = &files->rows;
  char names[HEADER_MAX], cells[COLUMNS_MAX + 2];
  int32_t added[COLUMNS_MAX];
  sac_status status = SAC_OK;
  const int32_t count = missing_columns(files, names, cells, added);
  if (count > 0) {
    SAC_TRY(rewrite(table, names, cells));

    /* go on in the new file */
    const int fd = sac_descriptor_keep(open(table->path, O_WRONLY | O_CLOEXEC));
    const off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    if (size < 0) {
      if (fd >= 0) (void)close(fd);
      return sac_fail(SAC_ERROR_FILE, "cannot write %s: %s", table->path, strerror(errno));
    }
    (void)close(table->fd);
    table->fd = fd;
    table->whole = table->size = (uint64_t)size;
    memcpy(files->column + files->columns, added, (size_t)count * sizeof *added);
    files->columns += count;
  }
  files->known = files->list->count;
fail:
  return status;
}

sac_status sac_metrics_open(sac_metrics_files** out, const char* dir, const sac_metric_list* list, int64_t rows_to,
                            int64_t evaluations_to) {
  char header[HEADER_MAX];
  sac_status status = SAC_OK;
  *out = NULL;
  sac_metrics_files* files = calloc(1, sizeof *files);
  if (!files) return sac_fail(SAC_ERROR_MEMORY, "no memory for metrics");

  /* mark the files as closed, for sac_metrics_close after an error */
  files->rows.fd = files->evaluations.fd = files->events.fd = -1;
  files->list = list;

  /* open the CSV files */
  SAC_TRY(sac_make_folders(dir));
  SAC_TRY(choose_columns(files, dir, rows_to >= 0, header));
  SAC_TRY(csv_open(&files->rows, dir, "metrics.csv", header, rows_to));
  SAC_TRY(complete_columns(files));
  SAC_TRY(csv_open(&files->evaluations, dir, "evaluations.csv", evaluations_header, rows_to < 0 ? -1 : evaluations_to));

  /* open the events; they are cut at the later of both steps, because events before it are not written again */
  const int64_t last = rows_to > evaluations_to ? rows_to : evaluations_to;
  SAC_TRY(sac_events_open(&files->events, dir, rows_to < 0 ? -1 : last + 1));
  SAC_TRY(sac_sync_folder(dir));
  *out = files;
  return SAC_OK;
fail:
  sac_metrics_close(files);
  return status;
}

void sac_metrics_close(sac_metrics_files* files) {
  if (!files) return;
  if (files->rows.fd >= 0) close(files->rows.fd);
  if (files->evaluations.fd >= 0) close(files->evaluations.fd);
  sac_events_close(&files->events);
  free(files);
}

sac_status sac_metrics_row(sac_metrics_files* files, int64_t step, const double* value) {
  csv* table = &files->rows;
  sac_status status = SAC_OK;

  /* write the row; a column without a metric of this version gets an empty cell */
  if (files->known != files->list->count) SAC_TRY(complete_columns(files));
  SAC_TRY(csv_integer(table, "", step));
  for (int32_t k = 0; k < files->columns; k++)
    SAC_TRY(csv_real(table, ",", files->column[k] < 0 ? (double)NAN : value[files->column[k]]));
  SAC_TRY(csv_end(table));

  /* write the events; the row is complete only with them */
  status = sac_events_scalars(&files->events, step, files->list->count, files->list->tag, value);
  if (status != SAC_OK) return csv_drop(table, status);
  csv_keep(table);
fail:
  return status;
}

sac_status sac_metrics_evaluation(sac_metrics_files* files, const sac_evaluation* evaluation) {
  static const char* const tags[2] = {"eval/episode_return", "eval/episode_length"};
  csv* table = &files->evaluations;
  const int32_t n = evaluation->episodes;
  double mean[2] = {evaluation->mean, 0};
  sac_status status = SAC_OK;

  /* write the row */
  SAC_TRY(csv_integer(table, "", evaluation->step));
  SAC_TRY(csv_real(table, ",", evaluation->mean));
  SAC_TRY(csv_real(table, ",", evaluation->std));
  SAC_TRY(csv_integer(table, ",", n));
  for (int32_t i = 0; i < n; i++) SAC_TRY(csv_real(table, i ? ";" : ",", evaluation->episode_return[i]));
  for (int32_t i = 0; i < n; i++) {
    SAC_TRY(csv_integer(table, i ? ";" : ",", evaluation->length[i]));
    mean[1] += (double)evaluation->length[i] / n;
  }

  /* write the events; the row is complete only with them */
  SAC_TRY(csv_end(table));
  status = sac_events_scalars(&files->events, evaluation->step, 2, tags, mean);
  if (status != SAC_OK) return csv_drop(table, status);
  csv_keep(table);
fail:
  return status;
}

int sac_metrics_evaluated(const char* dir, int64_t step, double* mean) {
  char path[SAC_PATH_MAX], start[SAC_NUMBER_MAX + 2];
  void* bytes = NULL;
  size_t size;
  int found = 0;
  if (sac_path(path, "%s/evaluations.csv", dir) != SAC_OK ||
      sac_read_file(path, EVALUATIONS_MAX, &bytes, &size) != SAC_OK)
    return 0;

  /* find the row that starts with the step */
  (void)snprintf(start, sizeof start, "%lld,", (long long)step);
  for (char *line = bytes, *end; !found && (end = strchr(line, '\n')); line = end + 1) {
    if (strncmp(line, start, strlen(start)) != 0) continue;

    /* read the second cell, the mean return */
    char* value = line + strlen(start);
    value[strcspn(value, ",\n")] = '\0';
    found = sac_parse_real(value, mean) == SAC_NUMBER_OK;
    end = value + strlen(value); /* the line has become two */
  }
  free(bytes);
  return found;
}

int64_t sac_metrics_reached(const char* dir) {
  char path[SAC_PATH_MAX], tail[16384];
  int64_t step = -1;
  uint64_t size;
  int fd;
  if (sac_path(path, "%s/metrics.csv", dir) != SAC_OK || sac_open_file(path, &fd, &size) != SAC_OK) return -1;

  /* read the end of the file, which holds the last rows */
  const size_t length = size < sizeof tail - 1 ? (size_t)size : sizeof tail - 1;
  const sac_status status = sac_read_at(fd, path, size - length, tail, length);
  close(fd);
  if (status != SAC_OK) return -1;
  tail[length] = '\0';

  /* take the first cell of each complete line; the first line may begin in the middle of a row */
  char* line = strchr(tail, '\n');
  for (char* end; line && (end = strchr(line + 1, '\n')); line = end) {
    line[1 + strcspn(line + 1, ",\n")] = '\0';
    if (sac_parse_integer(line + 1, &step) != SAC_NUMBER_OK) step = -1;
  }
  return step;
}

sac_status sac_metrics_sync(sac_metrics_files* files) {
  sac_status status = SAC_OK;
  SAC_TRY(sac_sync(files->rows.fd, files->rows.path));
  SAC_TRY(sac_sync(files->evaluations.fd, files->evaluations.path));
  SAC_TRY(sac_events_sync(&files->events));
fail:
  return status;
}
