/* Files that are whole or not there: folders made on the way, written beside and renamed, locked while in use. */
#ifndef SAC_UTIL_FILE_H
#define SAC_UTIL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#define SAC_PATH_MAX 1024

/* snprintf into path[SAC_PATH_MAX]; a path that does not fit is an error, not a shorter path. Errors: FILE. */
sac_status sac_path(char path[SAC_PATH_MAX], const char* format, ...) __attribute__((format(printf, 2, 3)));

/* mkdir -p. Errors: FILE. */
sac_status sac_make_folders(const char* path);

/* Syncs the folder's entries to the disk, so that a rename in it survives a power cut. Errors: FILE. */
sac_status sac_sync_folder(const char* path);

/* Reads a whole regular file of at most `limit` bytes; *bytes is the caller's (free), with a '\0' after the last.
 * Errors: FILE (missing, unreadable, too large), MEMORY. */
sac_status sac_read_file(const char* path, size_t limit, void** bytes, size_t* size);

/* All of `bytes` bytes at `offset`; FILE names `path`. A file that ends earlier is FORMAT ("cut short ..."). */
sac_status sac_read_at(int fd, const char* path, uint64_t offset, void* bytes, size_t size);

/* All of `bytes` bytes at `offset`, however many calls it takes. Errors: FILE. */
sac_status sac_write_at(int fd, const char* path, uint64_t offset, const void* bytes, size_t size);

/* A file being written beside its place: PATH.part until commit renames it. Plain data, nothing is allocated. */
typedef struct sac_file {
  char path[SAC_PATH_MAX];
  char part[SAC_PATH_MAX];
  int fd;        /* -1: closed */
  uint64_t size; /* bytes put so far */
  size_t used;
  unsigned char buffer[16384];
} sac_file;

/* begin, put..., commit. An error of any of them has removed the part and left PATH as it was; put and commit after an
 * error must not be called. abandon removes the part (also after begin failed: does nothing). Errors: FILE. */
sac_status sac_file_begin(sac_file* file, const char* path);
sac_status sac_file_put(sac_file* file, const void* bytes, size_t size);
sac_status sac_file_commit(sac_file* file); /* syncs, renames, syncs the folder */
void sac_file_abandon(sac_file* file);

/* The three in one. */
sac_status sac_write_file(const char* path, const void* bytes, size_t size);

/* Makes `path` a symbolic link to `target`, replacing what was there in one step. Errors: FILE. */
sac_status sac_link_file(const char* target, const char* path);

/* Holds a run folder for this process until sac_unlock or its end, however it ends: FOLDER/.lock, with the process's
 * number in it. *lock is a descriptor for sac_unlock, -1 on error. Errors: FILE (in use, says by which process). */
sac_status sac_lock(int* lock, const char* folder);
void sac_unlock(int lock); /* takes -1 */

#endif
