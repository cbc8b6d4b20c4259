/* A thread that does one job at a time while its owner does something else. */
#ifndef SAC_UTIL_WORKER_H
#define SAC_UTIL_WORKER_H

#include <sac/status.h>

typedef struct sac_worker sac_worker;

typedef sac_status sac_worker_job(void* context);

/* Errors: MEMORY (the thread does not start). */
sac_status sac_worker_create(sac_worker** worker);

/* Waits for a job that is not done. Takes NULL. */
void sac_worker_destroy(sac_worker* worker);

/* Begins job(context) and returns. The one before must have been waited for. What the caller has written is visible to
 * the job. */
void sac_worker_start(sac_worker* worker, sac_worker_job* job, void* context);

/* Whether the job that was started is done: sac_worker_wait will not wait. */
int sac_worker_done(const sac_worker* worker);

/* The job's status, once it is done; its message is then this thread's, and its writes are visible. */
sac_status sac_worker_wait(sac_worker* worker);

#endif
