/* ctest: label=learning timeout=600
 *
 * Learning to the exact answer. On SacTabular-v0, random MDPs with one-hot observations, soft-q and sac-discrete with
 * linear networks (network.hidden: []) learn from the transitions of random actions. Their Q, V and policy are compared
 * with Q*, V*, pi* of the soft Bellman operator (env/exact.h), and their J(pi) = E sum gamma^t (r + alpha H) with J*.
 */
#include <stdlib.h>

#include "agent/explain_discrete.h"
#include "agent/nets.h"
#include "env/exact.h"
#include "env/vector.h"
#include "support/check_main.h"
#include "support/config_of.h"
#include "support/tolerances.h"

enum { MDPS = 5, ALPHAS = 3, STATES = 8, ACTIONS = 3, ENVS = 256, STEPS = 3200, UPDATES = 14000, READINGS = 40 };

static const char* const algos[] = {"soft-q", "sac-discrete"};
static const double alphas[ALPHAS] = {0.25, 1, 3};

/* An agent that has learnt from STEPS steps of ENVS environments with random actions. */
static sac_agent* train(const char* algo, const char* options, double alpha) {
  const uint64_t seed = 5;
  const sac_env_api* api;
  sac_vector* vector = NULL;
  sac_agent* agent = NULL;
  sac_config* config = config_of(
      "device=cpu algo=%s network.hidden=[] replay.batch=512 optim.lr=2e-3 alpha.learn=false alpha.initial=%g "
      "cpu.threads=1 seed=3 gamma=0.9 tau=0.02 env.num_envs=%d replay.capacity=%d",
      algo, alpha, ENVS, ENVS * STEPS);

  /* the environments, and an agent with their sizes */
  ck_ok(sac_env_find("SacTabular-v0", &api));
  ck_ok(sac_vector_create(&vector, api, "SacTabular-v0", options, 1, ENVS, &seed, 0));
  ck_ok(sac_agent_create(&agent, config, &vector->spec));
  ck_assert(agent->shape.obs == STATES && agent->shape.actions == ACTIONS);
  sac_config_destroy(config);

  /* random actions, then all updates */
  for (int i = 0; i < STEPS; i++) {
    const sac_act act = {.n = ENVS, .mode = SAC_ACT_UNIFORM, .obs = vector->obs, .action = vector->action};
    ck_ok(agent->backend->act(agent, &act));
    ck_ok(sac_vector_step(vector));
    const sac_transitions t = sac_vector_transitions(vector);
    ck_ok(sac_agent_push(agent, &t));
  }
  ck_ok(sac_agent_update(agent, UPDATES));
  sac_vector_destroy(vector);
  return agent;
}

/* Q, V and policy of the agent in every state, (S, A), (S), (S, A): means over the last steps of descent. */
static void read_agent(sac_agent* agent, double* q, double* v, double* pi) {
  const int has_actor = sac_algo_has(agent->algo, SAC_ACTOR);
  for (int i = 0; i < READINGS; i++) {
    sac_host_nets nets;
    ck_ok(sac_agent_update(agent, 25));
    ck_ok(sac_host_nets_read(&nets, agent, 0));
    for (int s = 0; s < STATES; s++) {
      double x[STATES] = {0}, value[2 * ACTIONS], logits[ACTIONS], joined[ACTIONS], boltzmann[ACTIONS], policy[ACTIONS];
      sac_explained_discrete d;
      x[s] = 1;
      for (int k = 0; k < 2; k++) sac_host_nets_run(&nets, SAC_CRITIC, k, x, value + k * ACTIONS);
      if (has_actor) sac_host_nets_run(&nets, SAC_ACTOR, 0, x, logits);
      sac_explain_discrete(value, 2, ACTIONS, 0, nets.alpha, has_actor ? logits : NULL, joined, boltzmann, policy, &d);
      for (int a = 0; a < ACTIONS; a++) {
        q[s * ACTIONS + a] += joined[a] / READINGS;
        pi[s * ACTIONS + a] += policy[a] / READINGS;
      }
      v[s] += d.v / READINGS;
    }
    sac_host_nets_free(&nets);
  }
}

START_TEST(learns_the_exact_answer) {
  const char* algo = algos[_i / (MDPS * ALPHAS)];
  const int mdp_number = _i / ALPHAS % MDPS;
  const double alpha = alphas[_i % ALPHAS];
  char options[256];
  (void)snprintf(options, sizeof options,
                 "{\"states\": %d, \"actions\": %d, \"branching\": 3, \"seed\": %d, \"discount\": 0.9}", STATES,
                 ACTIONS, mdp_number);

  /* the exact answer */
  sac_mdp* mdp = NULL;
  sac_soft_values *best = NULL, *ours = NULL;
  ck_ok(sac_mdp_create(&mdp, "SacTabular-v0", options));
  ck_ok(sac_soft_values_create(&best, mdp));
  ck_ok(sac_soft_values_create(&ours, mdp));
  sac_mdp_solve(mdp, alpha, best);

  /* what is learnt */
  double q[STATES * ACTIONS] = {0}, v[STATES] = {0};
  sac_agent* agent = train(algo, options, alpha);
  memset(ours->pi, 0, sizeof(double) * STATES * ACTIONS);
  read_agent(agent, q, v, ours->pi);
  sac_agent_destroy(agent);
  sac_mdp_evaluate(mdp, alpha, ours);

  /* the largest differences, in states where an action is taken */
  double size = 0, off_q = 0, off_v = 0, off_pi = 0;
  for (int s = 0; s < STATES; s++) {
    if (mdp->terminal[s]) continue;
    size = check_larger(size, fabs(best->v[s]));
    off_v = check_larger(off_v, fabs(v[s] - best->v[s]));
    for (int a = 0; a < ACTIONS; a++) {
      off_q = check_larger(off_q, fabs(q[s * ACTIONS + a] - best->q[s * ACTIONS + a]));
      off_pi = check_larger(off_pi, fabs(ours->pi[s * ACTIONS + a] - best->pi[s * ACTIONS + a]));
    }
  }
  printf("%-12s MDP %d, alpha %-4g V* to %7.3f: Q off by %.2f %%, V %.2f %%, pi %.4f, J %.4f of J* %.4f (%.3f %%)\n",
         algo, mdp_number, alpha, size, 100 * off_q / size, 100 * off_v / size, off_pi, ours->j, best->j,
         100 * (best->j - ours->j) / fabs(best->j));
  ck_near(off_q / size, 0, SOFT_ITERATION_REL);
  ck_near(off_v / size, 0, SOFT_ITERATION_REL);
  ck_near(off_pi, 0, SOFT_ITERATION_REL);
  ck_near_relative(ours->j, best->j, SOFT_ITERATION_REL, 0);

  /* no policy has more than the best one */
  ck_assert_double_le(ours->j, best->j + 1e-9 * fabs(best->j));
  sac_soft_values_destroy(best);
  sac_soft_values_destroy(ours);
  sac_mdp_destroy(mdp);
}
END_TEST

CHECK_MAIN("soft iteration", LOOP(learns_the_exact_answer, 2 * MDPS * ALPHAS))
