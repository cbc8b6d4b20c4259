/* Environment traces: the recorded episodes of Gymnasium, stepped by sac's tasks, and invalid traces. */
#include "support/check_main.h"

#include <dirent.h>

#include "verify/verify.h"

#define STEPS 3

/* A trace of Pendulum-v1 with three steps, to be modified. */
typedef struct small {
  double initial[2], action[STEPS], observation[(STEPS + 1) * 3], reward[STEPS];
  uint8_t terminated[STEPS], truncated[STEPS];
} small;

typedef struct field {
  const char* name;
  sac_dtype dtype;
  int32_t rank;
  int64_t dims[2];
  const void* data;
} field;

/* Writes the fields to a file, opens it and runs it. */
static sac_status verify(const field* fields, int32_t count, const char* env, const char* options,
                         sac_verify_report* report) {
  const char* path = "test_trace.safetensors";
  sac_file_tensor tensors[8];
  memset(tensors, 0, sizeof tensors);
  for (int32_t i = 0; i < count; i++) {
    size_t elements = 1;
    tensors[i].name = fields[i].name;
    tensors[i].dtype = fields[i].dtype;
    tensors[i].rank = fields[i].rank;
    for (int32_t d = 0; d < fields[i].rank; d++) {
      tensors[i].dims[d] = fields[i].dims[d];
      elements *= (size_t)fields[i].dims[d];
    }
    tensors[i].data = fields[i].data;
    tensors[i].bytes = elements * sac_dtype_size(fields[i].dtype);
  }
  const sac_metadata metadata[] = {{"env", env}, {"options", options}};
  ck_ok(sac_safetensors_write(path, tensors, count, metadata, env ? 2 : 0));
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, path));
  memset(report, 0, sizeof *report);
  const sac_status status = sac_verify_trace(file, report);
  sac_safetensors_close(file);
  ck_assert_int_eq(remove(path), 0);
  return status;
}

#define FIELDS 6
static void fields_of(const small* s, field fields[FIELDS]) {
  const field all[FIELDS] = {{"initial", SAC_F64, 1, {2}, s->initial},
                             {"action", SAC_F64, 2, {STEPS, 1}, s->action},
                             {"observation", SAC_F64, 2, {STEPS + 1, 3}, s->observation},
                             {"reward", SAC_F64, 1, {STEPS}, s->reward},
                             {"terminated", SAC_U8, 1, {STEPS}, s->terminated},
                             {"truncated", SAC_U8, 1, {STEPS}, s->truncated}};
  memcpy(fields, all, sizeof all);
}

/* The numbers of Gymnasium 1.4.0 from state (3, -1). */
static const small pendulum = {{3, -1},
                               {1.5, -2, 0.25},
                               {-0.9899924993515015, 0.14112000167369843, -1, -0.9847177267074585, 0.1741580218076706,
                                -0.669160008430481, -0.9765525460243225, 0.2152792066335678, -0.8385415077209473,
                                -0.9691699743270874, 0.246393084526062, -0.639582097530365},
                               {-9.102250000135973, -8.849148949498232, -8.623750148371204},
                               {0},
                               {0}};

static void check_rows(const sac_verify_report* report) {
  ck_assert_int_eq(report->count, 4);
  static const char* const names[4] = {"observation", "reward", "terminated", "truncated"};
  for (int r = 0; r < 4; r++) ck_assert_ptr_eq(strstr(report->row[r].name, names[r]), report->row[r].name);
}

START_TEST(committed_traces_agree) {
  /* every file of the folder */
  const char* source = getenv("SAC_SOURCE");
  char folder[1024], path[2048];
  snprintf(folder, sizeof folder, "%s/tests/golden/traces", source ? source : "../..");
  DIR* list = opendir(folder);
  ck_assert_msg(list != NULL, "%s cannot be read", folder);
  int files = 0, wide = 0;
  for (struct dirent* entry; (entry = readdir(list));) {
    if (!strstr(entry->d_name, ".safetensors")) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);

    /* each is repeated step by step */
    sac_safetensors* file;
    sac_verify_report report = {0};
    ck_ok(sac_safetensors_open(&file, path));
    ck_ok(sac_verify_trace(file, &report));
    check_rows(&report);
    for (int32_t i = 0; i < report.count; i++) {
      const sac_verify_row* row = &report.row[i];
      ck_assert_msg(row->ok, "%s: %s is off by %g at [%zu]", entry->d_name, row->name, row->absolute, row->worst);
      ck_near(row->absolute, 0, SAC_TRACE_TOLERANCE);
    }
    wide += strstr(report.row[0].name, "float64 actions") != NULL;
    sac_verify_free(&report);
    sac_safetensors_close(file);
    files++;
  }
  closedir(list);

  /* none was left out */
  ck_assert_int_ge(files, 25);
  ck_assert_int_ge(wide, 1);
}
END_TEST

START_TEST(a_difference_is_seen_where_it_is) {
  small s = pendulum;
  field fields[FIELDS];
  sac_verify_report report;
  fields_of(&s, fields);
  ck_ok(verify(fields, FIELDS, "Pendulum-v1", "{}", &report));
  check_rows(&report);
  for (int r = 0; r < 4; r++) ck_assert_int_eq(report.row[r].ok, 1);
  ck_near(report.row[0].absolute, 0, SAC_TRACE_TOLERANCE);
  sac_verify_free(&report);

  /* the row that must fail, and its worst value */
  for (int k = 0; k < 4; k++) {
    s = pendulum;
    if (k == 0) s.observation[7] += 2e-6;
    if (k == 1) s.reward[1] += 2e-5;
    if (k == 2) s.terminated[2] = 1;
    if (k == 3) s.truncated[2] = 1;
    ck_ok(verify(fields, FIELDS, "Pendulum-v1", "{}", &report));
    for (int r = 0; r < 4; r++) ck_assert_int_eq(report.row[r].ok, r != k);
    ck_assert_uint_eq(report.row[k].worst, k == 0 ? 7 : k == 1 ? 1 : 2);
    sac_verify_free(&report);
  }
  /* the options of the trace are used */
  s = pendulum;
  ck_ok(verify(fields, FIELDS, "Pendulum-v1", "{\"g\": 9.81}", &report));
  ck_assert_int_eq(report.row[0].ok, 0);
  sac_verify_free(&report);
}
END_TEST

START_TEST(numbers_may_be_of_any_type) {
  static float action[STEPS];
  static int64_t terminated[STEPS];
  small s = pendulum;
  field fields[FIELDS];
  sac_verify_report report;
  fields_of(&s, fields);
  for (int t = 0; t < STEPS; t++) action[t] = (float)s.action[t];
  fields[1] = (field){"action", SAC_F32, 1, {STEPS}, action};
  fields[4] = (field){"terminated", SAC_I64, 1, {STEPS}, terminated};
  ck_ok(verify(fields, FIELDS, "Pendulum-v1", "null", &report));
  for (int r = 0; r < 4; r++) ck_assert_int_eq(report.row[r].ok, 1);
  sac_verify_free(&report);
}
END_TEST

START_TEST(what_is_no_trace_is_refused) {
  /* each field missing, and each too short */
  small s = pendulum;
  field fields[FIELDS];
  sac_verify_report report;
  static const char* const names[FIELDS] = {"initial", "action", "observation", "reward", "terminated", "truncated"};
  for (int k = 0; k < FIELDS; k++) {
    fields_of(&s, fields);
    fields[k].name = "other";
    ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{}", &report), SAC_ERROR_FORMAT, names[k]);
    fields_of(&s, fields);
    fields[k].dims[0]--;
    ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{}", &report), SAC_ERROR_SHAPE, "expected (");
  }

  /* no steps */
  fields_of(&s, fields);
  fields[1].dims[0] = 0;
  ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{}", &report), SAC_ERROR_FORMAT, "one step or more");

  /* no environment, or one that sac does not step itself */
  fields_of(&s, fields);
  ck_fails(verify(fields, FIELDS, NULL, NULL, &report), SAC_ERROR_FORMAT, "metadata 'env'");
  ck_fails(verify(fields, FIELDS, "Pendulum-v2", "{}", &report), SAC_ERROR_ENV, "nearest is Pendulum-v1");
  ck_fails(verify(fields, FIELDS, "./libmine.so", "{}", &report), SAC_ERROR_ENV,
           "is a trace of ./libmine.so; those of built-in environments alone are verified");
  ck_fails(verify(fields, FIELDS, "gym:Pendulum-v1", "{}", &report), SAC_ERROR_ENV, "built-in environments alone");

  /* a term of info that the environment does not have */
  field with_info[FIELDS + 1];
  memcpy(with_info, fields, sizeof fields);
  with_info[FIELDS] = (field){"info/speed", SAC_F64, 1, {STEPS}, s.reward};
  ck_fails(verify(with_info, FIELDS + 1, "Pendulum-v1", "{}", &report), SAC_ERROR_FORMAT,
           "'info/speed' is no term of Pendulum-v1");

  /* another environment, other options, and values that cannot be */
  ck_fails(verify(fields, FIELDS, "CartPole-v1", "{}", &report), SAC_ERROR_SHAPE, "'observation'");
  ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{\"m\": 1}", &report), SAC_ERROR_CONFIG, "no option 'm'");
  small cart = {.action = {1, 0, 1}};
  for (int k = 0; k < 4; k++) {
    static const double wrong[] = {2, -1, 0.5, 1 + 1e-12}; /* as a float the last one is 1 */
    double four[(STEPS + 1) * 4] = {0};
    fields_of(&cart, fields);
    fields[0] = (field){"initial", SAC_F64, 1, {4}, four};
    fields[2] = (field){"observation", SAC_F64, 2, {STEPS + 1, 4}, four};
    cart.action[2] = 1;
    ck_ok(verify(fields, FIELDS, "CartPole-v1", "{}", &report));
    sac_verify_free(&report);
    cart.action[2] = wrong[k];
    ck_fails(verify(fields, FIELDS, "CartPole-v1", "{}", &report), SAC_ERROR_FORMAT,
             "at step 3, no number of an action of CartPole-v1: 0 to 1 are");
  }
  s.action[1] = NAN;
  fields_of(&s, fields);
  ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{}", &report), SAC_ERROR_FORMAT,
           "'action' holds a value that is not");
  s = pendulum;
  s.truncated[1] = 1;
  ck_fails(verify(fields, FIELDS, "Pendulum-v1", "{}", &report), SAC_ERROR_FORMAT, "ends at step 2 of 3");
}
END_TEST

CHECK_MAIN("trace", CASE(committed_traces_agree), CASE(a_difference_is_seen_where_it_is),
           CASE(numbers_may_be_of_any_type), CASE(what_is_no_trace_is_refused))
