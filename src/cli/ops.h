/* Operations of an algorithm's list, as text and as JSON: for sac info --algo and sac bench op. */
#ifndef SAC_CLI_OPS_H
#define SAC_CLI_OPS_H

#include "algo/algo.h"

#define SAC_OP_TEXT_MAX 96 /* chars that hold any sac_op_nets */

/* What an operation is: its kind, or the name of its function of rows. */
const char* sac_op_word(const sac_op* op);

/* The networks of an operation, and for targets what they follow: "critic", "critic_target after critic"; "" for the
 * temperature. text: room for the result. */
const char* sac_op_nets(const sac_op* op, char text[SAC_OP_TEXT_MAX]);

/* Where the networks of an operation are evaluated: "(s, a)"; "" for operations on weights alone. */
const char* sac_op_place(const sac_op* op);

/* Prints the members of a JSON object, without its braces: kind, networks, place, rows, equation, source. Members that
 * the operation does not have are left out. */
void sac_op_print_json(const sac_op* op);

#endif
