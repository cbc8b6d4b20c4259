#include "config/field.h"

/* The values of key replay.sampling: the ways to draw minibatches (config/field.h). */
const char* const sac_sampler_names[] = {"uniform", NULL};
