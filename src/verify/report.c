/* The report of a verification: one row for each comparison. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "verify/verify.h"

/* |ours - expected| / allowed. 0 for equal values, even if they are infinite or `allowed` is 0; NaN if one of the three
 * is NaN. */
static double share_of(double ours, double expected, double allowed) {
  if (ours == expected && !isnan(allowed)) return 0;
  return fabs(ours - expected) / allowed;
}

/* Adds a row of zeros at the end. NULL: there is no memory. */
static sac_verify_row* add_row(sac_verify_report* report) {
  /* make room for twice as many rows */
  if (report->count == report->capacity) {
    const int32_t capacity = report->capacity ? 2 * report->capacity : 32;
    sac_verify_row* rows = realloc(report->row, (size_t)capacity * sizeof *rows);
    if (!rows) return NULL;
    report->row = rows;
    report->capacity = capacity;
  }

  /* take the next one */
  sac_verify_row* row = &report->row[report->count++];
  memset(row, 0, sizeof *row);
  return row;
}

sac_status sac_verify_compare(sac_verify_report* report, const char* name, const double* ours, const double* expected,
                              const double* allowed, size_t count) {
  /* add a row; a share of -1 is less than any, so that the first element replaces it */
  sac_verify_row* row = add_row(report);
  if (!row) return sac_fail(SAC_ERROR_MEMORY, "no memory for a report of %d rows", report->count + 1);
  (void)snprintf(row->name, sizeof row->name, "%s", name);
  row->count = count;
  row->ok = 1;
  row->share = -1;

  /* find the largest differences; the comparisons are written so that NaN counts as the largest, and stays */
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    const double error = ours[i] == expected[i] ? 0 : fabs(ours[i] - expected[i]);
    const double share = share_of(ours[i], expected[i], allowed[i]);
    if (!(error <= row->absolute) && !isnan(row->absolute)) row->absolute = error;
    if (fabs(expected[i]) > largest) largest = fabs(expected[i]);

    /* keep the worst element, relative to its tolerance */
    if (!(share <= row->share) && !isnan(row->share)) {
      row->share = share;
      row->worst = i;
      row->ours = ours[i];
      row->expected = expected[i];
      row->allowed = allowed[i];
    }

    /* a share of NaN is beyond the tolerance too */
    if (!(share <= 1)) row->ok = 0;
  }

  /* relate the largest difference to the largest expected number, not to its own: that one may be near 0 */
  row->relative = row->absolute == 0 ? 0 : row->absolute / largest;
  return SAC_OK;
}

void sac_verify_free(sac_verify_report* report) {
  if (!report) return;
  free(report->row);
  memset(report, 0, sizeof *report);
}
