/* The products of an update, as src/cuda/net.c issues them: each by itself, and all of them in a row. Lines of sums and
 * squashes between them are left out, so that the row's time is cuBLAS's alone. */
#include <stdio.h>

#include "tests/gpu/micro.h"

/* `per_agent`: nets side by side, per agent. `times`: how often an update makes it. */
typedef struct shape {
  const char* name;
  sac_product product;
  int per_agent, rows, out, in, times;
} shape;

enum { SHAPES = 15 };

static void list_shapes(const micro_sizes* size, shape list[SHAPES]) {
  const int B = size->batch, H = size->hidden, O = size->obs, A = size->action, I = O + A;
  const shape shapes[SHAPES] = {
      {"actor forward 0, s and s'", SAC_PRODUCT_FORWARD, 1, 2 * B, H, O, 1},
      {"actor forward 1, s and s'", SAC_PRODUCT_FORWARD, 1, 2 * B, H, H, 1},
      {"actor forward head, s and s'", SAC_PRODUCT_FORWARD, 1, 2 * B, 2 * A, H, 1},
      {"critics and targets forward 0", SAC_PRODUCT_FORWARD, 4, B, H, I, 1},
      {"critics and targets forward 1", SAC_PRODUCT_FORWARD, 4, B, H, H, 1},
      {"critics backward 1", SAC_PRODUCT_BACKWARD, 2, B, H, H, 2},
      {"critics gradient 0", SAC_PRODUCT_GRADIENT, 2, B, H, I, 1},
      {"critics gradient 1", SAC_PRODUCT_GRADIENT, 2, B, H, H, 1},
      {"critics forward 0, policy", SAC_PRODUCT_FORWARD, 2, B, H, I, 1},
      {"critics forward 1, policy", SAC_PRODUCT_FORWARD, 2, B, H, H, 1},
      {"actor backward head", SAC_PRODUCT_BACKWARD, 1, B, 2 * A, H, 1},
      {"actor backward 1", SAC_PRODUCT_BACKWARD, 1, B, H, H, 1},
      {"actor gradient 0", SAC_PRODUCT_GRADIENT, 1, B, H, O, 1},
      {"actor gradient 1", SAC_PRODUCT_GRADIENT, 1, B, H, H, 1},
      {"actor gradient head", SAC_PRODUCT_GRADIENT, 1, B, 2 * A, H, 1},
  };
  for (int i = 0; i < SHAPES; i++) list[i] = shapes[i];
}

static size_t of_weight(const shape* s) { return (size_t)s->out * (size_t)s->in; }
static size_t of_x(const shape* s) { return (size_t)s->rows * (size_t)s->in; }
static size_t of_y(const shape* s) { return (size_t)s->rows * (size_t)s->out; }

size_t micro_update_floats(const micro_sizes* size) {
  shape list[SHAPES];
  size_t most = 0, agents = 0;
  list_shapes(size, list);
  for (int i = 0; i < 3; i++) agents = (size_t)size->population[i] > agents ? (size_t)size->population[i] : agents;
  for (int i = 0; i < SHAPES; i++) {
    const size_t parts[] = {of_weight(&list[i]), of_x(&list[i]), of_y(&list[i])};
    for (int part = 0; part < 3; part++) {
      const size_t all = agents * (size_t)list[i].per_agent * parts[part];
      most = all > most ? all : most;
    }
  }
  return (most + 63) / 64 * 64; /* the next part begins where cuBLAS likes it */
}

/* What a capture takes: `count` shapes, the whole `repeats` times. */
typedef struct row {
  const shape* shapes;
  int count, repeats;
  sac_precision precision;
  int population;
} row;

static sac_status multiply(const micro* m, const row* of, const shape* s) {
  const float* first = m->x;
  const float* second = m->x + m->third;
  const size_t weight = of_weight(s), x = of_x(s), y = of_y(s);
  sac_matrices a = {first, weight}, b = {second, x};
  size_t to = y;
  if (s->product == SAC_PRODUCT_BACKWARD) b.stride = y, to = x;
  if (s->product == SAC_PRODUCT_GRADIENT) a.stride = x, b.stride = y, to = weight;
  return sac_cuda_product(m->blas, of->precision, s->product, of->population * s->per_agent, s->rows, s->out, s->in, a,
                          b, m->x + 2 * m->third, to);
}

static sac_status multiply_all(const micro* m, const void* what) {
  const row* of = what;
  sac_status status = SAC_OK;
  for (int r = 0; r < of->repeats && status == SAC_OK; r++)
    for (int i = 0; i < of->count && status == SAC_OK; i++)
      for (int t = 0; t < of->shapes[i].times && status == SAC_OK; t++) status = multiply(m, of, &of->shapes[i]);
  return status;
}

static double flops_of(const shape* s, int population) {
  return 2.0 * population * s->per_agent * s->rows * s->out * s->in;
}

static sac_status all_of(const micro* m, const shape list[SHAPES], sac_precision precision, int population) {
  const char* word = precision == SAC_FP32 ? "fp32" : "tf32";
  const int repeats = m->size.products;
  const row whole = {list, SHAPES, 1, precision, population};
  double time, flops = 0;
  size_t nodes;
  int products = 0;
  sac_status status = SAC_OK;
  for (int i = 0; i < SHAPES; i++) {
    shape one = list[i];
    one.times = 1;
    const row of = {&one, 1, repeats, precision, population};
    SAC_TRY(micro_measure(m, multiply_all, &of, 1, &time, &nodes));
    time /= repeats;
    printf(
        "{\"micro\": \"update_product\", \"product\": \"%s\", \"precision\": \"%s\", \"population\": %d, "
        "\"count\": %d, \"rows\": %d, \"out\": %d, \"in\": %d, \"an_update\": %d, \"nodes\": %.2f, "
        "\"microseconds\": %.2f, \"teraflops\": %.2f}\n",
        one.name, word, population, population * one.per_agent, one.rows, one.out, one.in, list[i].times,
        (double)nodes / repeats, time, 1e-6 * flops_of(&one, population) / time);
    flops += list[i].times * flops_of(&one, population);
    products += list[i].times;
  }
  SAC_TRY(micro_measure(m, multiply_all, &whole, m->size.launches, &time, &nodes));
  time /= m->size.launches;
  printf(
      "{\"micro\": \"update_products\", \"precision\": \"%s\", \"population\": %d, \"products\": %d, "
      "\"nodes\": %zu, \"microseconds\": %.2f, \"teraflops\": %.2f}\n",
      word, population, products, nodes, time, 1e-6 * flops / time);
fail:
  return status;
}

sac_status micro_update(const micro* m) {
  shape list[SHAPES];
  sac_status status = SAC_OK;
  list_shapes(&m->size, list);
  for (int i = 0; i < 3 && m->size.population[i]; i++)
    for (int precision = SAC_FP32; precision <= SAC_TF32; precision++)
      SAC_TRY(all_of(m, list, (sac_precision)precision, m->size.population[i]));
fail:
  return status;
}
