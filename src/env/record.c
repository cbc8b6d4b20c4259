#include "env/record.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "env/gym.h"
#include "env/gym/gym.h"
#include "env/list.h"
#include "env/plugin.h"
#include "env/vector.h"
#include "util/error.h"
#include "util/text.h"

/* Options that Gymnasium's constructors do not take. They set how many threads or processes share the work, and have no
 * effect on results. The first is an option of our own tasks, the second of gym: ones. */
static const char* const not_gymnasium[] = {"threads", "sac_workers"};

/* Makes the options of the recorded environment: the run's own as keyword arguments of gymnasium.make, and the settings
 * of the recorder. ours: the environment is one of our own tasks. */
static sac_status make_options(sac_env_record* record, const char* options, int ours, const sac_env_film* film) {
  json_error_t error;
  json_t* root = json_loads(options && *options ? options : "{}", JSON_REJECT_DUPLICATES, &error);
  sac_status status = SAC_OK;

  /* the run's options, without those that set threads; in a gym: environment "threads" may be its own option */
  if (!json_is_object(root))
    SAC_TRY(sac_fail(SAC_ERROR_CONFIG, "env.options is no JSON object such as {\"key\": 1}%s%s", root ? "" : ": ",
                     root ? "" : error.text));
  for (size_t i = ours ? 0 : 1; i < sizeof not_gymnasium / sizeof *not_gymnasium; i++)
    (void)json_object_del(root, not_gymnasium[i]);

  /* add the recorder's settings */
  if (json_object_set_new(root, SAC_GYM_RECORD,
                          json_pack("{s:s, s:s, s:b, s:s, s:I, s:I}", "folder", film->folder, "name", film->name,
                                    "ours", ours, "camera", film->camera, "episodes", (json_int_t)film->episodes,
                                    "steps", (json_int_t)film->steps)) != 0)
    SAC_TRY(sac_fail(SAC_ERROR_FILE, "a video's folder, name and camera must be UTF-8 text"));

  /* write them as text; 17 digits keep every bit of a double */
  record->options = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
  if (!record->options) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for the options of %s", record->id));
fail:
  json_decref(root);
  return status;
}

sac_status sac_env_record_make(sac_env_record* record, const char* id, const char* options, const sac_env_film* film) {
  sac_status status = SAC_OK;
  char shown[SAC_SHOW_MAX], whole[PATH_MAX];
  const int ours = sac_env_entry_find(id) != NULL;

  /* clear it before anything can fail; a plugin has nothing that draws */
  *record = (sac_env_record){0};
  if (!ours && !sac_env_is_gym(id) && sac_env_is_plugin(id))
    return sac_fail(SAC_ERROR_ENV,
                    "%s draws no pictures, so there is nothing to record: videos are Gymnasium's, of gym:ID and of the "
                    "tasks here that it has too",
                    sac_text_show(shown, id, SIZE_MAX));

  /* in place of a task of ours take Gymnasium's of the same id */
  SAC_TRY(sac_path(record->id, "%s%s", ours ? "gym:" : "", id));
  SAC_TRY(sac_env_find(record->id, &record->api));

  /* the environment may change the working folder before the recorder is made */
  SAC_TRY(sac_make_folders(film->folder));
  if (!realpath(film->folder, whole)) SAC_TRY(sac_fail(SAC_ERROR_FILE, "%s: %s", film->folder, strerror(errno)));
  sac_env_film absolute = *film;
  absolute.folder = whole;
  SAC_TRY(make_options(record, options, ours, &absolute));
fail:
  return status;
}

void sac_env_record_clear(sac_env_record* record) {
  free(record->options);
  *record = (sac_env_record){0};
}

sac_status sac_env_record_path(char path[SAC_PATH_MAX], const char* folder, const char* name, int64_t episode) {
  return sac_path(path, "%s/%s-episode-%lld.mp4", folder, name, (long long)episode);
}
