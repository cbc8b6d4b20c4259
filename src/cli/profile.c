#include "cli/profile.h"

#include <stdio.h>
#include <string.h>

#include "backend/registry.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "util/number.h"
#include "util/text.h"

#define UPDATES_MAX 1000000000000 /* so that FROM + COUNT does not overflow */

/* Parses FROM:COUNT. Returns 0 when it is wrong. */
static int parse(const char* text, int64_t* from, int64_t* count) {
  /* split at the colon */
  char first[SAC_NUMBER_MAX];
  const char* colon = strchr(text, ':');
  if (!colon || colon - text >= SAC_NUMBER_MAX) return 0;
  (void)snprintf(first, sizeof first, "%.*s", (int)(colon - text), text);

  /* read both numbers */
  return sac_parse_integer(first, from) == SAC_NUMBER_OK && sac_parse_integer(colon + 1, count) == SAC_NUMBER_OK &&
         *from >= 0 && *count >= 1 && *from <= UPDATES_MAX && *count <= UPDATES_MAX;
}

int sac_cli_profile(const sac_syntax* syntax, const char* text, sac_config* config) {
  const char* device = sac_config_get(config, "device");
  sac_status status = SAC_OK;
  char shown[SAC_SHOW_MAX];
  int64_t from, count;
  const sac_backend* backend;
  int32_t ordinal;

  /* read the option, which may not be given */
  if (!text) return SAC_OPTIONS_GO;
  if (!parse(text, &from, &count))
    return sac_options_usage(syntax, "--profile takes FROM:COUNT, two whole numbers as in 1000:50, not '%s'",
                             sac_text_show(shown, text, SIZE_MAX));

  /* find the device; "auto" counts only usable CUDA devices here, not which is faster */
  status = sac_backend_choose(device, &backend, &ordinal);
  if (status != SAC_OK) return sac_cli_fail(status);
  if (!backend->profile)
    return sac_options_usage(syntax, "--profile is for updates on a CUDA device, and device '%s' is the CPU here",
                             device);

  /* replace "auto" by the device, because an estimate might choose the CPU later */
  if (strcmp(device, "auto") == 0)
    status = sac_config_set_from(config, "device", backend->name, SAC_ORIGIN_FLAG, "--profile");
  if (status != SAC_OK) return sac_cli_fail(status);

  /* request the capture */
  backend->profile(from, count);
  return SAC_OPTIONS_GO;
}

void sac_cli_profile_end(const char* text) {
  int64_t from, count;
  const sac_backend* backend = sac_backend_device();

  /* leave when nothing was requested, or all of it was captured */
  if (!text || !backend || !parse(text, &from, &count) || backend->profiled() >= count) return;

  /* warn */
  (void)fflush(sac_out);
  (void)fprintf(stderr, "sac: --profile %s: only %lld of these updates were made\n", text,
                (long long)backend->profiled());
}
