#include "config/env_options.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

#define DEPTH_MAX 5 /* of nested options; the configuration around them stays within SAC_YAML_DEPTH */

/* Where JSON text is written. Text that does not fit is cut; too_deep: 1 after a mapping that is nested too deeply. */
typedef struct {
  char* json;
  size_t size, used;
  int too_deep;
} writer;

const char* sac_env_options_path(const char* key) {
  const size_t length = strlen(SAC_OPTIONS_KEY ".");
  return strncmp(key, SAC_OPTIONS_KEY ".", length) == 0 ? key + length : NULL;
}

/* Writes a scalar as JSON: plain numbers, booleans and null as such, everything else in quotes. */
static void write_scalar(writer* out, const sac_node* node) {
  char number[SAC_NUMBER_MAX];
  const char* text = node->text;
  int64_t integer;
  double real;

  /* a text in quotes is never a number; try a plain one as a word of JSON, an integer, a real, and then as text */
  if (!node->plain) {
    sac_text_append_quoted(out->json, out->size, &out->used, text);
  } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "null") == 0) {
    sac_text_append(out->json, out->size, &out->used, "%s", text);
  } else if (text[strspn(text, "-0123456789")] == '\0' && sac_parse_integer(text, &integer) == SAC_NUMBER_OK) {
    sac_print_integer(number, integer);
    sac_text_append(out->json, out->size, &out->used, "%s", number);
  } else if (sac_parse_real(text, &real) == SAC_NUMBER_OK) {
    /* keep a real a real: 1 becomes "1.0" */
    sac_print_real(number, real);
    sac_text_append(out->json, out->size, &out->used, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
  } else {
    sac_text_append_quoted(out->json, out->size, &out->used, text);
  }
}

/* Finds the child with this key. NULL: none, or no mapping. */
static const sac_node* child_of(const sac_node* mapping, const char* key) {
  for (const sac_node* child = mapping ? mapping->first : NULL; child; child = child->next)
    if (strcmp(child->key, key) == 0) return child;
  return NULL;
}

/* Finds the smallest key of both mappings that comes after `after` (NULL: the first key). NULL: there is none. */
static const char* next_key(const sac_node* a, const sac_node* b, const char* after) {
  const char* best = NULL;

  /* search both mappings to the end, because their keys are in no order */
  for (int side = 0; side < 2; side++) {
    const sac_node* mapping = side ? b : a;
    for (const sac_node* child = mapping ? mapping->first : NULL; child; child = child->next)
      if ((!after || strcmp(child->key, after) > 0) && (!best || strcmp(child->key, best) < 0)) best = child->key;
  }
  return best;
}

/* Writes `base` with `over` merged into it. Either may be NULL. Two mappings are merged; otherwise `over` wins. */
static void write_merged(writer* out, const sac_node* base, const sac_node* over, int depth) {
  const sac_node* top = over ? over : base;

  /* write a scalar; it replaces whatever stands in `base` */
  if (top->kind == SAC_NODE_SCALAR) {
    write_scalar(out, top);
    return;
  }

  /* stop at the deepest level that is allowed; the caller reports it */
  if (depth == DEPTH_MAX) {
    out->too_deep = 1;
    return;
  }

  /* write a list, which replaces the other value; a full buffer ends the loop */
  const char* between = "";
  if (top->kind == SAC_NODE_SEQUENCE) {
    sac_text_append(out->json, out->size, &out->used, "[");
    for (const sac_node* child = top->first; child && out->used + 1 < out->size; child = child->next, between = ", ") {
      sac_text_append(out->json, out->size, &out->used, "%s", between);
      write_merged(out, NULL, child, depth + 1);
    }
    sac_text_append(out->json, out->size, &out->used, "]");
    return;
  }

  /* write a mapping with the keys of both, in alphabetical order; any other kind of `base` is replaced */
  if (base && base->kind != SAC_NODE_MAPPING) base = NULL;
  sac_text_append(out->json, out->size, &out->used, "{");
  for (const char* key = NULL; (key = next_key(base, over, key)) && out->used + 1 < out->size; between = ", ") {
    sac_text_append(out->json, out->size, &out->used, "%s", between);
    sac_text_append_quoted(out->json, out->size, &out->used, key);
    sac_text_append(out->json, out->size, &out->used, ": ");
    write_merged(out, child_of(base, key), child_of(over, key), depth + 1);
  }
  sac_text_append(out->json, out->size, &out->used, "}");
}

/* A value with mappings around it. Its pointers lead into the struct itself, so it must not be copied. */
typedef struct {
  sac_node level[DEPTH_MAX + 1], leaf;
  char words[256]; /* the path, cut into words */
  char empty[1];   /* text of a missing value */
} wrapped;

/* Wraps a value in mappings along its path: "a.b" gives {a: {b: value}}, in w->level[0]. value: NULL for "". */
static sac_status wrap(wrapped* w, const char* path, const sac_node* value, const char* from) {
  char shown[SAC_SHOW_MAX];
  int depth = 0;
  if (strlen(path) >= sizeof w->words)
    return sac_fail(SAC_ERROR_CONFIG, "%s.%s (from %s): the name is too long", SAC_OPTIONS_KEY,
                    sac_text_show(shown, path, SIZE_MAX), from);

  /* keep the path and the value */
  memcpy(w->words, path, strlen(path) + 1);
  w->empty[0] = '\0';
  w->leaf = value ? *value : (sac_node){.kind = SAC_NODE_SCALAR, .text = w->empty};
  w->leaf.next = NULL;

  /* make one mapping for each word of the path */
  for (char* word = w->words; word; depth++) {
    char* dot = strchr(word, '.');
    if (dot) *dot = '\0';
    if (*word == '\0' || depth == DEPTH_MAX || !sac_text_printable(word, strlen(word)))
      return sac_fail(SAC_ERROR_CONFIG, "'%s.%s' (from %s) names no option", SAC_OPTIONS_KEY,
                      sac_text_show(shown, path, SIZE_MAX), from);

    /* add a mapping inside the previous one, under the previous word */
    w->level[depth] = (sac_node){.kind = SAC_NODE_MAPPING, .count = 1};
    if (depth) {
      w->level[depth - 1].first = &w->level[depth];
      w->level[depth].key = w->leaf.key;
    }
    w->leaf.key = word;
    word = dot ? dot + 1 : NULL;
  }

  /* put the value into the innermost mapping, under the last word */
  w->level[depth - 1].first = &w->leaf;
  return SAC_OK;
}

sac_status sac_env_options_merge(char* json, size_t size, const char* old, const char* path, const sac_node* node,
                                 int keep_old, const char* from) {
  static const sac_node empty = {.kind = SAC_NODE_MAPPING};
  wrapped at_path;
  sac_node* root = NULL;
  writer out = {.json = json, .size = size};
  const sac_node* given = node;

  /* find the new mapping: a value wrapped along its path, an empty mapping for an empty value, or `node` itself */
  if (path) {
    const sac_status status = wrap(&at_path, path, node, from);
    if (status != SAC_OK) return status;
    given = &at_path.level[0];
  } else if (!node || (node->kind == SAC_NODE_SCALAR && node->plain && node->text[0] == '\0')) {
    given = &empty;
  } else if (node->kind != SAC_NODE_MAPPING) {
    return sac_fail(SAC_ERROR_CONFIG, "%s (from %s) is not a mapping like {g: 9.81}", SAC_OPTIONS_KEY, from);
  }

  /* read the old mapping back from its text */
  const sac_status status = sac_yaml_parse(&root, old, strlen(old), SAC_OPTIONS_KEY);
  if (status != SAC_OK) return status;

  /* write both; the second of the two mappings wins where both have a value */
  write_merged(&out, keep_old ? given : root, keep_old ? root : given, 0);
  sac_yaml_free(root);

  /* check that nothing was cut */
  if (out.too_deep)
    return sac_fail(SAC_ERROR_CONFIG, "%s (from %s) is nested more than %d deep", SAC_OPTIONS_KEY, from, DEPTH_MAX);
  if (out.used + 1 >= size)
    return sac_fail(SAC_ERROR_CONFIG, "%s (from %s) is longer than %zu bytes", SAC_OPTIONS_KEY, from, size - 2);
  return SAC_OK;
}

int sac_env_options_get(const char* json, const char* path, char* text, size_t size) {
  sac_node* root = NULL;
  char word[256];
  if (sac_yaml_parse(&root, json, strlen(json), SAC_OPTIONS_KEY) != SAC_OK) return 0;

  /* follow the path, one word at a time */
  const sac_node* node = root;
  while (node && path) {
    const char* dot = strchr(path, '.');
    const size_t length = dot ? (size_t)(dot - path) : strlen(path);

    /* a word leads on only from a mapping */
    if (node->kind != SAC_NODE_MAPPING || length >= sizeof word) {
      node = NULL;
      break;
    }

    /* go to the child with this word */
    memcpy(word, path, length);
    word[length] = '\0';
    node = child_of(node, word);
    path = dot ? dot + 1 : NULL;
  }

  /* write a scalar as it is, everything else as JSON */
  size_t used = 0;
  if (size) text[0] = '\0';
  if (node && node->kind == SAC_NODE_SCALAR) {
    sac_text_append(text, size, &used, "%s", node->text);
  } else if (node) {
    writer out = {.json = text, .size = size};
    write_merged(&out, NULL, node, 0);
  }
  const int found = node != NULL;
  sac_yaml_free(root);
  return found;
}

int sac_env_options_name(const char* json, int32_t index, char* name, size_t size) {
  sac_node* root = NULL;
  size_t used = 0;
  if (sac_yaml_parse(&root, json, strlen(json), SAC_OPTIONS_KEY) != SAC_OK) return 0;

  /* the text has them in alphabetical order */
  const sac_node* child = root ? root->first : NULL;
  for (int32_t i = 0; child && i < index; i++) child = child->next;
  if (child) sac_text_append(name, size, &used, "%s", child->key);
  const int found = child != NULL;
  sac_yaml_free(root);
  return found;
}

sac_status sac_env_options_remove(char* json, size_t size, const char* name) {
  sac_node* root = NULL;
  const sac_status status = sac_yaml_parse(&root, json, strlen(json), SAC_OPTIONS_KEY);
  if (status != SAC_OK) return status;

  /* the rest of the list follows those before the option */
  sac_node** link = &root->first;
  while (*link && strcmp((*link)->key, name) != 0) link = &(*link)->next;
  sac_node* removed = *link;
  if (removed) *link = removed->next;

  /* write what is left, which is shorter */
  writer out = {.json = json, .size = size};
  write_merged(&out, NULL, root, 0);
  if (removed) removed->next = root->first;
  if (removed) root->first = removed;
  sac_yaml_free(root);
  return SAC_OK;
}

int sac_env_options_json(const char* json, const char* name, char* text, size_t size) {
  sac_node* root = NULL;
  if (size) text[0] = '\0';
  if (sac_yaml_parse(&root, json, strlen(json), SAC_OPTIONS_KEY) != SAC_OK) return 0;
  const sac_node* child = child_of(root, name);
  writer out = {.json = text, .size = size};
  if (child) write_merged(&out, NULL, child, 1);
  const int found = child != NULL;
  sac_yaml_free(root);
  return found;
}
