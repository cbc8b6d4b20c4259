#include "cli/ops.h"
#include "cli/out.h"

#include <stdio.h>

const char* sac_op_word(const sac_op* op) {
  return op->kind == SAC_ROWS ? sac_row_name(op->row) : sac_op_kind_names[op->kind];
}

/* The temperature belongs to no network. */
static int has_nets(const sac_op* op) { return op->kind != SAC_TEMPERATURE; }

const char* sac_op_nets(const sac_op* op, char text[SAC_OP_TEXT_MAX]) {
  const int follows = op->kind == SAC_POLYAK;
  if (!has_nets(op)) return "";

  /* name the networks, and for a target those that it follows */
  (void)snprintf(text, SAC_OP_TEXT_MAX, "%s%s%s", sac_group_names[op->nets], follows ? " after " : "",
                 follows ? sac_group_names[op->source] : "");
  return text;
}

const char* sac_op_place(const sac_op* op) {
  return op->kind == SAC_ADAM || op->kind == SAC_POLYAK ? "" : sac_place_names[op->at];
}

void sac_op_print_json(const sac_op* op) {
  /* print what every operation has */
  sac_print("\"kind\": \"%s\"", sac_op_kind_names[op->kind]);
  if (has_nets(op)) sac_print(", \"networks\": \"%s\"", sac_group_names[op->nets]);
  if (*sac_op_place(op)) sac_print(", \"place\": \"%s\"", sac_op_place(op));

  /* print what only functions of rows and target updates have */
  if (op->kind == SAC_ROWS)
    sac_print(", \"rows\": \"%s\", \"equation\": \"%s\"", sac_row_name(op->row), sac_row_equation(op->row));
  if (op->kind == SAC_POLYAK) sac_print(", \"source\": \"%s\"", sac_group_names[op->source]);
}
