/* Stage act: computes actions from observations. Row by row, so that a single observation is fast, and so that an
 * action does not depend on the other rows. */
#include <math.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/layers.h"
#include "kernels/bellman.h"
#include "kernels/discrete.h"
#include "kernels/random.h"
#include "kernels/squash.h"
#include "kernels/temperature.h"

typedef struct act_job {
  sac_agent* agent;
  const sac_act* act;
  int32_t parts; /* tasks for each agent, of SAC_ACT_ROWS observations each */
} act_job;

/* Draws uniform actions, as in the warm-up, for rows first .. first+rows-1 of agent p: in (-1, 1), or the number of a
 * discrete action. */
static void act_uniform(const act_job* job, int32_t p, int32_t first, int32_t rows) {
  const sac_agent* agent = job->agent;
  const size_t actions = (size_t)agent->shape.action;

  /* each row has its own draw of the stream, so actions do not depend on how rows are divided into tasks */
  for (int32_t r = first; r < first + rows; r++) {
    float* action = job->act->action + ((size_t)p * (size_t)job->act->n + (size_t)r) * actions;
    const uint64_t block = sac_draw_block(agent->counters[p].act + (uint64_t)r, actions, SAC_UNIFORMS_PER_BLOCK);
    if (agent->shape.actions > 0)
      *action = (float)sac_uniform_action(sac_uniform(sac_philox(agent->seed[p], SAC_STREAM_WARMUP, block).word[0]),
                                          agent->shape.actions);
    else sac_fill_uniform(agent->seed[p], SAC_STREAM_WARMUP, block, actions, 1.0f, action);
  }
}

/* Evaluates a network on `rows` observations (rows, O). Returns its head (rows, outputs), in the thread's scratch. */
static const float* act_net(const sac_agent* agent, int32_t p, const sac_net* net, const float* obs, int32_t rows,
                            const sac_cpu_thread* thread) {
  const sac_cpu* cpu = agent->storage;
  const float* weights = sac_cpu_slab(cpu, SAC_MEMORY_WEIGHTS, p);
  const float* x = obs;

  /* run the layers on two buffers in turn: a layer reads one and writes the other */
  for (int32_t i = 0, step = 0; i < net->count; step++) {
    float* y = thread->act[step % 2];
    i += sac_cpu_layers[net->layer[i].kind].act(cpu->isa, net, i, weights, x, y, rows);
    x = y;
  }
  return x;
}

/* Evaluates the actor, or joins the critics where there is none: their values, (rows, actions). */
static const float* act_head(const sac_agent* agent, int32_t p, const float* obs, int32_t rows,
                             const sac_cpu_thread* thread) {
  const sac_group group = sac_algo_acts_with(agent->algo);
  const sac_net* net = agent->tensors.net[group];
  const size_t values = (size_t)rows * (size_t)agent->shape.actions;
  if (group == SAC_ACTOR) return act_net(agent, p, net, obs, rows, thread);

  /* [sac.join] critic by critic: each is joined with those before it */
  const int mean = agent->settings.critics_join == SAC_JOIN_MEAN;
  for (int32_t k = 0; k < agent->shape.critics; k++) {
    const float* q = act_net(agent, p, &net[k], obs, rows, thread);
    for (size_t i = 0; i < values; i++)
      thread->joined[i] = k == 0 ? q[i] : sac_join_next(thread->joined[i], q[i], mean);
  }
  for (size_t i = 0; i < values; i++) thread->joined[i] = sac_join_end(thread->joined[i], agent->shape.critics, mean);
  return thread->joined;
}

/* --- policies: from one row of the head to an action -------------------------------------------------------------- */

typedef struct policy {
  /* The action without noise, for evaluation: action (A) from the head of the network that acts. */
  void (*mode)(const sac_agent* agent, const float* head, float* action);

  /* A sampled action. noise (A) ~ N(0, 1); discrete: uniform in (0, 1). Returns log pi of the action, in nats. alpha:
   * the temperature. values (actions): scratch memory. */
  float (*sample)(const sac_agent* agent, const float* head, const float* noise, float alpha, float* values,
                  float* action);
} policy;

static void gaussian_mode(const sac_agent* agent, const float* head, float* action) {
  for (int32_t i = 0; i < agent->shape.action; i++) action[i] = sac_squash_mean(head[i]);
}

static float gaussian_sample(const sac_agent* agent, const float* head, const float* noise, float alpha, float* values,
                             float* action) {
  (void)alpha, (void)values;
  const int32_t actions = agent->shape.action;
  const float low = (float)agent->settings.log_std_min, high = (float)agent->settings.log_std_max;

  /* squash each component; log pi of the action is the sum over components */
  float log_prob = 0;
  for (int32_t i = 0; i < actions; i++) {
    const sac_squash_out out = sac_squash(head[i], head[actions + i], noise[i], low, high);
    action[i] = out.action;
    log_prob += out.log_prob;
  }
  return log_prob;
}

/* The most probable of discrete actions, which has the largest logit or value; NaN where one of these is NaN. */
static void greedy(const sac_agent* agent, const float* head, float* action) {
  const float largest = sac_row_max(head, 1, agent->shape.actions);
  *action = isnan(largest) ? largest : (float)sac_greedy(head, 1, agent->shape.actions);
}

/* Samples from exp(scale head)/Z. The action is NaN where a probability is. */
static float categorical(const sac_agent* agent, const float* head, float scale, float u, float* log_p, float* action) {
  sac_log_softmax(head, 1, agent->shape.actions, scale, log_p);
  const int a = sac_categorical(log_p, 1, agent->shape.actions, u);
  const float largest = sac_row_max(log_p, 1, agent->shape.actions);
  *action = isnan(largest) ? largest : (float)a;
  return log_p[a];
}

static float softmax_sample(const sac_agent* agent, const float* head, const float* noise, float alpha, float* values,
                            float* action) {
  (void)alpha;
  return categorical(agent, head, 1, *noise, values, action);
}

static float boltzmann_sample(const sac_agent* agent, const float* head, const float* noise, float alpha, float* values,
                              float* action) {
  return categorical(agent, head, 1 / alpha, *noise, values, action);
}

static const policy policies[SAC_POLICY_KIND_COUNT] = {
    [SAC_POLICY_SQUASHED_GAUSSIAN] = {gaussian_mode, gaussian_sample},
    [SAC_POLICY_SOFTMAX] = {greedy, softmax_sample},
    [SAC_POLICY_BOLTZMANN] = {greedy, boltzmann_sample},
};

/* Draws the noise of an action of agent p at the position of observation `row` in stream ACT. */
static void draw_noise(const sac_agent* agent, int32_t p, int32_t row, float* noise) {
  const uint64_t position = agent->counters[p].act + (uint64_t)row;
  const size_t actions = (size_t)agent->shape.action;

  /* normal numbers; for discrete actions a uniform number */
  if (!agent->algo->discrete) {
    sac_fill_normals(agent->seed[p], SAC_STREAM_ACT, sac_draw_block(position, actions, SAC_NORMALS_PER_BLOCK), actions,
                     noise);
    return;
  }
  *noise = sac_uniform(
      sac_philox(agent->seed[p], SAC_STREAM_ACT, sac_draw_block(position, actions, SAC_UNIFORMS_PER_BLOCK)).word[0]);
}

/* Samples the action of observation `row` of agent p, with the caller's noise or with noise that it draws. */
static void act_sample(const act_job* job, int32_t p, int32_t row, const float* head, float* action,
                       const sac_cpu_thread* thread) {
  const sac_agent* agent = job->agent;
  const size_t actions = (size_t)agent->shape.action, at = (size_t)p * (size_t)job->act->n + (size_t)row;

  /* take the caller's noise, or draw it at the position of this observation in stream ACT */
  const float* noise = job->act->noise ? job->act->noise + at * actions : thread->act_noise;
  if (!job->act->noise) draw_noise(agent, p, row, thread->act_noise);

  /* sample, and return log pi if the caller asks for it */
  const float alpha = sac_alpha(sac_cpu_slab(agent->storage, SAC_MEMORY_WEIGHTS, p)[agent->tensors.log_alpha]);
  const float log_prob = policies[agent->algo->policy].sample(agent, head, noise, alpha, thread->values, action);
  if (job->act->log_prob) job->act->log_prob[at] = log_prob;
}

/* One task: up to SAC_ACT_ROWS observations of one agent. */
static void act_part(void* context, int32_t task, int32_t thread_number) {
  const act_job* job = context;
  const sac_agent* agent = job->agent;
  const sac_cpu* cpu = agent->storage;
  const sac_act* act = job->act;

  /* find the agent and the rows of this task, and where their actions go */
  const int32_t p = task / job->parts, first = task % job->parts * SAC_ACT_ROWS;
  const int32_t rows = act->n - first < SAC_ACT_ROWS ? act->n - first : SAC_ACT_ROWS;
  const size_t actions = (size_t)agent->shape.action, at = (size_t)p * (size_t)act->n + (size_t)first;
  float* action = act->action + at * actions;

  /* give valid actions to the environments of a stopped agent */
  if (!agent->alive[p]) {
    memset(action, 0, (size_t)rows * actions * sizeof(float));
    if (act->log_prob && act->mode == SAC_ACT_SAMPLE) memset(act->log_prob + at, 0, (size_t)rows * sizeof(float));
    return;
  }

  /* draw actions without the actor */
  if (act->mode == SAC_ACT_UNIFORM) {
    act_uniform(job, p, first, rows);
    return;
  }

  /* evaluate the networks, then take the mode or sample */
  const sac_cpu_thread* thread = &cpu->thread[thread_number];
  const float* head = act_head(agent, p, act->obs + at * (size_t)agent->shape.obs, rows, thread);
  const sac_net* net = agent->tensors.net[sac_algo_acts_with(agent->algo)];
  const size_t width = (size_t)net->width[net->buffers - 1];
  for (int32_t r = 0; r < rows; r++) {
    const float* row = head + (size_t)r * width;
    float* to = action + (size_t)r * actions;
    if (act->mode == SAC_ACT_MEAN) policies[agent->algo->policy].mode(agent, row, to);
    else act_sample(job, p, first + r, row, to, thread);
  }
}

sac_status sac_cpu_act(sac_agent* agent, const sac_act* act) {
  const sac_cpu* cpu = agent->storage;
  const int32_t population = agent->shape.population;
  act_job job = {agent, act, (act->n + SAC_ACT_ROWS - 1) / SAC_ACT_ROWS};

  /* share the work among threads from 4 million products on; for less, waking them takes too long */
  const int64_t work = (int64_t)agent->tensors.floats[SAC_SLAB_TRAINED] * act->n * population;
  if (act->mode == SAC_ACT_UNIFORM || work < 4000000) sac_pool_run_alone(act_part, &job, population * job.parts);
  else sac_pool_run(cpu->pool, act_part, &job, population * job.parts);

  /* advance the position in the random stream, if numbers were drawn from it */
  if (act->mode != SAC_ACT_MEAN && !act->noise)
    for (int32_t p = 0; p < population; p++)
      if (agent->alive[p]) agent->counters[p].act += (uint64_t)act->n;
  return SAC_OK;
}
