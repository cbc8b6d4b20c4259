/* Operations on rows: forward, backward and the row functions, on a chunk of the minibatch that stays in the cache. */
#include <string.h>

#include "cpu/rows.h"
#include "kernels/bellman.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

float sac_cpu_alpha(const sac_cpu_job* job) {
  return sac_alpha(sac_cpu_slab(job->cpu, SAC_MEMORY_WEIGHTS, job->p)[job->agent->tensors.log_alpha]);
}

void sac_cpu_load(const sac_cpu_job* job, sac_place at, int32_t panel, int32_t rows) {
  const sac_shape* shape = &job->agent->shape;
  const sac_rows to = sac_rows_from(job->scratch->input[at], panel);

  /* places s and s' have panels of their own; the actions of a~ and a' are written later, by SAMPLE */
  const float* from = at == SAC_NEXT ? job->minibatch->next : job->minibatch->current;
  const int32_t features = at == SAC_CURRENT ? shape->obs + shape->action : shape->obs;
  const size_t stride = sac_cpu_batch_rows(job->cpu) * SAC_PANEL;

  /* transpose blocks of 32 x 32; those at the edges are smaller */
  for (int32_t p = 0; p * SAC_PANEL < rows; p++)
    for (int32_t f = 0; f < features; f += SAC_PANEL)
      job->cpu->isa->turn(from + (size_t)(f / SAC_PANEL) * stride + (size_t)(panel + p) * SAC_PANEL * SAC_PANEL,
                          SAC_PANEL, to.data + (size_t)p * to.stride + (size_t)f * SAC_PANEL, SAC_PANEL,
                          sac_lanes(rows, p), features - f < SAC_PANEL ? features - f : SAC_PANEL);
}

/* --- networks ----------------------------------------------------------------------------------------------------- */

/* The activations of network n in a pass. If gradients go back through the pass, they are in the agent's scratch, which
 * holds the whole minibatch. Otherwise they are in the thread's scratch, which holds this chunk alone. *panel: the
 * first panel of the chunk in that scratch. */
static const sac_trace* trace_of(const sac_cpu_span* s, int32_t n, int32_t* panel) {
  const int back = s->job->cpu->plan.pass[s->pass].back;
  *panel = back ? s->panel : 0;
  return back ? &s->job->scratch->trace[s->pass][n] : &s->thread->pass;
}

float* sac_cpu_output(const sac_cpu_span* s, int32_t pass, int32_t n) {
  const sac_net* net = s->job->agent->tensors.net[s->job->cpu->plan.pass[pass].nets];
  return s->job->scratch->output[pass] + (size_t)n * sac_cpu_batch_rows(s->job->cpu) * (size_t)net->size[net->layers];
}

/* The output of network n of the pass, (R), for networks with a single output. */
static float* output_of(const sac_cpu_span* s, int32_t n) { return sac_cpu_output(s, s->pass, n); }

/* Evaluates the networks on the chunk. Copies the outputs to one array for row functions, where these read them there:
 * (networks, R/32, outputs, 32). */
static void forward(const sac_cpu_span* s) {
  for (int32_t n = s->first; n < s->last; n++) {
    const sac_net* net = &s->job->agent->tensors.net[s->op->nets][n];

    /* shift the input, as sac_net_forward takes the same panel of the input and of the trace */
    int32_t panel;
    const sac_trace* trace = trace_of(s, n, &panel);
    sac_rows x = s->job->scratch->input[s->op->at];
    x.data += (size_t)(s->panel - panel) * x.stride;
    sac_net_forward(s->job->cpu->isa, net, sac_cpu_weights(s->job, net), x, trace, panel, s->rows);

    /* whole panels; the lanes behind the last row are not read */
    const size_t width = (size_t)net->size[net->layers] * SAC_PANEL;
    if (s->job->scratch->output[s->pass])
      memcpy(output_of(s, n) + (size_t)s->panel * width, trace->out + (size_t)panel * width,
             (size_t)sac_panels(s->rows) * width * sizeof(float));
  }
}

static void backward(const sac_cpu_span* s) {
  for (int32_t n = s->first; n < s->last; n++) {
    const sac_net* net = &s->job->agent->tensors.net[s->op->nets][n];
    sac_net_backward(s->job->cpu->isa, net, sac_cpu_weights(s->job, net), &s->job->scratch->trace[s->pass][n], s->panel,
                     s->rows);
  }
}

/* --- functions of a row ------------------------------------------------------------------------------------------- */

static float* log_prob_at(const sac_cpu_span* s) {
  return s->op->at == SAC_NEXT ? s->job->scratch->next_log_prob : s->job->minibatch->log_prob;
}

/* [squash] Samples the actions of a place, and writes them after the observations in the inputs of the critics. */
static void sample(const sac_cpu_span* s) {
  const sac_agent* agent = s->job->agent;
  const sac_isa* isa = s->job->cpu->isa;
  const sac_cpu_sampled* sampled = &s->job->scratch->sampled[s->op->at];
  const int32_t actions = agent->shape.action;
  const size_t width = (size_t)actions * SAC_PANEL;
  const float low = (float)agent->settings.log_std_min, high = (float)agent->settings.log_std_max;

  /* noise (R, A) comes in; actions go into the inputs, and log pi to its column */
  const float* noise = s->job->minibatch->noise[s->op->at];
  const sac_rows x = sac_rows_from(s->job->scratch->input[s->op->at], s->panel);
  int32_t trace_panel;
  const sac_trace* trace = trace_of(s, 0, &trace_panel);

  /* go panel by panel */
  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const int32_t lanes = sac_lanes(s->rows, p), panel = s->panel + p;
    const float* head = trace->out + 2 * width * (size_t)(trace_panel + p);
    float* action = x.data + (size_t)p * x.stride + (size_t)agent->shape.obs * SAC_PANEL;
    float* log_prob = log_prob_at(s) + panel * SAC_PANEL;

    /* transpose the noise of these rows */
    isa->turn(noise + (size_t)panel * width, (size_t)actions, sampled->eps + (size_t)panel * width, SAC_PANEL, lanes,
              actions);

    /* squash each component; log pi is the sum over components */
    memset(log_prob, 0, (size_t)lanes * sizeof(float));
    for (int32_t i = 0; i < actions; i++) {
      const size_t at = (size_t)i * SAC_PANEL, scratch = (size_t)panel * width + at;
      isa->squash((size_t)lanes, head + at, head + width + at, sampled->eps + scratch, low, high, action + at, log_prob,
                  sampled->spread + scratch, sampled->slope + scratch);
    }
  }
}

/* [sac.target] Computes y from the smallest target critic and log pi(a'|s'). */
static void soft_target(const sac_cpu_span* s) {
  const sac_agent* agent = s->job->agent;
  const sac_cpu_minibatch* minibatch = s->job->minibatch;
  const float alpha = sac_cpu_alpha(s->job), scale = (float)agent->settings.reward_scale;
  const float *q = output_of(s, 0), *log_prob = log_prob_at(s);

  /* alpha is the value before this update: the temperature's step comes later */
  for (int32_t r = s->panel * SAC_PANEL; r < s->panel * SAC_PANEL + s->rows; r++) {
    int unused;
    const float smallest = sac_min_critic(q + r, sac_cpu_batch_rows(s->job->cpu), s->last, &unused);
    s->job->scratch->y[r] =
        sac_target(minibatch->reward[r], scale, minibatch->discount[r], sac_soft_value(smallest, alpha, log_prob[r]));
  }
}

/* [sac-v.target] Computes y from the target value network. */
static void value_target(const sac_cpu_span* s) {
  const sac_agent* agent = s->job->agent;
  const sac_cpu_minibatch* minibatch = s->job->minibatch;
  const float scale = (float)agent->settings.reward_scale;
  const float* v = output_of(s, 0);

  /* Vbar(s') takes the place of the soft value */
  for (int32_t r = s->panel * SAC_PANEL; r < s->panel * SAC_PANEL + s->rows; r++)
    s->job->scratch->y[r] = sac_target(minibatch->reward[r], scale, minibatch->discount[r], v[r]);
}

/* The squared loss of network n, which has a single output: writes the gradient with respect to the output over the
 * output in the trace. weight (R): of each row; NULL: all are 1. */
static void regress(const sac_cpu_span* s, int32_t n, const float* target, const float* weight) {
  const float share = sac_cpu_mean_factor(s);
  const float* output = output_of(s, n);
  float* d_output = s->job->scratch->trace[s->pass][n].out;

  /* the loss is a mean over rows, so each row has 1/B of the gradient */
  for (int32_t r = s->panel * SAC_PANEL; r < s->panel * SAC_PANEL + s->rows; r++)
    d_output[r] = (weight ? share * weight[r] : share) * sac_square_loss_grad(output[r], target[r]);
}

/* [sac.critic-loss] The gradient of each critic's loss. */
static void square_loss(const sac_cpu_span* s) {
  for (int32_t n = s->first; n < s->last; n++) regress(s, n, s->job->scratch->y, s->job->minibatch->weight);
}

/* [sac-v.value-target] [sac-v.value-loss] The gradient of the value network's loss. Its target uses the same a~ as the
 * actor's loss. */
static void soft_value_loss(const sac_cpu_span* s) {
  const float alpha = sac_cpu_alpha(s->job);
  const sac_cpu_scratch* scratch = s->job->scratch;

  /* the target is a constant of the loss: no gradient goes through it */
  for (int32_t r = s->panel * SAC_PANEL; r < s->panel * SAC_PANEL + s->rows; r++)
    scratch->v_target[r] = sac_soft_value(scratch->smallest[r], alpha, s->job->minibatch->log_prob[r]);
  regress(s, 0, scratch->v_target, NULL);
}

/* [sac.min] Finds min_k Q_k of each row, and the k that gives it: INPUT_GRAD goes back through that critic. */
static void smallest(const sac_cpu_span* s) {
  const float* q = output_of(s, 0);

  /* the outputs of critic k are R floats after those of critic k - 1 */
  for (int32_t r = s->panel * SAC_PANEL; r < s->panel * SAC_PANEL + s->rows; r++) {
    int index;
    s->job->scratch->smallest[r] = sac_min_critic(q + r, sac_cpu_batch_rows(s->job->cpu), s->last, &index);
    s->job->scratch->choice[r] = index;
  }
}

/* [squash.grad] Computes the gradient with respect to the actor's head from dJ/da~, and writes it over the head in the
 * trace. */
static void sample_grad(const sac_cpu_span* s) {
  const sac_agent* agent = s->job->agent;
  const sac_cpu_scratch* scratch = s->job->scratch;
  const sac_cpu_sampled* sampled = &scratch->sampled[s->op->at];
  const int32_t actions = agent->shape.action;
  const size_t width = (size_t)actions * SAC_PANEL;
  const float low = (float)agent->settings.log_std_min, high = (float)agent->settings.log_std_max;

  /* dJ/d log pi is alpha / B */
  const float d_log_prob = sac_actor_loss_grad_log_prob(sac_cpu_alpha(s->job)) / (float)agent->shape.batch;
  const sac_rows x = sac_rows_from(scratch->input[s->op->at], s->panel);

  /* go panel by panel */
  for (int32_t p = 0; p * SAC_PANEL < s->rows; p++) {
    const int32_t lanes = sac_lanes(s->rows, p), panel = s->panel + p;
    float* head = scratch->trace[s->pass][0].out + 2 * width * (size_t)panel;
    const float* action = x.data + (size_t)p * x.stride + (size_t)agent->shape.obs * SAC_PANEL;
    float* saturated = scratch->saturated + panel * SAC_PANEL;

    /* count saturated components, and compute the gradient of each component */
    memset(saturated, 0, (size_t)lanes * sizeof(float));
    for (int32_t i = 0; i < actions; i++) {
      const size_t at = (size_t)i * SAC_PANEL, place = (size_t)panel * width + at;
      for (int32_t r = 0; r < lanes; r++) saturated[r] += sac_squash_saturated(action[at + (size_t)r]);
      s->job->cpu->isa->squash_backward((size_t)lanes, action + at, sampled->spread + place, sampled->slope + place,
                                        scratch->d_action + place, d_log_prob, low, high, head + at, head + width + at);
    }
  }
}

static sac_cpu_row* const row_functions[SAC_ROW_COUNT] = {[SAC_ROW_SAMPLE] = sample,
                                                          [SAC_ROW_SOFT_TARGET] = soft_target,
                                                          [SAC_ROW_VALUE_TARGET] = value_target,
                                                          [SAC_ROW_SQUARE_LOSS] = square_loss,
                                                          [SAC_ROW_SOFT_VALUE_LOSS] = soft_value_loss,
                                                          [SAC_ROW_SMALLEST] = smallest,
                                                          [SAC_ROW_SAMPLE_GRAD] = sample_grad,
                                                          [SAC_ROW_SOFTMAX_TARGET] = sac_cpu_softmax_target,
                                                          [SAC_ROW_BOLTZMANN_TARGET] = sac_cpu_boltzmann_target,
                                                          [SAC_ROW_CHOSEN_LOSS] = sac_cpu_chosen_loss,
                                                          [SAC_ROW_SOFTMAX_GRAD] = sac_cpu_softmax_grad,
                                                          [SAC_ROW_BOLTZMANN] = sac_cpu_boltzmann};

int sac_cpu_has_row(sac_row_function row) { return row_functions[row] != NULL; }

/* --- the task that runs these operations -------------------------------------------------------------------------- */

void sac_cpu_rows_task(const sac_cpu_job* job, const sac_cpu_phase* phase, int32_t task, sac_cpu_thread* thread) {
  const sac_plan* plan = &job->cpu->plan;

  /* load the inputs of this chunk that no earlier phase of the stage has loaded */
  const int32_t chunk = task % job->cpu->chunks, net = task / job->cpu->chunks;
  sac_cpu_span s = {
      .job = job, .panel = chunk * job->cpu->chunk_panels, .rows = sac_chunk_rows(job, chunk), .thread = thread};
  for (int at = 0; at < SAC_PLACE_COUNT; at++)
    if (phase->load >> at & 1) sac_cpu_load(job, (sac_place)at, s.panel, s.rows);

  /* run the operations one after the other, on all networks or on the task's own */
  for (int32_t i = phase->from; i < phase->to; i++) {
    s.op = &plan->op[i];
    s.pass = plan->pass_of[i];
    s.first = phase->nets > 1 ? net : 0;
    s.last = phase->nets > 1 ? net + 1 : job->agent->tensors.nets[s.op->nets];
    if (s.op->kind == SAC_FORWARD) forward(&s);
    else if (s.op->kind == SAC_BACKWARD) backward(&s);
    else row_functions[s.op->row](&s);
  }
}
