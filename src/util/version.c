#include <sac/sac.h>

const char* sac_version(void) { return SAC_VERSION; }
