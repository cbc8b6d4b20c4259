/* What a MuJoCo task is made of, and what its file may use.
 *
 * A task file defines one sac_mujoco_task and stands in the list of tasks.h. Its functions read a simulation (mjModel,
 * mjData) and Gymnasium's words say what they compute; loading, stepping, threads, state and the time limit are the
 * driver's. They call no function of MuJoCo's: the library is loaded at run time, and only the driver has it. */
#ifndef SAC_ENV_MUJOCO_MUJOCO_H
#define SAC_ENV_MUJOCO_MUJOCO_H

#include <stddef.h>
#include <stdint.h>

#include <sac/env.h>

#include "env/mujoco/abi.h"
#include "env/mujoco/tasks.h"
#include "env/options.h"
#include "util/file.h"

/* --- the library (library.c) -------------------------------------------------------------------------------------- */

typedef struct sac_mujoco_library {
#define SAC_MUJOCO_MEMBER(result, name, parameters) result(*name) parameters;
  SAC_MUJOCO_FUNCTIONS(SAC_MUJOCO_MEMBER)
#undef SAC_MUJOCO_MEMBER
  char path[SAC_PATH_MAX];   /* of the library */
  char models[SAC_PATH_MAX]; /* the folder of Gymnasium's XML files */
} sac_mujoco_library;

/* Finds and loads MuJoCo, once a process. Any thread. Errors: ENV (not found, another version). */
sac_status sac_mujoco_open(const sac_mujoco_library** library);

/* mj_loadXML, without what it warns of in a model. */
mjModel* sac_mujoco_read(const sac_mujoco_library* library, const char* path, char* error, int error_size);

/* --- tasks -------------------------------------------------------------------------------------------------------- */

#define SAC_MUJOCO_BODIES 3

/* One simulation, between steps. */
typedef struct sac_mujoco_sim {
  const mjModel* m;
  mjData* d;
  const void* options; /* the task's own struct */
  const int* body;     /* (SAC_MUJOCO_BODIES) of the bodies that the task names */
  double dt;           /* seconds of a step: timestep * frame_skip */
} sac_mujoco_sim;

/* A step that was made. */
typedef struct sac_mujoco_move {
  const float* action; /* (A) as it came, not clipped; NULL: */
  const double* wide;  /* (A) it came in double */
  double velocity[2];  /* (place after - place before) / dt */
} sac_mujoco_move;

/* An observation being written; with `to` NULL it is only counted. */
typedef struct sac_mujoco_row {
  float* to;
  int32_t count;
} sac_mujoco_row;

/* The terms of a step being told, always the same ones in the same order; with `to` NULL their names are listed. */
typedef struct sac_mujoco_info {
  float* to;
  const char** name; /* (SAC_ENV_INFO_MAX + 1) */
  int32_t count;
} sac_mujoco_info;

/* What every task's options begin with. */
typedef struct sac_mujoco_common {
  char xml_file[SAC_PATH_MAX];
  int32_t frame_skip, threads;
} sac_mujoco_common;

typedef struct sac_mujoco_task {
  int32_t max_episode_steps;
  int32_t nq, nv, nsite; /* the fewest coordinates and sites its functions can do with, in models of a user's own */
  int contact_forces;    /* 1: its functions read cfrc_ext, which mj_rnePostConstraint computes after a step */
  const sac_env_option* options;
  int32_t option_count;
  size_t options_size;

  /* An episode's start: adds noise to the model's own qpos (nq) and qvel (nv), from the seed alone. */
  void (*reset)(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel);
  /* Where it is, for its velocity. It is kept between steps, since MuJoCo's derived fields (xpos) are a substep behind
   * the state and cannot be computed from it again. NULL: not needed. */
  void (*place)(const sac_mujoco_sim* sim, double place[2]);
  /* What a step is worth; returns terminated. Tells what Gymnasium's info has, under its names; tendon_length and
   * tendon_velocity, which are no single numbers, are left out. */
  int (*judge)(const sac_mujoco_sim* sim, const sac_mujoco_move* move, double* reward, sac_mujoco_info* info);
  void (*observe)(const sac_mujoco_sim* sim, sac_mujoco_row* row);
  /* Names of bodies whose numbers the driver looks up: a name, or a number in digits. NULL: none. */
  void (*bodies)(const void* options, const char* name[SAC_MUJOCO_BODIES]);
} sac_mujoco_task;

#define SAC_MUJOCO_DECLARE(name, id, summary) extern const sac_mujoco_task sac_mujoco_##name;
SAC_MUJOCO_TASKS(SAC_MUJOCO_DECLARE)

/* Lines of a task's list of options, whose struct is called `options`. */
#define SAC_MUJOCO_COMMON(xml, skip)                                                                  \
  {"xml_file", SAC_ENV_OPTION_TEXT, offsetof(options, common.xml_file), 0, 0, SAC_PATH_MAX, xml},     \
      {"frame_skip", SAC_ENV_OPTION_INT, offsetof(options, common.frame_skip), skip, 1, 10000, ""}, { \
    "threads", SAC_ENV_OPTION_INT, offsetof(options, common.threads), 0, 0, 1024, ""                  \
  }
#define SAC_MUJOCO_REAL(member, initial) \
  { #member, SAC_ENV_OPTION_REAL, offsetof(options, member), initial, -1e9, 1e9, "" }
#define SAC_MUJOCO_BOOL(member, initial) \
  { #member, SAC_ENV_OPTION_BOOL, offsetof(options, member), initial, 0, 1, "" }
#define SAC_MUJOCO_RANGE(member, low, high) \
  { #member, SAC_ENV_OPTION_RANGE, offsetof(options, member), 0, low, high, "" }
#define SAC_MUJOCO_TEXT(member, initial) \
  { #member, SAC_ENV_OPTION_TEXT, offsetof(options, member), 0, 0, sizeof(((options*)NULL)->member), initial }
#define SAC_MUJOCO_OPTIONS(list) \
  .options = (list), .option_count = (int32_t)(sizeof(list) / sizeof *(list)), .options_size = sizeof(options)

/* --- what task files use (parts.c) -------------------------------------------------------------------------------- */

void sac_mujoco_put_one(sac_mujoco_row* row, double x);
void sac_mujoco_put(sac_mujoco_row* row, const double* x, int64_t n);
void sac_mujoco_put_clipped(sac_mujoco_row* row, const double* x, int64_t n, double low, double high);

/* A term of info. */
void sac_mujoco_tell(sac_mujoco_info* info, const char* name, double x);

/* Terms that several tasks have. */
void sac_mujoco_tell_plane(const sac_mujoco_sim* sim, sac_mujoco_info* info); /* x_position, y_position */
void sac_mujoco_tell_distance(const sac_mujoco_sim* sim,
                              sac_mujoco_info* info); /* distance_from_origin, in the plane */
void sac_mujoco_tell_rise(const sac_mujoco_sim* sim, sac_mujoco_info* info,
                          int z); /* z_distance_from_origin of qpos[z] */
void sac_mujoco_tell_velocity(const sac_mujoco_move* move, sac_mujoco_info* info,
                              int axes); /* x_velocity, y_velocity */

/* qpos and qvel from position `skip` of qpos on, velocities within +-limit: what most observations are. */
void sac_mujoco_put_state(const sac_mujoco_sim* sim, sac_mujoco_row* row, int skip, double limit);

/* x[j] += noise of an episode's start: uniform in (-scale, scale), or normal with that deviation. `first` numbers the
 * uniforms and the normals of a seed, each their own: no two draws share a number. */
void sac_mujoco_add_uniform(uint64_t seed, uint32_t first, double scale, double* x, int64_t n);
void sac_mujoco_add_normal(uint64_t seed, uint32_t first, double scale, double* x, int64_t n);

/* Uniform noise on all of qpos and then of qvel. */
void sac_mujoco_reset_uniform(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel);
/* The same with normal noise on qvel. */
void sac_mujoco_reset_normal(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel);

/* xpos of the task's body number `from` less that of number `to`. */
void sac_mujoco_between(const sac_mujoco_sim* sim, int from, int to, double difference[3]);

/* The position along the first axes, as qpos has it. */
void sac_mujoco_place_qpos(const sac_mujoco_sim* sim, double place[2]);

/* weight * sum of squares, in the order of NumPy's sums so that every bit is Gymnasium's: of an action in float, as
 * there; of doubles clipped to [low, high]. */
double sac_mujoco_action_cost(const sac_mujoco_sim* sim, const sac_mujoco_move* move, double weight);
double sac_mujoco_squares(const double* x, int64_t n, double low, double high);
double sac_mujoco_sum(const double* x, int64_t n);
double sac_mujoco_norm(const double* x, int n);
double sac_mujoco_clip(double x, double low, double high); /* a NaN stays one */

/* Whether x is in the open interval. */
static inline int sac_mujoco_inside(double x, const double range[2]) { return range[0] < x && x < range[1]; }

#endif
