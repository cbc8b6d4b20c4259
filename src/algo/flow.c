#include "algo/flow.h"

#define WORDS(NAME, name, words) words,
const char* const sac_stage_names[SAC_STAGE_COUNT] = {SAC_STAGES(WORDS)};
