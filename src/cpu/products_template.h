/* The products for one instruction set: forward, backward, weight gradient (isa.h), and the row-by-row product of act.
 *
 * The first three compute tiles: TILE x 2 vectors of sums in registers. Each step reads one number from each of TILE
 * rows of the broadcast operand, and two vectors of a panel. Smaller tiles, each compiled separately, compute the edges
 * of a matrix. Rows are divided evenly among tiles: with TILE 12, 13 rows are 7 and 6, not 12 and 1. */
#include "cpu/isa.h"
#include "kernels/layers.h"

_Static_assert(SAC_PANEL % (2 * LANES) == 0, "a panel is a whole number of tiles wide");

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* X(height) for each height of a tile, 1 to TILE. */
#if TILE == 12
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#else
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif

/* What a tile prefetches during its sums: in each step the cache line at `at`, which then moves on by `step` bytes. */
typedef struct fetch {
  const char* at;
  size_t step;
} fetch;

/* Divides `near` among the `calls` tiles of a product, and returns the part of tile `call`, which has `depth` steps.
 * nothing: any valid address; the tile prefetches it if no part is left for it, so that its loop needs no branch. */
static inline fetch fetch_part(const sac_near* near, int32_t call, int32_t calls, int32_t depth, const void* nothing) {
  /* tiles for each piece; with fewer tiles than pieces, the last pieces are left out */
  const int32_t each = !near || near->count == 0 ? 0 : calls < near->count ? 1 : calls / near->count;
  if (each == 0 || call / each >= near->count) return (fetch){nothing, 0};

  /* the bytes of one tile, spread evenly over its steps */
  const size_t bytes = near->bytes / (size_t)each;
  return (fetch){(const char*)near->piece[call / each] + (size_t)(call % each) * bytes, bytes / (size_t)depth + 1};
}

/* Adds to sum[i][v] the products of row i of the broadcast operand `a` with vector v of panel `b`, over `depth` steps.
 * Rows of `a` are `row` floats apart, the numbers of a row `step` floats. Only every third row has a pointer, which
 * saves registers: the two rows after it are addressed with an index. height and vecs are constants after inlining. */
INLINE void multiply(const int height, const int vecs, vec sum[TILE][2], const float* a, size_t row, size_t step,
                     const float* b, int32_t depth, fetch* near) {
  const float* a0 = a;
  const float* a3 = a + 3 * row;
  const float* a6 = a + 6 * row;
  const float* a9 = a + 9 * row;
  for (int32_t k = 0; k < depth; k++) {
    /* load the vectors of the panel, and prefetch a line */
    const vec b0 = vec_load(b);
    const vec b1 = vecs == 2 ? vec_load(b + LANES) : b0;
    if (near) {
      __builtin_prefetch(near->at, 1);
      near->at += near->step;
    }

    /* multiply them by one number of each row */
    UNROLL
    for (int i = 0; i < height; i++) {
      const float* p = i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : a9;
      const vec x = vec_all(p[(size_t)(i % 3) * row]);
      sum[i][0] = vec_fma(x, b0, sum[i][0]);
      if (vecs == 2) sum[i][1] = vec_fma(x, b1, sum[i][1]);
    }

    /* go on to the next number of each row, and to the next vectors */
    a0 += step;
    if (height > 3) a3 += step;
    if (height > 6) a6 += step;
    if (height > 9) a9 += step;
    b += SAC_PANEL;
  }
}

/* The first row of tile `tile`, when `count` rows are divided among `tiles` tiles. */
INLINE int32_t tile_start(int32_t tile, int32_t tiles, int32_t count) {
  return (int32_t)((int64_t)count * tile / tiles);
}

/* --- forward ------------------------------------------------------------------------------------------------------ */

typedef void forward_tile(const float* weight, const float* bias, int32_t in, const float* x, float* y, int relu,
                          fetch near);

INLINE void forward_any(const int height, const int vecs, const float* weight, const float* bias, int32_t in,
                        const float* x, float* y, int relu, fetch near) {
  /* start from the bias, and add the inputs in order */
  vec sum[TILE][2];
  UNROLL
  for (int i = 0; i < height; i++) sum[i][0] = sum[i][1] = vec_all(bias[i]);
  multiply(height, vecs, sum, weight, (size_t)in, 1, x, in, &near);

  /* store, with ReLU while the sums are in registers */
  UNROLL
  for (int i = 0; i < height; i++) {
    vec_store(y + i * SAC_PANEL, relu ? vec_relu(sum[i][0]) : sum[i][0]);
    if (vecs == 2) vec_store(y + i * SAC_PANEL + LANES, relu ? vec_relu(sum[i][1]) : sum[i][1]);
  }
}

#define FORWARD(height)                                                                                            \
  static void forward_##height##_1(const float* w, const float* b, int32_t in, const float* x, float* y, int relu, \
                                   fetch near) {                                                                   \
    forward_any(height, 1, w, b, in, x, y, relu, near);                                                            \
  }                                                                                                                \
  static void forward_##height##_2(const float* w, const float* b, int32_t in, const float* x, float* y, int relu, \
                                   fetch near) {                                                                   \
    forward_any(height, 2, w, b, in, x, y, relu, near);                                                            \
  }
EACH_HEIGHT(FORWARD)
#define FORWARD_ENTRY(height) {forward_##height##_1, forward_##height##_2},
static forward_tile* const forward_tiles[TILE][2] = {EACH_HEIGHT(FORWARD_ENTRY)};

static void forward(const float* weight, const float* bias, int32_t out, int32_t in, sac_rows x, sac_rows y,
                    int32_t rows, int relu, const sac_near* near) {
  const int32_t panels = sac_panels(rows), tiles = (out + TILE - 1) / TILE;

  /* go tile by tile, so that its weights stay in the cache for all panels */
  for (int32_t tile = 0; tile < tiles; tile++) {
    const int32_t n = tile_start(tile, tiles, out), height = tile_start(tile + 1, tiles, out) - n;
    for (int32_t panel = 0; panel < panels; panel++) {
      const int32_t lanes = rows - panel * SAC_PANEL < SAC_PANEL ? rows - panel * SAC_PANEL : SAC_PANEL;

      /* the last panel may have unused lanes: leave out whole vectors of them */
      for (int32_t lane = 0; lane < lanes; lane += 2 * LANES)
        forward_tiles[height - 1][lanes - lane > LANES](
            weight + (size_t)n * (size_t)in, bias + n, in, x.data + (size_t)panel * x.stride + lane,
            y.data + (size_t)panel * y.stride + (size_t)n * SAC_PANEL + lane, relu,
            fetch_part(near, tile * panels + panel, tiles * panels, in, bias));
    }
  }
}

/* --- backward ----------------------------------------------------------------------------------------------------- */

typedef void backward_tile(const float* weight, int32_t in, int32_t out, const float* d, float* x, int gate);

INLINE void backward_any(const int height, const int vecs, const float* weight, int32_t in, int32_t out, const float* d,
                         float* x, int gate) {
  vec sum[TILE][2];
  UNROLL
  for (int i = 0; i < height; i++) sum[i][0] = sum[i][1] = vec_all(0);

  /* sum over the outputs: down the columns of the weight */
  multiply(height, vecs, sum, weight, 1, (size_t)in, d, out, NULL);

  /* store; with a gate, x still holds the output of ReLU */
  UNROLL
  for (int i = 0; i < height; i++) {
    float* to = x + i * SAC_PANEL;
    vec_store(to, gate ? vec_relu_grad(vec_load(to), sum[i][0]) : sum[i][0]);
    if (vecs == 2) {
      to += LANES;
      vec_store(to, gate ? vec_relu_grad(vec_load(to), sum[i][1]) : sum[i][1]);
    }
  }
}

#define BACKWARD(height)                                                                                           \
  static void backward_##height##_1(const float* w, int32_t in, int32_t out, const float* d, float* x, int gate) { \
    backward_any(height, 1, w, in, out, d, x, gate);                                                               \
  }                                                                                                                \
  static void backward_##height##_2(const float* w, int32_t in, int32_t out, const float* d, float* x, int gate) { \
    backward_any(height, 2, w, in, out, d, x, gate);                                                               \
  }
EACH_HEIGHT(BACKWARD)
#define BACKWARD_ENTRY(height) {backward_##height##_1, backward_##height##_2},
static backward_tile* const backward_tiles[TILE][2] = {EACH_HEIGHT(BACKWARD_ENTRY)};

/* backward reads columns of the weight. The numbers of a column of a wide weight are thousands of bytes apart and fall
 * into few cache sets. So from this width on the columns of a tile are copied next to each other first. The copy is on
 * the stack, which limits its rows. */
#define GATHER_WIDTH 1024
#define GATHER_ROWS 1024

/* columns[n][i] = weight[n][i] for n < out, i < height. A row of `columns` has TILE floats. */
INLINE void gather_columns(const int height, const float* weight, int32_t out, int32_t in, float* columns) {
  for (int32_t n = 0; n < out; n++)
    for (int i = 0; i < height; i++) columns[n * TILE + i] = weight[(size_t)n * (size_t)in + (size_t)i];
}

static void backward(const float* weight, int32_t out, int32_t in, int32_t count, sac_rows d, sac_rows x, int32_t rows,
                     int gate) {
  const int32_t panels = sac_panels(rows), tiles = (count + TILE - 1) / TILE;

  /* copying pays only if more than one panel reads the copy */
  const int gather = in >= GATHER_WIDTH && out <= GATHER_ROWS && panels > 1;
  float columns[GATHER_ROWS * TILE];

  /* go tile by tile, so that its weights stay in the cache for all panels */
  for (int32_t tile = 0; tile < tiles; tile++) {
    const int32_t k = tile_start(tile, tiles, count), height = tile_start(tile + 1, tiles, count) - k;
    const float* from = gather ? columns : weight + k;
    if (gather && height == TILE) gather_columns(TILE, weight + k, out, in, columns);
    else if (gather) gather_columns(height, weight + k, out, in, columns);

    /* go over the panels of rows, and the vectors of each that are in use */
    for (int32_t panel = 0; panel < panels; panel++) {
      const int32_t lanes = rows - panel * SAC_PANEL < SAC_PANEL ? rows - panel * SAC_PANEL : SAC_PANEL;
      for (int32_t lane = 0; lane < lanes; lane += 2 * LANES)
        backward_tiles[height - 1][lanes - lane > LANES](
            from, gather ? TILE : in, out, d.data + (size_t)panel * d.stride + lane,
            x.data + (size_t)panel * x.stride + (size_t)k * SAC_PANEL + lane, gate);
    }
  }
}

/* --- weight gradient ---------------------------------------------------------------------------------------------- */

typedef void grad_tile(sac_rows d, const float* x, int32_t rows, float* grad, int32_t in, int32_t width, fetch near);

/* A tile of the gradient: `height` outputs, and `width` inputs, at most 2 LANES. */
INLINE void grad_any(const int height, const int vecs, sac_rows d, const float* x, int32_t rows, float* grad,
                     int32_t in, int32_t width, fetch near) {
  vec sum[TILE][2];
  UNROLL
  for (int i = 0; i < height; i++) sum[i][0] = sum[i][1] = vec_all(0);

  /* sum over the rows, panel by panel */
  const float* a = d.data;
  for (int32_t row = 0; row < rows; row += SAC_PANEL) {
    multiply(height, vecs, sum, a, SAC_PANEL, 1, x, rows - row < SAC_PANEL ? rows - row : SAC_PANEL, &near);
    a += d.stride;
    x += SAC_PANEL * SAC_PANEL;
  }

  /* store the columns that exist */
  UNROLL
  for (int i = 0; i < height; i++) {
    float* to = grad + (size_t)i * (size_t)in;

    /* whole vectors, a partial second one, or a partial first one */
    if (width == vecs * LANES) {
      vec_store(to, sum[i][0]);
      if (vecs == 2) vec_store(to + LANES, sum[i][1]);
    } else if (vecs == 2) {
      vec_store(to, sum[i][0]);
      vec_store_first(to + LANES, sum[i][1], width - LANES);
    } else {
      vec_store_first(to, sum[i][0], width);
    }
  }
}

#define GRAD(height)                                                                                              \
  static void grad_##height##_1(sac_rows d, const float* x, int32_t rows, float* grad, int32_t in, int32_t width, \
                                fetch near) {                                                                     \
    grad_any(height, 1, d, x, rows, grad, in, width, near);                                                       \
  }                                                                                                               \
  static void grad_##height##_2(sac_rows d, const float* x, int32_t rows, float* grad, int32_t in, int32_t width, \
                                fetch near) {                                                                     \
    grad_any(height, 2, d, x, rows, grad, in, width, near);                                                       \
  }
EACH_HEIGHT(GRAD)
#define GRAD_ENTRY(height) {grad_##height##_1, grad_##height##_2},
static grad_tile* const grad_tiles[TILE][2] = {EACH_HEIGHT(GRAD_ENTRY)};

static void weight_grad(sac_rows d, const float* x, size_t x_stride, int32_t in, int32_t from, int32_t to, float* grad,
                        int32_t rows, const sac_near* near) {
  const int32_t tiles = (to - from + TILE - 1) / TILE, columns = (in + 2 * LANES - 1) / (2 * LANES);

  /* a tile has some outputs (n) and two vectors of inputs (k), for all rows */
  for (int32_t tile = 0; tile < tiles; tile++) {
    const int32_t n = from + tile_start(tile, tiles, to - from);
    const int32_t height = from + tile_start(tile + 1, tiles, to - from) - n;
    for (int32_t k = 0; k < in; k += 2 * LANES) {
      /* the last vectors of a row are only partly stored */
      const int32_t width = in - k < 2 * LANES ? in - k : 2 * LANES;
      const sac_rows part = {d.data + (size_t)n * SAC_PANEL, d.stride};
      grad_tiles[height - 1][width > LANES](
          part, x + (size_t)(k / SAC_PANEL) * x_stride + k % SAC_PANEL, rows, grad + (size_t)n * (size_t)in + k, in,
          width, fetch_part(near, tile * columns + k / (2 * LANES), tiles * columns, rows, d.data));
    }
  }
}

/* Sums `count` features over the rows at the same time, so that the additions do not wait for each other: first in each
 * lane, then over the lanes. */
INLINE void bias_tile(const int count, sac_rows d, float* grad, int32_t rows) {
  vec sum[4];
  UNROLL
  for (int i = 0; i < count; i++) sum[i] = vec_all(0);

  /* add the rows to the lanes; the last vector may be partly used */
  for (int32_t row = 0; row < rows; row += LANES) {
    const float* p = d.data + (size_t)(row / SAC_PANEL) * d.stride + row % SAC_PANEL;
    UNROLL
    for (int i = 0; i < count; i++) {
      const float* from = p + i * SAC_PANEL;
      sum[i] = vec_add(sum[i], rows - row < LANES ? vec_load_first(from, rows - row) : vec_load(from));
    }
  }

  /* add up the lanes of each feature */
  UNROLL
  for (int i = 0; i < count; i++) grad[i] = vec_sum(sum[i]);
}

static void bias_grad(sac_rows d, int32_t from, int32_t to, float* grad, int32_t rows) {
  int32_t n = from;
  d.data += (size_t)from * SAC_PANEL;

  /* four features at a time, then one by one */
  for (; n + 4 <= to; n += 4, d.data += 4 * SAC_PANEL) bias_tile(4, d, grad + n, rows);
  for (; n < to; n++, d.data += SAC_PANEL) bias_tile(1, d, grad + n, rows);
}

/* --- row by row --------------------------------------------------------------------------------------------------- */

/* The products of `height` rows of x with `width` rows of the weight. Each pair has its own vector of sums. */
INLINE void dense_tile(const int height, const int width, const float* weight, const float* bias, int32_t in,
                       const float* x, size_t x_stride, float* y, size_t y_stride, int relu) {
  vec sum[4][8];
  UNROLL
  for (int r = 0; r < height; r++) {
    UNROLL
    for (int n = 0; n < width; n++) sum[r][n] = vec_all(0);
  }

  /* sum along the inputs, LANES of them at a time */
  for (int32_t k = 0; k < in; k += LANES) {
    /* load the inputs of all rows; numbers past the end count as 0 */
    const int32_t left = in - k;
    vec input[4];
    UNROLL
    for (int r = 0; r < height; r++) {
      const float* p = x + (size_t)r * x_stride + k;
      input[r] = left < LANES ? vec_load_first(p, left) : vec_load(p);
    }

    /* multiply them with each row of the weight, loaded once for all rows */
    UNROLL
    for (int n = 0; n < width; n++) {
      const float* p = weight + (size_t)n * (size_t)in + k;
      const vec w = left < LANES ? vec_load_first(p, left) : vec_load(p);
      UNROLL
      for (int r = 0; r < height; r++) sum[r][n] = vec_fma(input[r], w, sum[r][n]);
    }
  }

  /* add up the lanes, and the bias */
  UNROLL
  for (int r = 0; r < height; r++) {
    UNROLL
    for (int n = 0; n < width; n++) {
      const float value = vec_sum(sum[r][n]) + bias[n];
      y[(size_t)r * y_stride + (size_t)n] = relu ? sac_relu(value) : value;
    }
  }
}

#define DENSE(name, height, width)                                                                           \
  static void name(const float* w, const float* bias, int32_t in, const float* x, size_t x_stride, float* y, \
                   size_t y_stride, int relu) {                                                              \
    dense_tile(height, width, w, bias, in, x, x_stride, y, y_stride, relu);                                  \
  }
DENSE(dense_4_2, 4, 2)
DENSE(dense_4_1, 4, 1)
DENSE(dense_1_8, 1, 8)
DENSE(dense_1_1, 1, 1)

static void dense(const float* weight, const float* bias, int32_t out, int32_t in, const float* x, size_t x_stride,
                  float* y, size_t y_stride, int32_t rows, int relu) {
  int32_t row = 0;

  /* four rows at a time, so that each weight is loaded once for four rows */
  for (; row + 4 <= rows; row += 4) {
    const float* from = x + (size_t)row * x_stride;
    float* to = y + (size_t)row * y_stride;
    int32_t n = 0;
    for (; n + 2 <= out; n += 2)
      dense_4_2(weight + (size_t)n * (size_t)in, bias + n, in, from, x_stride, to + n, y_stride, relu);
    for (; n < out; n++)
      dense_4_1(weight + (size_t)n * (size_t)in, bias + n, in, from, x_stride, to + n, y_stride, relu);
  }

  /* the remaining rows one by one, with more outputs at a time */
  for (; row < rows; row++) {
    const float* from = x + (size_t)row * x_stride;
    float* to = y + (size_t)row * y_stride;
    int32_t n = 0;
    for (; n + 8 <= out; n += 8)
      dense_1_8(weight + (size_t)n * (size_t)in, bias + n, in, from, x_stride, to + n, y_stride, relu);
    for (; n < out; n++)
      dense_1_1(weight + (size_t)n * (size_t)in, bias + n, in, from, x_stride, to + n, y_stride, relu);
  }
}
