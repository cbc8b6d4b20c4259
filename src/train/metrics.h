/* Metrics of one agent: their list, and their files (metrics.csv, evaluations.csv, TensorBoard events). */
#ifndef SAC_TRAIN_METRICS_H
#define SAC_TRAIN_METRICS_H

#include <stdint.h>

#include <sac/run.h>
#include <sac/statistics.h>

#include "algo/flow.h"
#include "formats/tensorboard.h"
#include "train/table.h"

/* X(name, TensorBoard tag, meaning). The columns of metrics.csv are the step, these metrics in this order, and the
 * terms of the environment's info. STATISTICS stands for the statistics of sac/statistics.h; they stand in the order of
 * their columns. STAGES stands for the seconds of each stage (algo/flow.h). The metrics after STATISTICS are times and
 * rates: a comparison of two runs must leave them out. */
/* clang-format off */
#define SAC_METRICS(X, STATISTICS, STAGES)                                          \
  X(updates, "train/updates", "updates made")                                       \
  X(episodes, "train/episodes", "training episodes ended since the last row")       \
  X(episode_return, "train/episode_return", "mean return of those episodes")        \
  X(episode_length, "train/episode_length", "mean length of those episodes, steps") \
  STATISTICS                                                                        \
  X(updates_per_second, "speed/updates_per_second", "of this agent")                \
  X(steps_per_second, "speed/steps_per_second", "of this agent")                    \
  X(seconds, "speed/seconds", "since the start of the run, pauses apart")           \
  STAGES
/* clang-format on */

/* The line of a stage in that list. */
#define SAC_METRIC_STAGE(X, name) X(name##_seconds, "seconds/" #name, "in this stage since the last row")

/* The index of each metric in a row. The statistics only reserve their indices here; the enum below gives these out in
 * the order of their columns. */
typedef enum sac_metric {
#define SAC_METRIC_ENUM(name, tag, meaning) SAC_METRIC_##name,
#define SAC_METRIC_PLACE(name, ...) SAC_METRIC_PLACE_##name,
#define SAC_METRIC_SECONDS(NAME, name, words) SAC_METRIC_STAGE(SAC_METRIC_ENUM, name)
  SAC_METRICS(SAC_METRIC_ENUM, SAC_STATISTICS(SAC_METRIC_PLACE), SAC_STAGES(SAC_METRIC_SECONDS))
#undef SAC_METRIC_ENUM
#undef SAC_METRIC_SECONDS
#undef SAC_METRIC_PLACE
      SAC_METRIC_COUNT
} sac_metric;

/* SAC_METRIC_<name>: the column of each statistic in a row of metrics. */
enum {
  SAC_METRIC_FIRST_STATISTIC = SAC_METRIC_episode_length + 1,
  SAC_METRIC_LAST_STATISTIC = SAC_METRIC_FIRST_STATISTIC + SAC_STATISTIC_COUNT - 1,
#define SAC_METRIC_COLUMN(name, column, watched, each, over, value, tag, meaning) \
  SAC_METRIC_##name = SAC_METRIC_FIRST_STATISTIC + (column),
  SAC_STATISTICS(SAC_METRIC_COLUMN)
#undef SAC_METRIC_COLUMN
};

/* The metric of each statistic (sac/statistics.h), in the order of their list. */
extern const int sac_metric_of_statistic[];

#define SAC_METRIC_MAX (SAC_METRIC_COUNT + SAC_ENV_INFO_MAX)

extern const char* const sac_metric_names[SAC_METRIC_COUNT];
extern const char* const sac_metric_tags[SAC_METRIC_COUNT];
extern const char* const sac_metric_meanings[SAC_METRIC_COUNT];

#define SAC_INFO_PREFIX "info/"

/* Terms of info become known while a run goes on: some are given by the last step of an episode alone. */

/* The columns of a run: SAC_METRICS, then the terms of its environment's info. "info/NAME" is the name and the tag of a
 * term. */
typedef struct sac_metric_list {
  int32_t count; /* SAC_METRIC_COUNT + the number of terms */
  const char* name[SAC_METRIC_MAX];
  const char* tag[SAC_METRIC_MAX];
  char info[SAC_ENV_INFO_MAX][sizeof SAC_INFO_PREFIX - 1 + SAC_ENV_INFO_NAME_MAX];
} sac_metric_list;

/* Fills the list. info (count): names that were checked (env/check.h); they are copied. The list points into itself, so
 * it must not be moved. */
void sac_metric_list_fill(sac_metric_list* list, const char* const* info, int32_t count);

/* The index of a term among the list's terms. A new one is added at the end; -1: there are SAC_ENV_INFO_MAX others. */
int32_t sac_metric_list_term(sac_metric_list* list, const char* info);

typedef struct sac_metrics_files sac_metrics_files;

#define SAC_METRICS_AGAIN_MAX 96 /* chars that hold the names of all files */

/* Opens the files of a seed folder. rows_to: -1 for new files. For a resume metrics.csv is cut to rows with step <=
 * rows_to, evaluations.csv to rows with step <= evaluations_to, and the events continue after the later of both steps.
 * The two steps differ when a run ended between two scheduled rows. A metrics.csv with other columns, of another
 * version of sac or of the environment, keeps them, and gets new ones behind them. `list` must outlive the files.
 * Errors: FILE. */
sac_status sac_metrics_open(sac_metrics_files** files, const char* dir, const sac_metric_list* list, int64_t rows_to,
                            int64_t evaluations_to);
void sac_metrics_close(sac_metrics_files* files); /* takes NULL */

/* Writes a row of metrics.csv and its events. If the list has grown, the file is written again with columns for the new
 * metrics, which are empty in earlier rows. value (list->count): NaN for an empty cell and no event. Numbers have the
 * fewest digits that give the same bits, in the C locale. Errors: FILE (nothing of the row remains; the next call may
 * succeed). */
sac_status sac_metrics_row(sac_metrics_files* files, int64_t step, const double* value);

/* Writes a row of evaluations.csv (step, mean, std, episodes, returns, lengths; the last two are lists joined by ';')
 * and its events eval/episode_return and eval/episode_length. Errors: as sac_metrics_row. */
sac_status sac_metrics_evaluation(sac_metrics_files* files, const sac_evaluation* evaluation);

/* Whether evaluations.csv in `dir` has a complete row of `step`. mean: receives its mean return. */
int sac_metrics_evaluated(const char* dir, int64_t step, double* mean);

/* The step of the last row of a seed folder's metrics.csv: how far the run had come; -1: none. */
int64_t sac_metrics_reached(const char* dir);

/* Syncs all files to the disk; needed before a checkpoint. again: receives the names of files that were deleted or
 * replaced, and were written again (sac_sync_named); "": none. Errors: FILE, MEMORY. */
sac_status sac_metrics_sync(sac_metrics_files* files, char again[SAC_METRICS_AGAIN_MAX]);

/* The files as they are. */
const sac_table* sac_metrics_rows(const sac_metrics_files* files);
const sac_table* sac_metrics_evaluations(const sac_metrics_files* files);
const sac_events* sac_metrics_events(const sac_metrics_files* files);

#endif
