/* Moves the targets towards their networks, one piece in each task. */
#include "cpu/cpu.h"

void sac_cpu_polyak_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  (void)phase;
  (void)thread;
  const sac_cpu* cpu = job->cpu;
  const sac_cpu_piece* piece = &cpu->piece[task];
  cpu->isa->polyak(piece->count, sac_cpu_slab(cpu, SAC_MEMORY_TARGET, job->p) + piece->target,
                   sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, job->p) + piece->source, (float)job->agent->settings.tau);
}
