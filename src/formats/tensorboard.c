#include "formats/tensorboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "event.pb-c.h"
#include "util/crc.h"
#include "util/error.h"

#define NAME "events.out.tfevents."
#define RECORD_MAX 8192 /* 64 scalars of tags up to 100 bytes */

/* The masked CRC-32C of TFRecord: rotated right by 15 bits and offset. A plain CRC detects errors badly in data that
 * contains CRCs. */
static uint32_t masked_crc(const void* bytes, size_t size) {
  const uint32_t crc = sac_crc32c(0, bytes, size);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

/* Seconds since 1970. */
static double wall_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Writes one record behind the last one. Sets the wall time of the event. */
static sac_status write_event(sac_events* events, Sac__Event* event) {
  unsigned char record[RECORD_MAX];
  event->wall_time = wall_time();

  /* a message that does not fit is refused: the record adds 16 bytes, a length of 8 and two CRCs of 4 */
  const uint64_t size = sac__event__get_packed_size(event);
  if (size > RECORD_MAX - 16) return sac_fail(SAC_ERROR_ARGUMENT, "%s: event of %zu bytes", events->path, (size_t)size);

  /* the length (little-endian) and its CRC */
  memcpy(record, &size, 8);
  const uint32_t size_crc = masked_crc(record, 8);
  memcpy(record + 8, &size_crc, 4);

  /* the message and its CRC */
  sac__event__pack(event, record + 12);
  const uint32_t crc = masked_crc(record + 12, (size_t)size);
  memcpy(record + 12 + size, &crc, 4);

  /* Append the record. After an error, cut off the part that was written: readers stop at a damaged record. */
  const sac_status status = sac_write_at(events->fd, events->path, events->size, record, (size_t)size + 16);
  if (status == SAC_OK) events->size += size + 16;
  else (void)!ftruncate(events->fd, (off_t)events->size);
  return status;
}

/* The time in the name of an event file; -1: it is none. */
static int64_t time_of(const char* name) {
  return strncmp(name, NAME, sizeof NAME - 1) == 0 ? strtoll(name + sizeof NAME - 1, NULL, 10) : -1;
}

/* The time in the name of a new file. Readers take the files of a folder in the order of their names, so the new time
 * is later than the time of every file in `dir`, also when the clock was set back. */
static int64_t next_time(const char* dir) {
  int64_t newest = (int64_t)time(NULL);
  DIR* folder = opendir(dir);
  if (!folder) return newest;

  /* look for a file as late as now or later; the new file is one second later than that */
  for (struct dirent* entry; (entry = readdir(folder));) {
    const int64_t time_there = time_of(entry->d_name);
    if (time_there >= newest && time_there < 9999999999) newest = time_there + 1; /* 10 digits: names sort as numbers */
  }
  closedir(folder);
  return newest;
}

void sac_events_measure(const char* dir, int64_t time, int64_t* size, int64_t* before) {
  char path[SAC_PATH_MAX];
  struct stat info;
  *size = *before = 0;
  DIR* folder = opendir(dir);
  if (!folder) return;
  for (struct dirent* entry; (entry = readdir(folder));) {
    const int64_t there = time_of(entry->d_name);
    if (there < 0 || there > time || sac_path(path, "%s/%s", dir, entry->d_name) != SAC_OK || stat(path, &info) != 0)
      continue;
    *(there == time ? size : before) += info.st_size;
  }
  closedir(folder);
}

sac_status sac_events_open(sac_events* events, const char* dir, int64_t first_step) {
  sac_status status = SAC_OK;
  char host[256] = "";
  int64_t size;
  events->fd = -1;
  events->size = 0;

  /* Make the file: events.out.tfevents.TIME.HOST. O_EXCL: never append to a file of another run. */
  if (gethostname(host, sizeof host - 1) != 0 || !*host) (void)snprintf(host, sizeof host, "localhost");
  events->time = next_time(dir);
  sac_events_measure(dir, events->time, &size, &events->before);
  SAC_TRY(sac_path(events->path, "%s/" NAME "%010lld.%s", dir, (long long)events->time, host));
  SAC_TRY(sac_open_kept(&events->fd, events->path, O_RDWR | O_CREAT | O_EXCL));

  /* The first record holds the version of the format. A new run needs nothing else. */
  char version[] = "brain.Event:2";
  Sac__Event event = SAC__EVENT__INIT;
  event.what_case = SAC__EVENT__WHAT_FILE_VERSION;
  event.file_version = version;
  SAC_TRY(write_event(events, &event));
  if (first_step < 0) return SAC_OK;

  /* a resumed run marks its first step: readers then drop the events of older files from that step on */
  Sac__SessionLog session = SAC__SESSION_LOG__INIT;
  session.status = SAC__SESSION_LOG__SESSION_STATUS__START;
  event.what_case = SAC__EVENT__WHAT_SESSION_LOG;
  event.session_log = &session;
  event.step = first_step;
  SAC_TRY(write_event(events, &event));
  return SAC_OK;
fail:
  if (events->fd >= 0) unlink(events->path);
  sac_events_close(events);
  return status;
}

void sac_events_close(sac_events* events) {
  if (events->fd >= 0) close(events->fd);
  events->fd = -1;
}

sac_status sac_events_scalars(sac_events* events, int64_t step, int32_t count, const char* const* tag,
                              const double* value) {
  Sac__Summary__Value values[SAC_EVENTS_SCALARS_MAX], *list[SAC_EVENTS_SCALARS_MAX];
  Sac__Summary summary = SAC__SUMMARY__INIT;
  Sac__Event event = SAC__EVENT__INIT;

  /* collect the scalars that have a value: NaN means none */
  for (int32_t i = 0; i < count && i < SAC_EVENTS_SCALARS_MAX; i++) {
    if (isnan(value[i])) continue;
    Sac__Summary__Value* entry = &values[summary.n_value];
    sac__summary__value__init(entry);
    entry->tag = (char*)(uintptr_t)tag[i]; /* protobuf-c's member lacks a const; packing only reads it */
    entry->value_case = SAC__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    entry->simple_value = (float)value[i];
    list[summary.n_value++] = entry;
  }
  if (summary.n_value == 0) return SAC_OK;

  /* write the scalars as one record */
  summary.value = list;
  event.step = step;
  event.what_case = SAC__EVENT__WHAT_SUMMARY;
  event.summary = &summary;
  return write_event(events, &event);
}

sac_status sac_events_sync(sac_events* events, int* again) {
  return sac_sync_named(events->fd, events->path, events->size, O_RDWR, again);
}
