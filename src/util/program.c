#include "util/program.h"

#include "util/text.h"

static char program[SAC_WORD_MAX] = "sac";

void sac_program_set(const char* called) {
  if (!called || !*called) return;
  (void)sac_text_word(program, called);
  sac_text_clean(program);
}

const char* sac_program(void) { return program; }
