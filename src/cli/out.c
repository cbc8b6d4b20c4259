#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "util/text.h"

FILE* sac_out;

/* A stream for descriptor 1 under another number. NULL: there is none left. */
static FILE* open_copy(void) {
  const int copy = sac_descriptor_keep(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  return copy < 0 ? NULL : fdopen(copy, "w");
}

/* Runs in a child that an environment has forked: what the parent has not written yet is the parent's to write. */
static void drop_output(void) { __fpurge(sac_out); }

void sac_out_open(void) {
  /* open takes the lowest number that is free, so each closed descriptor becomes /dev/null in its turn */
  for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", O_RDWR);

  /* keep standard output for the program, and send what others print there to standard error, line by line */
  sac_out = open_copy();
  if (!sac_out) sac_out = stdout;
  else if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  (void)pthread_atfork(NULL, NULL, drop_output);
}

void sac_print(const char* format, ...) {
  va_list args;
  va_start(args, format);
  (void)vfprintf(sac_out, format, args);
  va_end(args);
}

int sac_out_is_live(int fd) {
  const char* term = getenv("TERM");
  return isatty(fd) && !(term && strcmp(term, "dumb") == 0);
}

const char* sac_out_path(char shown[SAC_PATH_MAX], const char* path) {
  (void)snprintf(shown, SAC_PATH_MAX, "%s", path);
  sac_text_clean(shown);
  return shown;
}

int sac_out_close(void) {
  const int failed = ferror(sac_out);
  return fflush(sac_out) != 0 || failed;
}
