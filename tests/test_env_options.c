/* Options of an environment through sac_env_read_options: what is read, what is refused, and in which words. */
#include <sac/env.h>

#include <locale.h>

#include "support/check_main.h"

/* The variables of an environment. */
static double mass;
static int32_t legs;
static int wind;
static char port[16];
static char error[160];

static int read_options(const char* json) {
  const sac_env_setting settings[] = {{"mass", SAC_ENV_NUMBER, &mass, 0.1, 1e9, 0},
                                      {"legs", SAC_ENV_WHOLE, &legs, -8, 8, 0},
                                      {"wind", SAC_ENV_BOOL, &wind, 0, 0, 0},
                                      {"port", SAC_ENV_TEXT, port, 0, 0, sizeof port},
                                      {"wide", SAC_ENV_WHOLE, &legs, -1e300, 1e300, 0}};
  mass = 0.5, legs = 4, wind = 1;
  memset(port, 'x', sizeof port); /* a text that is cut must end */
  strcpy(port, "/dev/tty0");
  error[0] = '\0';
  return sac_env_read_options(json, settings, 5, error, sizeof error);
}

START_TEST(defaults_stay) {
  static const char* const empty[] = {NULL, "{}", " { } "};
  ck_assert_int_eq(read_options(empty[_i]), SAC_OK);
  ck_assert(mass == 0.5 && legs == 4 && wind == 1 && strcmp(port, "/dev/tty0") == 0);
}
END_TEST

START_TEST(all_kinds) {
  ck_assert_int_eq(
      read_options("{\"mass\": 0.1, \"legs\":-6,\n\"wind\":false , \"port\":\"a\\n\\u00e9\\ud83d\\ude00\\\"\"}"),
      SAC_OK);
  ck_assert(mass == 0.1 && legs == -6 && wind == 0);
  ck_assert_str_eq(port, "a\n\xc3\xa9\xf0\x9f\x98\x80\"");
  ck_assert_int_eq(read_options("{\"mass\":1.5e+3}"), SAC_OK);
  ck_assert(mass == 1500 && legs == 4);
  ck_assert_int_eq(read_options("{\"port\":\"\",\"wind\":true}"), SAC_OK);
  ck_assert(port[0] == '\0' && wind == 1);
}
END_TEST

static const struct {
  const char *json, *text;
} wrong[] = {
    {"", "no JSON object"},
    {"3", "no JSON object"},
    {"{", "no JSON object"},
    {"{\"mass\"}", "no JSON object"},
    {"{\"mass\": 1 \"legs\": 2}", "no JSON object"},
    {"{\"mass\": 1,}", "no JSON object"},
    {"{\"mass", "no JSON object"},
    {"{\"mas\": 1}", "env.options has no 'mas'; there is: mass, legs, wind, port, wide"},
    {"{\"mass\": 0}", "env.options.mass takes a number in [0.1, 1e+09]"},
    {"{\"mass\": nan}", "env.options.mass takes a number"},
    {"{\"mass\": 1e}", "env.options.mass takes a number"},
    {"{\"mass\": 1-1}", "env.options.mass takes a number"},
    {"{\"mass\": \"1\"}", "env.options.mass takes a number"},
    {"{\"mass\": [1]}", "env.options.mass takes a number"},
    {"{\"mass\": 0.10000000000000000000000000000000000000000000000000000000000000000001}", "env.options.mass takes"},
    {"{\"legs\": 1.5}", "env.options.legs takes a whole number in [-8, 8]"},
    {"{\"legs\": 9}", "env.options.legs takes a whole number in [-8, 8]"},
    {"{\"wind\": 1}", "env.options.wind takes true or false"},
    {"{\"port\": 1}", "env.options.port takes a text of at most 15 bytes"},
    {"{\"port\": \"0123456789012345\"}", "env.options.port takes a text of at most 15 bytes"},
    {"{\"port\": \"\\x\"}", "env.options.port takes a text"},
    {"{\"port\": \"\\u0000\"}", "env.options.port takes a text"},
    {"{\"port\": \"\\ud83d\"}", "env.options.port takes a text"},
    {"{\"port\": \"a", "env.options.port takes a text"},
    {"{} {}", "no JSON object"},
    {"}", "no JSON object"},
    {"{\"mass\": 1} 2", "no JSON object"},
    {"{\"mass\": 1]", "no JSON object"},
    {"{\"wide\": 3e9}", "env.options.wide takes a whole number"},
    {"{\"wide\": -1e300}", "env.options.wide takes a whole number"},
};

START_TEST(wrong_options) {
  ck_assert_int_eq(read_options(wrong[_i].json), SAC_ERROR_CONFIG);
  ck_assert_msg(strstr(error, wrong[_i].text) != NULL, "%s: %s", wrong[_i].json, error);
  ck_assert_uint_lt(strnlen(port, sizeof port), sizeof port);
}
END_TEST

/* A locale with a decimal comma, where there is one, changes no number. */
START_TEST(any_locale) {
  static const char* const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C"};
  for (size_t i = 0; i < 4 && !setlocale(LC_ALL, names[i]); i++) continue;
  ck_assert_int_eq(read_options("{\"mass\": 0.25}"), SAC_OK);
  ck_assert(mass == 0.25);
  setlocale(LC_ALL, "C");
}
END_TEST

/* A small buffer for the error is not overrun. */
START_TEST(short_error) {
  char text[12] = "";
  const sac_env_setting setting = {"a_name_that_is_long", SAC_ENV_BOOL, &wind, 0, 0, 0};
  ck_assert_int_eq(sac_env_read_options("{\"another\": 1}", &setting, 1, text, sizeof text), SAC_ERROR_CONFIG);
  ck_assert_uint_lt(strlen(text), sizeof text);
}
END_TEST

CHECK_MAIN("env options", LOOP(defaults_stay, 3), CASE(all_kinds), LOOP(wrong_options, sizeof wrong / sizeof *wrong),
           CASE(any_locale), CASE(short_error))
