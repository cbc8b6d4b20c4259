/* Text for people, broken into lines that fit the terminal. */
#ifndef SAC_CLI_WRAP_H
#define SAC_CLI_WRAP_H

#include <stdio.h>

#define SAC_WRAP_PAGE_MAX 100 /* columns of running text: longer lines are hard to read */

/* The columns of the terminal on standard output, 40 at least; 80 where it is no terminal. */
int sac_wrap_width(void);

/* Prints `text` and ends its line. The cursor stands in column `at`, counted from 0. Lines are broken at blanks before
 * `width` columns are full, and go on in column `indent`. A longer word has a line of its own. */
void sac_wrap(FILE* out, const char* text, int at, int indent, int width);

/* Prints a text of paragraphs, filled anew: lines that begin in the first column are joined. A line with two leading
 * blanks is an item, and lines with more continue it; below "NAME  MEANING" the meaning keeps its column. Empty lines
 * stay. An item that ends with '\' is not joined. */
void sac_wrap_page(FILE* out, const char* text, int width);

#endif
