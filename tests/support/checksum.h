/* Files without a checksum, whose other bytes a test may change. */
#ifndef TESTS_SUPPORT_CHECKSUM_H
#define TESTS_SUPPORT_CHECKSUM_H

#include <stddef.h>

/* Renames the two entries of the checksum in the metadata: the file is then read as one of an older version, without a
 * checksum. Fails the test when there are none. */
void test_forget_checksum(char* bytes, size_t size);

#endif
