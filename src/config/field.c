#include "config/field.h"

#include <string.h>

#include "util/text.h"

/* Names of the values of CHOICE fields: `member`_names, for the table below. */
static const char* const precision_names[] = SAC_PRECISION_NAMES;
#define algo_names sac_algo_names
#define network_kind_names sac_network_kind_names
#define replay_sampling_names sac_sampler_names
#define cuda_path_names sac_cuda_path_names
static const char* const critics_join_names[] = SAC_JOIN_NAMES;
static const char* const checkpoint_on_error_names[] = SAC_ON_ERROR_NAMES;
static const char* const eval_env_names[] = SAC_EVAL_WHERE_NAMES;
static const char* const signal_names[] = SAC_SIGNAL_NAMES;
#define signal_checkpoint_names signal_names
#define signal_stop_names signal_names
_Static_assert(sizeof precision_names / sizeof(char*) == SAC_PRECISION_COUNT + 1, "a name each, and NULL");
_Static_assert(sizeof critics_join_names / sizeof(char*) == SAC_JOIN_COUNT + 1, "a name each, and NULL");
_Static_assert(sizeof checkpoint_on_error_names / sizeof(char*) == SAC_ON_ERROR_COUNT + 1, "a name each, and NULL");
_Static_assert(sizeof eval_env_names / sizeof(char*) == SAC_EVAL_WHERE_COUNT + 1, "a name each, and NULL");
_Static_assert(sizeof signal_names / sizeof(char*) == SAC_SIGNAL_COUNT + 1, "a name each, and NULL");

#define NAMES_INT(member) NULL
#define NAMES_REAL(member) NULL
#define NAMES_AUTO(member) NULL
#define NAMES_BOOL(member) NULL
#define NAMES_CHOICE(member) member##_names
#define NAMES_TEXT(member) NULL
#define NAMES_DEVICE(member) NULL
#define NAMES_SIZES(member) NULL
#define NAMES_OPTIONS(member) NULL

/* The table. A low of OPEN(x) in SAC_FIELDS sets the flag `open` beside the value. */
#define OPEN(x) (x), .open = 1
const sac_field sac_fields[SAC_FIELD_COUNT] = {
// clang-format off
#define FIELD(kind, member, key, default_, low, high, change, help)                                              \
  {key, SAC_VALUE_##kind, SAC_CHANGE_##change, {.value = low}, high, NAMES_##kind(member), offsetof(sac_settings, member), \
   sizeof(((sac_settings*)0)->member), help},
    // clang-format on
    SAC_FIELDS(FIELD)
#undef FIELD
};
#undef OPEN

/* The library's defaults. A default of SAC_SIZES(256, 256) becomes a count and the widths. */
#define SAC_SIZES(...)                                                  \
  {                                                                     \
    sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), { __VA_ARGS__ } \
  }
const sac_settings sac_settings_library = {
#define DEFAULT(kind, member, key, default_, low, high, change, help) .member = default_,
    SAC_FIELDS(DEFAULT)
#undef DEFAULT
};
#undef SAC_SIZES

static void* member_of(const sac_field* field, sac_settings* settings) { return (char*)settings + field->offset; }
static const void* value_of(const sac_field* field, const sac_settings* settings) {
  return (const char*)settings + field->offset;
}

const char* sac_kind_name(sac_kind kind) {
  static const char* const names[] = {"integer", "number", "number or auto", "boolean", "choice",
                                      "text",    "device", "sizes",          "mapping"};
  return names[kind];
}

const char* sac_change_name(sac_change change) {
  static const char* const names[] = {"free", "later", "fixed"};
  return names[change];
}

sac_field_index sac_field_find(const char* key) {
  for (int i = 0; i < SAC_FIELD_COUNT; i++)
    if (strcmp(sac_fields[i].key, key) == 0) return (sac_field_index)i;

#define RENAMED(name, now) \
  if (strcmp(key, name) == 0) return sac_field_find(now);
  /* an earlier name of a key, as files of older versions have it */
  SAC_FIELD_RENAMED(RENAMED)
#undef RENAMED
  return SAC_FIELD_COUNT;
}

/* The part of a key behind its last dot: "lr" of "optim.lr". */
static const char* last_word(const char* key) {
  const char* dot = strrchr(key, '.');
  return dot ? dot + 1 : key;
}

/* The key that other programs call `word`; NULL: none. */
static const char* alias_of(const char* word) {
#define ALIAS(name, meant) \
  if (sac_text_same(word, name)) return meant;
  SAC_FIELD_ALIASES(ALIAS)
#undef ALIAS
  return NULL;
}

const char* sac_field_known_as(const char* name) {
  char word[64] = "";
  size_t used = 0;
  const char* found = NULL;

  /* options have '-' where keys have '_' */
  sac_text_append(word, sizeof word, &used, "%s", name);
  for (char* c = word; *c; c++)
    if (*c == '-') *c = '_';

  /* a whole key, or a name that other programs use */
  const sac_field_index field = sac_field_find(word);
  if (field != SAC_FIELD_COUNT) return sac_fields[field].key;
  if (alias_of(word)) return alias_of(word);

  /* the last word of one key; "every" is that of several, and "env" means a section rather than eval.env */
  const size_t length = strlen(word);
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    if (strncmp(sac_fields[i].key, word, length) == 0 && sac_fields[i].key[length] == '.') return NULL;
    if (!sac_text_same(word, last_word(sac_fields[i].key))) continue;
    if (found) return NULL;
    found = sac_fields[i].key;
  }
  return found;
}

const char* sac_field_nearest(const char* key) {
  /* a name that other programs use has one meaning */
  const char* word = last_word(key);
  const char* alias = alias_of(word);
  if (alias) return alias;

  /* compare whole keys, and last words in case the section is missing or wrong; distances count half edits */
  const char* best = NULL;
  unsigned best_distance = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    const char *candidate = sac_fields[i].key, *last = last_word(candidate);
    const unsigned near = sac_text_near(key, candidate), word_near = sac_text_near(word, last);
    const unsigned by_word = sac_text_distance_within(word, last, word_near);
    unsigned distance = sac_text_distance_within(key, candidate, near);
    const int near_word = by_word <= word_near;

    /* skip keys that are far: more than a third of the whole key and of the word differ */
    if (distance > near && !near_word) continue;

    /* a near word counts as half an edit more than it is, so that a whole key that is as near wins */
    if (near_word && by_word + 1 < distance) distance = by_word + 1;

    /* keep the nearest; of equally near ones the first */
    if (best && distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

int sac_field_equal(const sac_field* field, const sac_settings* a, const sac_settings* b) {
  const void *x = value_of(field, a), *y = value_of(field, b);

  /* compare by kind and not by bytes: the ends of texts and lists are not used */
  switch (field->kind) {
    case SAC_VALUE_INT:
      return *(const int64_t*)x == *(const int64_t*)y;
    case SAC_VALUE_REAL:
    case SAC_VALUE_AUTO: /* NaN is "auto" and equals itself */
      return *(const double*)x == *(const double*)y || (isnan(*(const double*)x) && isnan(*(const double*)y));
    case SAC_VALUE_BOOL:
    case SAC_VALUE_CHOICE:
      return *(const int*)x == *(const int*)y;
    case SAC_VALUE_TEXT:
    case SAC_VALUE_DEVICE:
    case SAC_VALUE_OPTIONS:
      return strcmp(x, y) == 0;
    case SAC_VALUE_SIZES: {
      const sac_sizes *p = x, *q = y;
      return p->count == q->count && memcmp(p->size, q->size, (size_t)p->count * sizeof *p->size) == 0;
    }
  }
  return 0;
}

void sac_field_copy(const sac_field* field, sac_settings* to, const sac_settings* from) {
  memcpy(member_of(field, to), value_of(field, from), field->size);
}
