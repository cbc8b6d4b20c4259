#include "config/parts.h"

#include <string.h>

#include "util/error.h"
#include "util/text.h"

static const struct {
  const char* name;
  unsigned parts;
} names[] = {
    {"actor", SAC_PART_ACTOR},
    {"critics", SAC_PART_CRITICS},
    {"alpha", SAC_PART_ALPHA},
    {"optimizer", SAC_PART_OPTIMIZER},
    {"auto", SAC_PART_ACTOR | SAC_PART_CRITICS | SAC_PART_ALPHA | SAC_PART_AUTO},
    {"all", SAC_PART_ACTOR | SAC_PART_CRITICS | SAC_PART_ALPHA | SAC_PART_OPTIMIZER},
};

/* Whether a word of this length is the name. */
static int is_name(const char* word, size_t length, const char* name) {
  return strlen(name) == length && memcmp(word, name, length) == 0;
}

sac_status sac_parts_parse(const char* text, unsigned* parts) {
  static const char between[] = "[], ";
  char shown[SAC_SHOW_MAX];
  *parts = 0;

  /* go from word to word, and add the parts of each */
  for (const char* word = text + strspn(text, between); *word;) {
    const size_t length = strcspn(word, between);
    size_t i = 0;
    while (i < sizeof names / sizeof *names && !is_name(word, length, names[i].name)) i++;
    if (i == sizeof names / sizeof *names)
      return sac_fail(SAC_ERROR_CONFIG, "init.parts: '%s' is none of actor, critics, alpha, optimizer, auto, all",
                      sac_text_show(shown, word, length));
    *parts |= names[i].parts;
    word += length;
    word += strspn(word, between);
  }

  /* a list without a word would start from nothing */
  if (*parts) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG, "init.parts is empty: give auto, all, or some of actor, critics, alpha, optimizer");
}
