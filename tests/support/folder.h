/* A temporary folder for a test, which is removed with its content. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <stddef.h>

/* Makes an empty folder below $TMPDIR (or /tmp) and returns its path, static until the next call. */
const char* test_folder(void);

/* The same in memory, where the system has such a place: for many small files. */
const char* test_folder_in_memory(void);

/* Removes the last folder that was made. */
void test_folder_remove(void);

/* "FOLDER/NAME", one of 16 static buffers in turn. */
const char* test_path(const char* folder, const char* name);

int test_exists(const char* path);
long long test_file_size(const char* path); /* -1: none */

/* The whole file and a '\0'; the caller frees it. Fails the test when there is no such file. */
char* test_read(const char* path, size_t* size);
void test_write(const char* path, const void* bytes, size_t size);

/* Number of entries in a folder, without . and .. */
int test_count_entries(const char* path);

#endif
