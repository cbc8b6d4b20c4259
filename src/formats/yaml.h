/* The part of YAML that a configuration needs: mappings, sequences and scalars, as a small tree.
 *
 * Refused, with the line: aliases and anchors, tags, a second document, a key that is given twice or is no scalar,
 * nesting deeper than SAC_YAML_DEPTH, more than SAC_YAML_NODES values, more than SAC_YAML_BYTES bytes, NUL characters,
 * and text that is not UTF-8. */
#ifndef SAC_FORMATS_YAML_H
#define SAC_FORMATS_YAML_H

#include <stddef.h>

#include <sac/status.h>

#define SAC_YAML_DEPTH 8
#define SAC_YAML_NODES 4096
#define SAC_YAML_BYTES 1048576

typedef enum sac_node_kind { SAC_NODE_SCALAR, SAC_NODE_SEQUENCE, SAC_NODE_MAPPING } sac_node_kind;

typedef struct sac_node sac_node;
struct sac_node {
  sac_node_kind kind;
  int line;     /* from 1; for a value in a mapping, the line of its key */
  int plain;    /* SCALAR: written without quotes */
  char* key;    /* in a mapping: the key; NULL in a sequence and at the top */
  char* text;   /* SCALAR */
  size_t count; /* children */
  sac_node *first, *last, *next;
};

/* Reads `size` bytes; *root is NULL when they hold no node. Messages begin with `name` and the line: "my.yaml:7: ...".
 * Errors: CONFIG, MEMORY. */
sac_status sac_yaml_parse(sac_node** root, const char* text, size_t size, const char* name);
void sac_yaml_free(sac_node* root);

#endif
