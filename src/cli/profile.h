/* --profile FROM:COUNT of sac train and sac bench. */
#ifndef SAC_CLI_PROFILE_H
#define SAC_CLI_PROFILE_H

#include "cli/options.h"

#define SAC_OPTION_PROFILE(target)                            \
  SAC_OPTION_TEXT("--profile", "FROM:COUNT", (void*)(target), \
                  "let a profiler capture COUNT updates from update FROM on (CUDA devices)")

/* Requests the capture `text` (NULL: none) and makes `device: auto` a CUDA device. Returns SAC_OPTIONS_GO, or the exit
 * code after a message. */
int sac_cli_profile(const sac_syntax* syntax, const char* text, sac_config* config);

/* Warns on stderr when fewer updates were captured than requested. */
void sac_cli_profile_end(const char* text);

#endif
