/* Nearest words, sizes for people, and text that is safe to show. */
#include "util/text.h"

#include "support/check_main.h"

START_TEST(distances) {
  ck_assert_uint_eq(sac_text_distance("", ""), 0);
  ck_assert_uint_eq(sac_text_distance("abc", ""), 6);
  ck_assert_uint_eq(sac_text_distance("", "abc"), 6);
  ck_assert_uint_eq(sac_text_distance("kitten", "sitting"), 6); /* three edits */
  ck_assert_uint_eq(sac_text_distance("seed", "sede"), 2);      /* neighbours swapped: one edit */
  ck_assert_uint_eq(sac_text_distance("pendulum", "Pendulum"), 1);
  ck_assert_uint_eq(sac_text_distance("HalfCheeta-v5", "HalfCheetah-v5"), 2);
}
END_TEST

START_TEST(distance_of_long_texts_ends) {
  static char a[5000], b[5000];
  memset(a, 'a', sizeof a - 1);
  memset(b, 'b', sizeof b - 1);
  ck_assert_uint_eq(sac_text_distance(a, b), 256);
}
END_TEST

/* A limit changes no distance up to it. */
START_TEST(distance_within_a_limit) {
  static const char letters[] = "abAB";
  uint32_t random = 1;
  for (int k = 0; k < 3000; k++) {
    char text[2][12] = {"", ""};
    for (int t = 0; t < 2; t++)
      for (int i = 0, length = k / (t ? 12 : 1) % 12; i < length; i++)
        text[t][i] = letters[(random = random * 1664525u + 1013904223u) >> 16 & 3];
    const unsigned whole = sac_text_distance(text[0], text[1]), limit = random >> 16 & 15;
    ck_assert_uint_eq(sac_text_distance_within(text[0], text[1], limit), whole <= limit ? whole : limit + 1);
  }
  ck_assert_uint_eq(sac_text_near("abcd", "abcdefghi"), 6);
}
END_TEST

START_TEST(nearest) {
  static const char* const names[] = {"Pendulum-v1", "CartPole-v1", "Acrobot-v1", "HalfCheetah-v5", NULL};
  ck_assert_str_eq(sac_nearest("HalfCheeta-v5", names, SIZE_MAX), "HalfCheetah-v5");
  ck_assert_str_eq(sac_nearest("pendulum-v1", names, 4), "Pendulum-v1");
  ck_assert_str_eq(sac_nearest("CartPole", names, 4), "CartPole-v1");
  ck_assert_ptr_null(sac_nearest("CartPole", names, 1));
  ck_assert_ptr_null(sac_nearest("xyz", names, 4)); /* nothing is near: no suggestion */
  ck_assert_ptr_null(sac_nearest("", names, 4));
  ck_assert_ptr_null(sac_nearest("Pendulum-v1", names, 0));
}
END_TEST

START_TEST(bytes) {
  static const struct {
    uint64_t bytes;
    const char* text;
  } rows[] = {
      {0, "0 B"},
      {999, "999 B"},
      {1000, "1.0 kB"},
      {99949, "99.9 kB"},
      {99950, "100 kB"},
      {999499, "999 kB"},
      {999500, "1.0 MB"},
      {3100000000u, "3.1 GB"},
      {2864000000u, "2.9 GB"},
      {1ull << 40, "1.1 TB"},
      {UINT64_MAX, "18.4 EB"},
  };
  char text[SAC_BYTES_MAX];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    ck_assert_str_eq(sac_text_bytes(text, rows[i].bytes), rows[i].text);
}
END_TEST

START_TEST(shows_only_what_is_printable) {
  char shown[SAC_SHOW_MAX];
  ck_assert_str_eq(sac_text_show(shown, "plain", SIZE_MAX), "plain");
  ck_assert_str_eq(sac_text_show(shown, "a\x1b[31mb", SIZE_MAX), "a\\x1B[31mb"); /* no terminal escapes */
  ck_assert_str_eq(sac_text_show(shown, "\xc3\xa9", SIZE_MAX), "\xc3\xa9");
  ck_assert_str_eq(sac_text_show(shown, "\xc3", SIZE_MAX), "\\xC3");
  ck_assert_str_eq(sac_text_show(shown, "a\0b", 3), "a\\x00b");
  char longer[400];
  memset(longer, 'x', sizeof longer);
  sac_text_show(shown, longer, sizeof longer);
  ck_assert_uint_lt(strlen(shown), SAC_SHOW_MAX);
  ck_assert_str_eq(shown + strlen(shown) - 3, "...");
  memset(longer, '\n', sizeof longer);
  sac_text_show(shown, longer, sizeof longer);
  ck_assert_uint_lt(strlen(shown), SAC_SHOW_MAX);
}
END_TEST

START_TEST(knows_utf8) {
  ck_assert(sac_text_printable("", 0) && sac_text_printable("\xf0\x9f\x98\x80", 4));
  static const char* const bad[] = {"\xff",         "\xc0\x80",         "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                    "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc2\x85",     "\x7f",
                                    "\n",           "\xe2\x82"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    ck_assert_msg(!sac_text_printable(bad[i], strlen(bad[i])), "%zu", i);
}
END_TEST

START_TEST(appends_within_the_room) {
  char text[8] = "";
  size_t used = 0;
  sac_text_append(text, sizeof text, &used, "%s", "abc");
  sac_text_append(text, sizeof text, &used, "%d", 123456);
  ck_assert_str_eq(text, "abc1234");
  ck_assert_uint_eq(used, 7);
  sac_text_append(text, sizeof text, &used, "more");
  ck_assert_str_eq(text, "abc1234");
  used = 0;
  sac_text_append(NULL, 0, &used, "nothing");
  ck_assert_uint_eq(used, 0);
}
END_TEST

/* A path in a command of a message is one word for a shell. */
START_TEST(words_of_a_shell) {
  static const char* const words[][2] = {{"runs/a-1_b.c", "runs/a-1_b.c"},
                                         {"my runs/a", "\"my runs/a\""},
                                         {"a'b", "\"a'b\""},
                                         {"$x`y`\"z\"\\", "\"\\$x\\`y\\`\\\"z\\\"\\\\\""},
                                         {"a;b", "\"a;b\""},
                                         {"it's $5!", "'it'\\''s $5!'"},
                                         {"-x", "./-x"},
                                         {"-a b", "\"./-a b\""},
                                         {"", ""}};
  char word[SAC_WORD_MAX];
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    ck_assert_str_eq(sac_text_word(word, words[i][0]), words[i][1]);
}
END_TEST

CHECK_MAIN("text", CASE(distances), CASE(distance_of_long_texts_ends), CASE(distance_within_a_limit), CASE(nearest),
           CASE(bytes), CASE(shows_only_what_is_printable), CASE(knows_utf8), CASE(appends_within_the_room),
           CASE(words_of_a_shell))
