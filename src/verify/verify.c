/* Verifying a file: finds out its kind, and runs the verification of that kind. */
#include "verify/verify.h"

#include <string.h>

#include "util/error.h"

sac_status sac_verify_file(const char* path, const sac_config* config, sac_verify_report* report) {
  sac_safetensors* file = NULL;
  sac_status status = sac_safetensors_open(&file, path); /* its messages begin with the path */
  if (status != SAC_OK) return status;

  /* choose by the metadata: `env` is in traces alone, `config` in golden updates */
  const int update = sac_safetensors_metadata(file, "config") != NULL;
  const int trace = sac_safetensors_metadata(file, "env") != NULL;
  const char* format = sac_safetensors_metadata(file, "format");
  if (format && strncmp(format, "sac-", 4) == 0) {
    status =
        sac_fail(SAC_ERROR_FORMAT, "its format is %.40s: neither a golden update nor an environment trace", format);
  } else if (trace) {
    report->kind = "environment trace";
    status = sac_verify_trace(file, report);
  } else if (update) {
    report->kind = "golden update";
    status = sac_verify_update(file, config, report);
  } else {
    status = sac_fail(SAC_ERROR_FORMAT,
                      "no metadata 'config' (golden update) and no 'env' (environment trace): nothing to verify");
  }
  if (status != SAC_OK && strncmp(sac_last_error(), path, strlen(path)) != 0) sac_fail_prefix("%s: ", path);

  /* the file is verified if there are rows and all of them are ok */
  report->ok = status == SAC_OK && report->count > 0;
  for (int32_t i = 0; i < report->count; i++) report->ok &= report->row[i].ok;
  sac_safetensors_close(file);
  return status;
}
