/* The statistics of an update, in one list. From it follow sac_update_stats, the columns of metrics.csv, the tags of
 * TensorBoard events, and the sums that the library computes. A program of your own needs `name` and `meaning` only.
 *
 * X(name, column, watched, each, over, value, tag, meaning)
 *   column   its place among the statistics in metrics.csv
 *   watched  1: an agent with a value that is not finite is stopped
 *   each     what is summed: CRITIC every critic's rows, VALUE the value network's rows, POLICY the policy's rows;
 *            ACTOR those of an actor, SQUASHED of a squashed Gaussian, DISCRETE of discrete actions, where the
 *            algorithm has one; or what is read once in an update: ONCE, CRITIC_GRADIENT, ACTOR_GRADIENT
 *   over     what the sum is divided by: ROWS, ROWS_CRITICS, ROWS_ACTIONS, or ONE
 *   value    of one row, an expression for the library's own build; its names: q, y (CRITIC); v, v_target (VALUE);
 *            log_prob, smallest (POLICY, ACTOR), saturated (SQUASHED), log_z, kl (DISCRETE); norm, an L2 norm
 *            (CRITIC_GRADIENT, ACTOR_GRADIENT); alpha, log_alpha, target_entropy (all). For continuous actions log_prob
 *            and smallest are log pi(a~|s) and min_k Q_k(s, a~) of a sample; for discrete ones they are exact, the sums
 *            over a of pi log pi and of pi q
 *   tag      of the TensorBoard events
 * The place of a line in this list is its place in files too: lines are only added, at the end. */
#ifndef SAC_STATISTICS_H
#define SAC_STATISTICS_H

/* clang-format off */
#define SAC_STATISTICS(X) \
  X(critic_loss, 0, 1, CRITIC, ROWS, sac_square_loss(q, y), "loss/critic", "sum over critics of mean 1/2 (Q - y)^2") \
  X(actor_loss, 1, 1, ACTOR, ROWS, sac_actor_loss(smallest, alpha, log_prob), "loss/actor", \
    "mean (alpha log pi - min Q); 0 without an actor") \
  X(alpha_loss, 2, 1, POLICY, ROWS, sac_alpha_loss(log_alpha, log_prob, target_entropy), "loss/alpha", \
    "mean (-log alpha (log pi + target_entropy))") \
  X(value_loss, 3, 1, VALUE, ROWS, sac_square_loss(v, v_target), "loss/value", \
    "mean 1/2 (V - target)^2 of a value network; 0 where there is none") \
  X(alpha, 4, 1, ONCE, ONE, alpha, "policy/alpha", "temperature, as read by this update, before its own step") \
  X(entropy, 5, 0, POLICY, ROWS, -log_prob, "policy/entropy", \
    "of the policy, nats; of continuous actions -mean log pi(a~|s), of the action in (-1, 1)") \
  X(q_mean, 7, 1, CRITIC, ROWS_CRITICS, q, "critic/q_mean", "mean over critics and rows of Q(s, a)") \
  X(td_error, 8, 0, CRITIC, ROWS_CRITICS, sac_abs(sac_td_error(q, y)), "critic/td_error", \
    "mean over critics and rows of |Q - y|") \
  X(saturation, 6, 0, SQUASHED, ROWS_ACTIONS, saturated, "policy/saturation", \
    "share of a~ components with |a| > 0.999") \
  X(critic_grad, 9, 1, CRITIC_GRADIENT, ONE, norm, "grad/critic", \
    "L2 norm over the gradients of all critics, and of a value network") \
  X(actor_grad, 10, 1, ACTOR_GRADIENT, ONE, norm, "grad/actor", "L2 norm of the actor's gradient; 0 without an actor") \
  X(soft_value, 11, 0, POLICY, ROWS, sac_soft_value(smallest, alpha, log_prob), "policy/soft_value", \
    "mean V(s) = E_pi(min Q - alpha log pi); a sample of it for continuous actions") \
  X(log_z, 12, 0, DISCRETE, ROWS, log_z, "policy/log_z", \
    "mean log Z(s), Z = sum_a exp(q/alpha); 0 for continuous actions") \
  X(kl, 13, 0, DISCRETE, ROWS, kl, "policy/kl", \
    "mean KL(pi || exp(q/alpha)/Z), nats; 0 for continuous actions")
/* clang-format on */

/* The divisors, by `over`. */
#define SAC_STATISTIC_OVER_ONE(rows, critics, actions) 1
#define SAC_STATISTIC_OVER_ROWS(rows, critics, actions) (rows)
#define SAC_STATISTIC_OVER_ROWS_CRITICS(rows, critics, actions) ((rows) * (critics))
#define SAC_STATISTIC_OVER_ROWS_ACTIONS(rows, critics, actions) ((rows) * (actions))

/* What one update did, for one agent: one double per statistic, in the units of the formulas. */
typedef struct sac_update_stats {
#define SAC_STATISTIC_MEMBER(name, column, watched, each, over, value, tag, meaning) double name;
  SAC_STATISTICS(SAC_STATISTIC_MEMBER)
#undef SAC_STATISTIC_MEMBER
} sac_update_stats;

/* Their places in the list: SAC_STATISTIC_critic_loss and so on. */
typedef enum sac_statistic {
#define SAC_STATISTIC_ENUM(name, column, watched, each, over, value, tag, meaning) SAC_STATISTIC_##name,
  SAC_STATISTICS(SAC_STATISTIC_ENUM)
#undef SAC_STATISTIC_ENUM
      SAC_STATISTIC_COUNT
} sac_statistic;

#endif
