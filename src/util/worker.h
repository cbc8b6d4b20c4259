/* A thread that runs one job at a time while its owner does something else. */
#ifndef SAC_UTIL_WORKER_H
#define SAC_UTIL_WORKER_H

#include <sac/status.h>

typedef struct sac_worker sac_worker;

typedef sac_status sac_worker_job(void* context);

/* Errors: MEMORY (the thread does not start). */
sac_status sac_worker_create(sac_worker** worker);

/* Waits for a job that still runs, and ends the thread. Takes NULL. */
void sac_worker_destroy(sac_worker* worker);

/* Starts job(context) and returns at once. After an earlier job, call sac_worker_wait first. The job sees everything
 * that the caller has written. */
void sac_worker_start(sac_worker* worker, sac_worker_job* job, void* context);

/* Whether a started job is done and sac_worker_wait would return at once. */
int sac_worker_done(const sac_worker* worker);

/* Waits until the started job is done, at most `seconds`. Returns whether it is. */
int sac_worker_wait_for(sac_worker* worker, double seconds);

/* Waits until the started job is done and returns its status. The error message of the job becomes the message of the
 * calling thread, which also sees everything that the job has written. */
sac_status sac_worker_wait(sac_worker* worker);

#endif
