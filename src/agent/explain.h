/* A squashed Gaussian policy beside exp(Q/alpha)/Z at one state, for `sac explain`: log Z, entropy, soft value and KL,
 * each with its error. Everything is in double, of actions in (-1, 1), in nats. The same input gives the same bits. */
#ifndef SAC_AGENT_EXPLAIN_H
#define SAC_AGENT_EXPLAIN_H

#include <stdint.h>

#include <sac/status.h>

enum {
  SAC_EXPLAIN_QUADRATURE = 2,   /* log Z is by quadrature up to this many action dimensions */
  SAC_EXPLAIN_POINTS = 4096,    /* the most values of Q that it takes for one dimension */
  SAC_EXPLAIN_POINTS_2 = 10000, /* and for two */
  SAC_EXPLAIN_SAMPLES = 4096,   /* a number of samples for most uses: a standard error is 1/64 of the spread */
  SAC_EXPLAIN_ROWS = 512,       /* the most actions of one call of `q` */
};

/* The quadrature ends when its estimate of the error of log Z is below this. */
#define SAC_EXPLAIN_TOLERANCE 1e-5

/* One state. */
typedef struct sac_explain_state {
  int32_t action_size;             /* A */
  const float* mean;               /* (A) of the actor's head: of u, where the action is tanh(u) */
  const float* log_std;            /* (A) of the actor's head, before its bounds */
  double log_std_min, log_std_max; /* policy.log_std_min, policy.log_std_max */
  double alpha;                    /* > 0 */

  /* Computes Q of n actions at the state, n <= SAC_EXPLAIN_ROWS: action (n, A), written q (n). What it returns, other
   * than OK, the functions below return too. */
  sac_status (*q)(void* self, int32_t n, const float* action, float* q);
  void* self;
} sac_explain_state;

/* A number and its error: a standard error, or a quadrature's estimate of its error. */
typedef struct sac_explain_number {
  double value, error;
} sac_explain_number;

typedef struct sac_explained {
  sac_explain_number log_z;   /* log of the integral over (-1, 1)^A of exp(Q/alpha) */
  sac_explain_number entropy; /* -E log pi */
  sac_explain_number value;   /* V = E[Q - alpha log pi] */
  sac_explain_number kl;      /* KL(pi || exp(Q/alpha)/Z) = log Z - V/alpha */
  double mean_log_prob;       /* log pi of the action tanh(mean) */
  int32_t points;             /* values of Q in the quadrature; 0: log Z is by importance sampling */
  int32_t samples;            /* of the policy, for the expectations */
  double effective;           /* importance sampling: (sum w)^2 / sum w^2 of its weights, at most 2 samples; else 0.
                               * Where it is some tens or fewer, the error of log Z is larger than its standard error */
} sac_explained;

/* Computes all of it. log Z is by quadrature up to SAC_EXPLAIN_QUADRATURE dimensions and by importance sampling beyond.
 * The random numbers of the samples are those of `index`, for instance the number of the state, of stream EXPLAIN.
 * Errors: ARGUMENT (samples < 2, alpha), NUMERIC (mean, log_std or Q/alpha is not finite), MEMORY, those of `q`. */
sac_status sac_explain(const sac_explain_state* state, uint64_t seed, uint64_t index, int32_t samples,
                       sac_explained* out);

/* log Z by adaptive quadrature, for one or two dimensions. The box is divided into equal cells; cells are halved along
 * each axis, those with the largest error first. A cell's error is the difference between its Gauss-Lobatto rule, of 5
 * points for each axis, and the sum of those of its parts, which are used. The error of log Z is the sum over cells. It
 * is mostly too large; it may be too small where Q has a kink along an axis, and does not contain the rounding of Q to
 * float, over alpha. *points: the values of Q taken. Errors: as above, ARGUMENT (dimensions). */
sac_status sac_explain_quadrature(const sac_explain_state* state, sac_explain_number* log_z, int32_t* points);

/* Expectations over samples of the policy. log_z: a known one, for the KL; NULL: it is estimated by importance
 * sampling, from these samples and as many uniform ones. (The weights of the policy's samples alone have no finite
 * variance: its density falls to 0 at the bounds.) The KL's error takes log_z and V for independent. Writes all of *out
 * but points. Errors: as above. */
sac_status sac_explain_sample(const sac_explain_state* state, const sac_explain_number* log_z, uint64_t seed,
                              uint64_t index, int32_t samples, sac_explained* out);

/* log pi of an action (A); -inf where a component is -1 or 1. NULL: of tanh(mean), to full accuracy. */
double sac_explain_log_prob(const sac_explain_state* state, const float* action);

#endif
