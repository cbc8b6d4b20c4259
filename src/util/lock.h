/* The lock of a run folder: two processes that wrote into one folder would destroy each other's files. */
#ifndef SAC_UTIL_LOCK_H
#define SAC_UTIL_LOCK_H

#include <sac/status.h>

/* Reserves a folder for this process through FOLDER/.lock, which holds the process id. The lock ends with sac_unlock or
 * with the process, also after a crash. *lock is for sac_unlock, -1 on error. *held becomes 0 where the file system has
 * no locks at all: then nothing keeps a second process out, and the caller says so. Errors: FILE (the folder is in use:
 * the message names the process). */
sac_status sac_lock(int* lock, int* held, const char* folder);
void sac_unlock(int lock); /* takes -1 */

#endif
