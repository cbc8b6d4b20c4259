/* Fields as text: allowed values, parsing, printing. */
#include <string.h>

#include "config/field.h"
#include "util/error.h"
#include "util/file.h"
#include "util/number.h"
#include "util/text.h"

/* Prints a limit of the allowed range. `number` is the buffer. */
static const char* limit_text(char number[SAC_NUMBER_MAX], double limit) {
  if (limit == SAC_BIG) return "2^53";
  sac_print_real(number, limit);
  return number;
}

void sac_field_range(const sac_field* field, char text[SAC_VALUE_MAX]) {
  char low[SAC_NUMBER_MAX], high[SAC_NUMBER_MAX];
  size_t used = 0;
  text[0] = '\0';

  /* an interval for numbers and widths, a list for names, a word for the rest */
  switch (field->kind) {
    case SAC_VALUE_INT:
    case SAC_VALUE_REAL:
    case SAC_VALUE_AUTO:
    case SAC_VALUE_SIZES:
      sac_text_append(text, SAC_VALUE_MAX, &used, "%c%s, %s]", field->low.open ? '(' : '[',
                      limit_text(low, field->low.value), limit_text(high, field->high));
      break;
    case SAC_VALUE_BOOL:
      sac_text_append(text, SAC_VALUE_MAX, &used, "true | false");
      break;
    case SAC_VALUE_CHOICE:
      for (int i = 0; field->names[i]; i++)
        sac_text_append(text, SAC_VALUE_MAX, &used, "%s%s", i ? " | " : "", field->names[i]);
      break;
    case SAC_VALUE_DEVICE:
      sac_text_append(text, SAC_VALUE_MAX, &used, "auto");
      for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
        sac_text_append(text, SAC_VALUE_MAX, &used, " | %s", kind->name);
        if (!kind->on_host) sac_text_append(text, SAC_VALUE_MAX, &used, " | %s:N", kind->name);
      }
      break;
    case SAC_VALUE_TEXT:
      sac_text_append(text, SAC_VALUE_MAX, &used, "text");
      break;
    case SAC_VALUE_OPTIONS:
      sac_text_append(text, SAC_VALUE_MAX, &used, "mapping");
      break;
  }
}

/* Fails with a message that starts as "optim.lr = 3 (from --set) ". Uses field, text, from and shown. */
#define COMPLAIN(format, ...)                                                                                     \
  sac_fail(SAC_ERROR_CONFIG, "%s = %s (from %s) " format, field->key, sac_text_show(shown, text, SIZE_MAX), from, \
           ##__VA_ARGS__)

/* Fails, because the value is outside its range. */
static sac_status range_error(const sac_field* field, const char* text, const char* from) {
  char range[SAC_VALUE_MAX], shown[SAC_SHOW_MAX];
  sac_field_range(field, range);
  return COMPLAIN("is outside %s", range);
}

static int is_inside(const sac_field* field, double value) {
  return (field->low.open ? value > field->low.value : value >= field->low.value) && value <= field->high;
}

static sac_status parse_integer(const sac_field* field, const char* text, const char* from, int64_t* value) {
  char shown[SAC_SHOW_MAX];
  int64_t read = 0;

  /* read the number: "1e6" is whole too, "1.5" is not */
  switch (sac_parse_integer(text, &read)) {
    case SAC_NUMBER_OK:
      break;
    case SAC_NUMBER_NONE:
    case SAC_NUMBER_PART:
      return COMPLAIN("is not a whole number");
    case SAC_NUMBER_RANGE:
      return range_error(field, text, from);
  }

  /* compare as integers: as a double, a value outside the range could be rounded into it; the limits are exact */
  if (read < (int64_t)field->low.value || read > (int64_t)field->high) return range_error(field, text, from);
  *value = read;
  return SAC_OK;
}

static sac_status parse_real(const sac_field* field, const char* text, const char* from, double* value) {
  char shown[SAC_SHOW_MAX];
  double read = 0;

  /* read the number; one beyond the range of a double is outside the range of the field too */
  switch (sac_parse_real(text, &read)) {
    case SAC_NUMBER_OK:
      break;
    case SAC_NUMBER_NONE:
      if (field->kind == SAC_VALUE_AUTO) return COMPLAIN("is not a number, nor auto");
      return COMPLAIN("is not a number");
    case SAC_NUMBER_PART:
    case SAC_NUMBER_RANGE:
      return range_error(field, text, from);
  }
  if (!is_inside(field, read)) return range_error(field, text, from);
  *value = read;
  return SAC_OK;
}

/* Parses "true" or "false", and other common words for them. */
static sac_status parse_bool(const sac_field* field, const char* text, const char* from, int* value) {
  static const char* const words[][2] = {{"false", "true"}, {"off", "on"}, {"no", "yes"}};
  char shown[SAC_SHOW_MAX];

  /* accept the words in any case */
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    for (int truth = 0; truth < 2; truth++)
      if (sac_text_same(text, words[i][truth])) {
        *value = truth;
        return SAC_OK;
      }
  return COMPLAIN("is not true or false");
}

static sac_status parse_choice(const sac_field* field, const char* text, const char* from, int* value) {
  char shown[SAC_SHOW_MAX], range[SAC_VALUE_MAX];
  for (int i = 0; field->names[i]; i++)
    if (strcmp(text, field->names[i]) == 0) {
      *value = i;
      return SAC_OK;
    }

  /* list the names in the message */
  sac_field_range(field, range);
  return COMPLAIN("is not one of: %s", range);
}

/* Parses text, whose length and characters are limited. Each text is a path or may be one, so that "~" is the home
 * folder. */
static sac_status parse_text(const sac_field* field, const char* text, const char* from, char* value) {
  char shown[SAC_SHOW_MAX], path[SAC_PATH_MAX];
  if (text[0] == '~') {
    const sac_status status = sac_expand_home(path, text);
    if (status != SAC_OK) return COMPLAIN("is no path: %s", sac_last_error());
    text = path;
  }

  /* check length and characters */
  const size_t length = strlen(text);
  if (!is_inside(field, (double)length)) return COMPLAIN("is longer than %d bytes", (int)field->high);
  if (!sac_text_printable(text, length)) return COMPLAIN("is not printable UTF-8 text");

  /* zeros behind the text make equal values equal bytes */
  memset(value, 0, SAC_TEXT_MAX);
  memcpy(value, text, length);
  return SAC_OK;
}

const sac_device_kind* sac_device_kind_of(const char* device) {
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
    const size_t name = strlen(kind->name), length = strlen(device);
    if (strncmp(device, kind->name, name) != 0) continue;

    /* the name alone; or, if there may be several devices, the name, ':' and one to three digits */
    if (length == name) return kind;
    if (!kind->on_host && device[name] == ':' && length >= name + 2 && length <= name + 4 &&
        strspn(device + name + 1, "0123456789") == length - name - 1)
      return kind;
  }
  return NULL;
}

/* Parses "auto", or the name of a device. */
static sac_status parse_device(const sac_field* field, const char* text, const char* from, char* value) {
  char shown[SAC_SHOW_MAX], range[SAC_VALUE_MAX];
  sac_field_range(field, range);
  if (strcmp(text, "auto") != 0 && !sac_device_kind_of(text)) return COMPLAIN("is not one of: %s", range);

  /* keep the text, with zeros behind it */
  memset(value, 0, SAC_TEXT_MAX);
  memcpy(value, text, strlen(text));
  return SAC_OK;
}

static const char blanks[] = " \t\n";

/* Parses one width: the characters from `begin` to before `end`. text: the whole list, for messages. */
static sac_status parse_width(const sac_field* field, const char* text, const char* from, const char* begin,
                              const char* end, int32_t* width) {
  char shown[SAC_SHOW_MAX], word[SAC_NUMBER_MAX], range[SAC_VALUE_MAX];
  int64_t size = 0;

  /* copy the word, without the blanks around it */
  while (begin < end && strchr(blanks, *begin)) begin++;
  while (end > begin && strchr(blanks, end[-1])) end--;
  const size_t length = (size_t)(end - begin);
  if (length == 0 || length >= sizeof word) return COMPLAIN("is not a list of widths like [256, 256]");
  memcpy(word, begin, length);
  word[length] = '\0';

  /* parse the word and check the range of the width */
  const sac_number result = sac_parse_integer(word, &size);
  if (result == SAC_NUMBER_NONE || result == SAC_NUMBER_PART)
    return COMPLAIN("is not a list of widths like [256, 256]");
  if (result != SAC_NUMBER_OK || size < (int64_t)field->low.value || size > (int64_t)field->high) {
    sac_field_range(field, range);
    return COMPLAIN("has a width outside %s", range);
  }
  *width = (int32_t)size;
  return SAC_OK;
}

/* Parses "[256, 256]", "256,256", "256" or "[]". *value changes only on success. */
static sac_status parse_sizes(const sac_field* field, const char* text, const char* from, sac_sizes* value) {
  char shown[SAC_SHOW_MAX];
  sac_sizes sizes = {0};

  /* skip blanks and brackets around the list */
  const char *c = text + strspn(text, blanks), *end = c + strlen(c);
  while (end > c && strchr(blanks, end[-1])) end--;
  if (*c == '[') {
    if (end[-1] != ']') return COMPLAIN("is not a list of widths like [256, 256]");
    c++;
    end--;

    /* an empty list has no layers */
    while (end > c && strchr(blanks, *c)) c++;
    if (c == end) {
      *value = sizes;
      return SAC_OK;
    }
  }

  /* parse the widths between commas */
  for (;;) {
    int32_t width = 0;
    const char* comma = memchr(c, ',', (size_t)(end - c));
    const sac_status status = parse_width(field, text, from, c, comma ? comma : end, &width);
    if (status != SAC_OK) return status;

    /* append the width; the last one has no comma behind it */
    if (sizes.count == SAC_LAYERS_MAX) return COMPLAIN("has more than %d layers", SAC_LAYERS_MAX);
    sizes.size[sizes.count++] = width;
    if (!comma) break;
    c = comma + 1;
  }
  *value = sizes;
  return SAC_OK;
}

sac_status sac_field_parse(const sac_field* field, const char* text, const char* from, sac_settings* settings) {
  void* member = (char*)settings + field->offset;

  /* an empty text is an error, except where it is a value */
  const int may_be_empty = field->kind == SAC_VALUE_OPTIONS || (field->kind == SAC_VALUE_TEXT && field->low.value == 0);
  if (!*text && !may_be_empty) return sac_fail(SAC_ERROR_CONFIG, "%s is empty (from %s)", field->key, from);

  /* parse according to the kind */
  switch (field->kind) {
    case SAC_VALUE_INT:
      return parse_integer(field, text, from, member);
    case SAC_VALUE_AUTO:
      /* NaN stands for "auto" among the values */
      if (sac_text_same(text, "auto")) {
        *(double*)member = NAN;
        return SAC_OK;
      }
      return parse_real(field, text, from, member);
    case SAC_VALUE_REAL:
      return parse_real(field, text, from, member);
    case SAC_VALUE_BOOL:
      return parse_bool(field, text, from, member);
    case SAC_VALUE_CHOICE:
      return parse_choice(field, text, from, member);
    case SAC_VALUE_TEXT:
      return parse_text(field, text, from, member);
    case SAC_VALUE_DEVICE:
      return parse_device(field, text, from, member);
    case SAC_VALUE_SIZES:
      return parse_sizes(field, text, from, member);
    case SAC_VALUE_OPTIONS:
      break;
  }

  /* copy the JSON of OPTIONS unchanged */
  const size_t length = strlen(text);
  if (length >= SAC_TEXT_MAX)
    return sac_fail(SAC_ERROR_CONFIG, "%s (from %s) is longer than %d bytes", field->key, from, SAC_TEXT_MAX - 1);
  memset(member, 0, SAC_TEXT_MAX);
  memcpy(member, text, length);
  return SAC_OK;
}

void sac_widths_append(char* text, size_t size, size_t* used, const int32_t* width, int32_t count,
                       const char* separator) {
  for (int32_t i = 0; i < count; i++) sac_text_append(text, size, used, "%s%d", i ? separator : "", (int)width[i]);
}

void sac_field_print(const sac_field* field, const sac_settings* settings, char text[SAC_VALUE_MAX]) {
  const void* value = (const char*)settings + field->offset;
  size_t used = 0;
  text[0] = '\0';

  /* print according to the kind, in the form that sac_field_parse reads */
  switch (field->kind) {
    /* numbers; NaN stands for "auto" */
    case SAC_VALUE_INT:
      sac_print_integer(text, *(const int64_t*)value);
      break;
    case SAC_VALUE_AUTO:
      if (isnan(*(const double*)value)) {
        memcpy(text, "auto", sizeof "auto");
        break;
      }
      sac_print_real(text, *(const double*)value);
      break;
    case SAC_VALUE_REAL:
      sac_print_real(text, *(const double*)value);
      break;

    /* names, and texts without quotes */
    case SAC_VALUE_BOOL:
      sac_text_append(text, SAC_VALUE_MAX, &used, "%s", *(const int*)value ? "true" : "false");
      break;
    case SAC_VALUE_CHOICE:
      sac_text_append(text, SAC_VALUE_MAX, &used, "%s", field->names[*(const int*)value]);
      break;
    case SAC_VALUE_TEXT:
    case SAC_VALUE_DEVICE:
    case SAC_VALUE_OPTIONS:
      sac_text_append(text, SAC_VALUE_MAX, &used, "%s", (const char*)value);
      break;

    /* a list in brackets */
    case SAC_VALUE_SIZES: {
      const sac_sizes* sizes = value;
      sac_text_append(text, SAC_VALUE_MAX, &used, "[");
      sac_widths_append(text, SAC_VALUE_MAX, &used, sizes->size, sizes->count, ", ");
      sac_text_append(text, SAC_VALUE_MAX, &used, "]");
      break;
    }
  }
}
