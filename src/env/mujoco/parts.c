/* What the MuJoCo tasks have in common: parts of observations and of info, noise of resets, NumPy's sums. */
#include <math.h>

#include "env/mujoco/mujoco.h"
#include "kernels/tasks/task.h"

/* The stream of the normals of a reset. The uniforms of a reset are in SAC_TASK_STREAM_RESET. */
#define STREAM_NORMAL ((uint64_t)1)

double sac_mujoco_clip(double x, double low, double high) { return sac_task_clip(x, low, high); }

void sac_mujoco_put_one(sac_mujoco_row* row, double x) {
  if (row->to) row->to[row->count] = (float)x;
  row->count++;
}

void sac_mujoco_put(sac_mujoco_row* row, const double* x, int64_t n) {
  sac_mujoco_put_clipped(row, x, n, -INFINITY, INFINITY);
}

void sac_mujoco_put_clipped(sac_mujoco_row* row, const double* x, int64_t n, double low, double high) {
  for (int64_t j = 0; row->to && j < n; j++) row->to[row->count + j] = (float)sac_mujoco_clip(x[j], low, high);
  row->count += (int32_t)n;
}

void sac_mujoco_info_put(sac_mujoco_info* info, const char* name, double x) {
  if (info->to) info->to[info->count] = (float)x;
  else info->name[info->count] = name;
  info->count++;
}

void sac_mujoco_info_position(const sac_mujoco_sim* sim, sac_mujoco_info* info) {
  sac_mujoco_info_put(info, "x_position", sim->d->qpos[0]);
  sac_mujoco_info_put(info, "y_position", sim->d->qpos[1]);
}

void sac_mujoco_info_distance(const sac_mujoco_sim* sim, sac_mujoco_info* info) {
  sac_mujoco_info_put(info, "distance_from_origin", sac_mujoco_norm(sim->d->qpos, 2));
}

void sac_mujoco_info_height(const sac_mujoco_sim* sim, sac_mujoco_info* info, int z) {
  sac_mujoco_info_put(info, "z_distance_from_origin", sim->d->qpos[z] - sim->m->qpos0[z]);
}

void sac_mujoco_info_velocity(const sac_mujoco_step* step, sac_mujoco_info* info, int axes) {
  sac_mujoco_info_put(info, "x_velocity", step->velocity[0]);
  if (axes > 1) sac_mujoco_info_put(info, "y_velocity", step->velocity[1]);
}

void sac_mujoco_put_state(const sac_mujoco_sim* sim, sac_mujoco_row* row, int skip, double limit) {
  sac_mujoco_put(row, sim->d->qpos + skip, sim->m->nq - skip);
  sac_mujoco_put_clipped(row, sim->d->qvel, sim->m->nv, -limit, limit);
}

void sac_mujoco_add_uniform(uint64_t seed, uint32_t first, double scale, double* x, int64_t n) {
  for (int64_t j = 0; j < n; j++) x[j] += sac_task_uniform(seed, first + (uint32_t)j, -scale, scale);
}

void sac_mujoco_add_normal(uint64_t seed, uint32_t first, double scale, double* x, int64_t n) {
  for (int64_t j = 0; j < n; j++) {
    const uint32_t at = first + (uint32_t)j;
    /* draw number `at`: a block of Philox gives several normals */
    float z[SAC_NORMALS_PER_BLOCK];
    sac_normals(sac_philox(seed, STREAM_NORMAL, at / SAC_NORMALS_PER_BLOCK), z);
    x[j] += scale * (double)z[at % SAC_NORMALS_PER_BLOCK];
  }
}

void sac_mujoco_reset_uniform(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel) {
  sac_mujoco_add_uniform(seed, 0, scale, qpos, sim->m->nq);
  sac_mujoco_add_uniform(seed, (uint32_t)sim->m->nq, scale, qvel, sim->m->nv);
}

/* Both begin with draw 0: uniforms and normals have streams of their own. */
void sac_mujoco_reset_normal(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel) {
  sac_mujoco_add_uniform(seed, 0, scale, qpos, sim->m->nq);
  sac_mujoco_add_normal(seed, 0, scale, qvel, sim->m->nv);
}

void sac_mujoco_position_qpos(const sac_mujoco_sim* sim, double at[2]) {
  at[0] = sim->d->qpos[0];
  at[1] = sim->d->qpos[1];
}

void sac_mujoco_xpos_difference(const sac_mujoco_sim* sim, int a, int b, double difference[3]) {
  const double *x = sim->d->xpos + 3 * (size_t)sim->body[a], *y = sim->d->xpos + 3 * (size_t)sim->body[b];
  for (int k = 0; k < 3; k++) difference[k] = x[k] - y[k];
}

int sac_mujoco_is_finite(const sac_mujoco_sim* sim) {
  int finite = 1;
  for (int64_t j = 0; j < sim->m->nq; j++) finite &= isfinite(sim->d->qpos[j]) != 0;
  for (int64_t j = 0; j < sim->m->nv; j++) finite &= isfinite(sim->d->qvel[j]) != 0;
  return finite;
}

/* NumPy's pairwise sum of term(x). More than 128 numbers are summed in two halves, the first a multiple of 8. Up to 128
 * are summed in eight partial sums, then the rest of less than 8 in order. low, high: for CLIPPED_SQUARE. */
#define PAIRWISE(name, type, term)                                                                     \
  static type name(const type* x, int64_t n, type low, type high) {                                    \
    (void)low;                                                                                         \
    (void)high;                                                                                        \
    if (n > 128) {                                                                                     \
      const int64_t half = n / 2 - n / 2 % 8;                                                          \
      const type left = name(x, half, low, high);                                                      \
      return left + name(x + half, n - half, low, high);                                               \
    }                                                                                                  \
    type sum = 0;                                                                                      \
    int64_t j = 0;                                                                                     \
    if (n >= 8) {                                                                                      \
      type part[8] = {0};                                                                              \
      for (; j < n - n % 8; j += 8)                                                                    \
        for (int k = 0; k < 8; k++) part[k] += term(x[j + k]);                                         \
      sum = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7])); \
    }                                                                                                  \
    for (; j < n; j++) sum += term(x[j]);                                                              \
    return sum;                                                                                        \
  }
#define ITSELF(x) (x)
#define SQUARE(x) ((x) * (x))
#define CLIPPED_SQUARE(x) SQUARE(sac_mujoco_clip(x, low, high))
PAIRWISE(sum_doubles, double, ITSELF)
PAIRWISE(sum_squares, double, CLIPPED_SQUARE)
PAIRWISE(sum_float_squares, float, SQUARE)

double sac_mujoco_sum(const double* x, int64_t n) { return sum_doubles(x, n, 0, 0); }

double sac_mujoco_norm(const double* x, int n) {
  double sum = 0;
  for (int k = 0; k < n; k++) sum += x[k] * x[k];
  return sqrt(sum);
}

double sac_mujoco_squares(const double* x, int64_t n, double low, double high) { return sum_squares(x, n, low, high); }

double sac_mujoco_action_cost(const sac_mujoco_sim* sim, const sac_mujoco_step* step, double weight) {
  const int64_t n = sim->m->nu;
  /* an action in double has its cost in double */
  if (step->wide) return weight * sac_mujoco_squares(step->wide, n, -INFINITY, INFINITY);
  /* an action in float: NumPy rounds the weight to float too */
  return (double)((float)weight * sum_float_squares(step->action, n, 0, 0));
}
