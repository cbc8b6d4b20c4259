/* What the files of a run held when a checkpoint was saved. The checkpoint notes it (metadata `written`), so that a
 * resume can say what has been deleted, emptied or cut since. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/run.h"
#include "util/error.h"
#include "util/file.h"

/* The numbers of the note, in their order. last: the step of the last row; -1: none. */
typedef struct note {
  int64_t rows, last_row, evaluations, last_evaluation;
  int64_t events_time, events_size, events_before; /* of the event file, and of those before it (sac_events) */
  int64_t log;                                     /* bytes of log.txt */
} note;

enum { NUMBERS = sizeof(note) / sizeof(int64_t) };

/* --- saving ------------------------------------------------------------------------------------------------------- */

sac_status sac_run_sync_log(sac_run* run) {
  int again = 0;
  const sac_status status = sac_folder_log_sync(run->folder, &run->log_size, &again);
  if (again) sac_run_log(run, "warning: %s/log.txt was deleted or replaced: it is written again", run->folder->shown);

  /* the log alone stops no run: a line is enough */
  if (status == SAC_OK || run->log_warned) return status;
  char reason[1024];
  run->log_warned = 1;
  (void)snprintf(reason, sizeof reason, "%s", sac_last_error());
  sac_run_log(run, "warning: %s", reason);
  return sac_fail(status, "%s", reason);
}

sac_status sac_run_sync_metrics(sac_run* run, int32_t p) {
  char again[SAC_METRICS_AGAIN_MAX];
  const sac_status status = sac_metrics_sync(run->metrics[p], again);
  if (again[0])
    sac_run_log(run,
                "warning: %s of %s/seed_%llu was deleted or replaced: it is written again, and what is in its place is "
                "kept as NAME.other",
                again, run->folder->shown, (unsigned long long)run->agent->seed[p]);
  return status;
}

void sac_run_note_written(const sac_run* run, int32_t p) {
  const sac_metrics_files* files = run->metrics[p];
  const sac_table *rows = sac_metrics_rows(files), *evaluations = sac_metrics_evaluations(files);
  const sac_events* events = sac_metrics_events(files);
  const note n = {.rows = rows->rows,
                  .last_row = rows->last,
                  .evaluations = evaluations->rows,
                  .last_evaluation = evaluations->last,
                  .events_time = events->time,
                  .events_size = (int64_t)events->size,
                  .events_before = events->before,
                  .log = (int64_t)run->log_size};
  char* text = sac_checkpoint_written(run->checkpoint[p]);
  size_t used = 0;
  for (int i = 0; i < NUMBERS; i++)
    used += (size_t)snprintf(text + used, SAC_WRITTEN_MAX - used, "%s%lld", i ? " " : "",
                             (long long)((const int64_t*)&n)[i]);
}

/* --- resuming ----------------------------------------------------------------------------------------------------- */

/* Reads the note of agent p's checkpoint. Returns 0 if it has none, as those of older versions. */
static int read_note(const sac_run* run, int32_t p, note* n) {
  const char* text = sac_checkpoint_written(run->checkpoint[p]);
  for (int i = 0; i < NUMBERS; i++) {
    char* end;
    errno = 0;
    ((int64_t*)n)[i] = strtoll(text, &end, 10);
    if (end == text || errno != 0) return 0;
    text = end;
  }
  return *text == '\0';
}

/* Warns of rows that a table has lost. rows, last: what the note says; to: the last step whose row stays. */
static void warn_table(sac_run* run, const sac_table* table, int64_t rows, int64_t last, int64_t to) {
  const char* path = table->path + strlen(run->folder->path) + 1;
  if (table->damaged > 0)
    sac_run_log(run, "warning: %s/%s: %lld damaged line%s left out; the file as it was is kept as %s.damaged",
                run->folder->shown, path, (long long)table->damaged, table->damaged > 1 ? "s are" : " is", path);

  /* a row after `to` is made again */
  const int again = last > to;
  const int64_t lost = rows - again - table->rows;
  if (lost <= 0) return;
  char which[64], up_to[48];
  (void)snprintf(which, sizeof which, "%lld row%s", (long long)lost, lost > 1 ? "s" : "");
  (void)snprintf(up_to, sizeof up_to, "%s step %lld", again ? "before" : "up to", (long long)last);

  /* say whether all of them are lost, the last ones, or others */
  if (table->rows == 0)
    sac_run_log(run, "warning: %s/%s is gone or empty: its %s %s are lost, later ones follow", run->folder->shown, path,
                which, up_to);
  else if (table->last < last && table->last < to)
    sac_run_log(run, "warning: %s/%s ends at step %lld: %s after it, %s, are lost, later ones follow",
                run->folder->shown, path, (long long)table->last, which, up_to);
  else
    sac_run_log(run, "warning: %s/%s lacks %s before step %lld, which are lost", run->folder->shown, path, which,
                (long long)table->last);
}

void sac_run_warn_lost(sac_run* run, int32_t p, int64_t rows_to, int64_t evaluations_to) {
  char dir[SAC_PATH_MAX];
  int64_t size, before;
  note n;
  const int known = read_note(run, p, &n);
  const long long step = (long long)run->schedule.step;
  if (!known) n = (note){.last_row = -1, .last_evaluation = -1};

  /* compare the tables */
  const sac_metrics_files* files = run->metrics[p];
  warn_table(run, sac_metrics_rows(files), n.rows, n.last_row, rows_to);
  warn_table(run, sac_metrics_evaluations(files), n.evaluations, n.last_evaluation, evaluations_to);
  if (!known) return;

  /* compare the events: the file grows until its process ends, those before it stay */
  if (sac_folder_seed(run->folder->path, run->agent->seed[p], dir) == SAC_OK) {
    sac_events_measure(dir, n.events_time, &size, &before);
    if (size < n.events_size || before < n.events_before)
      sac_run_log(run, "warning: TensorBoard's files in %s/seed_%llu lack points up to step %lld, which are lost",
                  run->folder->shown, (unsigned long long)run->agent->seed[p], step);
  }
}

void sac_run_warn_log(sac_run* run) {
  const int64_t size = (int64_t)run->folder->log_before;
  note n;

  /* the agents have the same log: take what the first one that goes on has noted */
  int32_t p = 0;
  while (p < run->agent->shape.population - 1 && !run->metrics[p]) p++;
  if (run->metrics[p] && read_note(run, p, &n) && size < n.log)
    sac_run_log(run, "warning: %s/log.txt has %lld of the %lld bytes that it had at step %lld: lines are lost",
                run->folder->shown, (long long)size, (long long)n.log, (long long)run->schedule.step);
}
