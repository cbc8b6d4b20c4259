/* TensorBoard's event files: scalars by tag and step.
 *
 * A file is a sequence of records: u64 length, masked CRC-32C of the length, an Event message (proto/event.proto),
 * masked CRC-32C of the message. A resumed run opens a new file, whose name sorts after those of older files. The new
 * file begins with a session start: readers then drop the events of older files from that step on. */
#ifndef SAC_FORMATS_TENSORBOARD_H
#define SAC_FORMATS_TENSORBOARD_H

#include <stdint.h>

#include <sac/status.h>

#include "util/file.h"

#define SAC_EVENTS_SCALARS_MAX 64

typedef struct sac_events {
  char path[SAC_PATH_MAX];
  int fd;         /* -1: closed */
  uint64_t size;  /* bytes of the records so far */
  int64_t time;   /* TIME of the name */
  int64_t before; /* bytes of the files with an earlier TIME, when this one was made */
} sac_events;

/* Makes DIR/events.out.tfevents.TIME.HOST. first_step: the first step of a resumed run, or -1 for a new run.
 * Errors: FILE. */
sac_status sac_events_open(sac_events* events, const char* dir, int64_t first_step);
void sac_events_close(sac_events* events); /* does nothing when fd is -1 */

/* Writes one record with the scalars that are not NaN; writes nothing when all are NaN. count is at most
 * SAC_EVENTS_SCALARS_MAX. After an error the file holds nothing of the record. Errors: FILE. */
sac_status sac_events_scalars(sac_events* events, int64_t step, int32_t count, const char* const* tag,
                              const double* value);

/* Waits until the records are on the disk (sac_sync_named). Errors: FILE, MEMORY. */
sac_status sac_events_sync(sac_events* events, int* again);

/* The bytes of the event files in DIR with this TIME, and of those with an earlier one. */
void sac_events_measure(const char* dir, int64_t time, int64_t* size, int64_t* before);

#endif
