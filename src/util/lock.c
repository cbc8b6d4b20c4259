#include "util/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/error.h"
#include "util/file.h"

#define OPEN_TRIES 8 /* openings of a .lock that others delete at the same time */

/* Locks an open file without waiting. Returns 0, or the reason as an errno: EWOULDBLOCK when another process holds it.
 * The kernel ends either lock with the process. */
static int lock_file(int fd) {
  int bad;
  while ((bad = flock(fd, LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) continue;
  if (!bad) return 0;
  if (errno == EWOULDBLOCK) return EWOULDBLOCK;

  /* flock is missing on some file systems (Lustre, some of NFS): lock the bytes of the file instead */
  struct flock bytes = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (fcntl(fd, F_OFD_SETLK, &bytes) == 0) return 0;
  return errno == EACCES || errno == EAGAIN ? EWOULDBLOCK : errno;
}

/* Fails because another process holds the lock; names the process, whose id the file holds. */
static sac_status in_use(int fd, const char* folder) {
  char text[32] = "";
  const ssize_t length = pread(fd, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  text[strspn(text, "0123456789")] = '\0';
  return sac_fail(SAC_ERROR_FILE, "%s is in use by process %s: stop it first, or wait for its end", folder,
                  *text ? text : "?");
}

sac_status sac_lock(int* lock, int* held, const char* folder) {
  *lock = -1;
  *held = 0;
  char path[SAC_PATH_MAX], text[32];
  sac_status status = SAC_OK;
  int fd = -1, reason = 0;
  SAC_TRY(sac_path(path, "%s/.lock", folder));

  /* Open and lock FOLDER/.lock. It stays in the folder when the lock ends. */
  for (int tries = 1;; tries++) {
    SAC_TRY(sac_open_kept(&fd, path, O_RDWR | O_CREAT));
    reason = lock_file(fd);
    if (reason != 0 || sac_is_named(fd, path) || tries == OPEN_TRIES) break;

    /* the file was deleted between the two calls: a lock of it would keep nobody out */
    close(fd);
  }

  /* another process holds it */
  if (reason == EWOULDBLOCK) {
    status = in_use(fd, folder);
    close(fd);
    return status;
  }

  /* Write the id of this process, for the message above. The lock also holds without it, for example on a full disk. */
  *held = reason == 0;
  *lock = fd;
  const int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  if (ftruncate(fd, 0) == 0) (void)!pwrite(fd, text, (size_t)length, 0);
fail:
  return status;
}

void sac_unlock(int lock) {
  if (lock < 0) return;

  /* Remove the process id. Closing the file ends the lock. */
  (void)!ftruncate(lock, 0);
  close(lock);
}
