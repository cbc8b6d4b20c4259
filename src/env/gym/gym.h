/* What sac_gym.so exports in addition to sac_env_plugin. */
#ifndef SAC_ENV_GYM_GYM_H
#define SAC_ENV_GYM_GYM_H

#include <stddef.h>
#include <stdint.h>

#define SAC_GYM_START "sac_gym_start"

/* The option, besides those of gymnasium.make, that makes an instance of one environment record its episodes:
 * {"folder": text, "name": text, "ours": bool, "camera": text, "episodes": int}. Videos are FOLDER/NAME-episode-I.mp4,
 * I counted from 0. "ours": the other options are written as for sac's own task of that id ("inf" for infinity).
 * "camera": that of MuJoCo's tasks, see eval.camera. "episodes": how many will be played, for messages. */
#define SAC_GYM_RECORD "sac_record"

/* Starts the interpreter as the program `python` would. python: a full path, which may be that of a virtual
 * environment. The caller has loaded the libpython of that program. Call it once. Returns 0 for success; otherwise
 * error (size) says why. */
typedef int (*sac_gym_start_fn)(const char* python, char* error, size_t size);

#define SAC_GYM_GENERATORS "sac_gym_generators"

/* What to do with the random generators that environments share (env/generators.h). */
typedef enum sac_gym_generators_call {
  SAC_GYM_GENERATORS_SEED, /* with `seed`; self: an instance, whose worker processes and spaces are seeded too, or NULL
                            */
  SAC_GYM_GENERATORS_KEEP,
  SAC_GYM_GENERATORS_RESTORE
} sac_gym_generators_call;

typedef void (*sac_gym_generators_fn)(sac_gym_generators_call what, void* self, uint64_t seed);

#endif
