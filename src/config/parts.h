/* The parts of a trained agent that a run may start from: key init.parts. */
#ifndef SAC_CONFIG_PARTS_H
#define SAC_CONFIG_PARTS_H

#include <sac/status.h>

typedef enum sac_part_bit {
  SAC_PART_ACTOR = 1,
  SAC_PART_CRITICS = 2,   /* with their targets, and the value network where there is one */
  SAC_PART_ALPHA = 4,     /* the temperature */
  SAC_PART_OPTIMIZER = 8, /* Adam's moments, and the number of updates that they come from */
  SAC_PART_AUTO = 16,     /* parts that the file lacks start anew; without this bit they are an error */
} sac_part_bit;

/* Reads names with commas between them; brackets and spaces are allowed. *parts: the sum of their bits. Errors: CONFIG
 * (names the word that is none). */
sac_status sac_parts_parse(const char* text, unsigned* parts);

#endif
