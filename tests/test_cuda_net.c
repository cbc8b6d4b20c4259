/* kernels/net.cu: bias and ReLU, the gradient of ReLU, sums over rows. */
#include "support/cuda_case.h"

static const struct {
  int nets, rows, width;
} shapes[] = {{1, 1, 1},     {2, 1, 400},  {3, 31, 3},    {1, 31, 64},  {2, 257, 31},  {3, 257, 4},
              {1, 257, 256}, {2, 257, 33}, {1, 3001, 20}, {2, 3001, 7}, {3, 2113, 332}}; /* the last one: two float4 for
                                                                                            each thread */

/* Floats between networks: the width and a gap that is not written, a multiple of 4 if the width is. */
static size_t stride_of(int rows, int width) { return (size_t)rows * (size_t)width + (width % 4 == 0 ? 8 : 3); }

START_TEST(bias_relu) {
  /* sums that are 0, infinite or NaN, and a NaN in the bias */
  const int nets = shapes[_i].nets, rows = shapes[_i].rows, width = shapes[_i].width;
  const size_t stride = stride_of(rows, width), count = (size_t)rows * (size_t)width;
  const size_t bias_stride = (size_t)width + (width % 4 == 0 ? 4 : 1);
  cuda_case c = cuda_case_create((uint64_t)_i);
  float *y = cuda_numbers(&c, (size_t)nets * stride, 3), *bias = cuda_numbers(&c, (size_t)nets * bias_stride, 2);
  y[0] = -bias[0]; /* exactly 0 */
  if (count > 4) y[1] = INFINITY, y[2] = -INFINITY, y[count - 1] = NAN;
  if (width > 1) bias[(size_t)(nets - 1) * bias_stride + (size_t)width - 1] = NAN;
  float *d_y = cuda_put(&c, y, (size_t)nets * stride), *d_bias = cuda_put(&c, bias, (size_t)nets * bias_stride);
  for (int n = 0; n < nets; n++) cuda_open(&c, d_y + (size_t)n * stride, count);
  const sac_bias_relu_args args = {d_y, d_bias, stride, bias_stride, nets, rows, width};

  /* NaN stays, everything else is cut at 0 */
  cuda_run(&c, sac_net_bias_relu(c.stream, &args));
  const float* got = cuda_result(&c, d_y);
  for (size_t n = 0; n < (size_t)nets; n++)
    for (size_t i = 0; i < count; i++) {
      const double sum = (double)y[n * stride + i] + (double)bias[n * bias_stride + i % (size_t)width];
      const double expected = sum < 0 ? 0 : sum;
      if (isnan(sum)) cuda_true(isnan(got[n * stride + i]));
      else cuda_near(got[n * stride + i], expected, FLOAT_EPSILON * fabs(expected));
    }
  cuda_case_free(&c);
}
END_TEST

START_TEST(relu_grad) {
  const int nets = shapes[_i].nets, rows = shapes[_i].rows, width = shapes[_i].width;
  const size_t d_stride = stride_of(rows, width), y_stride = d_stride + 12, count = (size_t)rows * (size_t)width;
  cuda_case c = cuda_case_create((uint64_t)_i);
  float *d = cuda_numbers(&c, (size_t)nets * d_stride, 1), *y = cuda_numbers(&c, (size_t)nets * y_stride, 1);
  for (size_t i = 0; i < (size_t)nets * y_stride; i++) y[i] = y[i] < 0 ? 0 : y[i]; /* as after ReLU */
  if (count > 8) y[0] = NAN, y[1] = -0.0f, y[2] = 0, d[2] = NAN, y[3] = 1, d[3] = NAN, y[4] = INFINITY;
  float *d_d = cuda_put(&c, d, (size_t)nets * d_stride), *d_y = cuda_put(&c, y, (size_t)nets * y_stride);
  for (int n = 0; n < nets; n++) cuda_open(&c, d_d + (size_t)n * d_stride, count);
  const sac_relu_grad_args args = {d_d, d_y, d_stride, y_stride, nets, rows, width};
  cuda_run(&c, sac_net_relu_grad(c.stream, &args));
  const float* got = cuda_result(&c, d_d);
  for (size_t n = 0; n < (size_t)nets; n++)
    for (size_t i = 0; i < count; i++) {
      const float expected = y[n * y_stride + i] <= 0 ? 0 : d[n * d_stride + i]; /* a selection, without rounding */
      cuda_same(&got[n * d_stride + i], &expected, 1);
    }
  cuda_case_free(&c);
}
END_TEST

/* The jobs of one launch: their widths, and whether they have a factor. */
static const struct {
  int nets, rows, jobs, width[SAC_COLUMN_JOBS_MAX];
} sums[] = {{1, 1, 1, {1}},
            {2, 31, 3, {31, 32, 33}},
            {3, 257, 4, {1, 400, 64, 7}},
            {2, 3001, 2, {65, 3}},
            {2, 40, SAC_COLUMN_JOBS_MAX, {1, 2, 3, 31, 32, 33, 64, 65, 5, 1, 1, 100, 32, 32, 8, 9, 40, 4, 12, 70}}};

START_TEST(column_sums) {
  /* several jobs at once, every second one with a factor for each row */
  const int nets = sums[_i].nets, rows = sums[_i].rows, jobs = sums[_i].jobs;
  cuda_case c = cuda_case_create((uint64_t)_i);
  c.runs = 3;
  sac_column_sums_args args = {.jobs = jobs, .nets = nets, .rows = rows};
  float *x[SAC_COLUMN_JOBS_MAX], *factor[SAC_COLUMN_JOBS_MAX];
  for (int j = 0; j < jobs; j++) {
    const size_t width = (size_t)sums[_i].width[j];
    sac_column_job* job = &args.job[j];
    job->width = sums[_i].width[j];
    job->x_stride = (size_t)rows * width + 3;
    job->factor_stride = (size_t)rows + 2;
    job->sum_stride = width + 1;
    x[j] = cuda_numbers(&c, (size_t)nets * job->x_stride, 1);
    factor[j] = j % 2 ? cuda_numbers(&c, (size_t)nets * job->factor_stride, 1) : NULL;
    job->x = cuda_put(&c, x[j], (size_t)nets * job->x_stride);
    if (factor[j]) job->factor = cuda_put(&c, factor[j], (size_t)nets * job->factor_stride);
    job->sum = cuda_room(&c, float, (size_t)nets * job->sum_stride);
    for (int n = 0; n < nets; n++) cuda_open(&c, job->sum + (size_t)n * job->sum_stride, width);
  }

  /* each column in double */
  cuda_run(&c, sac_net_column_sums(c.stream, &args));
  for (int j = 0; j < jobs; j++) {
    const sac_column_job* job = &args.job[j];
    const float* got = cuda_result(&c, job->sum);
    for (size_t n = 0; n < (size_t)nets; n++)
      for (size_t column = 0; column < (size_t)job->width; column++) {
        double sum = 0, size = 0;
        for (size_t r = 0; r < (size_t)rows; r++) {
          const double term = (double)x[j][n * job->x_stride + r * (size_t)job->width + column] *
                              (factor[j] ? (double)factor[j][n * job->factor_stride + r] : 1);
          sum += term;
          size += fabs(term);
        }
        cuda_near(got[n * job->sum_stride + column], sum, CUDA_COLUMN_REL(rows) * size);
      }
  }
  cuda_case_free(&c);
}
END_TEST

/* A NaN in x or in the factor reaches the sum of its own column, and no other. */
START_TEST(column_sums_of_nan) {
  cuda_case c = cuda_case_create(9);
  const size_t rows = 70, width = 40;
  float *x = cuda_numbers(&c, rows * width, 1), *factor = cuda_numbers(&c, rows, 1);
  if (_i == 0) x[33 * width + 37] = NAN;
  else factor[69] = NAN;
  float* sum = cuda_room(&c, float, width);
  cuda_open(&c, sum, width);
  sac_column_sums_args args = {.jobs = 1, .nets = 1, .rows = (int32_t)rows};
  args.job[0] = (sac_column_job){
      .x = cuda_put(&c, x, rows * width), .factor = cuda_put(&c, factor, rows), .sum = sum, .width = (int32_t)width};
  cuda_run(&c, sac_net_column_sums(c.stream, &args));
  const float* got = cuda_result(&c, sum);
  for (size_t j = 0; j < width; j++) cuda_true(cuda_nan(got[j]) == (_i == 1 || j == 37));
  cuda_case_free(&c);
}
END_TEST

CUDA_MAIN("net.cu", LOOP(bias_relu, COUNT(shapes)), LOOP(relu_grad, COUNT(shapes)), LOOP(column_sums, COUNT(sums)),
          LOOP(column_sums_of_nan, 2))
