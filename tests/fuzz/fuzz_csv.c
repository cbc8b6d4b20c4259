/* Any bytes as a table of numbers: refused with a message, or finite numbers in full rows. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sac/status.h>

#include "formats/csv.h"
#include "util/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  char* text = malloc(size + 1);
  if (!text) return 0;
  memcpy(text, data, size);
  text[size] = '\0';
  sac_csv csv;
  const sac_status status = sac_csv_parse(&csv, text, size, "fuzz");
  free(text);
  if (status != SAC_OK) {
    if (csv.value || status != SAC_ERROR_FORMAT || strncmp(sac_last_error(), "fuzz:", 5) != 0) abort();
    return 0;
  }
  if (csv.rows < 1 || csv.columns < 1 || csv.rows * csv.columns > size) abort();
  for (size_t i = 0; i < csv.rows * csv.columns; i++)
    if (!isfinite(csv.value[i])) abort();
  sac_free(csv.value);
  return 0;
}
