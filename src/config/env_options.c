#include "config/env_options.h"

#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

#define DEPTH_MAX 5 /* so that the written-out configuration around it stays within SAC_YAML_DEPTH */

typedef struct {
  char* json;
  size_t size, used;
  int too_deep;
} writer;

const char* sac_env_options_path(const char* key) {
  const size_t length = strlen(SAC_OPTIONS_KEY ".");
  return strncmp(key, SAC_OPTIONS_KEY ".", length) == 0 ? key + length : NULL;
}

static void write_scalar(writer* out, const sac_node* node) {
  char number[SAC_NUMBER_MAX];
  const char* text = node->text;
  int64_t integer;
  double real;
  if (!node->plain) {
    sac_text_append_quoted(out->json, out->size, &out->used, text);
  } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "null") == 0) {
    sac_text_append(out->json, out->size, &out->used, "%s", text);
  } else if (text[strspn(text, "-0123456789")] == '\0' && sac_parse_integer(text, &integer) == SAC_NUMBER_OK) {
    sac_print_integer(number, integer);
    sac_text_append(out->json, out->size, &out->used, "%s", number);
  } else if (sac_parse_real(text, &real) == SAC_NUMBER_OK) {
    sac_print_real(number, real); /* a real stays one: "1.0" */
    sac_text_append(out->json, out->size, &out->used, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
  } else {
    sac_text_append_quoted(out->json, out->size, &out->used, text);
  }
}

static const sac_node* child_of(const sac_node* mapping, const char* key) {
  for (const sac_node* child = mapping ? mapping->first : NULL; child; child = child->next)
    if (strcmp(child->key, key) == 0) return child;
  return NULL;
}

/* The smallest key of either mapping behind `after` (NULL: of all). */
static const char* next_key(const sac_node* a, const sac_node* b, const char* after) {
  const char* best = NULL;
  for (int side = 0; side < 2; side++) {
    const sac_node* mapping = side ? b : a;
    for (const sac_node* child = mapping ? mapping->first : NULL; child; child = child->next)
      if ((!after || strcmp(child->key, after) > 0) && (!best || strcmp(child->key, best) < 0)) best = child->key;
  }
  return best;
}

/* `over` laid over `base`; either may be NULL, `over` wins where both are and are not both mappings. */
static void write_merged(writer* out, const sac_node* base, const sac_node* over, int depth) {
  const sac_node* top = over ? over : base;
  if (top->kind == SAC_NODE_SCALAR) {
    write_scalar(out, top);
    return;
  }
  if (depth == DEPTH_MAX) {
    out->too_deep = 1;
    return;
  }
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

sac_status sac_env_options_merge(char* json, size_t size, const char* old, const char* path, const sac_node* node,
                                 int under, const char* from) {
  sac_node wrap[DEPTH_MAX + 1], leaf, empty = {.kind = SAC_NODE_MAPPING}, *root = NULL;
  char words[256], shown[SAC_SHOW_MAX], nothing[] = ""; /* leaf points here beyond its block */
  writer out = {.json = json, .size = size};
  const sac_node* given = node;

  if (path) { /* "a.b" and a value: {a: {b: value}} */
    int depth = 0;
    if (strlen(path) >= sizeof words)
      return sac_fail(SAC_ERROR_CONFIG, "%s.%s (from %s) is too long a name", SAC_OPTIONS_KEY,
                      sac_text_show(shown, path, SIZE_MAX), from);
    memcpy(words, path, strlen(path) + 1);
    leaf = node ? *node : (sac_node){.kind = SAC_NODE_SCALAR, .text = nothing};
    leaf.next = NULL;
    for (char* word = words; word; depth++) {
      char* dot = strchr(word, '.');
      if (dot) *dot = '\0';
      if (*word == '\0' || depth == DEPTH_MAX || !sac_text_printable(word, strlen(word)))
        return sac_fail(SAC_ERROR_CONFIG, "'%s.%s' (from %s) names no option", SAC_OPTIONS_KEY,
                        sac_text_show(shown, path, SIZE_MAX), from);
      wrap[depth] = (sac_node){.kind = SAC_NODE_MAPPING, .count = 1};
      if (depth) wrap[depth - 1].first = &wrap[depth], wrap[depth].key = leaf.key;
      leaf.key = word;
      word = dot ? dot + 1 : NULL;
    }
    wrap[depth - 1].first = &leaf;
    given = &wrap[0];
  } else if (!node || (node->kind == SAC_NODE_SCALAR && node->plain && node->text[0] == '\0')) {
    given = &empty;
  } else if (node->kind != SAC_NODE_MAPPING) {
    return sac_fail(SAC_ERROR_CONFIG, "%s (from %s) is not a mapping like {g: 9.81}", SAC_OPTIONS_KEY, from);
  }

  const sac_status status = sac_yaml_parse(&root, old, strlen(old), SAC_OPTIONS_KEY);
  if (status != SAC_OK) return status;
  write_merged(&out, under ? given : root, under ? root : given, 0);
  sac_yaml_free(root);
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
  const sac_node* node = root;
  while (node && path) {
    const char* dot = strchr(path, '.');
    const size_t length = dot ? (size_t)(dot - path) : strlen(path);
    if (node->kind != SAC_NODE_MAPPING || length >= sizeof word) {
      node = NULL;
      break;
    }
    memcpy(word, path, length);
    word[length] = '\0';
    node = child_of(node, word);
    path = dot ? dot + 1 : NULL;
  }
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
