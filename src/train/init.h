/* How a new run starts from a trained agent: keys init.file and init.parts, and train.actor_delay_steps. */
#ifndef SAC_TRAIN_INIT_H
#define SAC_TRAIN_INIT_H

#include "train/run.h"

/* Copies the parts of the agents in init.file into the agents of the run, sets the updates in which their actors are
 * held, and whether the warm-up acts with them. Adds lines for the log to the run. Errors: CONFIG (parts), FILE,
 * FORMAT, SHAPE (the file is of other sizes), MEMORY, DEVICE. */
sac_status sac_run_init(sac_run* run);

#endif
