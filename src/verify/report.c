/* The report: rows of comparisons. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "verify/verify.h"

/* |ours - expected| over what is allowed. Equal values have no error, also infinite ones and where nothing is allowed;
 * a NaN anywhere gives NaN. */
static double share_of(double ours, double expected, double allowed) {
  if (ours == expected && !isnan(allowed)) return 0;
  return fabs(ours - expected) / allowed;
}

sac_status sac_verify_compare(sac_verify_report* report, const char* name, const double* ours, const double* expected,
                              const double* allowed, size_t count) {
  if (report->count == report->capacity) {
    const int32_t capacity = report->capacity ? 2 * report->capacity : 32;
    sac_verify_row* rows = realloc(report->row, (size_t)capacity * sizeof *rows);
    if (!rows) return sac_fail(SAC_ERROR_MEMORY, "no memory for a report of %d rows", capacity);
    report->row = rows;
    report->capacity = capacity;
  }
  sac_verify_row* row = &report->row[report->count++];
  memset(row, 0, sizeof *row);
  (void)snprintf(row->name, sizeof row->name, "%s", name);
  row->count = count;
  row->ok = 1;
  double largest = 0;
  row->share = -1;
  for (size_t i = 0; i < count; i++) {
    const double error = ours[i] == expected[i] ? 0 : fabs(ours[i] - expected[i]);
    const double share = share_of(ours[i], expected[i], allowed[i]);
    if (!(error <= row->absolute) && !isnan(row->absolute)) row->absolute = error;
    if (fabs(expected[i]) > largest) largest = fabs(expected[i]);
    if (!(share <= row->share) && !isnan(row->share)) {
      row->share = share;
      row->worst = i;
      row->ours = ours[i];
      row->expected = expected[i];
      row->allowed = allowed[i];
    }
    if (!(share <= 1)) row->ok = 0;
  }
  row->relative = row->absolute == 0 ? 0 : row->absolute / largest;
  return SAC_OK;
}

void sac_verify_free(sac_verify_report* report) {
  if (!report) return;
  free(report->row);
  memset(report, 0, sizeof *report);
}
