/* ctest: one-thread
 *
 * Checkpoints on a full disk, in folders without write permission, and of killed processes: the last good checkpoint
 * remains. */
#include "support/check_main.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sac/agent.h>

#include "support/folder.h"
#include "support/rows_agent.h"
#include "support/rows_checkpoint.h"
#include "train/checkpoint.h"

#ifdef SAC_SANITIZED
#define KILLS 10
#else
#define KILLS 50
#endif
#define KILLS_MAX (10 * KILLS)

/* Saves in a child process until it reaches a limit on file size, which stands for a full disk. */
START_TEST(full_disk) {
  const char* dir = test_folder();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    sac_agent *agent = rows_agent(NULL), *again = rows_agent(NULL);
    sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
    rows_push(agent, 100);
    rows_save(checkpoint, 100, 2);
    rows_push(agent, 800);
    int failed = 0;

    /* saving fails until the limit is large enough; each time the old checkpoint is still there */
    for (rlim_t limit = 0; limit < 100000; limit += limit < 10000 ? 977 : 5000) {
      const struct rlimit size = {limit, RLIM_INFINITY};
      setrlimit(RLIMIT_FSIZE, &size);
      const sac_status status = sac_checkpoint_save(checkpoint, 900, 2, NULL);
      if (status == SAC_OK) break;
      if (status != SAC_ERROR_FILE || !strstr(sac_last_error(), "File too large") || !strstr(sac_last_error(), dir))
        _exit(2);
      failed++;
      if (test_count_entries(test_path(dir, "checkpoints")) != 2) _exit(3);
      sac_checkpoint* other = rows_checkpoint(again, dir);
      if (sac_checkpoint_load(other, 100) != SAC_OK) _exit(4);
      rows_check(again, 0, 0);
      sac_checkpoint_destroy(other);
    }
    sac_checkpoint* other = rows_checkpoint(again, dir);
    if (sac_checkpoint_load(other, 900) != SAC_OK) _exit(5);
    rows_check(again, 0, 0);
    _exit(failed > 5 ? 0 : 6);
  }
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFEXITED(result));
  ck_assert_int_eq(WEXITSTATUS(result), 0);
  test_folder_remove();
}
END_TEST

/* The disk becomes full while new rows are written: the partial rows are removed again, and no row is lost. */
START_TEST(full_disk_in_the_middle_of_rows) {
  const char* dir = test_folder();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    sac_agent* agent = rows_agent("replay.capacity", "200000", NULL);
    sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
    rows_push(agent, 10);
    rows_save(checkpoint, 10, 2);
    const char* rows = test_path(dir, "replay/rows_0.bin");
    const long long before = test_file_size(rows);

    /* the limit is reached within the rows, which go again */
    rows_push(agent, 150000); /* a segment of 3.1 MB, written 1 MiB at a time */
    const struct rlimit small = {2500000, RLIM_INFINITY}, large = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &small);
    if (sac_checkpoint_save(checkpoint, 150010, 2, NULL) != SAC_ERROR_FILE) _exit(1);
    if (test_file_size(rows) != before || test_count_entries(test_path(dir, "replay")) != 1) _exit(2);
    if (sac_checkpoint_probe(dir, 10, NULL, 0) != SAC_OK) _exit(3);

    /* with room, everything is written */
    setrlimit(RLIMIT_FSIZE, &large);
    if (sac_checkpoint_save(checkpoint, 150010, 2, NULL) != SAC_OK) _exit(4);
    if (sac_checkpoint_load(checkpoint, 150010) != SAC_OK) _exit(5);
    rows_check(agent, 0, 0);
    _exit(0);
  }
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFEXITED(result));
  ck_assert_int_eq(WEXITSTATUS(result), 0);
  test_folder_remove();
}
END_TEST

/* A disk that is really full, if this process may mount one. */
START_TEST(small_disk) {
  const char* dir = test_folder();
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("sac", dir, "tmpfs", 0, "size=256k") != 0)
      _exit(77);

    /* a checkpoint on a disk of 256 KiB, which is then filled */
    sac_agent* agent = rows_agent(NULL);
    sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
    rows_push(agent, 100);
    rows_save(checkpoint, 100, 2);
    char* filler = calloc(1, 1 << 18);
    const int fd = open(test_path(dir, "filler"), O_WRONLY | O_CREAT, 0666);
    for (size_t n = 1 << 12; n > 0; n = write(fd, filler, n) == (ssize_t)n ? n : n / 2) continue;
    close(fd);
    rows_push(agent, 800);

    /* the next one fails, and the old one stays */
    for (int i = 0; i < 3; i++) {
      if (sac_checkpoint_save(checkpoint, 900, 2, NULL) != SAC_ERROR_FILE) _exit(2);
      if (!strstr(sac_last_error(), "No space left on device")) _exit(3);
      if (sac_checkpoint_probe(dir, 100, NULL, 0) != SAC_OK) _exit(4);
    }

    /* with room, it is written */
    unlink(test_path(dir, "filler"));
    if (sac_checkpoint_save(checkpoint, 900, 2, NULL) != SAC_OK) _exit(5);
    _exit(sac_checkpoint_probe(dir, 900, NULL, 0) == SAC_OK ? 0 : 6);
  }
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFEXITED(result));
  if (WEXITSTATUS(result) == 77) printf("small_disk: not run, this user cannot mount a tmpfs\n");
  else ck_assert_int_eq(WEXITSTATUS(result), 0);
  test_folder_remove();
}
END_TEST

/* Segments that are deleted or cut while the run goes on are written again: the newest checkpoint is whole. */
START_TEST(lost_segments) {
  const char* dir = test_folder();
  sac_agent *agent = rows_agent("replay.capacity", "150000", NULL),
            *again = rows_agent("replay.capacity", "150000", NULL);
  sac_checkpoint *checkpoint = rows_checkpoint(agent, dir), *other = rows_checkpoint(again, dir);
  for (int64_t step = 1; step <= 5; step++) { /* the ring is full from the third on */
    rows_push(agent, 60000);
    rows_save(checkpoint, step, 1);
    char name[64];
    (void)snprintf(name, sizeof name, "replay/rows_%d.bin", (int)step - 1);
    const char* file = test_path(dir, step == 5 ? "replay/rows_3.bin" : name);
    if (step % 2) ck_assert_int_eq(unlink(file), 0);
    else ck_assert_int_eq(truncate(file, 1000), 0);
  }
  rows_push(agent, 10);
  rows_save(checkpoint, 6, 1);
  ck_ok(sac_checkpoint_load(other, 6));
  rows_check(again, 0, 0);
  sac_checkpoint_destroy(checkpoint);
  sac_checkpoint_destroy(other);
  sac_agent_destroy(agent);
  sac_agent_destroy(again);
  test_folder_remove();
}
END_TEST

START_TEST(unwritable_places) {
  const char* dir = test_folder();
  sac_agent* agent = rows_agent(NULL);
  sac_checkpoint* checkpoint = (void*)1;
  const char* file = test_path(dir, "file");
  test_write(file, "x", 1);
  ck_fails(sac_checkpoint_create(&checkpoint, file, agent, 0, NULL, 0), SAC_ERROR_FILE, "file: Not a directory");
  ck_assert_ptr_null(checkpoint);
  sac_checkpoint_destroy(NULL);
  checkpoint = rows_checkpoint(agent, test_path(dir, "seed_1"));
  rows_save(checkpoint, 1, 2);
  /* the folder was moved away during the run */
  ck_assert_int_eq(rename(test_path(dir, "seed_1/replay"), test_path(dir, "moved")), 0);
  rows_push(agent, 10);
  ck_fails(sac_checkpoint_save(checkpoint, 2, 2, NULL), SAC_ERROR_FILE, "rows_0.bin: No such file");
  ck_assert_int_eq(rename(test_path(dir, "moved"), test_path(dir, "seed_1/replay")), 0);
  rows_save(checkpoint, 2, 2);
  ck_ok(sac_checkpoint_probe(test_path(dir, "seed_1"), 2, NULL, 0));
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* Pushes, updates and saves in a loop, starting from the newest checkpoint that can be loaded. */
static void run_until_killed(const char* dir) {
  sac_agent* agent = rows_agent("replay.capacity", "70000", NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  int64_t list[8];
  const int32_t count = sac_checkpoint_list(dir, list, 8);
  for (int32_t i = 0; i < count; i++) {
    if (sac_checkpoint_probe(dir, list[i], NULL, 0) != SAC_OK) continue;
    if (sac_checkpoint_load(checkpoint, list[i]) != SAC_OK) _exit(1);
    break;
  }
  for (;;) {
    rows_push(agent, 1 + (int64_t)(agent->counters[0].pushed * 7919 % 9000));
    if (sac_agent_update(agent, 1) != SAC_OK) _exit(2);
    rows_set_states((int64_t)agent->counters[0].pushed);
    if (sac_checkpoint_save(checkpoint, (int64_t)agent->counters[0].pushed, 2, NULL) != SAC_OK) _exit(3);
  }
}

START_TEST(killed_at_any_moment) {
  const char* dir = test_folder();
  uint64_t random = 1;
  uint64_t reached = 0;
  int most = 60; /* milliseconds; longer if a round makes no progress, on a busy machine or with a sanitizer */
  for (int kills = 0; kills < KILLS || (reached <= 70000 && kills < KILLS_MAX); kills++) {
    /* a run in another process, killed after a random time */
    const pid_t child = fork();
    if (child == 0) run_until_killed(dir);
    random = random * 6364136223846793005u + 1442695040888963407u;
    const struct timespec wait = {0, (long)((random >> 33) % ((uint64_t)most * 1000000))};
    nanosleep(&wait, NULL);
    int result;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    waitpid(child, &result, 0);
    ck_assert_msg(WIFSIGNALED(result), "the run ended by itself, %d", WEXITSTATUS(result));

    int64_t list[2 + KILLS_MAX]; /* two are kept, and one more for each kill between a checkpoint and the deletion of
                                    the oldest */
    const int32_t count = sac_checkpoint_list(dir, list, 2 + KILLS_MAX);
    if (count == 0) continue; /* killed before the first checkpoint */
    sac_agent* agent = rows_agent("replay.capacity", "70000", NULL);
    sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
    for (int32_t i = 0; i < count; i++) { /* older checkpoints can be loaded too */
      ck_ok(sac_checkpoint_probe(dir, list[i], NULL, 0));
      ck_ok(sac_checkpoint_load(checkpoint, list[i]));
      rows_check(agent, 0, 0);
      ck_assert(rows_states_are(list[i]));
      ck_assert_int_eq((int64_t)agent->counters[0].pushed, list[i]);
    }
    ck_assert_uint_ge((uint64_t)list[0], reached); /* no row is lost */
    if ((uint64_t)list[0] == reached && most < 900) most += 60;
    reached = (uint64_t)list[0];
    sac_checkpoint_destroy(checkpoint);
    sac_agent_destroy(agent);
  }
  ck_assert_uint_gt(reached, 70000);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("checkpoint_disk", CASE(full_disk), CASE(full_disk_in_the_middle_of_rows), CASE(small_disk),
           CASE(lost_segments), CASE(unwritable_places), CASE(killed_at_any_moment))
