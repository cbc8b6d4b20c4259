#include "algo/flow.h"

const char* const sac_stage_names[SAC_STAGE_COUNT] = {
    "act",           "env step",     "replay push",        "replay sample",
    "critic update", "actor update", "temperature update", "target update"};
