#include "replay/sampler.h"

#include "config/field.h"

/* The names that key replay.sampling takes (config/field.h). */
const char* const sac_sampler_names[] = {
#define NAME(name) #name,
    SAC_SAMPLERS(NAME) NULL};

static const sac_sampler* const samplers[] = {
#define ENTRY(name) &sac_sampler_##name,
    SAC_SAMPLERS(ENTRY)};

const sac_sampler* sac_sampler_at(int id) { return samplers[id]; }
