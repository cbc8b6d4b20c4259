/* Prints the cases of sac bench: a line of text, or one JSON object for each case. */
#ifndef SAC_CLI_BENCH_PRINT_H
#define SAC_CLI_BENCH_PRINT_H

#include <stdint.h>

#include <sac/config.h>

#include "cli/bench_time.h"

struct sac_agent;
struct sac_vector;

/* What is printed about a case before its results. */
typedef struct sac_bench_label {
  const char* kind; /* "update", "act", ... */
  int json;
  int32_t repeats;
  sac_config* config;
  const struct sac_agent* agent;   /* NULL: there is none */
  const struct sac_vector* vector; /* NULL: there is none */
} sac_bench_label;

/* Prints what was measured, on which device and with which sizes. */
void sac_bench_print_label(const sac_bench_label* label);

/* Prints a rate: that of the median repeat, of the slowest and of the fastest. each: how many of the counted things one
 * count of the loop makes. key: the name of the JSON member (and NAME_min, NAME_max); words: the unit for people. */
void sac_bench_print_rate(int json, const char* key, const char* words, double each, sac_timing t);

/* Prints the microseconds that one count of the loop takes, in the median repeat. */
void sac_bench_print_microseconds(int json, const char* key, sac_timing t);

/* Ends the line or the object, and flushes it: a case may take long. */
void sac_bench_print_end(int json);

#endif
