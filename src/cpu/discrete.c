/* Row functions of discrete actions. A panel has 32 rows of the minibatch: the values of a row's actions are 32 floats
 * apart. */
#include "kernels/discrete.h"

#include <string.h>

#include "cpu/rows.h"
#include "kernels/bellman.h"

/* The values of the actions of one panel, (A, 32), in the thread's scratch. */
enum { Q, LOG_P, LOG_R };

static float* values(const sac_cpu_span* s, int which) {
  return s->thread->values + (size_t)which * (size_t)s->job->agent->shape.actions * SAC_PANEL;
}

/* The outputs of network n at panel p of the span, (A, 32). */
static const float* panel_of(const sac_cpu_span* s, int32_t pass, int32_t n, int32_t p) {
  return sac_cpu_output(s, pass, n) + (size_t)(s->panel + p) * (size_t)s->job->agent->shape.actions * SAC_PANEL;
}

/* [sac.join] Joins the critics of a pass at panel p: q (A, 32). */
static const float* join(const sac_cpu_span* s, int32_t pass, int32_t p) {
  const sac_agent* agent = s->job->agent;
  const int32_t actions = agent->shape.actions, lanes = sac_lanes(s->rows, p);
  const size_t next = sac_cpu_batch_rows(s->job->cpu) * (size_t)actions; /* from one critic to the next */
  const float* from = panel_of(s, pass, 0, p);
  float* q = values(s, Q);

  /* action by action */
  for (int32_t a = 0; a < actions; a++)
    for (int32_t r = 0; r < lanes; r++) {
      const size_t at = (size_t)a * SAC_PANEL + (size_t)r;
      q[at] = sac_join_critics(from + at, next, agent->shape.critics, agent->settings.critics_join == SAC_JOIN_MEAN);
    }
  return q;
}

/* [sac.target] y of row r of the minibatch, from the value of s'. */
static float target(const sac_cpu_span* s, int32_t r, float value) {
  const sac_cpu_minibatch* m = s->job->minibatch;
  return sac_target(m->reward[r], (float)s->job->agent->settings.reward_scale, m->discount[r], value);
}

void sac_cpu_boltzmann_target(const sac_cpu_span* s) {
  const float alpha = sac_cpu_alpha(s->job);
  const int32_t actions = s->job->agent->shape.actions;

  /* [discrete.soft-value] of the target critics */
  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const float* q = join(s, s->pass, p);
    for (int32_t i = 0; i < sac_lanes(s->rows, p); i++) {
      const int32_t r = (s->panel + p) * SAC_PANEL + i;
      s->job->scratch->y[r] = target(s, r, sac_boltzmann_value(q + i, SAC_PANEL, actions, alpha));
    }
  }
}

void sac_cpu_softmax_target(const sac_cpu_span* s) {
  const float alpha = sac_cpu_alpha(s->job);
  const int32_t actions = s->job->agent->shape.actions;
  const int32_t actor = sac_plan_find(&s->job->cpu->plan, SAC_ACTOR, s->op->at);
  float* log_p = values(s, LOG_P);

  /* [sac-discrete.value] of the target critics, under the actor at s' */
  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const float *q = join(s, s->pass, p), *logits = panel_of(s, actor, 0, p);
    for (int32_t i = 0; i < sac_lanes(s->rows, p); i++) {
      const int32_t r = (s->panel + p) * SAC_PANEL + i;
      sac_log_softmax(logits + i, SAC_PANEL, actions, 1, log_p + i);
      s->job->scratch->y[r] = target(s, r, sac_discrete_value(log_p + i, q + i, SAC_PANEL, actions, alpha));
    }
  }
}

/* [sac.critic-loss] The gradient of a critic's loss with respect to its outputs: that of the action in the replay, and
 * zeros. */
void sac_cpu_chosen_loss(const sac_cpu_span* s) {
  const sac_agent* agent = s->job->agent;
  const sac_cpu_scratch* scratch = s->job->scratch;
  const int32_t actions = agent->shape.actions;
  const size_t width = (size_t)actions * SAC_PANEL, rows = sac_cpu_batch_rows(s->job->cpu);
  const float share = sac_cpu_mean_factor(s);

  for (int32_t n = s->first; n < s->last; n++)
    for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
      /* the actions' numbers stand behind the observations in the inputs */
      const int32_t panel = s->panel + p;
      const sac_rows x = scratch->input[SAC_CURRENT];
      const float* action = x.data + (size_t)panel * x.stride + (size_t)agent->shape.obs * SAC_PANEL;
      const float* q = panel_of(s, s->pass, n, p);
      float* d_output = scratch->trace[s->pass][n].out + (size_t)panel * width;

      /* one output of each row has a gradient */
      memset(d_output, 0, width * sizeof(float));
      for (int32_t i = 0; i < sac_lanes(s->rows, p); i++) {
        const size_t r = (size_t)panel * SAC_PANEL + (size_t)i;
        const size_t at = (size_t)sac_action_number(action[i], actions) * SAC_PANEL + (size_t)i;
        scratch->q[(size_t)n * rows + r] = q[at];
        d_output[at] = share * s->job->minibatch->weight[r] * sac_square_loss_grad(q[at], scratch->y[r]);
      }
    }
}

/* Writes the statistics of a policy at lane i of panel p, from log pi, q and the logarithm of the Boltzmann policy of
 * q, (A, 32) each: its expectations, log Z, and its distance from the Boltzmann policy. */
static void describe(const sac_cpu_span* s, int32_t p, int32_t i, const float* log_p, const float* q,
                     const float* log_r, float alpha) {
  const sac_cpu_scratch* scratch = s->job->scratch;
  const int32_t actions = s->job->agent->shape.actions;
  const size_t r = (size_t)(s->panel + p) * SAC_PANEL + (size_t)i;

  /* [discrete.entropy] [discrete.expectation] [discrete.kl] term by term, which share one exponential */
  float entropy = 0, expectation = 0, kl = 0;
  for (int32_t a = 0; a < actions; a++) {
    const size_t at = (size_t)a * SAC_PANEL + (size_t)i;
    entropy += sac_entropy(log_p + at, 1, 1);
    expectation += sac_expectation(log_p + at, q + at, 1, 1);
    kl += sac_kl(log_p + at, log_r + at, 1, 1);
  }

  /* E[log pi] is minus the entropy; log Z follows from the best action, as log r = q/alpha - log Z */
  s->job->minibatch->log_prob[r] = -entropy;
  scratch->smallest[r] = expectation;
  scratch->kl[r] = kl;
  const size_t best = (size_t)sac_greedy(q + i, SAC_PANEL, actions) * SAC_PANEL + (size_t)i;
  scratch->log_z[r] = q[best] / alpha - log_r[best];
}

void sac_cpu_boltzmann(const sac_cpu_span* s) {
  const float alpha = sac_cpu_alpha(s->job);
  const int32_t actions = s->job->agent->shape.actions;
  float* log_p = values(s, LOG_P);

  /* the policy is the Boltzmann policy itself */
  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const float* q = join(s, s->pass, p);
    for (int32_t i = 0; i < sac_lanes(s->rows, p); i++) {
      sac_log_softmax(q + i, SAC_PANEL, actions, 1 / alpha, log_p + i);
      describe(s, p, i, log_p, q, log_p, alpha);
    }
  }
}

void sac_cpu_softmax_grad(const sac_cpu_span* s) {
  const float alpha = sac_cpu_alpha(s->job), share = sac_cpu_mean_factor(s);
  const int32_t actions = s->job->agent->shape.actions;
  const int32_t critics = sac_plan_find(&s->job->cpu->plan, SAC_CRITIC, s->op->at);
  float *log_p = values(s, LOG_P), *log_r = values(s, LOG_R);

  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const float *q = join(s, critics, p), *logits = panel_of(s, s->pass, 0, p);
    float* d_logits = s->job->scratch->trace[s->pass][0].out + (size_t)(s->panel + p) * (size_t)actions * SAC_PANEL;

    /* [sac-discrete.actor-grad], divided by B for the mean */
    for (int32_t i = 0; i < sac_lanes(s->rows, p); i++) {
      sac_log_softmax(logits + i, SAC_PANEL, actions, 1, log_p + i);
      sac_log_softmax(q + i, SAC_PANEL, actions, 1 / alpha, log_r + i);
      describe(s, p, i, log_p, q, log_r, alpha);
      sac_discrete_actor_grad(log_p + i, q + i, SAC_PANEL, actions, alpha, d_logits + i);
      for (int32_t a = 0; a < actions; a++) d_logits[a * SAC_PANEL + i] *= share;
    }
  }
}
