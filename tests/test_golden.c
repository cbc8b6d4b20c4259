/* Every golden update of tests/golden/updates (PyTorch autograd in float64, scripts/golden.py), repeated through the
 * public API. Prints the worst error of each file. The last cases show that the comparison detects small errors. */
#include <sac/sac.h>

#include "support/golden_files.h"
#include "support/tolerances.h"
#include "verify/verify.h"

static const sac_verify_row* worst_row(const sac_verify_report* report) {
  const sac_verify_row* worst = &report->row[0];
  for (int32_t i = 1; i < report->count; i++)
    if (!(report->row[i].share <= worst->share)) worst = &report->row[i];
  return worst;
}

START_TEST(all_agree) {
  const golden_files* files = golden_files_list();
  size_t weights = 0, blind = 0;
  for (int i = 0; i < files->count; i++) {
    sac_verify_report report = {0};
    ck_ok(sac_verify_file(files->path[i], NULL, &report));
    const sac_verify_row* worst = worst_row(&report);
    printf("%-24.*s worst %-32s off by %.2e (%.2e relative), %.3g%% of what is allowed\n",
           (int)strcspn(strrchr(files->path[i], '/') + 1, "."), strrchr(files->path[i], '/') + 1, worst->name,
           worst->absolute, worst->relative, 100 * worst->share);
    for (int32_t k = 0; k < report.count; k++) {
      const sac_verify_row* row = &report.row[k];
      ck_assert_msg(row->ok, "%s: %s[%zu] is %.9g, expected %.9g +- %.2g", files->path[i], row->name, row->worst,
                    row->ours, row->expected, row->allowed);
      if (strncmp(row->name, "after/", 6) == 0) weights += row->count;
      blind += row->blind;
    }
    ck_assert(report.ok);
    sac_verify_free(&report);
  }
  /* the comparison must not let everything pass */
  printf("%zu numbers; %zu with a tolerance above half a step\n", weights, blind);
  ck_assert_uint_le(blind * 10000, weights);
}
END_TEST

/* The float at element e of tensor `name`, in the bytes of an open file. */
static float* element(sac_safetensors* file, const char* name, size_t e) {
  const sac_file_tensor* tensor = sac_safetensors_find(file, name);
  ck_assert_msg(tensor != NULL, "%s", name);
  return (float*)((char*)file->bytes + ((const char*)tensor->data - (const char*)file->bytes)) + e;
}

/* The learning rate of a file, from its metadata. */
static double lr_of(const sac_safetensors* file) {
  const char* lr = strstr(sac_safetensors_metadata(file, "config"), "\"lr\": ");
  ck_assert(lr != NULL);
  return strtod(lr + strlen("\"lr\": "), NULL);
}

/* In every second tensor one weight is changed by a fiftieth of the learning rate and a few roundings (a moment by 3e-3
 * of itself). Exactly these rows must exceed the tolerance. The weight that moved most is changed, because its gradient
 * is not lost in rounding. */
START_TEST(small_mistakes_are_seen) {
  const golden_files* files = golden_files_list();
  int mistakes = 0;
  for (int i = 0; i < files->count; i++) {
    sac_safetensors* file = NULL;
    ck_ok(sac_safetensors_open(&file, files->path[i]));
    const double lr = lr_of(file);

    /* every second trained tensor gets a mistake at the number that moved most */
    char wrong[256][64];
    int wrongs = 0;
    for (int32_t k = 0; k < file->count; k += 2) {
      const char* name = file->tensors[k].name;
      const int moment = strncmp(name, "after/adam_", 11) == 0;
      if (strncmp(name, "after/", 6) != 0 || strstr(name, "_target")) continue;
      char before[128];
      (void)snprintf(before, sizeof before, "before/%s", name + 6);
      size_t most = 0;
      double moved = 0;
      for (size_t e = 0; e < file->tensors[k].bytes / sizeof(float); e++) {
        const double d = (double)*element(file, name, e) - (moment ? 0 : (double)*element(file, before, e));
        if (fabs(d) > fabs(moved)) moved = d, most = e;
      }
      if (fabs(moved) < (moment ? 1e-30 : 0.5 * lr)) continue; /* an inactive layer, a fixed temperature */
      float* value = element(file, name, most);
      *value += (float)(moment ? 3e-3 * moved : 0.02 * lr + 16 * FLOAT_EPSILON * fabs((double)*value));
      (void)snprintf(wrong[wrongs++], sizeof wrong[0], "%s", name);
    }

    /* the report names these tensors, and no other */
    ck_assert_int_gt(wrongs, 2);
    mistakes += wrongs;
    sac_verify_report report = {0};
    ck_ok(sac_verify_update(file, NULL, &report));
    for (int32_t r = 0; r < report.count; r++) {
      int is_wrong = 0;
      for (int w = 0; w < wrongs; w++) is_wrong |= strcmp(report.row[r].name, wrong[w]) == 0;
      ck_assert_msg(report.row[r].ok == !is_wrong, "%s: %s %s is %s (%g of what is allowed)", files->path[i],
                    is_wrong ? "wrong" : "right", report.row[r].name, report.row[r].ok ? "ok" : "not ok",
                    report.row[r].share);
    }
    sac_verify_free(&report);
    sac_safetensors_close(file);
  }
  printf("%d small mistakes seen\n", mistakes);
}
END_TEST

START_TEST(not_a_number_is_seen) {
  const golden_files* files = golden_files_list();
  sac_safetensors* file = NULL;
  ck_ok(sac_safetensors_open(&file, files->path[0]));
  *element(file, "after/actor.head.bias", 0) = NAN;
  *element(file, "metrics/alpha", 0) = INFINITY;
  sac_verify_report report = {0};
  ck_ok(sac_verify_update(file, NULL, &report));
  int beyond = 0;
  for (int32_t r = 0; r < report.count; r++) beyond += !report.row[r].ok;
  ck_assert_int_eq(beyond, 2);
  sac_verify_free(&report);
  sac_safetensors_close(file);
}
END_TEST

CHECK_MAIN("golden", CASE(all_agree), CASE(small_mistakes_are_seen), CASE(not_a_number_is_seen))
