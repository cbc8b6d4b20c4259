/* Threads that share the tasks of one job at a time. Each begins with a part of them that is its own, for its cache's
 * sake, and then helps the others; who takes which task is left to chance in the end, and results must not depend on
 * it. The caller's thread takes part, so a pool of one starts no thread, and a sleeping or busy thread delays nobody:
 * what it does not take, others do.
 *
 * Denormal numbers are flushed to zero while tasks run (the caller's setting comes back after): Adam's moments of a
 * unit that has died shrink to them, and they are slow. */
#ifndef SAC_CPU_POOL_H
#define SAC_CPU_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

typedef struct sac_pool sac_pool;

/* thread: 0 .. threads-1, for scratch; the caller is 0. */
typedef void sac_pool_task(void* context, int32_t task, int32_t thread);

/* threads >= 1. Errors: MEMORY (a thread does not start). */
sac_status sac_pool_create(sac_pool** pool, int32_t threads);
void sac_pool_destroy(sac_pool* pool);

int32_t sac_pool_threads(const sac_pool* pool);

/* Runs task(context, i, thread) for every i < tasks, and returns when all are done; their writes are visible to the
 * caller. One caller at a time; not from within a task. */
void sac_pool_run(sac_pool* pool, sac_pool_task* task, void* context, int32_t tasks);

/* The same by the caller alone: for jobs too small to share. */
void sac_pool_run_alone(sac_pool_task* task, void* context, int32_t tasks);

/* Bytes create will take. */
size_t sac_pool_size(int32_t threads);

#endif
