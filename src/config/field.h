/* A field of the configuration: parsing, checking, printing and comparing its value. */
#ifndef SAC_CONFIG_FIELD_H
#define SAC_CONFIG_FIELD_H

#include <stddef.h>

#include "config/settings.h"

/* Kinds of values; config/fields.h has the C type of each. */
typedef enum sac_kind {
  SAC_VALUE_INT,
  SAC_VALUE_REAL,
  SAC_VALUE_AUTO,
  SAC_VALUE_BOOL,
  SAC_VALUE_CHOICE,
  SAC_VALUE_TEXT,
  SAC_VALUE_DEVICE,
  SAC_VALUE_SIZES,
  SAC_VALUE_OPTIONS,
} sac_kind;

/* What a resumed run may do with a field; see config/fields.h. */
typedef enum sac_change { SAC_CHANGE_FREE, SAC_CHANGE_LATER, SAC_CHANGE_FIXED } sac_change;

/* The lower end of an allowed range. */
typedef struct sac_low {
  double value;
  int open; /* 1: the value itself is excluded */
} sac_low;

typedef struct sac_field {
  const char* key;
  sac_kind kind;
  sac_change change;
  sac_low low;              /* the allowed range: of a number, of each width, or of the length of a text in bytes */
  double high;              /* included */
  const char* const* names; /* CHOICE: the names of its values, NULL-terminated */
  size_t offset, size;      /* of the member in sac_settings */
  const char* help;
} sac_field;

/* SAC_FIELD_optim_lr and so on: the fields in the order of the table. */
typedef enum sac_field_index {
#define SAC_FIELD_INDEX(kind, member, key, default_, low, high, change, help) SAC_FIELD_##member,
  SAC_FIELDS(SAC_FIELD_INDEX)
#undef SAC_FIELD_INDEX
      SAC_FIELD_COUNT
} sac_field_index;

extern const sac_field sac_fields[SAC_FIELD_COUNT];

/* Defaults of an algorithm (src/algo/algo.c). They replace the library's defaults, and a preset replaces them. The list
 * ends with a NULL key; NULL: the algorithm has none. */
typedef struct sac_key_value {
  const char *key, *value;
} sac_key_value;
const sac_key_value* sac_algo_defaults(int algo);

/* Names of values whose lists stand in other rooms. Each list ends with NULL; the default is first. */
extern const char* const sac_algo_names[];         /* src/algo/algo.c */
extern const char* const sac_network_kind_names[]; /* src/model/layers.c */
extern const char* const sac_sampler_names[];      /* src/replay/sampler.c */
extern const char* const sac_cuda_path_names[];    /* src/backend/registry.c */

/* A kind of devices: what key `device` may name. */
typedef struct sac_device_kind {
  const char* name;  /* the value: "cpu", "cuda" */
  const char* title; /* for people: "CPU", "CUDA" */
  int on_host;       /* 0: there may be several of them, and "cuda:1" names one */
  int built;         /* 0: this build has no backend for them */
} sac_device_kind;
extern const sac_device_kind sac_device_kinds[]; /* src/backend/registry.c; a NULL name ends the list */

/* The kind of the device that a text names ("cuda", "cuda:1"); NULL: "auto", or a text that names none. */
const sac_device_kind* sac_device_kind_of(const char* device);

/* The library's default of every field. */
extern const sac_settings sac_settings_library;

#define SAC_VALUE_MAX (2 * SAC_TEXT_MAX) /* chars that hold any printed value */

/* Finds the field of a key; SAC_FIELD_COUNT when there is none. */
sac_field_index sac_field_find(const char* key);

/* The key that a name stands for, without a doubt: a key, the last word of a single key ("lr"), or a name that other
 * programs use ("learning-rate"; '-' counts as '_'). NULL: none. */
const char* sac_field_known_as(const char* name);

/* The key that was probably meant, also by a name that other programs use; NULL when none is near. */
const char* sac_field_nearest(const char* key);

/* Parses `text` into the member of `settings`; after an error the member is unchanged. from: the source ("--set"), for
 * messages. OPTIONS: `text` is copied unchecked. Errors: CONFIG. */
sac_status sac_field_parse(const sac_field* field, const char* text, const char* from, sac_settings* settings);

/* Prints the value as in a file, without quotes: "0.0003", "auto", "true", "[256, 256]". */
void sac_field_print(const sac_field* field, const sac_settings* settings, char text[SAC_VALUE_MAX]);

/* Appends the widths of layers, as sac_text_append does: "256, 256" with the separator ", ". */
void sac_widths_append(char* text, size_t size, size_t* used, const int32_t* width, int32_t count,
                       const char* separator);

/* Prints the allowed values, for people: "(0, 1]", "fp32 | tf32 | bf16", "true | false". */
void sac_field_range(const sac_field* field, char text[SAC_VALUE_MAX]);

int sac_field_equal(const sac_field* field, const sac_settings* a, const sac_settings* b);
void sac_field_copy(const sac_field* field, sac_settings* to, const sac_settings* from);

const char* sac_kind_name(sac_kind kind);       /* "integer", for sac config */
const char* sac_change_name(sac_change change); /* "fixed" */

#endif
