/* Operations of an algorithm's list, as text and as JSON: for sac info --algo and sac bench op. */
#ifndef SAC_CLI_OPS_H
#define SAC_CLI_OPS_H

#include "algo/algo.h"

#define SAC_OP_TEXT_MAX 96

/* What it is: its kind, or the name of its function of rows. */
const char* sac_op_word(const sac_op* op);

/* Its networks, and what they follow: "critic", "critic_target after critic", "". */
const char* sac_op_nets(const sac_op* op, char text[SAC_OP_TEXT_MAX]);

/* Where its networks are evaluated: "(s, a)"; "" where it is no matter. */
const char* sac_op_place(const sac_op* op);

/* Prints the members of a JSON object, without its braces: kind, networks, place, rows, equation, source; those alone
 * that it has. */
void sac_op_print_json(const sac_op* op);

#endif
