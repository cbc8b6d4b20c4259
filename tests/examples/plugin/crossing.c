/* An environment of one's own with discrete actions: the lights of a crossing of two roads. Action 0 gives green to the
 * first road, action 1 to the second. Cars arrive at random; nobody drives in the step in which the lights change.
 *
 *   cc -O2 -shared -fPIC -I include crossing.c -o libcrossing.so
 *   sac train --env ./libcrossing.so --set algo=sac-discrete --set env.options.arrivals=0.5
 *
 * <sac/env.h> says what each function must do; nothing of sac is linked. */
#include <sac/env.h>
#include <stdlib.h>
#include <string.h>

#define O 4       /* cars of both roads / 10; the road with green; whether the lights change */
#define ROADS 2   /* and actions */
#define CARS 10   /* of a road at most: others take another way */
#define PASS 2    /* cars that pass in a step with green */
#define STEPS 200 /* of an episode */

typedef struct {
  uint64_t random;                    /* the state of its generator */
  int32_t cars[ROADS], green, change; /* change: 1 in the step in which another road gets green */
} lights;

typedef struct {
  int32_t n;
  double arrivals; /* probability of a car on a road in a step */
  char error[128];
  lights* state; /* (n) */
} crossings;

static int create(void** self, const char* id, int32_t n, const char* options, sac_env_spec* spec) {
  crossings* c = calloc(1, sizeof *c);
  (void)id;
  if (!c || !(c->state = calloc((size_t)n, sizeof *c->state))) {
    free(c);
    return 1;
  }
  *self = c; /* from here on sac asks error() for the reason, and calls destroy() */
  c->n = n;
  c->arrivals = 0.4;
  const sac_env_setting settings[] = {{"arrivals", SAC_ENV_NUMBER, &c->arrivals, 0, 0.9, 0}};
  if (sac_env_read_options(options, settings, 1, c->error, sizeof c->error) != SAC_OK) return SAC_ERROR_CONFIG;

  /* discrete actions: an action is one number, and has no bounds */
  *spec = (sac_env_spec){.obs_size = O, .action_size = 1, .actions = ROADS, .max_episode_steps = STEPS};
  return 0;
}

/* Uniform in [0, 1), from the state of the generator (splitmix64). */
static double draw(uint64_t* random) {
  uint64_t z = *random += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void observe(const lights* l, float* obs) {
  for (int r = 0; r < ROADS; r++) obs[r] = (float)l->cars[r] / CARS;
  obs[2] = (float)l->green;
  obs[3] = (float)l->change;
}

static int reset(void* self, const uint8_t* mask, const uint64_t* seed, float* obs) {
  crossings* c = self;
  for (int32_t i = 0; i < c->n; i++) {
    if (!mask[i]) continue;
    lights* l = &c->state[i];
    *l = (lights){.random = seed[i]};
    for (int r = 0; r < ROADS; r++) l->cars[r] = (int32_t)(CARS * draw(&l->random));
    observe(l, obs + i * O);
  }
  return 0;
}

static int step(void* self, const float* action, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  crossings* c = self;
  for (int32_t i = 0; i < c->n; i++) {
    lights* l = &c->state[i];
    const int32_t wanted = (int32_t)action[i]; /* 0 or 1: sac has checked it */
    l->change = wanted != l->green;
    l->green = wanted;
    if (!l->change) l->cars[wanted] -= l->cars[wanted] < PASS ? l->cars[wanted] : PASS;
    for (int r = 0; r < ROADS; r++) l->cars[r] += draw(&l->random) < c->arrivals && l->cars[r] < CARS;
    reward[i] = -(float)(l->cars[0] + l->cars[1]) / CARS;
    terminated[i] = truncated[i] = 0; /* max_episode_steps is sac's */
    observe(l, obs + i * O);
  }
  return 0;
}

static void destroy(void* self) {
  crossings* c = self;
  if (c) free(c->state);
  free(c);
}

static const char* error(void* self) { return ((crossings*)self)->error; }

/* With these three a resumed run is the same to the bit. The state has the generator too. */
static size_t state_size(void* self) {
  (void)self;
  return sizeof(lights);
}

static int state_get(void* self, int32_t i, void* state) {
  memcpy(state, &((crossings*)self)->state[i], sizeof(lights));
  return 0;
}

static int state_set(void* self, int32_t i, const void* state) {
  memcpy(&((crossings*)self)->state[i], state, sizeof(lights));
  return 0;
}

/* What the numbers are, for the reader of policy.safetensors. */
static const char* describe(void* self) {
  (void)self;
  return "{\"observation\": [{\"name\": \"cars\", \"offset\": 0, \"size\": 2}, "
         "{\"name\": \"green\", \"offset\": 2, \"size\": 1}, {\"name\": \"change\", \"offset\": 3, \"size\": 1}], "
         "\"action\": [{\"name\": \"green\", \"offset\": 0, \"size\": 1, \"actions\": [\"first\", \"second\"]}]}";
}

const sac_env_api* sac_env_plugin(void);
const sac_env_api* sac_env_plugin(void) {
  static const sac_env_api api = {.abi = SAC_ENV_ABI,
                                  .size = sizeof api,
                                  .name = "crossing",
                                  .create = create,
                                  .reset = reset,
                                  .step = step,
                                  .destroy = destroy,
                                  .error = error,
                                  .state_size = state_size,
                                  .state_get = state_get,
                                  .state_set = state_set,
                                  .concurrent = 1,
                                  .describe = describe};
  return &api;
}
