#include "formats/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "util/error.h"
#include "util/text.h"

static const char utf8_mark[] = "\xEF\xBB\xBF"; /* the byte order mark */

typedef struct reader {
  const char* name; /* what messages call the text */
  const char* text;
  size_t size;
  sac_node* root;
  sac_node* open[SAC_YAML_DEPTH]; /* the mappings and sequences that have begun and not ended, outermost first */
  int depth;                      /* of `open` */
  char* key;                      /* a key that was read and has no value yet, else NULL; owned */
  int key_line;
  int nodes;
  int documents;
} reader;

void sac_yaml_free(sac_node* node) {
  if (!node) return;

  /* the recursion is SAC_YAML_DEPTH deep at most */
  for (sac_node *child = node->first, *next; child; child = next) {
    next = child->next;
    sac_yaml_free(child);
  }
  free(node->key);
  free(node->text);
  free(node);
}

static int line_of(yaml_mark_t mark) { return (int)mark.line + 1; }

static char* copy(const char* text, size_t length) {
  char* memory = malloc(length + 1);
  if (memory) {
    memcpy(memory, text, length);
    memory[length] = '\0';
  }
  return memory;
}

static sac_status no_memory(const reader* in) {
  return sac_fail(SAC_ERROR_MEMORY, "%s: no memory left while reading it", in->name);
}

/* Refuses anchors, aliases (which name an anchor) and tags. */
static sac_status check_marks(const reader* in, int line, const yaml_char_t* anchor, const yaml_char_t* tag) {
  if (anchor) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: anchors and aliases are not taken here", in->name, line);
  if (tag) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: tags ('!...') are not taken here", in->name, line);
  return SAC_OK;
}

/* The mapping or sequence that the next node belongs to; NULL at the top. */
static sac_node* innermost(const reader* in) { return in->depth > 0 ? in->open[in->depth - 1] : NULL; }

/* Whether the next node is a key: it is in a mapping, and no key waits for its value. */
static int wants_key(const reader* in) {
  const sac_node* parent = innermost(in);
  return parent && parent->kind == SAC_NODE_MAPPING && !in->key;
}

/* Keeps a key until its value comes. Two equal keys of a mapping are an error. */
static sac_status take_key(reader* in, int line, const char* text, size_t length) {
  char shown[SAC_SHOW_MAX];

  /* a NUL would end the C string early, and two different keys could look equal */
  if (memchr(text, '\0', length))
    return sac_fail(SAC_ERROR_CONFIG, "%s:%d: a key holds a NUL character", in->name, line);
  char* key = copy(text, length);
  if (!key) return no_memory(in);

  /* compare the key with all earlier keys of the mapping */
  for (const sac_node* other = innermost(in)->first; other; other = other->next)
    if (strcmp(other->key, key) == 0) {
      free(key);
      return sac_fail(SAC_ERROR_CONFIG, "%s:%d: key '%s' is given twice (first in line %d)", in->name, line,
                      sac_text_show(shown, text, length), other->line);
    }

  /* the next node takes the key from here */
  in->key = key;
  in->key_line = line;
  return SAC_OK;
}

/* Adds a node at its place in the tree. */
static sac_status add(reader* in, sac_node_kind kind, int line, sac_node** out) {
  /* refuse too many nodes, and a second node at the top */
  in->nodes++;
  if (in->nodes > SAC_YAML_NODES)
    return sac_fail(SAC_ERROR_CONFIG, "%s:%d: more than %d values", in->name, line, SAC_YAML_NODES);
  sac_node* parent = innermost(in);
  if (!parent && in->root) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: a second document", in->name, line);

  /* Make the node. In a mapping it takes the key that was read before it. */
  sac_node* node = calloc(1, sizeof *node);
  if (!node) return no_memory(in);
  node->kind = kind;
  /* a value in a mapping has the line of its key, where messages point to */
  node->line = in->key ? in->key_line : line;
  node->key = in->key;
  in->key = NULL;

  /* append the node to the children of its parent; without a parent it is the root */
  if (!parent) in->root = node;
  else if (parent->last) parent->last->next = node;
  else parent->first = node;
  if (parent) {
    parent->last = node;
    parent->count++;
  }
  *out = node;
  return SAC_OK;
}

/* Takes a scalar as a key or as a value, by its place in the tree. */
static sac_status take_scalar(reader* in, const yaml_event_t* event) {
  const char* text = (const char*)event->data.scalar.value;
  const size_t length = event->data.scalar.length;
  const int line = line_of(event->start_mark);
  sac_node* node = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(check_marks(in, line, event->data.scalar.anchor, event->data.scalar.tag));

  /* in a mapping, every second node is a key */
  if (wants_key(in)) return take_key(in, line, text, length);
  if (memchr(text, '\0', length)) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: a NUL character", in->name, line);

  /* any other scalar is a value */
  SAC_TRY(add(in, SAC_NODE_SCALAR, line, &node));
  node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  node->text = copy(text, length);
  return node->text ? SAC_OK : no_memory(in);
fail:
  return status;
}

/* Takes the start of a mapping or a sequence. The next events are its children, up to its end event. */
static sac_status take_start(reader* in, sac_node_kind kind, int line, const yaml_char_t* anchor,
                             const yaml_char_t* tag) {
  sac_node* node = NULL;
  sac_status status = SAC_OK;
  SAC_TRY(check_marks(in, line, anchor, tag));

  /* a key must be a scalar, and `open` has SAC_YAML_DEPTH places */
  if (wants_key(in)) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: a key that is not plain text", in->name, line);
  if (in->depth == SAC_YAML_DEPTH)
    return sac_fail(SAC_ERROR_CONFIG, "%s:%d: nested more than %d deep", in->name, line, SAC_YAML_DEPTH);

  /* open the node: it is now the innermost */
  SAC_TRY(add(in, kind, line, &node));
  in->open[in->depth++] = node;
  return SAC_OK;
fail:
  return status;
}

/* Takes one event of libyaml's parser. */
static sac_status take(reader* in, const yaml_event_t* event) {
  const int line = line_of(event->start_mark);
  switch (event->type) {
    /* a second document and any alias are refused */
    case YAML_DOCUMENT_START_EVENT:
      if (in->documents++ > 0) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: a second document", in->name, line);
      return SAC_OK;
    case YAML_ALIAS_EVENT:
      return check_marks(in, line, event->data.alias.anchor, NULL);

    /* nodes: a scalar is one event, a mapping or sequence has a start and an end */
    case YAML_SCALAR_EVENT:
      return take_scalar(in, event);
    case YAML_SEQUENCE_START_EVENT:
      return take_start(in, SAC_NODE_SEQUENCE, line, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
      return take_start(in, SAC_NODE_MAPPING, line, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
      in->depth--;
      return SAC_OK;

    /* events that carry nothing for the tree */
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
      break;
  }
  return SAC_OK;
}

/* Fails with the error of libyaml's parser and its line. */
static sac_status syntax_error(const reader* in, const yaml_parser_t* parser) {
  if (parser->error == YAML_MEMORY_ERROR) return no_memory(in);
  const char* problem = parser->problem ? parser->problem : "not valid YAML";

  /* Syntax errors come with a line. Encoding errors come with a byte offset: count the lines before it. */
  int line = line_of(parser->problem_mark);
  if (parser->error == YAML_READER_ERROR) {
    line = 1;
    for (size_t i = 0; i < parser->problem_offset && i < in->size; i++) line += in->text[i] == '\n';
  }

  /* the context says in which construct the problem was found: "while parsing a block mapping" */
  if (!memchr(in->text, '\n', in->size))
    return sac_fail(SAC_ERROR_CONFIG, "%s is not valid YAML: %s%s%s", in->name, parser->context ? parser->context : "",
                    parser->context ? ", " : "", problem);
  if (parser->context) return sac_fail(SAC_ERROR_CONFIG, "%s:%d: %s, %s", in->name, line, parser->context, problem);
  return sac_fail(SAC_ERROR_CONFIG, "%s:%d: %s", in->name, line, problem);
}

/* Refuses a byte order mark at the start of a later line, which files that were joined have: nobody sees it there. */
static sac_status check_later_marks(const reader* in) {
  const char* end = in->text + in->size;
  int line = 1;
  for (const char* at = in->text; (at = memchr(at, '\n', (size_t)(end - at)));) {
    at++;
    line++;
    if ((size_t)(end - at) >= sizeof utf8_mark - 1 && memcmp(at, utf8_mark, sizeof utf8_mark - 1) == 0)
      return sac_fail(SAC_ERROR_CONFIG, "%s:%d: begins with a byte order mark, in the middle of the text: delete it",
                      in->name, line);
  }
  return SAC_OK;
}

/* Whether a text begins as UTF-16 or UTF-32 do: with their byte order mark, or with a zero in its first character. */
static int is_wide(const char* text, size_t size) {
  if (size < 2) return 0;
  return memcmp(text, "\xFF\xFE", 2) == 0 || memcmp(text, "\xFE\xFF", 2) == 0 ||
         (text[0] == '\0') != (text[1] == '\0') || (size >= 4 && memcmp(text, "\0\0\xFE\xFF", 4) == 0);
}

sac_status sac_yaml_parse(sac_node** root, const char* text, size_t size, const char* name) {
  *root = NULL;
  if (size > SAC_YAML_BYTES)
    return sac_fail(SAC_ERROR_CONFIG, "%s: larger than 1 MiB, which is no configuration", name);
  sac_status status = SAC_OK;

  /* skip the byte order mark that some editors put before UTF-8; refuse UTF-16, which has zeros or a mark of its own */
  if (is_wide(text, size))
    return sac_fail(SAC_ERROR_CONFIG, "%s: its characters have 16 or 32 bits: save it as UTF-8", name);
  const size_t mark =
      size >= sizeof utf8_mark - 1 && memcmp(text, utf8_mark, sizeof utf8_mark - 1) == 0 ? sizeof utf8_mark - 1 : 0;
  text += mark;
  size -= mark;
  reader in = {.name = name, .text = text, .size = size};
  status = check_later_marks(&in);
  if (status != SAC_OK) return status;

  /* Set up the parser. Encoding detection is off: the text must be UTF-8. */
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) return no_memory(&in);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char*)text, size);

  /* build the tree from its events */
  for (int more = 1; more;) {
    yaml_event_t event;
    if (!yaml_parser_parse(&parser, &event)) {
      status = syntax_error(&in, &parser);
      goto fail;
    }

    /* Take the event. yaml_event_delete frees its texts, so the tree holds copies. */
    more = event.type != YAML_STREAM_END_EVENT;
    status = take(&in, &event);
    yaml_event_delete(&event);
    if (status != SAC_OK) goto fail;
  }

  /* Give the tree to the caller. After an error, free the part of it that was built. */
  *root = in.root;
  in.root = NULL;
fail:
  yaml_parser_delete(&parser);
  free(in.key);
  sac_yaml_free(in.root);
  return status;
}
