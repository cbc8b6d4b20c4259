/* Prints the scores of policies: what 'sac eval' says. */
#ifndef SAC_CLI_SCORE_PRINT_H
#define SAC_CLI_SCORE_PRINT_H

#include "cli/score.h"

/* Prints the returns of each policy (count) and, for several seeds, those over all of them. record: the folder of
 * videos; NULL: none. */
void sac_score_print(const sac_score* scores, int64_t count, const sac_score* all, const char* record);

/* Prints the same as one JSON object. episodes, seed: as they were asked for. Returns 0, or not 0 when the object could
 * not be made or printed. */
int sac_score_print_json(const sac_score* scores, int64_t count, const sac_score* all, const char* record,
                         int64_t episodes, int64_t seed);

#endif
