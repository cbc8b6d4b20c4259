/* metrics.csv, evaluations.csv and event files: rows are complete or absent, numbers are exact, a resume cuts the
 * files. */
#include "support/check_main.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/folder.h"
#include "train/metrics.h"
#include "util/number.h"

/* The metrics of a run whose environment has no info. */
static sac_status begin(sac_metrics_files** files, const char* dir, int64_t rows_to, int64_t evaluations_to) {
  static sac_metric_list list;
  sac_metric_list_fill(&list, NULL, 0);
  return sac_metrics_open(files, dir, &list, rows_to, evaluations_to);
}

static void fill(double value[SAC_METRIC_COUNT], double seed) {
  for (int i = 0; i < SAC_METRIC_COUNT; i++) value[i] = seed / 3 + i;
  value[SAC_METRIC_episode_return] = NAN;
  value[SAC_METRIC_value_loss] = -1e-300;
  value[SAC_METRIC_alpha] = 0.1;
}

static void put_row(sac_metrics_files* files, int64_t step) {
  double value[SAC_METRIC_COUNT];
  fill(value, (double)step);
  ck_ok(sac_metrics_row(files, step, value));
}

static const double returns[3] = {-150.25, -1.0 / 3, 1e10};
static const int64_t lengths[3] = {200, 200, 17};

static void put_evaluation(sac_metrics_files* files, int64_t step) {
  const sac_evaluation evaluation = {0, step, 3, returns, lengths, -0.5, 0.1};
  ck_ok(sac_metrics_evaluation(files, &evaluation));
}

static int lines(const char* text) {
  int count = 0;
  for (; *text; text++) count += *text == '\n';
  return count;
}

START_TEST(rows_as_text) {
  const char* folder = test_folder();
  char again[SAC_METRICS_AGAIN_MAX];
  sac_metrics_files* files;
  /* under a locale with decimal commas, if the machine has one */
  if (!setlocale(LC_ALL, "de_DE.UTF-8")) (void)setlocale(LC_ALL, "de_DE.utf8");
  ck_ok(begin(&files, test_path(folder, "seed_1"), -1, -1));
  put_row(files, 1000);
  put_row(files, 2000);
  put_evaluation(files, 2000);
  ck_ok(sac_metrics_sync(files, again));
  ck_assert_str_eq(again, "");
  sac_metrics_close(files);
  sac_metrics_close(NULL);
  setlocale(LC_ALL, "C");

  char* text = test_read(test_path(folder, "seed_1/metrics.csv"), NULL);
  ck_assert_int_eq(strncmp(text, "step,updates,episodes,episode_return,episode_length,critic_loss,actor_loss,", 74), 0);
  ck_assert_int_eq(lines(text), 3);
  double expected[SAC_METRIC_COUNT];
  fill(expected, 1000);
  char* cell = strchr(text, '\n') + 1;
  ck_assert_int_eq(strncmp(cell, "1000,", 5), 0);
  cell += 5;
  for (int i = 0; i < SAC_METRIC_COUNT;
       i++) { /* every number has the same bits when it is read; NaN is an empty cell */
    const size_t length = strcspn(cell, ",\n");
    double value = NAN;
    cell[length] = '\0';
    if (length > 0) ck_assert_int_eq(sac_parse_real(cell, &value), SAC_NUMBER_OK);
    ck_assert_msg(isnan(expected[i]) ? length == 0 : value == expected[i], "%s is '%s'", sac_metric_names[i], cell);
    cell += length + 1;
  }
  ck_assert_int_eq(strncmp(cell, "2000,", 5), 0);
  free(text);

  text = test_read(test_path(folder, "seed_1/evaluations.csv"), NULL);
  ck_assert_str_eq(text,
                   "step,mean,std,episodes,returns,lengths\n"
                   "2000,-0.5,0.1,3,-150.25;-0.3333333333333333;10000000000,200;200;17\n");
  free(text);
  test_folder_remove();
}
END_TEST

START_TEST(resume_cuts) {
  const char* folder = test_folder();
  sac_metrics_files* files;
  ck_ok(begin(&files, folder, -1, -1));
  for (int64_t step = 1000; step <= 5000; step += 1000) put_row(files, step), put_evaluation(files, step);
  sac_metrics_close(files);
  /* as if killed while a row was written */
  const char *rows = test_path(folder, "metrics.csv"), *evaluations = test_path(folder, "evaluations.csv");
  FILE* torn = fopen(rows, "ab");
  fputs("6000,1,2", torn);
  fclose(torn);

  ck_ok(begin(&files, folder, 5500, 3999));
  sac_metrics_close(files);
  char* text = test_read(rows, NULL);
  ck_assert_int_eq(lines(text), 6);
  ck_assert_int_eq(text[strlen(text) - 1], '\n');
  ck_assert_ptr_nonnull(strstr(text, "\n5000,"));
  free(text);
  text = test_read(evaluations, NULL);
  ck_assert_int_eq(lines(text), 4);
  free(text);

  ck_ok(begin(&files, folder, 2000, 2000));
  put_row(files, 3000);
  sac_metrics_close(files);
  text = test_read(rows, NULL);
  ck_assert_int_eq(lines(text), 4);
  free(text);

  ck_ok(begin(&files, folder, 0, 0)); /* back to the start: only the header */
  sac_metrics_close(files);
  text = test_read(rows, NULL);
  ck_assert_int_eq(lines(text), 1);
  free(text);
  test_folder_remove();
}
END_TEST

START_TEST(odd_tables) {
  /* a header that was cut is written anew */
  const char* folder = test_folder();
  const char* rows = test_path(folder, "metrics.csv");
  sac_metrics_files* files = (void*)1;
  test_write(rows, "step,up", 7); /* as if killed while the header was written */
  ck_ok(begin(&files, folder, 0, 0));
  put_row(files, 10);
  sac_metrics_close(files);
  char* text = test_read(rows, NULL);
  ck_assert_int_eq(lines(text), 2);
  free(text);

  /* so is a file that was deleted */
  ck_assert_int_eq(unlink(rows), 0);
  ck_ok(begin(&files, folder, 10, 10));
  sac_metrics_close(files);
  text = test_read(rows, NULL);
  ck_assert_int_eq(lines(text), 1);

  /* a file with other columns is refused, and left alone */
  const size_t length = strlen(text);
  text[6] = 'x';
  test_write(rows, text, length);
  free(text);
  ck_fails(begin(&files, folder, 10, 10), SAC_ERROR_FILE, "has other columns");
  ck_assert_ptr_null(files);

  /* a new run starts a new file; one more column is refused too */
  ck_ok(begin(&files, folder, -1, -1));
  sac_metrics_close(files);
  text = test_read(rows, NULL);
  strcpy(text + strlen(text) - 12, ",something\n"); /* a column that no metric has */
  test_write(rows, text, strlen(text));
  free(text);
  ck_fails(begin(&files, folder, 10, 10), SAC_ERROR_FILE, "has other columns");
  ck_fails(begin(&files, rows, -1, -1), SAC_ERROR_FILE, "Not a directory");
  test_folder_remove();
}
END_TEST

/* --- terms of info ------------------------------------------------------------------------------------------------ */

static sac_metrics_files* with_terms(const char* folder, const char* const* terms, int32_t count, int64_t rows_to) {
  static sac_metric_list list;
  sac_metrics_files* files;
  sac_metric_list_fill(&list, terms, count);
  ck_assert_int_eq(list.count, SAC_METRIC_COUNT + count);
  ck_ok(sac_metrics_open(&files, folder, &list, rows_to, rows_to));
  return files;
}

static void put_terms(sac_metrics_files* files, int64_t step, int32_t count, double first) {
  double value[SAC_METRIC_MAX];
  fill(value, (double)step);
  for (int32_t k = 0; k < count; k++) value[SAC_METRIC_COUNT + k] = first + k;
  ck_ok(sac_metrics_row(files, step, value));
}

/* The text of line `line` of metrics.csv after the columns that every run has. */
static const char* terms_of(const char* folder, int line) {
  static char found[512];
  char *text = test_read(test_path(folder, "metrics.csv"), NULL), *at = text;
  for (; line > 0; line--) at = strchr(at, '\n') + 1;
  for (int comma = 0; comma < 1 + SAC_METRIC_COUNT && *at && *at != '\n'; at++) comma += at[1] == ',' || at[1] == '\n';
  (void)snprintf(found, sizeof found, "%.*s", (int)strcspn(at, "\n"), at);
  free(text);
  return found;
}

START_TEST(terms_follow_the_columns_of_every_run) {
  static const char* const terms[] = {"reward_ctrl", "x_position"};
  const char* folder = test_folder();
  sac_metrics_files* files = with_terms(folder, terms, 2, -1);
  put_terms(files, 1000, 2, 0.5);
  put_terms(files, 2000, 2, NAN);
  sac_metrics_close(files);
  files = with_terms(folder, terms, 2, 1000);
  put_terms(files, 3000, 2, 7);
  sac_metrics_close(files);
  ck_assert_str_eq(terms_of(folder, 0), ",info/reward_ctrl,info/x_position");
  ck_assert_str_eq(terms_of(folder, 1), ",0.5,1.5");
  ck_assert_str_eq(terms_of(folder, 2), ",7,8");
  test_folder_remove();
}
END_TEST

/* A run that is continued with other terms of info keeps its columns: each holds the term of its name, or is empty. New
 * terms stand behind them. */
START_TEST(a_table_keeps_its_columns) {
  static const char* const old[] = {"speed", "height"};
  static const char* const new[] = {"height", "success", "torque"};
  const char* folder = test_folder();
  sac_metrics_files* files = with_terms(folder, old, 2, -1);
  put_terms(files, 1000, 2, 1);
  sac_metrics_close(files);
  files = with_terms(folder, new, 3, 1000);
  put_terms(files, 2000, 3, 30);
  sac_metrics_close(files);
  ck_assert_str_eq(terms_of(folder, 0), ",info/speed,info/height,info/success,info/torque");
  ck_assert_str_eq(terms_of(folder, 1), ",1,2,,");
  ck_assert_str_eq(terms_of(folder, 2), ",,30,31,32");
  files = with_terms(folder, NULL, 0, 1000);
  put_terms(files, 2000, 0, 0);
  sac_metrics_close(files);
  ck_assert_str_eq(terms_of(folder, 2), ",,,,");
  test_folder_remove();

  /* started by a sac without info, or in an environment without it */
  folder = test_folder();
  ck_ok(begin(&files, folder, -1, -1));
  put_row(files, 1000);
  sac_metrics_close(files);
  files = with_terms(folder, new, 3, 1000);
  put_terms(files, 2000, 3, 30);
  sac_metrics_close(files);
  ck_assert_str_eq(terms_of(folder, 0), ",info/height,info/success,info/torque");
  ck_assert_str_eq(terms_of(folder, 1), ",,,");
  ck_assert_str_eq(terms_of(folder, 2), ",30,31,32");
  test_folder_remove();
}
END_TEST

/* A term that a later step gives for the first time becomes a column, which is empty in the rows before. */
START_TEST(a_new_term_becomes_a_column) {
  static const char* const first[] = {"speed"};
  static sac_metric_list list;
  const char* folder = test_folder();
  sac_metrics_files* files;
  sac_metric_list_fill(&list, first, 1);
  ck_ok(sac_metrics_open(&files, folder, &list, -1, -1));
  put_terms(files, 1000, 1, 5);
  ck_assert_int_eq(sac_metric_list_term(&list, "success"), 1);
  ck_assert_int_eq(sac_metric_list_term(&list, "speed"), 0);
  put_terms(files, 2000, 2, 7);
  put_terms(files, 3000, 2, NAN);
  sac_metrics_close(files);
  ck_assert_str_eq(terms_of(folder, 0), ",info/speed,info/success");
  ck_assert_str_eq(terms_of(folder, 1), ",5,");
  ck_assert_str_eq(terms_of(folder, 2), ",7,8");
  ck_assert_str_eq(terms_of(folder, 3), ",,");

  /* there is room for so many terms, and no more */
  char name[8];
  for (int k = 2; k < SAC_ENV_INFO_MAX; k++) {
    (void)snprintf(name, sizeof name, "t%d", k);
    ck_assert_int_eq(sac_metric_list_term(&list, name), k);
  }
  ck_assert_int_eq(sac_metric_list_term(&list, "more"), -1);
  test_folder_remove();
}
END_TEST

/* A table of a version that had fewer statistics is continued: its columns stay, new ones stand behind them. */
START_TEST(a_table_of_an_older_version) {
  const char* folder = test_folder();
  const char* rows = test_path(folder, "metrics.csv");
  static const char old[] = "step,updates,alpha\n1000,7,0.5\n";
  sac_metrics_files* files;
  test_write(rows, old, sizeof old - 1);
  ck_ok(begin(&files, folder, 1000, 1000));
  double value[SAC_METRIC_COUNT];
  for (int m = 0; m < SAC_METRIC_COUNT; m++) value[m] = 100 + m;
  value[SAC_METRIC_updates] = 8;
  value[SAC_METRIC_alpha] = 0.25;
  ck_ok(sac_metrics_row(files, 2000, value));
  sac_metrics_close(files);
  char* text = test_read(rows, NULL);
  ck_assert_int_eq(strncmp(text, "step,updates,alpha,episodes,", 28), 0);
  ck_assert_ptr_nonnull(strstr(text, "\n1000,7,0.5,,"));
  ck_assert_ptr_nonnull(strstr(text, "\n2000,8,0.25,101,"));
  ck_assert_int_eq(lines(text), 3);
  free(text);
  test_folder_remove();
}
END_TEST

/* A limit on file size stands for a full disk: rows are whole or not there, and writing goes on when there is room. */
START_TEST(full_disk) {
  const char* folder = test_folder();
  const pid_t child = fork();
  if (child == 0) {
    sac_metrics_files* files;
    double value[SAC_METRIC_COUNT];
    fill(value, 1);
    signal(SIGXFSZ, SIG_IGN);
    if (begin(&files, folder, -1, -1) != SAC_OK) _exit(1);
    int failed = 0, written = 0;

    /* the limit grows, so some rows fail and some are written */
    for (rlim_t limit = 500; limit < 20000; limit += 97) {
      const struct rlimit size = {limit, RLIM_INFINITY};
      setrlimit(RLIMIT_FSIZE, &size);
      const sac_status status = sac_metrics_row(files, written + 1, value);
      if (status == SAC_OK) written++;
      else if (status != SAC_ERROR_FILE || !strstr(sac_last_error(), "File too large")) _exit(2);
      else failed++;
      const sac_evaluation evaluation = {0, written, 3, returns, lengths, -0.5, 0.1};
      if (status == SAC_OK) (void)sac_metrics_evaluation(files, &evaluation);
    }

    /* what is in the file is whole rows */
    sac_metrics_close(files);
    char* text = test_read(test_path(folder, "metrics.csv"), NULL);
    _exit(failed > 5 && written > 5 && lines(text) == written + 1 && text[strlen(text) - 1] == '\n' ? 0 : 3);
  }
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFEXITED(result));
  ck_assert_int_eq(WEXITSTATUS(result), 0);
  test_folder_remove();
}
END_TEST

/* The file with the last name in order. */
static const char* newest_events(const char* folder, int* count) {
  static char name[512];
  DIR* open = opendir(folder);
  *count = 0;
  name[0] = '\0';
  for (struct dirent* entry; (entry = readdir(open));) {
    if (!strstr(entry->d_name, "tfevents")) continue;
    (*count)++;
    if (strcmp(entry->d_name, name) > 0) snprintf(name, sizeof name, "%s", entry->d_name);
  }
  closedir(open);
  return name;
}

START_TEST(events_files_sort) {
  const char* folder = test_folder();
  sac_metrics_files* files;
  char before[512] = "";
  for (int i = 0; i < 4; i++) { /* within one second, and after the clock went back */
    if (i == 2) test_write(test_path(folder, "events.out.tfevents.4000000000.host"), "", 0);
    ck_ok(begin(&files, folder, i ? 0 : -1, i ? 0 : -1));
    sac_metrics_close(files);
    int count;
    const char* name = newest_events(folder, &count);
    ck_assert_int_eq(count, i + 1 + (i >= 2));
    ck_assert_int_gt(strcmp(name, before), 0);
    strcpy(before, name);
    ck_assert_int_gt(test_file_size(test_path(folder, name)), 0);
  }
  test_folder_remove();
}
END_TEST

/* tests/test_readback.py reads these files with TensorBoard: rows at 1000 to 4000, and a resume from 2000. */
START_TEST(readback) {
  const char* folder = getenv("SAC_READBACK");
  if (!folder) return;
  static const char* const terms[] = {"speed"};
  sac_metrics_files* files = with_terms(test_path(folder, "seed_1"), terms, 1, -1);
  for (int64_t step = 1000; step <= 4000; step += 1000) put_terms(files, step, 1, (double)step / 8);
  put_evaluation(files, 1000);
  put_evaluation(files, 4000);
  sac_metrics_close(files);
  files = with_terms(test_path(folder, "seed_1"), terms, 1, 2000);
  put_terms(files, 2500, 1, 2500.0 / 8);
  sac_metrics_close(files);
}
END_TEST

/* Each statistic has a column of its own among those of statistics, and its name and tag stand there. */
START_TEST(statistics_have_columns) {
  static const char* const names[] = {
#define NAME(name, ...) #name,
      SAC_STATISTICS(NAME)
#undef NAME
  };
  int taken[SAC_METRIC_COUNT] = {0};
  for (int i = 0; i < SAC_STATISTIC_COUNT; i++) {
    const int metric = sac_metric_of_statistic[i];
    ck_assert_int_ge(metric, SAC_METRIC_FIRST_STATISTIC);
    ck_assert_int_le(metric, SAC_METRIC_LAST_STATISTIC);
    ck_assert_int_eq(taken[metric]++, 0);
    ck_assert_str_eq(sac_metric_names[metric], names[i]);
  }
  for (int m = 0; m < SAC_METRIC_COUNT; m++)
    ck_assert(sac_metric_names[m] && sac_metric_tags[m] && sac_metric_meanings[m] && *sac_metric_meanings[m]);
}
END_TEST

CHECK_MAIN("metrics", CASE(statistics_have_columns), CASE(rows_as_text), CASE(resume_cuts), CASE(odd_tables),
           CASE(terms_follow_the_columns_of_every_run), CASE(a_table_keeps_its_columns),
           CASE(a_new_term_becomes_a_column), CASE(a_table_of_an_older_version), CASE(full_disk),
           CASE(events_files_sort), CASE(readback))
