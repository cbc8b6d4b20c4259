#include "cli/bench_rows.h"

#include <stdio.h>

#include "algo/algo.h"
#include "backend/registry.h"
#include "util/error.h"
#include "verify/cases.h"

/* Measures one row of sac_cases with an algorithm and a kind of network. */
static sac_status run_row(const sac_bench* b, const sac_config* base, const sac_case* row, int algo, int kind,
                          sac_bench_run* run) {
  static const char* const none[5];
  sac_config* config = NULL;
  sac_bench one = *b;
  sac_settings settings;
  sac_status status = SAC_OK;

  /* take the sizes and keys of the row */
  one.obs = row->obs, one.act = row->action, one.actions = row->action < 2 ? 2 : row->action;
  SAC_TRY(sac_config_copy(&config, base));
  SAC_TRY(sac_case_apply(row, algo, kind, config));

  /* leave out what the device that was named does not run */
  SAC_TRY(sac_config_settings(config, &settings));
  const sac_backend* backend = sac_backend_find(settings.device);
  if (backend && !backend->path(&settings)) {
    (void)fprintf(stderr, "sac bench: left out, as %s does not run it: algo %s, network.hidden %s\n", settings.device,
                  sac_algo_name(algo), row->hidden);
    goto fail;
  }

  /* measure it */
  SAC_TRY(run(&one, config, none));
fail:
  sac_config_destroy(config);
  return status;
}

sac_status sac_bench_rows(const sac_bench* b, const sac_config* base, sac_bench_run* run) {
  sac_status status = SAC_OK;
  for (int kind = 0; sac_network_kind_names[kind]; kind++)
    for (int algo = 0; algo < SAC_ALGO_COUNT; algo++)
      for (int32_t i = 0; i < sac_case_count; i++) SAC_TRY(run_row(b, base, &sac_cases[i], algo, kind, run));
fail:
  return status;
}
