/* Metrics of one agent: the list, and the files they go to (metrics.csv, evaluations.csv, TensorBoard events). */
#ifndef SAC_FILES_METRICS_H
#define SAC_FILES_METRICS_H

#include <stdint.h>

#include <sac/run.h>

/* X(name, TensorBoard tag, meaning). The columns of metrics.csv are step and these, in this order. Times and rates come
 * last: `TIMES` marks where a comparison of two runs must stop. */
#define SAC_METRICS(X, TIMES)                                                                     \
  X(updates, "train/updates", "updates made")                                                     \
  X(episodes, "train/episodes", "training episodes ended since the last row")                     \
  X(episode_return, "train/episode_return", "mean return of those episodes")                      \
  X(episode_length, "train/episode_length", "mean length of those episodes, steps")               \
  X(critic_loss, "loss/critic", "sum over critics of mean 1/2 (Q - y)^2")                         \
  X(actor_loss, "loss/actor", "mean (alpha log pi - min Q)")                                      \
  X(alpha_loss, "loss/alpha", "mean (-log alpha (log pi + target_entropy))")                      \
  X(value_loss, "loss/value", "sac-v: mean 1/2 (V - target)^2")                                   \
  X(alpha, "policy/alpha", "temperature")                                                         \
  X(entropy, "policy/entropy", "nats, of the action in (-1, 1)")                                  \
  X(saturation, "policy/saturation", "share of action components with |a| > 0.999")               \
  X(q_mean, "critic/q_mean", "mean Q of the minibatch")                                           \
  X(td_error, "critic/td_error", "mean |Q - y|")                                                  \
  X(critic_grad, "grad/critic", "L2 norm")                                                        \
  X(actor_grad, "grad/actor", "L2 norm")                                                          \
  TIMES                                                                                           \
  X(updates_per_second, "speed/updates_per_second", "of this agent")                              \
  X(steps_per_second, "speed/steps_per_second", "of this agent")                                  \
  X(seconds, "speed/seconds", "since the start of the run, pauses apart")                         \
  X(act_seconds, "seconds/act", "in this stage since the last row")                               \
  X(env_step_seconds, "seconds/env_step", "in this stage since the last row")                     \
  X(replay_push_seconds, "seconds/replay_push", "in this stage since the last row")               \
  X(replay_sample_seconds, "seconds/replay_sample", "in this stage since the last row")           \
  X(critic_update_seconds, "seconds/critic_update", "in this stage since the last row")           \
  X(actor_update_seconds, "seconds/actor_update", "in this stage since the last row")             \
  X(temperature_update_seconds, "seconds/temperature_update", "in this stage since the last row") \
  X(target_update_seconds, "seconds/target_update", "in this stage since the last row")

typedef enum sac_metric {
#define SAC_METRIC_ENUM(name, tag, meaning) SAC_METRIC_##name,
  SAC_METRICS(SAC_METRIC_ENUM, )
#undef SAC_METRIC_ENUM
      SAC_METRIC_COUNT
} sac_metric;

extern const char* const sac_metric_names[SAC_METRIC_COUNT];
extern const char* const sac_metric_tags[SAC_METRIC_COUNT];
extern const char* const sac_metric_meanings[SAC_METRIC_COUNT];

typedef struct sac_metrics_files sac_metrics_files;

/* Opens the files of a seed folder, new ones when rows_to is -1. rows_to >= 0: a resume; metrics.csv is cut to rows
 * with step <= rows_to, evaluations.csv to those with step <= evaluations_to (the two differ when a run ended between
 * two scheduled rows and is continued), and the events continue from there. Errors: FILE. */
sac_status sac_metrics_open(sac_metrics_files** files, const char* dir, int64_t rows_to, int64_t evaluations_to);
void sac_metrics_close(sac_metrics_files* files); /* takes NULL */

/* A row of metrics.csv and its events. value (SAC_METRIC_COUNT); NaN: an empty cell, no event. Numbers as
 * %.17g-shortest in the C locale. Errors: FILE (disk full: nothing of the row is left behind, the next call tries
 * again). */
sac_status sac_metrics_row(sac_metrics_files* files, int64_t step, const double* value);

/* A line of evaluations.csv (step, mean, std, episodes, then returns and lengths: "return_0 ... length_0 ..." joined by
 * ';' in two cells) and its events eval/episode_return, eval/episode_length. */
sac_status sac_metrics_evaluation(sac_metrics_files* files, const sac_evaluation* evaluation);

/* Pushes what is buffered to the operating system, and to the disk before a checkpoint. */
sac_status sac_metrics_sync(sac_metrics_files* files);

#endif
