/* Made by scripts/mujoco_abi.py from MuJoCo's headers; do not edit. What abi.h takes from it, for this one version.
 * Fields: X(name in sac, name in MuJoCo, type, offset in bytes). */
#ifndef SAC_ENV_MUJOCO_LAYOUT_H
#define SAC_ENV_MUJOCO_LAYOUT_H

/* clang-format off */
/* mjModel */
#define SAC_MUJOCO_MODEL(X) \
  X(nq, nq, int64_t, 0) \
  X(nv, nv, int64_t, 8) \
  X(nu, nu, int64_t, 16) \
  X(nbody, nbody, int64_t, 48) \
  X(nsite, nsite, int64_t, 144) \
  X(timestep, opt.timestep, double, 792) \
  X(qpos0, qpos0, double*, 1792) \
  X(body_mass, body_mass, double*, 1944) \
  X(actuator_ctrlrange, actuator_ctrlrange, double*, 5016)

/* mjData */
#define SAC_MUJOCO_DATA(X) \
  X(qpos, qpos, double*, 160688) \
  X(qvel, qvel, double*, 160696) \
  X(ctrl, ctrl, double*, 160744) \
  X(xpos, xpos, double*, 160848) \
  X(xipos, xipos, double*, 160872) \
  X(site_xpos, site_xpos, double*, 160936) \
  X(cinert, cinert, double*, 161008) \
  X(cvel, cvel, double*, 161296) \
  X(qfrc_actuator, qfrc_actuator, double*, 161424) \
  X(qfrc_constraint, qfrc_constraint, double*, 161448) \
  X(cfrc_ext, cfrc_ext, double*, 161480) \
  X(bad_qpos, warning[mjWARN_BADQPOS].number, int, 160292) \
  X(bad_qvel, warning[mjWARN_BADQVEL].number, int, 160300) \
  X(bad_qacc, warning[mjWARN_BADQACC].number, int, 160308)

/* mjBatchConfig */
#define SAC_MUJOCO_BATCH_CONFIG(X) \
  X(nthread, nthread, int, 0) \
  X(persistent, persistent, _Bool, 4)
#define SAC_MUJOCO_BATCH_CONFIG_SIZE 8

/* mjLogConfig */
#define SAC_MUJOCO_LOG_CONFIG(X) \
  X(logto_console, logto_console, _Bool, 0) \
  X(logto_file, logto_file, _Bool, 1) \
  X(logfile, logfile, char[1024], 2) \
  X(topics, topics, int, 1028)
#define SAC_MUJOCO_LOG_CONFIG_SIZE 1032

/* Values: X(name, value) */
#define SAC_MUJOCO_CONSTANTS(X) \
  X(mjOBJ_BODY, 1) \
  X(mjSTATE_CTRL, 64) \
  X(mjSTAGE_NONE, 0)

#define SAC_MUJOCO_VERSION 4000000
/* clang-format on */

#endif
