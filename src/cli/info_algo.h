/* sac info --algo: the list of an algorithm's operations. */
#ifndef SAC_CLI_INFO_ALGO_H
#define SAC_CLI_INFO_ALGO_H

#include "config/settings.h"

/* Prints the operations of the configuration's algorithm, with their costs and what they run as on each backend of this
 * build. json 0: a table; 1: one JSON object. Returns the exit code. */
int sac_cli_info_algo(const sac_config* config, int json);

#endif
