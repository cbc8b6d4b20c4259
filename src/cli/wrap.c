#include "cli/wrap.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/out.h"
#include "util/text.h"

#define PARAGRAPH_MAX 4096 /* bytes of a paragraph; what is longer is printed in parts */

int sac_wrap_width(void) {
  struct winsize size;
  if (!isatty(fileno(sac_out)) || ioctl(fileno(sac_out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col > 40 ? size.ws_col : 40;
}

/* Columns that `length` bytes take: one for each character of UTF-8. */
static int columns(const char* text, size_t length) {
  int count = 0;
  for (size_t i = 0; i < length; i++) count += ((unsigned char)text[i] & 0xC0) != 0x80;
  return count;
}

void sac_wrap(FILE* out, const char* text, int at, int indent, int width) {
  int begun = 0; /* 1: a word stands in this line */
  while (*text) {
    /* take the next word, with the blanks before it */
    const size_t blanks = strspn(text, " "), length = strcspn(text + blanks, " ");
    const int before = begun ? (int)blanks : 0, takes = columns(text + blanks, length);
    if (length == 0) break;

    /* begin a new line where it does not fit */
    if (begun && at + before + takes > width) {
      (void)fprintf(out, "\n%*s", indent, "");
      at = indent;
    } else {
      (void)fprintf(out, "%*s", before, "");
      at += before;
    }

    /* print it */
    (void)fwrite(text + blanks, 1, length, out);
    at += takes;
    begun = 1;
    text += blanks + length;
  }
  (void)fputc('\n', out);
}

/* The column in which an item goes on: that of the meaning in "  NAME  MEANING", else two behind its own. */
static int item_indent(const char* line) {
  const size_t own = strspn(line, " ");
  const char* gap = strstr(line + own, "  ");
  return gap ? (int)(gap - line + (long)strspn(gap, " ")) : (int)own + 2;
}

/* Prints a paragraph or item, if there is one, and empties it. */
static void flush(FILE* out, char* paragraph, size_t* used, int width) {
  if (*used == 0) return;
  const int own = (int)strspn(paragraph, " ");
  (void)fprintf(out, "%*s", own, "");
  sac_wrap(out, paragraph + own, own, own ? item_indent(paragraph) : 0, width);
  *used = 0;
  paragraph[0] = '\0';
}

void sac_wrap_page(FILE* out, const char* text, int width) {
  char paragraph[PARAGRAPH_MAX] = "";
  size_t used = 0;
  if (width > SAC_WRAP_PAGE_MAX) width = SAC_WRAP_PAGE_MAX;
  while (*text) {
    const size_t length = strcspn(text, "\n"), own = strspn(text, " ");

    /* join the line with what it continues */
    const int item = paragraph[0] == ' ';
    const int joins = used > 0 && length > 0 && paragraph[used - 1] != '\\' && (item ? own > 2 : own == 0);
    if (!joins) flush(out, paragraph, &used, width);
    if (length == 0) (void)fputc('\n', out);
    else if (joins) sac_text_append(paragraph, sizeof paragraph, &used, " %.*s", (int)(length - own), text + own);
    else sac_text_append(paragraph, sizeof paragraph, &used, "%.*s", (int)length, text);

    /* go to the next line */
    text += length + (text[length] == '\n');
  }
  flush(out, paragraph, &used, width);
}
