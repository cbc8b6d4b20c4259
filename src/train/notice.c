/* What a run says at its start: where it starts from, that it makes no update, what its file system lacks. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "train/run.h"

void sac_run_note(sac_run* run, const char* format, ...) {
  assert(run->note_count < SAC_NOTES_MAX);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(run->notes[run->note_count++], SAC_NOTE_MAX, format, args);
  va_end(args);
}

void sac_run_warn_no_update(sac_run* run) {
  const sac_settings* settings = &run->settings;
  const int64_t n = settings->num_envs, vector_steps = (settings->steps + n - 1) / n;

  /* the vector steps of the warm-up; transitions that came along count as its steps */
  const int64_t left = settings->warmup_steps - (int64_t)run->start.loaded;
  const int64_t warmup = left > 0 ? (left + n - 1) / n : 0;

  /* the vector steps with updates, of which the last ones are left over by train.overlap */
  const int64_t learning = vector_steps - warmup - run->schedule.lag;
  if (learning > 0 && settings->updates_per_step * (double)(learning * n) >= 1) return;
  sac_run_log(run,
              "warning: this run makes no update, so its policy does not change: train.steps %lld, "
              "train.warmup_steps %lld, train.updates_per_step %s, env.num_envs %lld",
              (long long)settings->steps, (long long)settings->warmup_steps,
              sac_config_get(run->config, "train.updates_per_step"), (long long)n);
}

void sac_run_log_lacks(sac_run* run) {
  char dir[SAC_PATH_MAX], path[SAC_PATH_MAX];
  struct stat info;
  if (!run->folder->held)
    sac_run_log(run,
                "warning: the file system of %s has no locks: nothing keeps a second process from writing there, so "
                "start one only",
                run->folder->shown);

  /* look for the link of the first agent: all have it, or none */
  if (sac_folder_seed(run->folder->path, run->agent->seed[0], dir) == SAC_OK &&
      sac_path(path, "%s/checkpoints/last", dir) == SAC_OK && lstat(path, &info) != 0)
    sac_run_log(run, "no symbolic links here: %s is not made, and still names the newest checkpoint", path);
}
