/* A library for LD_PRELOAD that takes calls from a file system: SAC_LACK is a list of CALL=ERRNO
 * ("flock=38,symlink=1"). Of rename only a call over an existing file fails, as on network file systems; `append` is
 * open with O_APPEND; `lock` is fcntl with a lock. "short=1" writes at most 7 bytes at a time, "interrupt=1" gives
 * EINTR at every second call. "slow_mkdir=500" takes 500 ms to make a folder.
 * SAC_FULL names files that are full once they have SAC_FULL_BYTES bytes. SAC_BROKEN names a file or folder that
 * gives EIO where it is looked at or read. SAC_UNSYNCED names a file that gives EIO at one call to sync it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The number after "CALL=" in SAC_LACK; 0: the call is not lacking. */
static int lacks(const char* call) {
  const char* list = getenv("SAC_LACK");
  const size_t length = strlen(call);
  for (const char* at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : "")
    if (strncmp(at, call, length) == 0 && at[length] == '=') return (int)strtol(at + length + 1, NULL, 10);
  return 0;
}

/* Sets errno and returns 1 where the call fails. */
static int fails(const char* call) {
  const int reason = lacks(call);
  if (reason) errno = reason;
  return reason != 0;
}

/* Sets ENOSPC and returns 1 if the file's name is SAC_FULL and it has SAC_FULL_BYTES bytes already. */
static int full(int fd) {
  char link[64], path[4096] = "";
  struct stat info;
  const char *name = getenv("SAC_FULL"), *bytes = getenv("SAC_FULL_BYTES");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (!name || readlink(link, path, sizeof path - 1) < 0 || !strrchr(path, '/')) return 0;
  if (strncmp(strrchr(path, '/') + 1, name, strlen(name)) != 0 || fstat(fd, &info) != 0) return 0;
  if (info.st_size < (bytes ? (int)strtol(bytes, NULL, 10) : 0)) return 0;
  errno = ENOSPC;
  return 1;
}

/* Sets EINTR and returns 1 at every second call. */
static int interrupted(void) {
  static int calls;
  if (!lacks("interrupt") || ++calls % 2 == 0) return 0;
  errno = EINTR;
  return 1;
}

/* Sets EIO and returns 1 if the last part of the path is SAC_BROKEN. */
static int broken(const char* path) {
  const char *name = getenv("SAC_BROKEN"), *slash = strrchr(path, '/');
  if (!name || strcmp(slash ? slash + 1 : path, name) != 0) return 0;
  errno = EIO;
  return 1;
}

/* The same for an open file. */
static int broken_file(int fd) {
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  return getenv("SAC_BROKEN") && readlink(link, path, sizeof path - 1) > 0 && broken(path);
}

int flock(int fd, int operation) { return fails("flock") ? -1 : (int)syscall(SYS_flock, fd, operation); }

int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  void* argument = va_arg(list, void*);
  va_end(list);
  if ((command == F_SETLK || command == F_OFD_SETLK) && fails("lock")) return -1;
  return (int)syscall(SYS_fcntl, fd, command, argument);
}

int mkdir(const char* path, mode_t mode) {
  usleep(1000u * (useconds_t)lacks("slow_mkdir"));
  return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int ftruncate(int fd, off_t size) { return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, size); }

int symlink(const char* target, const char* path) {
  return fails("symlink") ? -1 : (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

int rename(const char* from, const char* to) {
  struct stat info;
  if (lacks("rename") && lstat(to, &info) == 0 && fails("rename")) return -1;
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* Sets EIO and returns 1 at the call number SAC_UNSYNCED_CALL to sync the file SAC_UNSYNCED. */
static int unsynced(int fd) {
  static int calls;
  char link[64], path[4096] = "";
  const char *name = getenv("SAC_UNSYNCED"), *slash;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (!name || readlink(link, path, sizeof path - 1) <= 0 || !(slash = strrchr(path, '/'))) return 0;
  if (strcmp(slash + 1, name) != 0 || ++calls != (int)strtol(getenv("SAC_UNSYNCED_CALL"), NULL, 10)) return 0;
  errno = EIO;
  return 1;
}

int fsync(int fd) { return fails("fsync") || interrupted() ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails("fsync") || interrupted() || unsynced(fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }

ssize_t write(int fd, const void* bytes, size_t size) {
  if (fd > 2 && interrupted()) return -1;
  return syscall(SYS_write, fd, bytes, lacks("short") && size > 7 ? (size_t)7 : size);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  if (full(fd) || interrupted()) return -1;
  return syscall(SYS_pwrite64, fd, bytes, lacks("short") && size > 7 ? (size_t)7 : size, offset);
}
ssize_t pread(int fd, void* bytes, size_t size, off_t offset) {
  if (interrupted() || broken_file(fd)) return -1;
  return syscall(SYS_pread64, fd, bytes, lacks("short") && size > 7 ? (size_t)7 : size, offset);
}

int access(const char* path, int mode) { return broken(path) ? -1 : (int)syscall(SYS_faccessat, AT_FDCWD, path, mode); }

DIR* opendir(const char* path) {
  DIR* (*next)(const char*);
  void* symbol = dlsym(RTLD_NEXT, "opendir");
  memcpy(&next, &symbol, sizeof next);
  return broken(path) ? NULL : next(path);
}

int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  if ((flags & O_APPEND) && fails("append")) return -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
