/* The resolved configuration: one value for each field of config/fields.h. */
#ifndef SAC_CONFIG_SETTINGS_H
#define SAC_CONFIG_SETTINGS_H

#include <stdio.h>

#include <sac/config.h>

#include "config/fields.h"

/* Where `device: auto` must stay. A resumed run stays where it was started, because CPU and device differ in bits. */
typedef enum sac_stay { SAC_STAY_NOT, SAC_STAY_HOST, SAC_STAY_DEVICE } sac_stay;

/* The values: one plain member for each field. */
typedef struct sac_settings {
#define SAC_MEMBER_INT(member) int64_t member;
#define SAC_MEMBER_REAL(member) double member;
#define SAC_MEMBER_AUTO(member) double member;
#define SAC_MEMBER_BOOL(member) int member;
#define SAC_MEMBER_CHOICE(member) int member;
#define SAC_MEMBER_TEXT(member) char member[SAC_TEXT_MAX];
#define SAC_MEMBER_OPTIONS(member) char member[SAC_TEXT_MAX];
#define SAC_MEMBER_DEVICE(member) char member[SAC_TEXT_MAX];
#define SAC_MEMBER_SIZES(member) sac_sizes member;
#define SAC_MEMBER(kind, member, key, default_, low, high, change, help) SAC_MEMBER_##kind(member)
  SAC_FIELDS(SAC_MEMBER)
#undef SAC_MEMBER
  sac_stay stay; /* set by sac_config_stay; not a field */
} sac_settings;

/* Where a value came from; later ones win. */
typedef enum sac_origin {
  SAC_ORIGIN_LIBRARY,
  SAC_ORIGIN_ALGO,
  SAC_ORIGIN_PRESET,
  SAC_ORIGIN_SAVED, /* a run folder's config, on resume */
  SAC_ORIGIN_FILE,
  SAC_ORIGIN_SET,
  SAC_ORIGIN_FLAG,
} sac_origin;

/* Checks values against each other (capacity >= batch, log_std_min < log_std_max, precision against device, ...) and
 * copies them. Adds cpu.threads to env_options of the copy, if the environment has an option `threads` that is not set.
 * Errors: CONFIG, DEVICE. */
sac_status sac_config_settings(const sac_config* config, sac_settings* settings);

/* sac_config_set with an origin, which messages and the written-out config name. flag: the option ("--seed") for
 * SAC_ORIGIN_FLAG; otherwise NULL. */
sac_status sac_config_set_from(sac_config* config, const char* key, const char* value, sac_origin origin,
                               const char* flag);

sac_status sac_config_copy(sac_config** copy, const sac_config* config);

/* Binds `device: auto` to the CPU or to a device. Copies keep this; sac_config_write does not write it. */
void sac_config_stay(sac_config* config, sac_stay stay);

/* Writes every key as YAML, each with a comment "# from ...". sac_config_load reads the same bits back. */
sac_status sac_config_write(const sac_config* config, FILE* file);

/* The same as text, which the caller frees. Errors: MEMORY. */
sac_status sac_config_text(const sac_config* config, char** text);

/* Reads a configuration from text (a run folder's config.yaml, a checkpoint's metadata). name: for messages. */
sac_status sac_config_parse(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin);

/* Changes `saved` for a resume: takes over the values of `wanted` that come from a file, --set or an option and differ.
 * changes: receives a line for each change ("train.steps 1000 -> 2000"), "" when nothing differs. Errors: CONFIG (a
 * FIXED field differs; `saved` is unchanged). */
sac_status sac_config_resume(sac_config* saved, const sac_config* wanted, char* changes, size_t changes_size);

/* Describes in one line what the preset changes from the library's defaults, and what --set or an option gave,
 * and what a file changes (without env.id and out). */
void sac_config_summary(const sac_config* config, char* text, size_t size);

/* What this room needs to know about an environment, by its id (src/env/list.c). */
typedef struct sac_env_facts {
  int (*takes_threads)(const char* id);    /* whether env.options may hold `threads` */
  const char* (*gym_task)(const char* id); /* the ID of gym:ID; NULL: not an environment of Gymnasium */
} sac_env_facts;
extern const sac_env_facts sac_config_env;

#define SAC_LAG_MAX 64 /* vector steps by which updates may be late */

/* The lag for train.overlap = `overlap` transitions: the fewest vector steps of n transitions that reach it. */
static inline int64_t sac_lag(int64_t overlap, int64_t n) { return (overlap + n - 1) / n; }

/* The value of an AUTO field such as actor_lr: `otherwise` when it is "auto". */
static inline double sac_auto(double value, double otherwise) { return isnan(value) ? otherwise : value; }

#endif
