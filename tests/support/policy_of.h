/* Policies of agents, and changed copies of their files. */
#ifndef TESTS_SUPPORT_POLICY_OF_H
#define TESTS_SUPPORT_POLICY_OF_H

#include <stdlib.h>
#include <string.h>

#include <sac/policy.h>

#include "agent/export.h"
#include "support/check_main.h"
#include "support/folder.h"

/* The policy file of agent 0, which the caller frees. */
static inline char* policy_file_of(sac_agent* agent, size_t* size) {
  const char* path = test_path(test_folder(), "policy.safetensors");
  ck_ok(sac_policy_write(agent, 0, NULL, path));
  char* file = test_read(path, size);
  test_folder_remove();
  return file;
}

/* A policy of agent 0, and its file. The caller frees memory and file. */
static inline sac_policy* policy_of(sac_agent* agent, void** memory, char** file, size_t* size) {
  *file = policy_file_of(agent, size);
  const size_t bytes = sac_policy_memory(*file, *size);
  ck_assert_uint_gt(bytes, 0);
  *memory = aligned_alloc(16, (bytes + 15) / 16 * 16);
  sac_policy* policy;
  ck_assert_int_eq(sac_policy_create(&policy, *file, *size, *memory, bytes), SAC_POLICY_OK);
  return policy;
}

/* What sac_policy_create says of a file. */
static inline sac_policy_status policy_status_of(const char* file, size_t size) {
  static char memory[65536] __attribute__((aligned(16)));
  sac_policy* policy = (void*)1;
  const sac_policy_status status = sac_policy_create(&policy, file, size, memory, sizeof memory);
  ck_assert_int_eq(status == SAC_POLICY_OK, policy != NULL);
  ck_assert_int_eq(status == SAC_POLICY_FORMAT, sac_policy_memory(file, size) == 0);
  return status;
}

/* A copy of the file with text replaced by text of equal length. */
static inline char* policy_edited(const char* file, size_t size, const char* from, const char* to) {
  char* copy = malloc(size);
  memcpy(copy, file, size);
  char* at = memmem(copy, size, from, strlen(from));
  ck_assert_msg(at != NULL && strlen(from) == strlen(to), "%s", from);
  memcpy(at, to, strlen(to));
  return copy;
}

#endif
