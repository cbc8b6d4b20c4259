/* ctest: one-thread
 *
 * The products of every instruction set against plain sums in double, and the networks made of them against central
 * differences. */
#include "cpu/net.h"

#include "kernels/layers.h"
#include "kernels/polyak.h"
#include "kernels/squash.h"
#include "support/agent_case.h"
#include "support/check_main.h"
#include "support/reference.h"
#include "support/tolerances.h"

static const int sizes[][3] = {/* out, in, rows */
                               {1, 1, 1},     {2, 3, 1},     {1, 31, 33},   {31, 1, 31},  {12, 32, 32},
                               {13, 33, 16},  {7, 257, 5},   {257, 7, 65},  {64, 4, 100}, {31, 257, 31},
                               {48, 129, 17}, {96, 64, 257}, {25, 1030, 65}};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Row panels of (rows, features): row r is lane r%32 of panel r/32. */
static float* panels_of(const float* x, int rows, int features) {
  float* p = calloc((size_t)sac_panels(rows) * (size_t)features * SAC_PANEL, sizeof(float));
  for (int r = 0; r < rows; r++)
    for (int f = 0; f < features; f++)
      p[((size_t)(r / SAC_PANEL) * (size_t)features + (size_t)f) * SAC_PANEL + (size_t)(r % SAC_PANEL)] =
          x[r * features + f];
  return p;
}

static float panel_at(const float* p, int features, int r, int f) {
  return p[((size_t)(r / SAC_PANEL) * (size_t)features + (size_t)f) * SAC_PANEL + (size_t)(r % SAC_PANEL)];
}

static void near_sum(double got, double sum, double size, int terms) {
  ck_near(got, sum, PRODUCT_REL(terms) * size + PRODUCT_ABS);
}

#define EACH_ISA(isa)                           \
  for (int n_##isa = 0; n_##isa < 3; n_##isa++) \
    for (const sac_isa* isa = sac_isa_available(n_##isa); isa; isa = NULL)

START_TEST(forward) {
  /* a layer of each size, for rows in panels and dense */
  const int out = sizes[_i][0], in = sizes[_i][1], rows = sizes[_i][2];
  float *w = random_floats(1, (size_t)(out * in), 1), *b = random_floats(2, (size_t)out, 1);
  float *x = random_floats(3, (size_t)(rows * in), 1), *xp = panels_of(x, rows, in);
  float* y = calloc((size_t)sac_panels(rows) * (size_t)out * SAC_PANEL, sizeof(float));
  float* dense = calloc((size_t)(rows * out), sizeof(float));
  EACH_ISA(isa)
  for (int relu = 0; relu < 2; relu++) {
    isa->forward(w, b, out, in, (sac_rows){xp, (size_t)in * SAC_PANEL}, (sac_rows){y, (size_t)out * SAC_PANEL}, rows,
                 relu, NULL);
    isa->dense(w, b, out, in, x, (size_t)in, dense, (size_t)out, rows, relu);

    /* each output in double */
    for (int r = 0; r < rows; r++)
      for (int n = 0; n < out; n++) {
        double sum = (double)b[n], size = fabs(sum);
        for (int k = 0; k < in; k++) {
          sum += (double)w[n * in + k] * (double)x[r * in + k];
          size += fabs((double)w[n * in + k] * (double)x[r * in + k]);
        }
        const double expected = relu && sum < 0 ? 0 : sum;
        near_sum((double)panel_at(y, out, r, n), expected, size, in);
        near_sum((double)dense[r * out + n], expected, size, in);
      }
  }
  free(w), free(b), free(x), free(xp), free(y), free(dense);
}
END_TEST

START_TEST(backward) {
  /* activations of the layer below, some of them 0 */
  const int out = sizes[_i][0], in = sizes[_i][1], rows = sizes[_i][2];
  float *w = random_floats(1, (size_t)(out * in), 1), *d = random_floats(2, (size_t)(rows * out), 1);
  float *dp = panels_of(d, rows, out), *y = random_floats(3, (size_t)(rows * in), 1);
  for (int i = 0; i < rows * in; i++) y[i] = sac_relu(y[i]);
  EACH_ISA(isa)
  for (int gate = 0; gate < 2; gate++)
    for (int from = 0, last = in > 3 ? in - 3 : 1; from < in; from += last) { /* all columns, and the last three */
      /* the gradient behind the layer, gated by its ReLU or not */
      const int count = in - from;
      float* x = calloc((size_t)(rows * count) + 1, sizeof(float));
      for (int r = 0; r < rows; r++)
        for (int k = 0; k < count; k++) x[r * count + k] = y[r * in + from + k];
      float* xp = panels_of(x, rows, count);
      isa->backward(w + from, out, in, count, (sac_rows){dp, (size_t)out * SAC_PANEL},
                    (sac_rows){xp, (size_t)count * SAC_PANEL}, rows, gate);
      for (int r = 0; r < rows; r++)
        for (int k = 0; k < count; k++) {
          double sum = 0, size = 0;
          for (int n = 0; n < out; n++) {
            sum += (double)w[n * in + from + k] * (double)d[r * out + n];
            size += fabs((double)w[n * in + from + k] * (double)d[r * out + n]);
          }
          near_sum((double)panel_at(xp, count, r, k), gate && x[r * count + k] <= 0 ? 0 : sum, size, out);
        }
      free(x), free(xp);
    }
  free(w), free(d), free(dp), free(y);
}
END_TEST

START_TEST(weight_gradient) {
  const int out = sizes[_i][0], in = sizes[_i][1], rows = sizes[_i][2];
  float *d = random_floats(1, (size_t)(rows * out), 1), *dp = panels_of(d, rows, out);
  float* x = random_floats(2, (size_t)(rows * in), 1);
  const size_t stride = (size_t)sac_panels(rows) * SAC_PANEL * SAC_PANEL;
  float* xp = calloc((size_t)sac_panels(in) * stride, sizeof(float));
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < in; k++)
      xp[(size_t)(k / SAC_PANEL) * stride + (size_t)(r * SAC_PANEL + k % SAC_PANEL)] = x[r * in + k];
  /* numbers after the last row and column are not part of the sum */
  for (int lane = rows % SAC_PANEL; rows % SAC_PANEL && lane < SAC_PANEL; lane++)
    for (int n = 0; n < out; n++)
      dp[((size_t)(rows / SAC_PANEL) * (size_t)out + (size_t)n) * SAC_PANEL + (size_t)lane] = NAN;
  float *grad = calloc((size_t)(out * in) + 1, sizeof(float)), *bias = calloc((size_t)out + 1, sizeof(float));
  EACH_ISA(isa) {
    const sac_rows dr = {dp, (size_t)out * SAC_PANEL};
    grad[out * in] = bias[out] = 7;
    const int middle = out / 2; /* in two blocks */
    isa->weight_grad(dr, xp, stride, in, 0, middle, grad, rows, NULL);
    isa->weight_grad(dr, xp, stride, in, middle, out, grad, rows, NULL);
    isa->bias_grad(dr, 0, middle, bias, rows);
    isa->bias_grad(dr, middle, out, bias, rows);
    for (int n = 0; n < out; n++) {
      double sum = 0, size = 0;
      for (int r = 0; r < rows; r++) sum += (double)d[r * out + n], size += fabs((double)d[r * out + n]);
      near_sum((double)bias[n], sum, size, rows);
      for (int k = 0; k < in; k++) {
        sum = size = 0;
        for (int r = 0; r < rows; r++) {
          sum += (double)d[r * out + n] * (double)x[r * in + k];
          size += fabs((double)d[r * out + n] * (double)x[r * in + k]);
        }
        near_sum((double)grad[n * in + k], sum, size, rows);
      }
    }
    ck_assert(grad[out * in] == 7 && bias[out] == 7);
  }
  free(d), free(dp), free(x), free(xp), free(grad), free(bias);
}
END_TEST

/* A row has the same bits in chunks of any size. */
START_TEST(rows_do_not_touch_each_other) {
  /* a layer of sizes that fill no panel */
  const int out = 37, in = 45, rows = 100;
  float *w = random_floats(1, (size_t)(out * in), 1), *b = random_floats(2, (size_t)out, 1);
  float *x = random_floats(3, (size_t)(rows * in), 1), *xp = panels_of(x, rows, in);
  const size_t width = (size_t)out * SAC_PANEL;
  float *whole = calloc(4 * width, sizeof(float)), *part = calloc(4 * width, sizeof(float));
  float *dense = calloc((size_t)(rows * out), sizeof(float)), *one = calloc((size_t)out, sizeof(float));
  EACH_ISA(isa) {
    /* all panels at once, and panel by panel */
    const sac_rows input = {xp, (size_t)in * SAC_PANEL};
    isa->forward(w, b, out, in, input, (sac_rows){whole, width}, rows, 1, NULL);
    for (int panel = 0; panel < 4; panel++)
      isa->forward(w, b, out, in, (sac_rows){xp + (size_t)panel * input.stride, input.stride},
                   (sac_rows){part + (size_t)panel * width, width}, panel < 3 ? SAC_PANEL : rows - 96, 1, NULL);
    for (int r = 0; r < rows; r++)
      for (int n = 0; n < out; n++) ck_assert(panel_at(whole, out, r, n) == panel_at(part, out, r, n));

    /* all rows at once, and row by row */
    isa->dense(w, b, out, in, x, (size_t)in, dense, (size_t)out, rows, 1);
    for (int r = 0; r < rows; r++) {
      isa->dense(w, b, out, in, x + r * in, (size_t)in, one, (size_t)out, 1, 1);
      ck_same_bits(one, dense + r * out, out);
    }
  }
  free(w), free(b), free(x), free(xp), free(whole), free(part), free(dense), free(one);
}
END_TEST

START_TEST(turn_and_pick) {
  /* blocks of every size are transposed, and nothing beside them is written */
  float* from = random_floats(1, SAC_PANEL * SAC_PANEL, 1);
  float to[SAC_PANEL * SAC_PANEL];
  EACH_ISA(isa)
  for (int m = 1; m <= SAC_PANEL; m += m < 9 ? 1 : 7)
    for (int n = 1; n <= SAC_PANEL; n += n < 9 ? 1 : 23) {
      for (size_t i = 0; i < SAC_PANEL * SAC_PANEL; i++) to[i] = 9;
      isa->turn(from, SAC_PANEL, to, SAC_PANEL, m, n);
      for (int j = 0; j < SAC_PANEL; j++)
        for (int i = 0; i < SAC_PANEL; i++)
          ck_assert(to[j * SAC_PANEL + i] == (i < m && j < n ? from[i * SAC_PANEL + j] : 9));
    }
  free(from);

  /* rows picked in any order, some of them twice */
  const int features = 5;
  float* x = random_floats(2, 3 * features * SAC_PANEL, 1);
  const int32_t row[] = {0, 1, 5, 31, 32, 40, 41, 63, 64, 65, 70, 2,  2,  90, 95, 3,  4, 6,
                         7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
  const int count = sizeof row / sizeof *row;
  float picked[2 * 5 * SAC_PANEL];
  EACH_ISA(isa) {
    isa->pick((sac_rows){x, (size_t)features * SAC_PANEL}, features, row, count,
              (sac_rows){picked, (size_t)features * SAC_PANEL});
    for (int j = 0; j < count; j++)
      for (int f = 0; f < features; f++)
        ck_assert(panel_at(picked, features, j, f) == panel_at(x, features, row[j], f));
  }
  free(x);
}
END_TEST

/* The loops over the formulas of kernels/ have the bits of the formula, on every instruction set. */
START_TEST(elementwise) {
  enum { N = 83 };
  float *w = random_floats(1, N, 1), *g = random_floats(2, N, 1), *eps = random_floats(3, N, 4);
  float *mean = random_floats(4, N, 12), *log_std = random_floats(5, N, 25);
  const sac_adam_step step = sac_adam_begin(3, 1e-3, 0.9, 0.999, 1e-8);
  EACH_ISA(isa) {
    /* Adam's step, with the sum of squares that it returns */
    float w1[N], m1[N], v1[N], w2[N], m2[N], v2[N], a[N], lp[N] = {0}, sp[N], sl[N];
    double squares = 0;
    for (int i = 0; i < N; i++) {
      w1[i] = w2[i] = w[i];
      m1[i] = m2[i] = eps[i];
      v1[i] = v2[i] = fabsf(mean[i]);
      squares += (double)g[i] * (double)g[i];
      w2[i] = sac_adam(step, w2[i], g[i], &m2[i], &v2[i]);
    }
    ck_near_relative(isa->adam(step, N, w1, g, m1, v1), squares, DOUBLE_SQUARES_REL, 0);
    ck_near_relative(isa->sum_squares(N, g), squares, DOUBLE_SQUARES_REL, 0);
    ck_same_bits(w1, w2, N);
    ck_same_bits(m1, m2, N);
    ck_same_bits(v1, v2, N);

    /* the targets' step */
    isa->polyak(N, w1, g, 0.3f);
    for (int i = 0; i < N; i++) w2[i] = sac_polyak(w2[i], g[i], 0.3f);
    ck_same_bits(w1, w2, N);

    /* the squash and its way back */
    isa->squash(N, mean, log_std, eps, -20, 2, a, lp, sp, sl);
    float d_mean[N], d_log_std[N];
    memcpy(d_mean, mean, sizeof d_mean);
    memcpy(d_log_std, log_std, sizeof d_log_std);
    isa->squash_backward(N, a, sp, sl, g, 0.25f, -20, 2, d_mean, d_log_std);
    for (int i = 0; i < N; i++) {
      const sac_squash_out out = sac_squash(mean[i], log_std[i], eps[i], -20, 2);
      const sac_squash_grad grad = sac_squash_backward(out, log_std[i], -20, 2, 0.25f, g[i]);
      ck_same_bits(&a[i], &out.action, 1);
      ck_same_bits(&lp[i], &out.log_prob, 1);
      ck_same_bits(&d_mean[i], &grad.mean, 1);
      ck_same_bits(&d_log_std[i], &grad.log_std, 1);
    }

    /* normals */
    float z1[N], z2[N];
    isa->normals(5, 6, 7, N, z1);
    sac_fill_normals(5, 6, 7, N, z2);
    ck_same_bits(z1, z2, N);
  }
  free(w), free(g), free(eps), free(mean), free(log_std);
}
END_TEST

/* A NaN or infinity in a sum shows in its result, forward and backward, with ReLU and without. */
START_TEST(nan_passes) {
  enum { OUT = 13, IN = 9, ROWS = 33 };
  EACH_ISA(isa) {
    float *w = random_floats(1, OUT * IN, 1), *b = random_floats(2, OUT, 1), *x = random_floats(3, ROWS * IN, 1);
    x[32 * IN + 4] = NAN;
    float *xp = panels_of(x, ROWS, IN), y[2 * OUT * SAC_PANEL], dense[ROWS * OUT];
    isa->forward(w, b, OUT, IN, (sac_rows){xp, IN * SAC_PANEL}, (sac_rows){y, OUT * SAC_PANEL}, ROWS, 1, NULL);
    isa->dense(w, b, OUT, IN, x, IN, dense, OUT, ROWS, 1);
    for (int n = 0; n < OUT; n++) {
      ck_assert(isnan(panel_at(y, OUT, 32, n)) && isnan(dense[32 * OUT + n]));
      ck_assert(!isnan(panel_at(y, OUT, 0, n)));
    }
    /* a NaN activation lets the gradient pass */
    isa->backward(w, OUT, IN, IN, (sac_rows){y, OUT * SAC_PANEL}, (sac_rows){xp, IN * SAC_PANEL}, ROWS, 1);
    ck_assert(isnan(panel_at(xp, IN, 32, 4)));
    free(w), free(b), free(x), free(xp);
  }
}
END_TEST

/* J = sum of c_n y_n over the outputs of the head and all rows. */
static double objective(const sac_net* net, const double* w, const float* x, const float* c, int rows) {
  reference_row row = reference_row_create(net);
  double sum = 0;
  for (int r = 0; r < rows; r++) {
    double* input = calloc((size_t)net->size[0], sizeof(double));
    for (int k = 0; k < net->size[0]; k++) input[k] = (double)x[r * net->size[0] + k];
    const double* y = reference_forward(net, w, input, &row);
    for (int n = 0; n < net->size[net->layers]; n++) sum += (double)c[r * net->size[net->layers] + n] * y[n];
    free(input);
  }
  reference_row_free(net, &row);
  return sum;
}

static const char* const widths[] = {"31", "7,5", "33,1,8", "64,65"};

/* What the differences compare: a network in float and its weights in double, rows x, and dJ/dy in `head`. */
typedef struct slopes {
  const sac_net* net;
  int rows;
  double* wd;
  float *x, *head;
} slopes;

/* dJ/dw of some weights and biases of each layer. */
static void check_weights(const slopes* s, const float* grad) {
  const sac_net* net = s->net;
  const double h = DIFFERENCE_STEP;
  for (int l = 0; l < net->layers; l++)
    for (int part = 0; part < 2; part++) {
      const size_t n = (size_t)net->size[l + 1] * (part ? 1 : (size_t)net->size[l]);
      for (size_t i = 0; i < n; i += 1 + n / 40) {
        const size_t e = (part ? net->bias[l] : net->weight[l]) + i;
        const double value = s->wd[e];
        s->wd[e] = value + h;
        const double above = objective(net, s->wd, s->x, s->head, s->rows);
        s->wd[e] = value - h;
        const double below = objective(net, s->wd, s->x, s->head, s->rows);
        s->wd[e] = value;
        ck_near_relative(grad[e], (above - below) / (2 * h), GRADIENT_REL, GRADIENT_DIFFERENCE_ABS);
      }
    }
}

/* dJ/dx of some rows, without the first feature. */
static void check_inputs(const slopes* s, const float* dx) {
  const int in = s->net->size[0];
  for (int r = 0; r < s->rows; r += 17)
    for (int k = 1; k < in; k++) {
      float* at = &s->x[r * in + k];
      const float value = *at;
      *at = value + 0x1p-16f; /* exact in float: |x| < 2 */
      const double above = objective(s->net, s->wd, s->x, s->head, s->rows), up = (double)*at;
      *at = value - 0x1p-16f;
      const double below = objective(s->net, s->wd, s->x, s->head, s->rows), down = (double)*at;
      *at = value;
      ck_near_relative(panel_at(dx, in - 1, r, k - 1), (above - below) / (up - down), GRADIENT_REL,
                       GRADIENT_DIFFERENCE_ABS);
    }
}

START_TEST(central_differences) {
  const agent_case c = {.algo = "sac", .obs = 5, .action = 2, .hidden = widths[_i], .batch = 8, .critics = 1};
  sac_agent* agent = agent_case_create(&c);
  const sac_net* net = &agent->tensors.net[SAC_ACTOR][0];
  const int rows = 35, in = net->size[0], out = net->size[net->layers], panels = 2;

  /* the network's weights, in float and in double, and random rows */
  size_t floats;
  float *w = slab_copy(agent, SAC_MEMORY_WEIGHTS, 0, &floats), *x = random_floats(1, (size_t)(rows * in), 2);
  float* head = random_floats(2, (size_t)(rows * out), 1);
  double* wd = calloc(floats, sizeof(double));
  for (size_t i = 0; i < floats; i++) wd[i] = (double)w[i];

  /* a trace for all rows, and the rows in panels */
  sac_trace trace = {.turned = (size_t)panels * SAC_PANEL * SAC_PANEL};
  for (int l = 0; l + 1 < net->layers; l++) {
    trace.h[l] = calloc((size_t)(panels * net->size[l + 1] * SAC_PANEL), sizeof(float));
    trace.t[l] = calloc((size_t)sac_panels(net->size[l + 1]) * trace.turned, sizeof(float));
  }
  float *xp = panels_of(x, rows, in), *xt = calloc(trace.turned, sizeof(float));
  for (int r = 0; r < rows; r++)
    for (int k = 0; k < in; k++) xt[r * SAC_PANEL + k] = x[r * in + k];

  /* where the gradients go */
  float* grad = calloc(floats, sizeof(float));
  float* dx = calloc((size_t)(panels * in * SAC_PANEL), sizeof(float));
  EACH_ISA(isa) {
    /* forward, and back from dJ/dy, which is `head` */
    trace.out = panels_of(head, rows, out);
    sac_net_forward(isa, net, w, (sac_rows){xp, (size_t)in * SAC_PANEL}, &trace, 0, rows);
    free(trace.out);
    trace.out = panels_of(head, rows, out);
    sac_net_backward(isa, net, w, &trace, 0, rows);

    /* gradients of weights and biases, layer by layer */
    for (int l = 0; l < net->layers; l++) {
      const sac_rows d = sac_trace_rows(&trace, net, l, 0);
      isa->weight_grad(d, l ? trace.t[l - 1] : xt, trace.turned, net->size[l], 0, net->size[l + 1],
                       grad + net->weight[l], rows, NULL);
      isa->bias_grad(d, 0, net->size[l + 1], grad + net->bias[l], rows);
    }
    const slopes of = {net, rows, wd, x, head};
    check_weights(&of, grad);

    /* the input's gradient, for all features but the first */
    sac_net_input_grad(isa, net, w, &trace, 0, rows, 1, in - 1, (sac_rows){dx, (size_t)(in - 1) * SAC_PANEL});
    check_inputs(&of, dx);
    free(trace.out);
  }
  for (int l = 0; l + 1 < net->layers; l++) free(trace.h[l]), free(trace.t[l]);
  free(w), free(wd), free(x), free(xp), free(xt), free(head), free(grad), free(dx);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("net", LOOP(forward, SIZES), LOOP(backward, SIZES), LOOP(weight_gradient, SIZES),
           CASE(rows_do_not_touch_each_other), CASE(turn_and_pick), CASE(elementwise), CASE(nan_passes),
           LOOP(central_differences, 4))
