/* ctest: one-thread
 *
 * A locale with decimal commas changes nothing: numbers, files, options. A separate program, because setlocale affects
 * the whole process. Skipped if there is no such locale (package "locales"). */
#include <locale.h>
#include <unistd.h>

#include "config/settings.h"
#include "support/check_main.h"
#include "util/number.h"
#include "util/text.h"

/* Sets a locale of the system, or one that is built here from the system's sources. */
static int use_comma(void) {
  static const char* const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "de_DE",
                                      "fr_FR.UTF-8", "es_ES.UTF-8", "pt_BR.UTF-8"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (setlocale(LC_ALL, names[i])) return 1;
  char folder[] = "/tmp/sac_locale_XXXXXX", command[256];
  if (!mkdtemp(folder)) return 0;
  snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1", folder);
  const int made = system(command); /* NOLINT(cert-env33-c,bugprone-command-processor) */
  setenv("LOCPATH", folder, 1);
  const int used = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
  snprintf(command, sizeof command, "rm -r %s", folder);
  return (system(command) | made) == 0 && used; /* NOLINT(cert-env33-c,bugprone-command-processor) */
}

START_TEST(printf_has_a_comma_here) { /* otherwise the test would show nothing */
  char text[16];
  snprintf(text, sizeof text, "%.1f", 0.5);
  ck_assert_str_eq(text, "0,5");
}
END_TEST

START_TEST(numbers_have_points) {
  char text[SAC_NUMBER_MAX], size[SAC_BYTES_MAX];
  double value = 0;
  sac_print_real(text, 0.1);
  ck_assert_str_eq(text, "0.1");
  ck_assert_int_eq(sac_parse_real("1234.5", &value), SAC_NUMBER_OK);
  ck_assert_double_eq(value, 1234.5);
  ck_assert_int_eq(sac_parse_real("0,5", &value), SAC_NUMBER_NONE);
  ck_assert_str_eq(sac_text_bytes(size, 3100000000u), "3.1 GB");
  snprintf(text, sizeof text, "%.1f", 0.5);
  ck_assert_str_eq(text, "0,5"); /* the program's own locale has not changed */
}
END_TEST

START_TEST(configurations_have_points) {
  /* numbers are read with a point, whatever the locale writes */
  sac_config *config = NULL, *back = NULL;
  sac_settings s;
  ck_ok(sac_config_create(&config));
  ck_ok(sac_config_create(&back));
  const char yaml[] = "optim.lr: 0.25\nenv.options: {g: 9.81}\ntau: 1.5e-3\n";
  ck_ok(sac_config_parse(config, yaml, strlen(yaml), "my.yaml", SAC_ORIGIN_FILE));
  ck_ok(sac_config_set(config, "gamma", "0.5"));
  ck_fails(sac_config_set(config, "gamma", "0,5"), SAC_ERROR_CONFIG,
           "gamma = 0,5 (from sac_config_set) is not a number");
  ck_assert_str_eq(sac_config_get(config, "optim.lr"), "0.25");
  ck_assert_str_eq(sac_config_get(config, "env.options"), "{\"g\": 9.81}");

  /* and written with one, and read again */
  char* text = NULL;
  size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  ck_ok(sac_config_write(config, file));
  fclose(file);
  ck_assert_ptr_nonnull(strstr(text, "gamma: 0.5 "));
  ck_ok(sac_config_parse(back, text, size, "config.yaml", SAC_ORIGIN_SAVED));
  ck_ok(sac_config_settings(back, &s));
  ck_assert(s.lr == 0.25 && s.tau == 1.5e-3 && s.gamma == 0.5);
  free(text);
  sac_config_destroy(config);
  sac_config_destroy(back);
}
END_TEST

int main(void) {
  if (!use_comma()) return check_skip("no locale with decimal commas here, and none can be made");
  const check_case cases[] = {CASE(printf_has_a_comma_here), CASE(numbers_have_points),
                              CASE(configurations_have_points)};
  return check_run("locale", cases, sizeof cases / sizeof *cases);
}
