/* The step from which a run goes on. */
#ifndef SAC_TRAIN_RESUME_POINT_H
#define SAC_TRAIN_RESUME_POINT_H

#include <stdint.h>

#include <sac/status.h>

#include "formats/yaml.h"

/* The step that a run resumes from. */
typedef struct sac_resume_point {
  int64_t step;
  int64_t newest;              /* the newest step of any agent; if later than `step`, it cannot be used */
  char reason[800];            /* why not: what is damaged; "": some agents do not have that step */
  int64_t lost;                /* the step that a link `last` names although its checkpoint is gone; -1: none */
  int64_t reached;             /* of the last row of metrics */
  sac_status unknown;          /* whether a step loads could not be told: why; OK: all was read */
  char config[SAC_YAML_BYTES]; /* text of the configuration that the checkpoint was saved with */
} sac_resume_point;

/* Whether agent `seed` stopped at or before `step`. Such an agent stays stopped, and need not have a checkpoint of
 * `step`. */
int sac_stopped_before(const char* folder, uint64_t seed, int64_t step);

/* Finds the newest step that loads for all agents. Agents are saved one after another, so their lists differ when the
 * run was killed in between. Errors: FORMAT (none loads), FILE (agents have no
 * step in common, or a file cannot be read now), MEMORY. */
sac_status sac_resume_point_find(const char* folder, uint64_t seed, int64_t seeds, sac_resume_point* point);

#endif
