/* The part of MuJoCo's binary interface that sac uses, declared here so that a build needs no headers of MuJoCo.
 * Types and functions have MuJoCo's names. layout.h gives the offsets of fields for one version of MuJoCo; library.c
 * refuses any other version.
 *
 * scripts/mujoco_abi.py makes layout.h from MuJoCo's headers. With --check it compares this file and layout.h with
 * those headers: it includes them first, and this file then declares its lists but no types. */
#ifndef SAC_ENV_MUJOCO_ABI_H
#define SAC_ENV_MUJOCO_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "env/mujoco/layout.h"

#ifndef MUJOCO_MUJOCO_H_ /* defined by MuJoCo's own header, which then has declared the types */

/* A field at its offset, in a union that stands for one of MuJoCo's structs. */
#define SAC_MUJOCO_PLACE(name, field, type, offset) \
  struct {                                          \
    unsigned char before_##name[offset];            \
    __typeof__(type) name;                          \
  };

/* sac reads and writes these structs in place, and never copies or creates one, as MuJoCo's are longer. */
typedef union mjModel {
  SAC_MUJOCO_MODEL(SAC_MUJOCO_PLACE)
} mjModel;

typedef union mjData {
  SAC_MUJOCO_DATA(SAC_MUJOCO_PLACE)
} mjData;

typedef struct mjBatch_ mjBatch;
typedef struct mjVFS_ mjVFS;
typedef void (*mjfBatchFunc)(const mjModel*, mjData*, int, void*);

/* sac creates these structs or passes them by value, so they have all members of MuJoCo's. */
typedef struct mjBatchConfig {
  int nthread;
  _Bool persistent;
} mjBatchConfig;

typedef struct mjLogConfig {
  _Bool logto_console, logto_file;
  char logfile[1024];
  int topics;
} mjLogConfig;

#define SAC_MUJOCO_CONSTANT(name, value) name = (value),
enum { SAC_MUJOCO_CONSTANTS(SAC_MUJOCO_CONSTANT) };
#undef SAC_MUJOCO_CONSTANT

/* Every field is where layout.h has it, with its type. */
#define SAC_MUJOCO_HELD(of, name, type, offset)                  \
  _Static_assert(offsetof(of, name) == (offset), #of "." #name); \
  _Static_assert(__builtin_types_compatible_p(__typeof__(((of*)NULL)->name), __typeof__(type)), #of "." #name);
#define SAC_MUJOCO_MODEL_HELD(name, field, type, offset) SAC_MUJOCO_HELD(mjModel, name, type, offset)
#define SAC_MUJOCO_DATA_HELD(name, field, type, offset) SAC_MUJOCO_HELD(mjData, name, type, offset)
#define SAC_MUJOCO_BATCH_HELD(name, field, type, offset) SAC_MUJOCO_HELD(mjBatchConfig, name, type, offset)
#define SAC_MUJOCO_LOG_HELD(name, field, type, offset) SAC_MUJOCO_HELD(mjLogConfig, name, type, offset)
SAC_MUJOCO_MODEL(SAC_MUJOCO_MODEL_HELD)
SAC_MUJOCO_DATA(SAC_MUJOCO_DATA_HELD)
SAC_MUJOCO_BATCH_CONFIG(SAC_MUJOCO_BATCH_HELD)
SAC_MUJOCO_LOG_CONFIG(SAC_MUJOCO_LOG_HELD)
_Static_assert(sizeof(mjBatchConfig) == SAC_MUJOCO_BATCH_CONFIG_SIZE, "mjBatchConfig");
_Static_assert(sizeof(mjLogConfig) == SAC_MUJOCO_LOG_CONFIG_SIZE, "mjLogConfig");
#endif

/* X(result, name, parameters): the functions that sac calls. sac also sets one variable, mju_user_warning, a
 * void (*)(const char*). */
/* clang-format off */
#define SAC_MUJOCO_FUNCTIONS(X)                                                                       \
  X(int, mj_version, (void))                                                                          \
  X(mjModel*, mj_loadXML, (const char* file, const mjVFS* vfs, char* error, int error_size))          \
  X(void, mj_deleteModel, (mjModel* m))                                                               \
  X(mjData*, mj_makeData, (const mjModel* m))                                                         \
  X(void, mj_deleteData, (mjData* d))                                                                 \
  X(void, mj_resetData, (const mjModel* m, mjData* d))                                                \
  X(void, mj_forward, (const mjModel* m, mjData* d))                                                  \
  X(void, mj_step, (const mjModel* m, mjData* d))                                                     \
  X(void, mj_rnePostConstraint, (const mjModel* m, mjData* d))                                        \
  X(int, mj_name2id, (const mjModel* m, int type, const char* name))                                  \
  X(mjBatch*, mjb_makeBatch, (const mjModel* m, int n, const mjBatchConfig* config, char* error, int error_size)) \
  X(void, mjb_deleteBatch, (mjBatch* b))                                                              \
  X(const mjModel*, mjb_model, (const mjBatch* b))                                                    \
  X(const void*, mjb_expanded, (mjBatch* b, const char* name, int* size, int* element_size))          \
  X(int, mjb_nstate, (const mjBatch* b))                                                              \
  X(double*, mjb_state, (mjBatch* b))                                                                 \
  X(double*, mjb_stateComponent, (mjBatch* b, int component, int* size))                              \
  X(int, mjb_step, (mjBatch* b, const int* ids, int count, int steps, int stage))                     \
  X(int, mjb_apply, (mjBatch* b, const int* ids, int count, mjfBatchFunc function, void* arg, int save)) \
  X(const int*, mjb_status, (const mjBatch* b))                                                       \
  X(const char*, mjb_error, (const mjBatch* b, int simulation))                                       \
  X(mjLogConfig, mju_getLogConfig, (void))                                                            \
  X(void, mju_setLogConfig, (mjLogConfig config))
/* clang-format on */

#endif
