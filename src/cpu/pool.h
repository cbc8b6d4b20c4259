/* Threads that share the tasks of one job at a time. Each thread starts with its own part of the tasks, so that its
 * cache still holds the data of the previous job, and then helps the others. Which thread runs which task depends on
 * timing, so results must not depend on it. The calling thread takes part: a pool of one thread starts no thread. A
 * thread that sleeps or is busy does not delay a job, as other threads take its tasks.
 *
 * Denormal numbers are flushed to zero while tasks run; the caller's setting is restored afterwards. Adam's moments of
 * an inactive unit shrink to denormal numbers, which are slow. */
#ifndef SAC_CPU_POOL_H
#define SAC_CPU_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef struct sac_pool sac_pool;

/* One task of a job. thread: 0 .. threads-1, to index scratch memory; the caller is 0. */
typedef void sac_pool_task(void* context, int32_t task, int32_t thread);

/* threads >= 1. Errors: MEMORY (a thread does not start). */
sac_status sac_pool_create(sac_pool** pool, int32_t threads);
void sac_pool_destroy(sac_pool* pool);

int32_t sac_pool_threads(const sac_pool* pool);

/* Runs task(context, i, thread) for every i < tasks, and returns when all are done. Their writes are then visible to
 * the caller. One caller at a time, and not from within a task. */
void sac_pool_run(sac_pool* pool, sac_pool_task* task, void* context, int32_t tasks);

/* The same on the calling thread alone, for small jobs. */
void sac_pool_run_alone(sac_pool_task* task, void* context, int32_t tasks);

/* The bytes that sac_pool_create allocates. */
size_t sac_pool_size(int32_t threads);

#endif
