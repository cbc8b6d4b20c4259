#include "cpu/statistics.h"

#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "kernels/bellman.h"
#include "kernels/temperature.h"

unsigned sac_cpu_completed(const sac_plan* plan, sac_stage stage, int first) {
  unsigned done = first ? SAC_EACH_ONCE : 0;
  for (int32_t i = 0; i < plan->count; i++) {
    const sac_op* op = &plan->op[i];
    if (op->stage != stage) continue;

    /* statistics of rows are complete with the row function that starts the gradient of these networks */
    const int starts = sac_row_starts_gradient(op->row);
    if (starts && op->nets == SAC_CRITIC) done |= SAC_EACH_CRITIC_ROW;
    if (starts && op->nets == SAC_VALUE) done |= SAC_EACH_VALUE_ROW;
    if ((starts && op->nets == SAC_ACTOR) || op->row == SAC_ROW_BOLTZMANN) done |= SAC_EACH_POLICY_ROW;

    /* norms are complete with the gradients */
    if (op->kind == SAC_GRADIENT && op->nets == SAC_CRITIC) done |= SAC_EACH_CRITIC_GRADIENT;
    if (op->kind == SAC_GRADIENT && op->nets == SAC_ACTOR) done |= SAC_EACH_ACTOR_GRADIENT;
  }
  return done;
}

/* Each line of SAC_STATISTICS adds its value to its sum in one of the functions below: the macro SUM_<each> is ADD in
 * that function, and empty in the others. The local variables of the function are the names that values may use. NAMES
 * declares those that all values may use: the temperature before this update, whose own step comes later. Sums are in
 * double, in the order of rows. */
#define NAMES(job)                                                                                                 \
  const float alpha = sac_cpu_alpha(job), target_entropy = (float)(job)->agent->target_entropy;                    \
  const float log_alpha = sac_cpu_slab((job)->cpu, SAC_MEMORY_WEIGHTS, (job)->p)[(job)->agent->tensors.log_alpha]; \
  (void)alpha, (void)log_alpha, (void)target_entropy
#define NOTHING(name, value)
#define ADD(name, value) sum->name += (double)(value);
#define SUM_CRITIC NOTHING
#define SUM_VALUE NOTHING
#define SUM_POLICY NOTHING
#define SUM_ACTOR NOTHING
#define SUM_SQUASHED NOTHING
#define SUM_DISCRETE NOTHING
#define SUM_ONCE NOTHING
#define SUM_CRITIC_GRADIENT NOTHING
#define SUM_ACTOR_GRADIENT NOTHING
#define SUM(name, column, watched, each, over, value, tag, meaning) SUM_##each(name, value)

#undef SUM_ONCE
#define SUM_ONCE ADD
static void once(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);

  /* start the statistics of this update */
  memset(sum, 0, sizeof *sum);
  SAC_STATISTICS(SUM)
}
#undef SUM_ONCE
#define SUM_ONCE NOTHING

#undef SUM_CRITIC
#define SUM_CRITIC ADD
static void critic_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);

  /* Q(s, a) was kept: the trace has its gradient by now */
  for (int32_t k = 0; k < job->agent->shape.critics; k++) {
    const float* outputs = job->scratch->q + (size_t)k * sac_cpu_batch_rows(job->cpu);
    for (int32_t r = 0; r < job->agent->shape.batch; r++) {
      const float q = outputs[r], y = job->scratch->y[r];
      SAC_STATISTICS(SUM)
    }
  }
}
#undef SUM_CRITIC
#define SUM_CRITIC NOTHING

#undef SUM_VALUE
#define SUM_VALUE ADD
static void value_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  const int32_t pass = sac_plan_find(&job->cpu->plan, SAC_VALUE, SAC_CURRENT);
  NAMES(job);
  for (int32_t r = 0; r < job->agent->shape.batch; r++) {
    const float v = job->scratch->output[pass][r], v_target = job->scratch->v_target[r];
    SAC_STATISTICS(SUM)
  }
}
#undef SUM_VALUE
#define SUM_VALUE NOTHING

#undef SUM_POLICY
#define SUM_POLICY ADD
static void policy_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);
  for (int32_t r = 0; r < job->agent->shape.batch; r++) {
    const float smallest = job->scratch->smallest[r], log_prob = job->minibatch->log_prob[r];
    SAC_STATISTICS(SUM)
  }
}
#undef SUM_POLICY
#define SUM_POLICY NOTHING

/* What only some policies have. */
#undef SUM_ACTOR
#define SUM_ACTOR ADD
static void actor_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);
  for (int32_t r = 0; r < job->agent->shape.batch; r++) {
    const float smallest = job->scratch->smallest[r], log_prob = job->minibatch->log_prob[r];
    SAC_STATISTICS(SUM)
  }
}
#undef SUM_ACTOR
#define SUM_ACTOR NOTHING

#undef SUM_SQUASHED
#define SUM_SQUASHED ADD
static void squashed_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);
  for (int32_t r = 0; r < job->agent->shape.batch; r++) {
    const float saturated = job->scratch->saturated[r];
    SAC_STATISTICS(SUM)
  }
}
#undef SUM_SQUASHED
#define SUM_SQUASHED NOTHING

#undef SUM_DISCRETE
#define SUM_DISCRETE ADD
static void discrete_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  NAMES(job);
  for (int32_t r = 0; r < job->agent->shape.batch; r++) {
    const float log_z = job->scratch->log_z[r], kl = job->scratch->kl[r];
    SAC_STATISTICS(SUM)
  }
}
#undef SUM_DISCRETE
#define SUM_DISCRETE NOTHING

/* All statistics of the policy's rows. */
static void all_policy_rows(const sac_cpu_job* job, sac_update_stats* sum) {
  const sac_algorithm* algo = job->agent->algo;
  policy_rows(job, sum);
  if (sac_algo_has(algo, SAC_ACTOR)) actor_rows(job, sum);
  if (algo->policy == SAC_POLICY_SQUASHED_GAUSSIAN) squashed_rows(job, sum);
  if (algo->discrete) discrete_rows(job, sum);
}

/* The norm of the critics' gradients: the root of the blocks' squared norms. It includes a value network. */
#undef SUM_CRITIC_GRADIENT
#define SUM_CRITIC_GRADIENT ADD
static void critic_gradient(const sac_cpu_job* job, sac_update_stats* sum) {
  const double norm = sqrt(sac_cpu_sum_norms(job, SAC_VALUE, sac_cpu_sum_norms(job, SAC_CRITIC, 0)));
  NAMES(job);
  SAC_STATISTICS(SUM)
}
#undef SUM_CRITIC_GRADIENT
#define SUM_CRITIC_GRADIENT NOTHING

/* The norm of the actor's gradient. */
#undef SUM_ACTOR_GRADIENT
#define SUM_ACTOR_GRADIENT ADD
static void actor_gradient(const sac_cpu_job* job, sac_update_stats* sum) {
  const double norm = sqrt(sac_cpu_sum_norms(job, SAC_ACTOR, 0));
  NAMES(job);
  SAC_STATISTICS(SUM)
}

/* Divides the completed sums by what the list says (`over`): the number of rows, critics or actions. */
#define EACH_ONCE SAC_EACH_ONCE
#define EACH_CRITIC SAC_EACH_CRITIC_ROW
#define EACH_VALUE SAC_EACH_VALUE_ROW
#define EACH_POLICY SAC_EACH_POLICY_ROW
#define EACH_ACTOR SAC_EACH_POLICY_ROW
#define EACH_SQUASHED SAC_EACH_POLICY_ROW
#define EACH_DISCRETE SAC_EACH_POLICY_ROW
#define EACH_CRITIC_GRADIENT SAC_EACH_CRITIC_GRADIENT
#define EACH_ACTOR_GRADIENT SAC_EACH_ACTOR_GRADIENT
#define DIVIDE(name, column, watched, each, over, value, tag, meaning) \
  if (completed & EACH_##each) stats->name /= SAC_STATISTIC_OVER_##over(rows, critics, actions);
static void divide(const sac_agent* agent, unsigned completed, sac_update_stats* stats) {
  const double rows = agent->shape.batch;
  const int32_t critics = agent->shape.critics, actions = agent->shape.action;
  (void)critics, (void)actions;
  SAC_STATISTICS(DIVIDE)
}

void sac_cpu_statistics_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  sac_update_stats* stats = &job->agent->stats[job->p];
  const unsigned completed = phase->statistics;
  (void)task;
  (void)thread;

  /* sum over the minibatch what this stage completes; `once` comes first, as it clears the struct */
  if (completed & SAC_EACH_ONCE) once(job, stats);
  if (completed & SAC_EACH_CRITIC_ROW) critic_rows(job, stats);
  if (completed & SAC_EACH_VALUE_ROW) value_rows(job, stats);
  if (completed & SAC_EACH_POLICY_ROW) all_policy_rows(job, stats);
  if (completed & SAC_EACH_CRITIC_GRADIENT) critic_gradient(job, stats);
  if (completed & SAC_EACH_ACTOR_GRADIENT) actor_gradient(job, stats);

  /* turn sums into means */
  divide(job->agent, completed, stats);
}
