/* TensorBoard's event files: scalars by tag and step.
 *
 * A file is a sequence of records: u64 length, masked CRC-32C of the length, an Event message (proto/event.proto),
 * masked CRC-32C of the message. A resume opens a new file that sorts behind the older ones and begins with a session
 * start, at which readers drop what the older files say of later steps. */
#ifndef SAC_FORMATS_TENSORBOARD_H
#define SAC_FORMATS_TENSORBOARD_H

#include <stdint.h>

#include <sac/status.h>

#include "util/file.h"

#define SAC_EVENTS_SCALARS_MAX 64

typedef struct sac_events {
  char path[SAC_PATH_MAX];
  int fd;        /* -1: closed */
  uint64_t size; /* of the records so far */
} sac_events;

/* Makes DIR/events.out.tfevents.TIME.HOST. first_step: of a resumed session, -1: a new run. Errors: FILE. */
sac_status sac_events_open(sac_events* events, const char* dir, int64_t first_step);
void sac_events_close(sac_events* events); /* takes one that is closed or zeroed to fd -1 */

/* One record with the scalars that are not NaN; none, no record. count at most SAC_EVENTS_SCALARS_MAX. On error nothing
 * of it is left in the file. Errors: FILE. */
sac_status sac_events_scalars(sac_events* events, int64_t step, int32_t count, const char* const* tag,
                              const double* value);

/* To the disk. Errors: FILE. */
sac_status sac_events_sync(const sac_events* events);

#endif
