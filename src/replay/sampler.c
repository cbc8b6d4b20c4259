#include "config/field.h"

/* The ways of drawing minibatches that key replay.sampling may name (config/field.h). */
const char* const sac_sampler_names[] = {"uniform", NULL};
