/* The run folder: log.txt on a disk that is full for a while, and failed.txt. */
#include "support/check_main.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/folder.h"
#include "train/folder.h"

static void set_limit(rlim_t bytes) {
  const struct rlimit size = {bytes, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &size);
}

/* A limit on file size stands for a full disk: a line is whole or not there, and how many are missing is said. */
START_TEST(log_on_a_full_disk) {
  const char* path = test_path(test_folder(), "run");
  const pid_t child = fork();
  if (child == 0) {
    sac_folder* folder;
    signal(SIGXFSZ, SIG_IGN);
    if (sac_folder_create(&folder, path, "fake") != SAC_OK || !sac_folder_log(folder, "one")) _exit(1);
    set_limit(10);
    for (int i = 0; i < 3; i++)
      if (sac_folder_log(folder, "a line that does not fit") || folder->log_error != EFBIG) _exit(2);
    set_limit(RLIM_INFINITY);
    if (!sac_folder_log(folder, "two") || folder->log_error != 0 || !sac_folder_log(folder, "three")) _exit(3);
    folder->created = 0;
    sac_folder_close(folder);
    _exit(0);
  }
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFEXITED(result));
  ck_assert_int_eq(WEXITSTATUS(result), 0);
  char* text = test_read(test_path(path, "log.txt"), NULL);
  ck_assert_str_eq(text, "one\n(3 lines could not be written here: File too large)\ntwo\nthree\n");
  free(text);
  test_folder_remove();
}
END_TEST

/* An agent whose failed.txt is there has stopped, also where the file cannot be read. */
START_TEST(failed_agents) {
  const char *folder = test_folder(), *file = test_path(folder, "failed.txt");
  ck_assert_int_eq(sac_failed_step(folder), -1);
  ck_ok(sac_failed_write(folder, 70, "the loss is not finite"));
  ck_assert_int_eq(sac_failed_step(folder), 70);
  test_write(file, "step", 4);
  ck_assert_int_eq(sac_failed_step(folder), 0);
  ck_assert_int_eq(unlink(file), 0);
  ck_assert_int_eq(mkfifo(file, 0666), 0); /* nobody writes to it: it is not waited for */
  ck_assert_int_eq(sac_failed_step(folder), 0);
  sac_failed_clear(folder);
  ck_assert_int_eq(sac_failed_step(folder), -1);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("folder", CASE(log_on_a_full_disk), CASE(failed_agents))
