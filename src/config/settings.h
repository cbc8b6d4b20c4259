/* The resolved configuration, as the library's rooms read it. Filled by src/config/config.c from the fields of
 * config/fields.h. */
#ifndef SAC_CONFIG_SETTINGS_H
#define SAC_CONFIG_SETTINGS_H

#include <stdio.h>

#include <sac/config.h>

#include "config/fields.h"

/* Where `device: auto` stays: a run that is resumed goes on where it was, as the CPU and a device differ in bits. */
typedef enum sac_stay { SAC_STAY_NOT, SAC_STAY_CPU, SAC_STAY_CUDA } sac_stay;

/* One plain member for each field. */
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
  sac_stay stay; /* no field: what sac_config_stay was told */
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

/* The settings, checked across fields (capacity >= batch, log_std_min < log_std_max, precision against device, ...). In
 * their env_options stand the `threads` that an environment has from cpu.threads.
 * Errors: CONFIG. */
sac_status sac_config_settings(const sac_config* config, sac_settings* settings);

/* As sac_config_set, with the origin that messages and the written-out config name. `flag` ("--seed") for
 * SAC_ORIGIN_FLAG, or NULL. */
sac_status sac_config_set_from(sac_config* config, const char* key, const char* value, sac_origin origin,
                               const char* flag);

sac_status sac_config_copy(sac_config** copy, const sac_config* config);

/* Binds `device: auto`; copies keep it, and nothing writes it out. */
void sac_config_stay(sac_config* config, sac_stay stay);

/* Writes every key as YAML with a comment "# from ..." each; what sac_config_load reads back to the same bits (%.17g).
 */
sac_status sac_config_write(const sac_config* config, FILE* file);

/* Reads config text (a run folder's config.yaml, a checkpoint's metadata). `name` is for messages. */
sac_status sac_config_parse(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin);

/* For a resume: names the fields in which `wanted` (only its file, set and flag values count) differs from `saved`, and
 * refuses those that are FIXED. Puts the changed values into `saved`; `changes` gets a line for people ("train.steps
 * 1000 -> 2000"), "" when equal. */
sac_status sac_config_resume(sac_config* saved, const sac_config* wanted, char* changes, size_t changes_size);

/* The line a run starts with: what the preset and the caller changed from the library's defaults. */
void sac_config_summary(const sac_config* config, char* text, size_t size);

/* What the environments tell about an id (src/env/list.c). */
typedef struct sac_env_facts {
  int (*takes_threads)(const char* id);    /* whether env.options may hold `threads` */
  const char* (*gym_task)(const char* id); /* gym:ID and its kin: ID; NULL: not Gymnasium's */
} sac_env_facts;
extern const sac_env_facts sac_config_env;

/* The lag of train.overlap = `overlap` transitions, n to a vector step: the fewest steps that reach it. */
#define SAC_LAG_MAX 64 /* vector steps by which updates may come late */
static inline int64_t sac_lag(int64_t overlap, int64_t n) { return (overlap + n - 1) / n; }

/* actor_lr and its kin with "auto" resolved. */
static inline double sac_auto(double value, double otherwise) { return isnan(value) ? otherwise : value; }

#endif
