/* What a MuJoCo task consists of, and what its file may use.
 *
 * A task file defines one sac_mujoco_task and has a line in the list of tasks.h. Its functions compute what Gymnasium's
 * task of that id computes from a simulation (mjModel, mjData). The driver does the rest: loading, stepping, threads,
 * state. Task files call no function of MuJoCo, as library.c loads it at run time. */
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

/* Finds and loads MuJoCo, once in a process. *library stays valid until the process ends. Any thread. Errors: ENV (not
 * found, another version). */
sac_status sac_mujoco_open(const sac_mujoco_library** library);

/* mj_loadXML without its warnings about the model. The model is the caller's; NULL: error (error_size) says why. */
mjModel* sac_mujoco_read(const sac_mujoco_library* library, const char* path, char* error, int error_size);

/* --- tasks -------------------------------------------------------------------------------------------------------- */

#define SAC_MUJOCO_BODIES 3 /* the most bodies that a task names */

/* One simulation between steps. */
typedef struct sac_mujoco_sim {
  const mjModel* m;
  mjData* d;
  const void* options; /* the task's own struct */
  const int* body;     /* (SAC_MUJOCO_BODIES) numbers of the bodies that the task names */
  double dt;           /* seconds of a step: timestep * frame_skip */
} sac_mujoco_sim;

/* The step that led to the simulation's state. Either action or wide is NULL. */
typedef struct sac_mujoco_step {
  const float* action; /* (A) as env_step received it, not clipped */
  const double* wide;  /* (A) as env_step_wide received it (step_wide of env/list.h) */
  double velocity[2];  /* (position after - position before) / dt */
} sac_mujoco_step;

/* Where an observation is written. When `to` is NULL its numbers are only counted. */
typedef struct sac_mujoco_row {
  float* to;     /* (O) */
  int32_t count; /* numbers put so far */
} sac_mujoco_row;

/* Where the terms of info are written: always the same terms in the same order. When `to` is NULL their names are
 * listed instead. */
typedef struct sac_mujoco_info {
  float* to;         /* (terms) */
  const char** name; /* (SAC_ENV_INFO_MAX + 1) written when `to` is NULL */
  int32_t count;     /* terms put so far */
} sac_mujoco_info;

/* The first member of every task's options. */
typedef struct sac_mujoco_common {
  char xml_file[SAC_PATH_MAX];
  int32_t frame_skip, threads; /* substeps of a step; threads of the batch, 0: one for each processor */
} sac_mujoco_common;

typedef struct sac_mujoco_task {
  int32_t max_episode_steps; /* for sac_env_spec */
  int32_t nq, nv, nsite;     /* the fewest positions, velocities and sites that a user's own model must have */
  int contact_forces;        /* 1: its functions read cfrc_ext, which mj_rnePostConstraint computes after a step */
  const sac_env_option* options;
  int32_t option_count;
  size_t options_size;

  /* Starts an episode: adds noise to qpos (nq) and qvel (nv), which hold the model's initial values. The noise depends
   * on the seed alone. */
  void (*reset)(const sac_mujoco_sim* sim, uint64_t seed, double* qpos, double* qvel);

  /* The position whose change gives the step's velocity. NULL: not needed. The driver keeps the position between steps
   * and in saved state: MuJoCo's derived fields (xpos) are a substep behind the state, so the state does not give them
   * again. */
  void (*position)(const sac_mujoco_sim* sim, double at[2]);

  /* Returns the reward of a step, says whether the episode is terminated, and writes the terms of info under
   * Gymnasium's names. Gymnasium's tendon_length and tendon_velocity are arrays, so they are left out. */
  double (*reward)(const sac_mujoco_sim* sim, const sac_mujoco_step* step, int* terminated, sac_mujoco_info* info);

  /* Writes the observation. */
  void (*observe)(const sac_mujoco_sim* sim, sac_mujoco_row* row);

  /* Names the bodies whose numbers the driver looks up. A name may be the number itself, in digits. NULL: none. */
  void (*bodies)(const void* options, const char* name[SAC_MUJOCO_BODIES]);
} sac_mujoco_task;

#define SAC_MUJOCO_DECLARE(name, id, summary) extern const sac_mujoco_task sac_mujoco_##name;
SAC_MUJOCO_TASKS(SAC_MUJOCO_DECLARE)

/* Lines of a task's list of options. The task's struct must be called `options`. */
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

/* Put x (n), as float, into the observation. */
void sac_mujoco_put_one(sac_mujoco_row* row, double x);
void sac_mujoco_put(sac_mujoco_row* row, const double* x, int64_t n);
void sac_mujoco_put_clipped(sac_mujoco_row* row, const double* x, int64_t n, double low, double high);

/* Puts qpos without its first `skip` numbers, then qvel clipped to +-limit. */
void sac_mujoco_put_state(const sac_mujoco_sim* sim, sac_mujoco_row* row, int skip, double limit);

/* Adds a term to info. */
void sac_mujoco_info_put(sac_mujoco_info* info, const char* name, double x);

/* x_position and y_position, from qpos. */
void sac_mujoco_info_position(const sac_mujoco_sim* sim, sac_mujoco_info* info);
/* distance_from_origin, in the plane. */
void sac_mujoco_info_distance(const sac_mujoco_sim* sim, sac_mujoco_info* info);
/* z_distance_from_origin, of qpos[z]. */
void sac_mujoco_info_height(const sac_mujoco_sim* sim, sac_mujoco_info* info, int z);
/* x_velocity and, with two axes, y_velocity. */
void sac_mujoco_info_velocity(const sac_mujoco_step* step, sac_mujoco_info* info, int axes);

/* x[j] += noise: uniform in (-scale, scale), or normal with standard deviation `scale`. x[j] takes draw number first +
 * j of the seed's uniforms, or of its normals. Draws that must be independent must have different numbers. */
void sac_mujoco_add_uniform(uint64_t seed, uint32_t first, double scale, double* x, int64_t n);
void sac_mujoco_add_normal(uint64_t seed, uint32_t first, double scale, double* x, int64_t n);

/* Uniform noise on all of qpos and qvel. */
void sac_mujoco_reset_uniform(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel);
/* Uniform noise on qpos, normal noise on qvel. */
void sac_mujoco_reset_normal(const sac_mujoco_sim* sim, uint64_t seed, double scale, double* qpos, double* qvel);

/* xpos of body a minus that of body b; a and b are indices of the task's bodies. */
void sac_mujoco_xpos_difference(const sac_mujoco_sim* sim, int a, int b, double difference[3]);

/* A task's position: the first two numbers of qpos. */
void sac_mujoco_position_qpos(const sac_mujoco_sim* sim, double at[2]);

/* The sum of x (n). This and the next two add in NumPy's order, so that every bit is the same as in Gymnasium. */
double sac_mujoco_sum(const double* x, int64_t n);
/* The sum of squares of numbers clipped to [low, high]. */
double sac_mujoco_squares(const double* x, int64_t n, double low, double high);
/* weight * the sum of squares of the action: in float, as in Gymnasium, or in double for a wide step. */
double sac_mujoco_action_cost(const sac_mujoco_sim* sim, const sac_mujoco_step* step, double weight);
/* The Euclidean norm; the sum goes from x[0] on. */
double sac_mujoco_norm(const double* x, int n);
double sac_mujoco_clip(double x, double low, double high); /* a NaN stays NaN */

/* Whether all of qpos and qvel is finite. */
int sac_mujoco_is_finite(const sac_mujoco_sim* sim);

/* Whether x is in the open interval `range`. */
static inline int sac_mujoco_inside(double x, const double range[2]) { return range[0] < x && x < range[1]; }

#endif
