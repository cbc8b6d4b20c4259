#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/crc.h"
#include "util/error.h"

/* The most bytes of one read or write: 1 GiB. Linux transfers less than 2 GiB in one call. */
#define CHUNK_MAX ((size_t)1 << 30)

#define KEPT_FROM 4096 /* the lowest number of sac_descriptor_keep, or half of the limit */

/* What to do about an error whose name does not say it; "" for all others. */
static const char* advice(int reason) {
  if (reason == EFBIG) return " (raise 'ulimit -f', or use a file system that takes larger files)";
  if (reason == ESTALE) return " (it was replaced or deleted on its server: try again)";
  if (reason == EMFILE) return " (raise 'ulimit -n'; an environment may leave files open)";
  if (reason == EBADF) return " (code that shares the process has closed it, perhaps with os.closerange)";
  return "";
}

static sac_status fail_errno(const char* what, const char* path) {
  return sac_fail(SAC_ERROR_FILE, "cannot %s %s: %s%s", what, path, strerror(errno), advice(errno));
}

sac_status sac_path(char path[SAC_PATH_MAX], const char* format, ...) {
  va_list args;
  va_start(args, format);
  const int length = vsnprintf(path, SAC_PATH_MAX, format, args);
  va_end(args);

  /* vsnprintf returns the length of the whole path, also where it cut it */
  if (length >= 0 && length < SAC_PATH_MAX) return SAC_OK;
  return sac_fail(SAC_ERROR_FILE, "path is longer than %d bytes: %.100s...", SAC_PATH_MAX - 1, path);
}

sac_status sac_make_folders(const char* path) {
  char part[SAC_PATH_MAX];
  sac_status status = sac_path(part, "%s", path);
  if (status != SAC_OK) return status;

  /* Make each folder on the way to `path`: a '\0' in place of the next '/' ends the path there for a moment. The '/' of
   * an absolute path stands behind no name, so begin after it. */
  for (char* at = part + (*part == '/');; at++) {
    if (*at != '/' && *at != '\0') continue;
    const char end = *at;
    *at = '\0';

    /* A folder that exists is no error. mkdir may refuse it for another reason than EEXIST (a read-only parent), so
     * look at the folder itself. EEXIST without a folder: a file has its name. */
    if (*part && mkdir(part, 0777) != 0) {
      const int reason = errno;
      struct stat info;
      const int bad = stat(part, &info);
      if (bad || !S_ISDIR(info.st_mode)) {
        if (!bad) errno = ENOTDIR;
        if (reason != EEXIST) errno = reason;
        return fail_errno("make folder", part);
      }
    }
    if (end == '\0') return SAC_OK;
    *at = end;
  }
}

sac_status sac_expand_home(char path[SAC_PATH_MAX], const char* text) {
  /* a path that does not begin with "~" stays; "./~" is the way to name such a file */
  if (text[0] != '~') return sac_path(path, "%s", text);
  if (text[1] != '\0' && text[1] != '/')
    return sac_fail(SAC_ERROR_FILE, "'%.*s' is not expanded here: write the whole path", (int)strcspn(text, "/"), text);

  /* put the home folder in place of the "~" */
  const char* home = getenv("HOME");
  if (!home || !home[0]) return sac_fail(SAC_ERROR_FILE, "'~' has no meaning: HOME is not set");
  return sac_path(path, "%s%s", home, text + 1);
}

/* Whether a sync failed because the file system has none, not because the disk failed. */
static int no_sync(int reason) { return reason == EINVAL || reason == ENOSYS || reason == EOPNOTSUPP; }

/* The same for a folder: some file systems refuse to open one, or to sync what is open for reading. */
static int no_folder_sync(int reason) {
  return no_sync(reason) || reason == EBADF || reason == EACCES || reason == EPERM || reason == EISDIR;
}

sac_status sac_sync(int fd, const char* path) {
  while (fdatasync(fd) != 0) {
    if (errno == EINTR) continue;
    return no_sync(errno) ? SAC_OK : fail_errno("sync", path);
  }
  return SAC_OK;
}

sac_status sac_sync_folder(const char* path) {
  int fd, bad;
  sac_status status = SAC_OK;
  while ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == EINTR) continue;
  if (fd < 0) return no_folder_sync(errno) ? SAC_OK : fail_errno("open folder", path);
  while ((bad = fsync(fd)) != 0 && errno == EINTR) continue;
  if (bad && !no_folder_sync(errno)) status = fail_errno("sync folder", path);
  close(fd);
  return status;
}

/* Opens without waiting for the other end of a pipe; -1: errno says why. A signal may interrupt the call on a network
 * file system. */
static int open_at_once(const char* path, int flags) {
  int fd;
  do fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
  while (fd < 0 && errno == EINTR);
  if (fd >= 0 || errno != EAGAIN) return fd;

  /* a file server takes back a lease of it: wait for that */
  do fd = open(path, flags | O_CLOEXEC, 0666);
  while (fd < 0 && errno == EINTR);
  return fd;
}

sac_status sac_open(int* fd, const char* path, int flags) {
  const char* what = (flags & O_ACCMODE) == O_RDONLY ? "read" : "write";
  struct stat info;
  *fd = open_at_once(path, flags);

  /* a pipe that nobody reads, or any other */
  const int pipe =
      *fd < 0 ? errno == ENXIO : fstat(*fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
  if (pipe) {
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
    return sac_fail(SAC_ERROR_FILE, "cannot %s %s: it is a pipe or a socket, not a file", what, path);
  }
  if (*fd < 0) return fail_errno(what, path);

  /* from now on calls wait as usual, unless the caller wants it otherwise */
  if (!(flags & O_NONBLOCK)) (void)fcntl(*fd, F_SETFL, flags & (O_APPEND | O_SYNC | O_DSYNC));
  return SAC_OK;
}

int sac_descriptor_keep(int fd) {
  struct rlimit limit;
  if (fd < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return fd;

  /* not the highest one, as the kernel's table of them would grow */
  const int low = limit.rlim_cur / 2 < KEPT_FROM ? (int)(limit.rlim_cur / 2) : KEPT_FROM;
  const int kept = fcntl(fd, F_DUPFD_CLOEXEC, low);
  if (kept < 0) return fd;
  (void)close(fd);
  return kept;
}

sac_status sac_open_kept(int* fd, const char* path, int flags) {
  const sac_status status = sac_open(fd, path, flags);
  *fd = sac_descriptor_keep(*fd);
  return status;
}

sac_status sac_read_at(int fd, const char* path, uint64_t offset, void* bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    /* a call may read less than it was asked for, or be interrupted by a signal: go on with the rest */
    const size_t want = size - done < CHUNK_MAX ? size - done : CHUNK_MAX;
    const ssize_t got = pread(fd, (char*)bytes + done, want, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", path);

    /* the end of the file came first */
    if (got == 0)
      return sac_fail(SAC_ERROR_FORMAT, "%s is cut short (%llu bytes expected, file %llu)", path,
                      (unsigned long long)(offset + size), (unsigned long long)(offset + done));
    done += (size_t)got;
  }
  return SAC_OK;
}

/* Writes all bytes, at *offset, or at the current position of the file when `offset` is NULL. */
static sac_status write_all(int fd, const char* path, const uint64_t* offset, const void* bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    /* a call may write less than it was asked for, or be interrupted by a signal: go on with the rest */
    const size_t want = size - done < CHUNK_MAX ? size - done : CHUNK_MAX;
    const char* from = (const char*)bytes + done;
    const ssize_t put = offset ? pwrite(fd, from, want, (off_t)(*offset + done)) : write(fd, from, want);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("write", path);
    if (put == 0) return sac_fail(SAC_ERROR_FILE, "cannot write %s: the file system takes no more bytes", path);
    done += (size_t)put;
  }
  return SAC_OK;
}

sac_status sac_write_at(int fd, const char* path, uint64_t offset, const void* bytes, size_t size) {
  return write_all(fd, path, &offset, bytes, size);
}

/* The name of the old file while it is replaced in two steps. */
static sac_status aside_path(char aside[SAC_PATH_MAX], const char* path) { return sac_path(aside, "%s.aside", path); }

/* Whether an error says that there is no such file. After any other, a disk or a server that fails for a moment, the
 * file may be there. */
static int says_none(int reason) {
  return reason == ENOENT || reason == ENOTDIR || reason == EACCES || reason == ELOOP || reason == ENAMETOOLONG;
}

int sac_file_exists(const char* path) {
  char aside[SAC_PATH_MAX];
  if (access(path, F_OK) == 0 || !says_none(errno)) return 1;
  return aside_path(aside, path) == SAC_OK && access(aside, F_OK) == 0;
}

int sac_file_lost(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? !S_ISREG(info.st_mode) : errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

sac_status sac_open_file(const char* path, int* fd, uint64_t* size) {
  char aside[SAC_PATH_MAX];
  struct stat info;
  *size = 0;

  /* open the file, or the old one where a kill came while it was replaced */
  const int replaced =
      access(path, F_OK) != 0 && errno == ENOENT && aside_path(aside, path) == SAC_OK && access(aside, F_OK) == 0;
  sac_status status = sac_open(fd, replaced ? aside : path, O_RDONLY);
  if (status != SAC_OK) return status;

  /* Take its size. A folder or a device is refused. */
  if (fstat(*fd, &info) != 0) status = fail_errno("read", path);
  else if (!S_ISREG(info.st_mode)) status = sac_fail(SAC_ERROR_FILE, "cannot read %s: it is not a file", path);
  else *size = (uint64_t)info.st_size;
  if (status == SAC_OK) return SAC_OK;

  /* after an error the caller has nothing to close */
  close(*fd);
  *fd = -1;
  return status;
}

sac_status sac_read_file(const char* path, size_t limit, void** bytes, size_t* size) {
  int fd;
  uint64_t length;
  *bytes = NULL;
  *size = 0;
  sac_status status = sac_open_file(path, &fd, &length);
  if (status != SAC_OK) return status;

  /* read the file into new memory, unless it is too large */
  char* whole = NULL;
  if (length > limit)
    status = sac_fail(SAC_ERROR_FILE, "cannot read %s: it has %llu bytes, %zu are the most", path,
                      (unsigned long long)length, limit);
  else if (!(whole = malloc((size_t)length + 1)))
    status = sac_fail(SAC_ERROR_MEMORY, "no memory for the %llu bytes of %s", (unsigned long long)length, path);
  else status = sac_read_at(fd, path, 0, whole, (size_t)length);
  close(fd);

  /* give the memory to the caller, or free it */
  if (status != SAC_OK) {
    free(whole);
    return status;
  }
  whole[length] = '\0';
  *bytes = whole;
  *size = (size_t)length;
  return SAC_OK;
}

int sac_is_named(int fd, const char* path) {
  struct stat opened, named;
  return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

/* Whether nothing has the name of this open file any more, or another file has it. */
static int is_gone(int fd, const char* path) {
  struct stat mine, named;
  if (fstat(fd, &mine) != 0 || !S_ISREG(mine.st_mode)) return 0; /* a device stays what it is */
  if (stat(path, &named) != 0) return errno == ENOENT || errno == ENOTDIR;

  /* both, as some file systems have no steady numbers, and some count no links */
  return mine.st_nlink == 0 && (mine.st_dev != named.st_dev || mine.st_ino != named.st_ino);
}

sac_status sac_sync_named(int fd, const char* path, uint64_t size, int flags, int* again) {
  char other[SAC_PATH_MAX];
  char* bytes = NULL;
  int named = -1;
  sac_status status = SAC_OK;
  *again = 0;
  if (!is_gone(fd, path)) return sac_sync(fd, path);

  /* read all bytes, and give them the name again */
  bytes = malloc((size_t)size + 1);
  if (!bytes) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory to write %s again", path));
  SAC_TRY(sac_read_at(fd, path, 0, bytes, (size_t)size));
  SAC_TRY(sac_path(other, "%s.other", path));
  (void)rename(path, other);
  SAC_TRY(sac_write_file(path, bytes, (size_t)size));
  SAC_TRY(sac_open(&named, path, flags));

  /* go on in the new file, under the same number */
  if (dup3(named, fd, O_CLOEXEC) < 0) SAC_TRY(fail_errno("write", path));
  *again = 1;
fail:
  if (named >= 0) (void)close(named);
  free(bytes);
  return status;
}

/* Abandons the file and returns `status`; the error message does not change. */
static sac_status drop(sac_file* file, sac_status status) {
  sac_file_abandon(file);
  return status;
}

sac_status sac_file_begin(sac_file* file, const char* path) {
  file->fd = -1;
  file->used = 0;
  file->size = 0;
  file->crc = 0;
  sac_status status = SAC_OK;

  /* a rename would put a file in the place of a device, such as /dev/null for root, and fails at a folder */
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
    return sac_fail(SAC_ERROR_FILE, "cannot write %s: it is not a file", path);

  /* Write to PATH.part. O_TRUNC: a killed process may have left one. */
  SAC_TRY(sac_path(file->path, "%s", path));
  SAC_TRY(sac_path(file->part, "%s.part", path));
  SAC_TRY(sac_open(&file->fd, file->part, O_RDWR | O_CREAT | O_TRUNC));
fail:
  return status;
}

/* Writes the bytes of the buffer to the file. Empties the buffer, also after an error. */
static sac_status flush(sac_file* file) {
  const size_t used = file->used;
  file->used = 0;
  return write_all(file->fd, file->part, NULL, file->buffer, used);
}

sac_status sac_file_put(sac_file* file, const void* bytes, size_t size) {
  sac_status status = SAC_OK;

  /* make room in the buffer */
  if (size > sizeof file->buffer - file->used) SAC_TRY(flush(file));

  /* many small pieces become one large write; a piece that is larger than the buffer goes past it */
  if (size > sizeof file->buffer) {
    SAC_TRY(write_all(file->fd, file->part, NULL, bytes, size));
  } else if (size > 0) {
    memcpy(file->buffer + file->used, bytes, size);
    file->used += size;
  }
  file->size += size;
  file->crc = sac_crc32c(file->crc, bytes, size);
  return SAC_OK;
fail:
  return drop(file, status);
}

sac_status sac_file_replace(sac_file* file, uint64_t offset, const void* bytes, size_t size) {
  sac_status status = SAC_OK;

  /* the bytes may still be in the buffer */
  SAC_TRY(flush(file));
  SAC_TRY(write_all(file->fd, file->part, &offset, bytes, size));
  return SAC_OK;
fail:
  return drop(file, status);
}

/* The folder that holds `path`: "." for a name without a slash, "/" for a name in the root. */
static void folder_of(char folder[SAC_PATH_MAX], const char* path) {
  const char* slash = strrchr(path, '/');
  const size_t length = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
  memcpy(folder, path, length);
  folder[length] = '\0';
  if (!slash) memcpy(folder, ".", 2);
}

/* Whether a rename failed because the name is taken: by a file that is open, or by any file. */
static int is_taken(int reason) {
  return reason == EEXIST || reason == EBUSY || reason == EACCES || reason == EPERM || reason == ETXTBSY;
}

/* Renames PART to PATH. Where PATH is there and cannot be replaced in one step, it is moved aside first, and back if
 * the second step fails: at each moment the old file or the new one is there. Removes PART after an error. */
static sac_status replace(const char* part, const char* path) {
  char aside[SAC_PATH_MAX];
  sac_status status = aside_path(aside, path);
  int reason = 0;
  if (status != SAC_OK) goto fail;

  /* rename in one step; an old file that an earlier process left aside has had its time */
  if (rename(part, path) == 0) {
    (void)unlink(aside);
    return SAC_OK;
  }

  /* rename in two steps */
  reason = errno;
  if (is_taken(reason) && rename(path, aside) == 0) {
    if (rename(part, path) == 0) {
      (void)unlink(aside);
      return SAC_OK;
    }
    reason = errno;
    (void)rename(aside, path);
  }
  errno = reason;
  status = fail_errno("replace", path);
fail:
  (void)unlink(part);
  return status;
}

sac_status sac_file_commit(sac_file* file) {
  char folder[SAC_PATH_MAX];
  sac_status status = SAC_OK;

  /* bring the bytes to the disk before the name: a power cut then leaves the old file or the new one */
  SAC_TRY(flush(file));
  SAC_TRY(sac_sync(file->fd, file->part));

  /* Close the file, which may report that the disk is full. With fd at -1, sac_file_abandon would do nothing, so remove
   * PATH.part here. */
  const int fd = file->fd;
  file->fd = -1;
  if (close(fd) != 0 && errno != EINTR) {
    status = fail_errno("write", file->path);
    unlink(file->part);
    return status;
  }

  /* give the file its name */
  status = replace(file->part, file->path);
  if (status != SAC_OK) return status;

  /* bring the new name to the disk */
  folder_of(folder, file->path);
  return sac_sync_folder(folder);
fail:
  return drop(file, status);
}

void sac_file_abandon(sac_file* file) {
  if (file->fd < 0) return;
  close(file->fd);
  file->fd = -1;
  unlink(file->part);
}

sac_status sac_write_file(const char* path, const void* bytes, size_t size) {
  sac_file file;
  sac_status status = SAC_OK;
  SAC_TRY(sac_file_begin(&file, path));
  SAC_TRY(sac_file_put(&file, bytes, size));
  SAC_TRY(sac_file_commit(&file));
fail:
  return status;
}

sac_status sac_link_file(const char* target, const char* path) {
  char part[SAC_PATH_MAX];
  sac_status status = SAC_OK;
  SAC_TRY(sac_path(part, "%s.part", path));

  /* make the link under another name, in place of one that a killed process may have left */
  if (unlink(part) != 0 && errno != ENOENT) return fail_errno("replace", part);
  if (symlink(target, part) != 0) return fail_errno("write", part);

  /* give the link its name */
  SAC_TRY(replace(part, path));
fail:
  return status;
}
