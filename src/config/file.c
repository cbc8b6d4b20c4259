/* Configurations as YAML text: reading and writing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/env_options.h"
#include "config/settings.h"
#include "config/sources.h"
#include "util/error.h"
#include "util/file.h"
#include "util/text.h"

/* The reading of one text, [text, end). name: for messages. */
typedef struct {
  sac_config* config;
  const char *name, *text, *end;
  sac_origin origin;
  const char* from;          /* name of the source; NULL: "name:line" */
  int line[SAC_FIELD_COUNT]; /* where each field was given; 0: not yet */
  char where[SAC_FROM_MAX];  /* buffer for the name of a source */
} reader;

/* A path for messages, without control characters. A long one is cut at its start: the end tells files apart. */
static void shorten_path(char shown[SAC_FROM_MAX - 16], const char* name) {
  const size_t room = SAC_FROM_MAX - 16, length = strlen(name);
  size_t used = 0;

  /* copy the name, or "..." and as much of its end as fits */
  if (length < room) {
    sac_text_append(shown, room, &used, "%s", name);
  } else {
    const char* tail = name + length - (room - sizeof "...");
    while (((unsigned char)*tail & 0xC0) == 0x80) tail++; /* start at a whole UTF-8 character */
    sac_text_append(shown, room, &used, "...%s", tail);
  }

  /* replace control characters */
  for (char* c = shown; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
}

/* Reads the source of a value from the comment "# from ..." in its line, because a resumed run keeps the sources of the
 * run before. Returns 0 when there is no such comment. */
static int comment_source(const reader* in, int line, char* from, size_t size) {
  static const char mark[] = "# from ";

  /* find the line, from `start` to before `stop` */
  const char* start = in->text;
  for (int i = 1; i < line && start; i++) {
    start = memchr(start, '\n', (size_t)(in->end - start));
    if (start) start++;
  }
  if (!start) return 0;
  const char* stop = memchr(start, '\n', (size_t)(in->end - start));
  if (!stop) stop = in->end;
  if (stop > start && stop[-1] == '\r') stop--;

  /* find the last "# from ", because a text value may hold one too */
  const char* found = NULL;
  for (const char* c = start; c + sizeof mark - 1 < stop; c++)
    if (memcmp(c, mark, sizeof mark - 1) == 0) found = c + sizeof mark - 1;
  if (!found || (size_t)(stop - found) >= size || !sac_text_printable(found, (size_t)(stop - found))) return 0;

  /* copy the source */
  memcpy(from, found, (size_t)(stop - found));
  from[stop - found] = '\0';
  return 1;
}

/* The name of the source of a value in `line`: a given name, the comment of a saved configuration, or "name:line". May
 * use in->where. */
static const char* source_of(reader* in, int line) {
  size_t used = 0;
  if (in->from) return in->from;
  if (in->origin == SAC_ORIGIN_SAVED && comment_source(in, line, in->where, sizeof in->where)) return in->where;
  sac_text_append(in->where, sizeof in->where, &used, "%s:%d", in->name, line);
  return in->where;
}

/* Fails with the place and the key of a value. */
static sac_status value_error(const reader* in, int line, const char* key, const char* why) {
  return sac_fail(SAC_ERROR_CONFIG, "%s:%d: %s: %s", in->name, line, key, why);
}

/* Writes a list of scalars as the text "[a, b]", which the field parses. */
static sac_status sequence_text(const reader* in, const sac_node* node, const char* key, char* text, size_t size) {
  size_t used = 0;
  sac_text_append(text, size, &used, "[");
  for (const sac_node* child = node->first; child; child = child->next) {
    if (child->kind != SAC_NODE_SCALAR) return value_error(in, child->line, key, "expected a list of plain values");
    sac_text_append(text, size, &used, "%s%s", child == node->first ? "" : ", ", child->text);
  }
  sac_text_append(text, size, &used, "]");

  /* a full buffer means that the text was cut */
  if (used + 1 >= size) return value_error(in, node->line, key, "the list is too long");
  return SAC_OK;
}

/* Assigns options of the environment: each with the source of its own line. */
static sac_status assign_options(reader* in, const sac_node* node) {
  if (node->kind != SAC_NODE_MAPPING || node->count == 0)
    return sac_config_assign_options(in->config, NULL, node, in->origin, source_of(in, node->line));

  /* wrap each in a mapping of its own */
  sac_status status = SAC_OK;
  for (const sac_node* child = node->first; child && status == SAC_OK; child = child->next) {
    sac_node alone = *child, mapping = {.kind = SAC_NODE_MAPPING, .count = 1, .first = &alone, .last = &alone};
    alone.next = NULL;
    status = sac_config_assign_options(in->config, NULL, &mapping, in->origin, source_of(in, child->line));
  }
  return status;
}

/* Assigns the value `node` of one key. */
static sac_status assign(reader* in, const char* key, const sac_node* node) {
  char list[SAC_TEXT_MAX] = "";

  /* assign an option of the environment */
  const char* path = sac_env_options_path(key);
  if (path) return sac_config_assign_options(in->config, path, node, in->origin, source_of(in, node->line));

  /* find the field, which may be given only once */
  const sac_field_index field = sac_field_find(key);
  if (field == SAC_FIELD_COUNT) {
    const sac_status status = sac_config_unknown(key, "");
    sac_fail_prefix("%s:%d: ", in->name, node->line);
    return status;
  }
  if (in->line[field])
    return sac_fail(SAC_ERROR_CONFIG, "%s:%d: key '%s' is given twice (first in line %d)", in->name, node->line, key,
                    in->line[field]);
  in->line[field] = node->line;

  /* check the kind of the value: a mapping for env.options, a list or a scalar for widths and parts, a scalar for all
   * others */
  if (field == SAC_FIELD_env_options) return assign_options(in, node);
  if (node->kind == SAC_NODE_MAPPING) return value_error(in, node->line, key, "expected a value, not a mapping");
  if (node->kind == SAC_NODE_SEQUENCE) {
    if (sac_fields[field].kind != SAC_VALUE_SIZES && field != SAC_FIELD_init_parts)
      return value_error(in, node->line, key, "expected one value, not a list");
    const sac_status status = sequence_text(in, node, key, list, sizeof list);
    if (status != SAC_OK) return status;
  }

  /* assign it as text; a plain ~ or null is YAML's word for no value */
  const char* text = node->kind == SAC_NODE_SEQUENCE ? list : node->text;
  if (node->kind == SAC_NODE_SCALAR && node->plain && (strcmp(text, "~") == 0 || sac_text_same(text, "null")))
    text = "";
  return sac_config_assign(in->config, field, text, in->origin, source_of(in, node->line));
}

/* Assigns all keys of a mapping, and those of its sections. prefix: the section so far, "" or "optim". */
static sac_status assign_all(reader* in, const char* prefix, const sac_node* mapping) {
  for (const sac_node* node = mapping->first; node; node = node->next) {
    /* make the whole key: the section, a dot, the key inside it */
    char key[SAC_TEXT_MAX];
    size_t used = 0;
    key[0] = '\0';
    sac_text_append(key, sizeof key, &used, "%s%s%s", prefix, *prefix ? "." : "", node->key);

    /* a mapping under a name that is no key is a section; env.options and its options take mappings as values */
    const int section = node->kind == SAC_NODE_MAPPING && sac_field_find(key) == SAC_FIELD_COUNT &&
                        !sac_env_options_path(key) && node->count > 0;
    const sac_status status = section ? assign_all(in, key, node) : assign(in, key, node);
    if (status != SAC_OK) return status;
  }
  return SAC_OK;
}

sac_status sac_config_read(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin,
                           const char* from) {
  /* parse the text; the name is for messages */
  sac_node* root = NULL;
  char shown[SAC_FROM_MAX - 16] = "";
  shorten_path(shown, name);
  sac_status status = sac_yaml_parse(&root, text, size, shown);
  if (status != SAC_OK || !root) return status; /* an empty file sets nothing */

  /* assign to a copy, which replaces the configuration only if the whole text is correct */
  sac_config next = *config;
  reader in = {.config = &next, .name = shown, .text = text, .end = text + size, .origin = origin, .from = from};
  if (root->kind == SAC_NODE_MAPPING) status = assign_all(&in, "", root);
  else if (root->kind == SAC_NODE_SEQUENCE || root->text[0] || !root->plain)
    status = sac_fail(SAC_ERROR_CONFIG, "%s:%d: expected lines of 'key: value'", shown, root->line);
  sac_yaml_free(root);
  if (status == SAC_OK) *config = next;
  return status;
}

sac_status sac_config_parse(sac_config* config, const char* text, size_t size, const char* name, sac_origin origin) {
  return sac_config_read(config, text, size, name, origin, NULL);
}

sac_status sac_config_load(sac_config* config, const char* path) {
  if (!config || !path) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_load: config or path is NULL");
  if (!path[0]) return sac_fail(SAC_ERROR_ARGUMENT, "sac_config_load: path is empty");
  char name[SAC_FROM_MAX - 16] = "";
  shorten_path(name, path);
  sac_status status = SAC_OK;
  char* text = NULL;

  /* open the file */
  char whole[SAC_PATH_MAX];
  status = sac_expand_home(whole, path);
  if (status != SAC_OK) return status;
  FILE* file = fopen(whole, "rbe");
  if (!file) return sac_fail(SAC_ERROR_FILE, "%s: cannot be opened: %s", name, strerror(errno));

  /* read one byte more than is allowed, so that a file that is too large is noticed */
  text = malloc(SAC_YAML_BYTES + 1);
  if (!text) {
    status = sac_fail(SAC_ERROR_MEMORY, "%s: no memory left to read it", name);
    goto fail;
  }
  const size_t size = fread(text, 1, SAC_YAML_BYTES + 1, file);
  if (ferror(file)) {
    status = sac_fail(SAC_ERROR_FILE, "%s: cannot be read: %s", name, strerror(errno));
    goto fail;
  }

  /* parse the text and assign its values */
  status = sac_config_read(config, text, size, path, SAC_ORIGIN_FILE, NULL);
fail:
  free(text);
  fclose(file);
  return sac_result(status);
}

/* Whether YAML reads the text back unchanged without quotes. Only safe characters pass, and ':' only inside a word. */
static int plain(const char* text) {
  static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./+-";
  if (!*text || strchr("+-", *text) || sac_text_same(text, "null")) return 0;
  for (const char* c = text; *c; c++)
    if (!strchr(safe, *c) && !(*c == ':' && c[1] && c[1] != ' ')) return 0;
  return 1;
}

/* Appends a number. "1e-08" becomes "1.0e-08", because readers of YAML 1.1 (PyYAML) take "1e-08" for text. */
static void append_real(char* line, size_t size, size_t* used, const char* value) {
  /* find the exponent of a number without a point; the end of the text if nothing is to be added */
  const char* exponent = strchr(value, 'e');
  if (!exponent || strchr(value, '.')) exponent = value + strlen(value);
  sac_text_append(line, size, used, "%.*s%s%s", (int)(exponent - value), value, *exponent ? ".0" : "", exponent);
}

void sac_config_write_options(const sac_config* config, const char* key, const char* indent, FILE* file) {
  char name[SAC_TEXT_MAX], value[SAC_TEXT_MAX], line[2 * SAC_VALUE_MAX];
  const char* options = config->settings.env_options;
  fprintf(file, "%s%s:\n", indent, key);
  for (int32_t i = 0; sac_env_options_name(options, i, name, sizeof name); i++) {
    size_t used = 0;
    (void)sac_env_options_json(options, name, value, sizeof value);
    sac_text_append(line, sizeof line, &used, "%s  ", indent);
    sac_text_append_quoted(line, sizeof line, &used, name);
    sac_text_append(line, sizeof line, &used, ": %s", value);
    fprintf(file, "%-36s # from %s\n", line, sac_config_option_source(config, name)->from);
  }
}

sac_status sac_config_write(const sac_config* config, FILE* file) {
  char value[SAC_VALUE_MAX], line[2 * SAC_VALUE_MAX];
  const char* section = "";
  size_t section_length = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) {
    /* find the section of the key: the part before its dot */
    const sac_field* field = &sac_fields[i];
    const char* dot = strchr(field->key, '.');
    const size_t length = dot ? (size_t)(dot - field->key) : 0;
    size_t used = 0;

    /* start a new section; the fields of one section follow each other in the table */
    if (length && (length != section_length || memcmp(section, field->key, length) != 0))
      fprintf(file, "%.*s:\n", (int)length, field->key);
    section = field->key;
    section_length = length;

    /* options of several sources stand on lines of their own */
    if (i == SAC_FIELD_env_options && sac_config_options_differ(config)) {
      sac_config_write_options(config, "options", "  ", file);
      continue;
    }

    /* print the value, quoted where YAML would read something else */
    sac_field_print(field, &config->settings, value);
    sac_text_append(line, sizeof line, &used, "%s%s: ", dot ? "  " : "", dot ? dot + 1 : field->key);
    if ((field->kind == SAC_VALUE_TEXT || field->kind == SAC_VALUE_DEVICE) && !plain(value))
      sac_text_append_quoted(line, sizeof line, &used, value);
    else if (field->kind == SAC_VALUE_REAL || field->kind == SAC_VALUE_AUTO)
      append_real(line, sizeof line, &used, value);
    else sac_text_append(line, sizeof line, &used, "%s", value);

    /* add the source of the value as a comment */
    fprintf(file, "%-36s # from %s\n", line, config->source[i].from);
  }
  if (ferror(file)) return sac_fail(SAC_ERROR_FILE, "the configuration cannot be written: %s", strerror(errno));
  return SAC_OK;
}

sac_status sac_config_text(const sac_config* config, char** out) {
  char* text = NULL;
  size_t size;
  *out = NULL;

  /* write to a stream in memory; fclose completes the text */
  FILE* file = open_memstream(&text, &size);
  if (!file) return sac_fail(SAC_ERROR_MEMORY, "no memory for the configuration's text");
  sac_status status = sac_config_write(config, file);
  if (fclose(file) != 0 && status == SAC_OK)
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the configuration's text");

  /* give the text to the caller, or free it after an error */
  if (status == SAC_OK) *out = text;
  else free(text);
  return status;
}
