/* Tables of numbers as text. ctest: one-thread */
#include "formats/csv.h"
#include "support/check_main.h"
#include "support/folder.h"
#include "util/memory.h"

static sac_status parse(sac_csv* csv, const char* text, size_t size) {
  char* copy = malloc(size + 1);
  memcpy(copy, text, size);
  copy[size] = '\0';
  const sac_status status = sac_csv_parse(csv, copy, size, "t.csv");
  free(copy);
  return status;
}

/* Commas, blanks, both; comments, names of columns, empty lines, other ends of lines, no end of the last line. */
START_TEST(tables_are_read) {
  static const char* const texts[] = {"1,2.5,-3e-4\n4,5,6\n", "1 2.5\t-3e-4\n4 5 6",
                                      "# names\nx, \"y\",z_1\n1,2.5,-3e-4\n4,5,6",
                                      "# a comment\n\n  1 , 2.5 ,-3e-4  \r\n\r\n4, 5,  6\r\n\n#"};
  const double expected[] = {1, 2.5, -3e-4, 4, 5, 6};
  sac_csv csv;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    ck_ok(parse(&csv, texts[i], strlen(texts[i])));
    ck_assert_uint_eq(csv.rows, 2);
    ck_assert_uint_eq(csv.columns, 3);
    for (int k = 0; k < 6; k++) ck_assert_double_eq(csv.value[k], expected[k]);
    sac_free(csv.value);
  }
}
END_TEST

START_TEST(bad_tables_name_the_line) {
  static const struct {
    const char *text, *says;
  } bad[] = {
      {"", "t.csv: the file has no row of numbers"},
      {"\n# 1\n", "t.csv: the file has no row of numbers"},
      {"1,2\n3\n", "t.csv:2: the row has 1 numbers, the first row has 2"},
      {"1,2\n\n3,4,5\n", "t.csv:3: the row has 3 numbers, the first row has 2"},
      {"p,q\n", "t.csv: the file has no row of numbers"},
      {"p,q\nr,s\n1,2\n", "t.csv:2: 'r' is no number"},
      {"1,2\np,q\n", "t.csv:2: 'p' is no number"},
      {"nan,q\n1,2\n", "t.csv:1: 'nan' is no number"},
      {"p,0.5\n1,2\n", "t.csv:1: 'p' is no number"},
      {"1,2\n1,2x\n", "t.csv:2: '2x' is no number"},
      {"1,nan\n", "t.csv:1: 'nan' is no number"},
      {"1,inf\n", "t.csv:1: 'inf' is no number"},
      {"1,1e999\n", "t.csv:1: '1e999' is no number, or beyond the range"},
      {"1,,2\n", "t.csv:1: a number is missing at a comma"},
      {",1\n", "t.csv:1: a number is missing at a comma"},
      {"1,\n", "t.csv:1: a number is missing at a comma"},
  };
  sac_csv csv;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_fails(parse(&csv, bad[i].text, strlen(bad[i].text)), SAC_ERROR_FORMAT, bad[i].says);
    ck_assert_ptr_null(csv.value);
  }
  ck_fails(parse(&csv, "1,2\n3\0,4\n", 9), SAC_ERROR_FORMAT, "t.csv:2: the line has a zero byte");
}
END_TEST

/* More numbers than the first room for them. */
START_TEST(long_tables_are_read_from_files) {
  char* text = calloc(1, 40000);
  size_t used = 0;
  for (int i = 0; i < 1500; i++) used += (size_t)sprintf(text + used, "%d,%d\n", i, -i);
  const char* folder = test_folder();
  const char* path = test_path(folder, "long.csv");
  test_write(path, text, used);
  free(text);
  sac_csv csv;
  ck_ok(sac_csv_read(&csv, path));
  ck_assert_uint_eq(csv.rows, 1500);
  ck_assert_uint_eq(csv.columns, 2);
  for (int i = 0; i < 1500; i++) ck_assert(csv.value[2 * i] == i && csv.value[2 * i + 1] == -i);
  sac_free(csv.value);
  ck_fails(sac_csv_read(&csv, test_path(folder, "missing.csv")), SAC_ERROR_FILE, "missing.csv");
  ck_assert_ptr_null(csv.value);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("csv", CASE(tables_are_read), CASE(bad_tables_name_the_line), CASE(long_tables_are_read_from_files))
