/* An environment of one's own: a planar quadrotor (two rotors seen from the side) that shall hover at the origin.
 *
 *   cc -O2 -shared -fPIC -I include quadrotor.c -o libquadrotor.so -lm
 *   sac train --env ./libquadrotor.so --set env.options.mass=0.6
 *
 * <sac/env.h> says what each function must do; nothing of sac is linked. */
#include <math.h>
#include <sac/env.h>
#include <stdlib.h>
#include <string.h>

#define O 7           /* x, z, vx, vz, sin(tilt), cos(tilt), spin */
#define A 2           /* thrust of the left and of the right rotor, N */
#define DT 0.02       /* seconds per step */
#define SUBSTEPS 10   /* of the integration */
#define GRAVITY 9.81  /* m/s^2 */
#define ARM 0.17      /* m from the centre to a rotor */
#define INERTIA 0.012 /* kg m^2 */
#define DRAG 0.1      /* N s/m */

typedef struct {
  double x, z, vx, vz, tilt, spin; /* m, m/s, rad, rad/s; z is up */
} body;

typedef struct {
  int32_t n;
  double mass; /* kg */
  float low[A], high[A];
  char error[128];
  body* state; /* (n) */
} quadrotors;

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  quadrotors* q = calloc(1, sizeof *q);
  (void)id; /* the path: one table may serve several */
  if (!q || !(q->state = calloc((size_t)n, sizeof *q->state))) {
    free(q);
    return 1;
  }
  *self = q; /* from here on sac asks error() for the reason, and calls destroy() */
  q->n = n;
  q->mass = 0.5;
  const sac_env_setting settings[] = {{"mass", SAC_ENV_NUMBER, &q->mass, 0.1, 1, 0}};
  if (sac_env_read_options(options, settings, 1, q->error, sizeof q->error) != SAC_OK) return SAC_ERROR_CONFIG;
  for (int i = 0; i < A; i++) q->high[i] = 6;
  *spec = (sac_env_spec){
      .obs_size = O, .action_size = A, .max_episode_steps = 250, .action_low = q->low, .action_high = q->high};
  return 0;
}

static void observe(const body* b, float* obs) {
  const double values[O] = {b->x, b->z, b->vx, b->vz, sin(b->tilt), cos(b->tilt), b->spin};
  for (int i = 0; i < O; i++) obs[i] = (float)values[i];
}

/* Uniform in [-half, half], from the seed alone (splitmix64). */
static double draw(uint64_t* seed, double half) {
  uint64_t z = *seed += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return half * ((double)((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1);
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  quadrotors* q = self;
  for (int32_t i = 0; i < q->n; i++) {
    if (!mask[i]) continue;
    uint64_t s = seed[i];
    body* b = &q->state[i];
    *b = (body){.x = draw(&s, 0.5), .z = draw(&s, 0.5)};
    b->vx = draw(&s, 0.2), b->vz = draw(&s, 0.2), b->tilt = draw(&s, 0.2), b->spin = draw(&s, 0.2);
    observe(b, obs + i * O);
  }
  return 0;
}

/* Semi-implicit Euler: velocities first, positions with the new ones. */
static void move(body* b, double mass, double left, double right) {
  const double h = DT / SUBSTEPS;
  for (int k = 0; k < SUBSTEPS; k++) {
    b->vx += h * (-(left + right) * sin(b->tilt) - DRAG * b->vx) / mass;
    b->vz += h * (((left + right) * cos(b->tilt) - DRAG * b->vz) / mass - GRAVITY);
    b->spin += h * (right - left) * ARM / INERTIA;
    b->x += h * b->vx, b->z += h * b->vz, b->tilt += h * b->spin;
  }
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  quadrotors* q = self;
  for (int32_t i = 0; i < q->n; i++) {
    body* b = &q->state[i];
    move(b, q->mass, (double)action[i * A], (double)action[i * A + 1]);
    const double far = b->x * b->x + b->z * b->z, fast = b->vx * b->vx + b->vz * b->vz;
    reward[i] = (float)(1 / (1 + 4 * far + 0.2 * fast + 0.02 * b->spin * b->spin)); /* 1 per step where it hovers */
    terminated[i] = far > 4 || fabs(b->tilt) > 1.5;                                 /* it flew off, or tipped over */
    truncated[i] = 0;                                                               /* max_episode_steps is sac's */
    observe(b, obs + i * O);
  }
  return 0;
}

static void destroy(void* self) {
  quadrotors* q = self;
  if (q) free(q->state);
  free(q);
}

static const char* error(void* self) { return ((quadrotors*)self)->error; }

/* With these three a resumed run is the same to the bit; without them it starts its episodes anew, and says so. */
static size_t state_size(void* self) {
  (void)self;
  return sizeof(body);
}

static int state_get(void* self, int32_t i, void* state) {
  memcpy(state, &((quadrotors*)self)->state[i], sizeof(body));
  return 0;
}

static int state_set(void* self, int32_t i, const void* state) {
  memcpy(&((quadrotors*)self)->state[i], state, sizeof(body));
  return 0;
}

const sac_env_api* sac_env_plugin(void);
const sac_env_api* sac_env_plugin(void) {
  static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                  .size = sizeof api,
                                  .name = "quadrotor",
                                  .create = create,
                                  .reset = reset,
                                  .step = step,
                                  .destroy = destroy,
                                  .error = error,
                                  .state_size = state_size,
                                  .state_get = state_get,
                                  .state_set = state_set,
                                  .concurrent = 1};
  return &api;
}
