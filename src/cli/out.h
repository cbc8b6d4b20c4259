/* What the program prints. Environments run in this process and print too: a simulator's C code to descriptor 1, a
 * plugin through the C library's stdout. So the program prints to a stream of its own, and descriptor 1 becomes
 * standard error. Files of this room use sac_print and sac_out, never printf and stdout. */
#ifndef SAC_CLI_OUT_H
#define SAC_CLI_OUT_H

#include <stdio.h>

#include "util/file.h"

/* Standard output as the program was given it. Child processes do not inherit it. */
extern FILE* sac_out;

/* Opens /dev/null for those of the descriptors 0 to 2 that are closed, so that no file gets such a number, and then
 * sac_out. Call it before anything is opened or printed. */
void sac_out_open(void);

/* printf to sac_out. Errors show when it is flushed (sac_out_close). */
void sac_print(const char* format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a descriptor is a terminal that can clear a line: not TERM=dumb. */
int sac_out_is_live(int fd);

/* A path as it is printed, also in JSON: UTF-8 without control characters. Returns `shown`. */
const char* sac_out_path(char shown[SAC_PATH_MAX], const char* path);

/* Writes what is still in memory. Returns 0, or not 0 if any output was not written. */
int sac_out_close(void);

#endif
