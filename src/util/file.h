/* Files and folders. A new file is written under another name and renamed, so a reader never sees half of it. */
#ifndef SAC_UTIL_FILE_H
#define SAC_UTIL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <sac/status.h>

#define SAC_PATH_MAX 1024

/* Prints (printf) into `path`; a path that does not fit is an error, and is never used cut off. Errors: FILE. */
sac_status sac_path(char path[SAC_PATH_MAX], const char* format, ...) __attribute__((format(printf, 2, 3)));

/* Makes a folder and all folders above it (mkdir -p); those that exist are left alone. Errors: FILE. */
sac_status sac_make_folders(const char* path);

/* Puts the path that `text` stands for into `path`: "~" and "~/x" are in the home folder. A configuration and
 * "--out=~/x" come without a shell that would do it. Errors: FILE (HOME is not set, "~user", too long). */
sac_status sac_expand_home(char path[SAC_PATH_MAX], const char* text);

/* Syncs what was written to the disk, so that it survives a power cut; of a folder: its entries. A file system that
 * cannot sync is no error, a disk that fails is. Errors: FILE. */
sac_status sac_sync(int fd, const char* path);
sac_status sac_sync_folder(const char* path);

/* Whether there is something named `path` that sac_open_file would look at; also where a disk or a server fails to say
 * so, so that nothing is written over a file that is there. */
int sac_file_exists(const char* path);

/* Whether the file is gone: nothing of that name is left, or something that is no regular file. */
int sac_file_lost(const char* path);

/* Whether `path` names this open file or folder; another process or thread may have deleted or replaced it. */
int sac_is_named(int fd, const char* path);

/* Syncs a file of which `size` bytes were written. One that was deleted, moved or replaced since it was opened is
 * written again under its name; a file that is there now is kept as PATH.other. fd: open for reading and writing; then
 * becomes that of the new file, opened with `flags`. *again: 1 if the file was written again, otherwise 0. Errors:
 * FILE, MEMORY. */
sac_status sac_sync_named(int fd, const char* path, uint64_t size, int flags, int* again);

/* Opens a file with the flags of open, and O_CLOEXEC. A pipe is refused at once, and not waited for. The caller closes
 * *fd, which is -1 on error. Errors: FILE. */
sac_status sac_open(int* fd, const char* path, int flags);

/* As sac_open, for a file that stays open while environments run. Errors: FILE. */
sac_status sac_open_kept(int* fd, const char* path, int flags);

/* Gives an open file a high number, which code that closes low ones (os.closerange) leaves alone, and closes the low
 * number. Returns the new number; fd itself where there is none, or fd is -1. */
int sac_descriptor_keep(int fd);

/* Opens a regular file for reading. The caller closes *fd, which is -1 on error. Errors: FILE (missing, unreadable, not
 * a regular file). */
sac_status sac_open_file(const char* path, int* fd, uint64_t* size);

/* Reads a whole regular file of at most `limit` bytes. The caller frees *bytes; a '\0' follows the last byte. Errors:
 * FILE (missing, unreadable, too large), MEMORY. */
sac_status sac_read_file(const char* path, size_t limit, void** bytes, size_t* size);

/* Reads exactly `size` bytes at `offset`; `path` is for messages. Errors: FILE, FORMAT (the file ends earlier). */
sac_status sac_read_at(int fd, const char* path, uint64_t offset, void* bytes, size_t size);

/* Writes exactly `size` bytes at `offset`, in as many calls as it takes. Errors: FILE. */
sac_status sac_write_at(int fd, const char* path, uint64_t offset, const void* bytes, size_t size);

/* A file being written: PATH.part until commit renames it to PATH. Where the file system cannot rename over a file that
 * is there (some network and FUSE file systems), the old file is PATH.aside for a moment; after a kill in that moment
 * sac_open_file reads it in place of PATH. Allocates nothing. */
typedef struct sac_file {
  char path[SAC_PATH_MAX];
  char part[SAC_PATH_MAX];
  int fd;        /* -1: closed */
  uint64_t size; /* bytes put so far */
  uint32_t crc;  /* CRC-32C of these bytes */
  size_t used;   /* bytes in the buffer, not written yet */
  unsigned char buffer[16384];
} sac_file;

/* Call begin, then put any number of times, then commit. A put, replace or commit that fails removes PATH.part and
 * leaves PATH as it was, but PATH is the new file already if only the last step, the sync of the folder, fails. After a
 * failure none of the three must be called. abandon removes PATH.part; it may be called at any time after begin, also
 * after a failure. Errors: FILE (also of begin: PATH is a folder or a device). */
sac_status sac_file_begin(sac_file* file, const char* path);
sac_status sac_file_put(sac_file* file, const void* bytes, size_t size);
/* Replaces bytes that were put at `offset`. Does not change `size` and `crc`. */
sac_status sac_file_replace(sac_file* file, uint64_t offset, const void* bytes, size_t size);
sac_status sac_file_commit(sac_file* file); /* syncs the file, renames it, syncs its folder */
void sac_file_abandon(sac_file* file);

/* begin, put and commit in one call. */
sac_status sac_write_file(const char* path, const void* bytes, size_t size);

/* Makes `path` a symbolic link to `target`, replacing an older one in one step; does not sync. Errors: FILE, also where
 * the file system has no links; `path` is then what it was. */
sac_status sac_link_file(const char* target, const char* path);

#endif
