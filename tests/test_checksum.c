/* ctest: one-thread
 *
 * The checksum of the files that sac writes: no bit of a file may change. */
#include "support/check_main.h"

#include <sac/agent.h>
#include <sac/policy.h>

#include "agent/export.h"
#include "formats/safetensors.h"
#include "policy/checksum.h"
#include "support/checksum.h"
#include "support/folder.h"
#include "support/rows_agent.h"
#include "support/rows_checkpoint.h"
#include "util/crc.h"

/* The two functions give the CRC-32C, also piece by piece. The first value is the check value of the CRC catalogue, the
 * others are those of RFC 3720, B.4. */
START_TEST(known_values) {
  unsigned char bytes[3][32];
  for (int i = 0; i < 32; i++) bytes[0][i] = 0, bytes[1][i] = 0xFF, bytes[2][i] = (unsigned char)i;
  const sac_crc32c_fn functions[] = {sac_crc32c, sac_crc32c_small};
  static const uint32_t expected[] = {0x8a9136aa, 0x62a8ab43, 0x46dd794e};
  for (int f = 0; f < 2; f++) {
    ck_assert_uint_eq(functions[f](0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(functions[f](functions[f](0, "1234", 4), "56789", 5), 0xe3069283);
    ck_assert_uint_eq(functions[f](0, NULL, 0), 0);
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(functions[f](0, bytes[i], 32), expected[i]);
  }

  /* leading zeros are written */
  char digits[SAC_CHECKSUM_DIGITS + 1];
  sac_checksum_digits(0x00ab0c01, digits);
  ck_assert_str_eq(digits, "00ab0c01");
}
END_TEST

/* A changed bit is found wherever it is. In a few bytes of the header it gives another error: the file is then none, or
 * its entry of the checksum has another name, which the promise notices. */
START_TEST(any_bit_of_a_file) {
  const char* path = test_path(test_folder(), "x.safetensors");
  const float numbers[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const sac_file_tensor tensors[] = {{"many", SAC_F32, 1, {9}, numbers, sizeof numbers},
                                     {"flags", SAC_U8, 1, {3}, numbers, 3}};
  const sac_metadata metadata[] = {{"config", "gamma: 0.99\nseed: 17\n"}};
  ck_ok(sac_safetensors_write(path, tensors, 2, metadata, 1));
  size_t size, sealed = 0;
  char* bytes = test_read(path, &size);
  const size_t name = (size_t)((char*)memmem(bytes, size, "crc32c", 6) - bytes);

  /* change each bit of the file in turn */
  for (size_t bit = 0; bit < 8 * size; bit++) {
    sac_safetensors* file;
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    const sac_status status = sac_safetensors_parse(&file, "changed", bytes, size);
    ck_assert_msg(status != SAC_OK, "bit %zu was not noticed", bit);
    sealed += strstr(sac_last_error(), "changed: damaged: its checksum is ") != NULL;
    if (bit == 8 * name) ck_assert_ptr_nonnull(strstr(sac_last_error(), "its checksum is missing (metadata 'crc32c'"));
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    sac_safetensors_close(file);
  }
  ck_assert_uint_gt(sealed, 8 * 39 + 8 * 20); /* all bits of the data and of the configuration, at least */

  /* without the entry every change is taken that keeps the form */
  sac_safetensors* file;
  test_forget_checksum(bytes, size);
  bytes[size - 1] ^= 1;
  ck_ok(sac_safetensors_parse(&file, "old", bytes, size));
  sac_safetensors_close(file);

  /* digits that are none, and too few of them */
  static const char* const wrong[] = {"\"crc32c\":\"0000000g\"", "\"crc32c\":\"0000000\" "};
  for (int i = 0; i < 2; i++) {
    memcpy(bytes + name - 1, wrong[i], strlen(wrong[i]));
    ck_fails(sac_safetensors_parse(&file, "digits", bytes, size), SAC_ERROR_FORMAT, "metadata 'crc32c' says 0000000");
  }
  free(bytes);
  test_folder_remove();
}
END_TEST

/* A file of an older version has the digits without their promise, and they count. */
START_TEST(without_the_promise) {
  const char* path = test_path(test_folder(), "x.safetensors");
  const float numbers[2] = {1, 2};
  const sac_file_tensor tensor = {"x", SAC_F32, 1, {2}, numbers, sizeof numbers};
  ck_ok(sac_safetensors_write(path, &tensor, 1, NULL, 0));
  size_t size;
  char* bytes = test_read(path, &size);
  char* digits_at = (char*)memmem(bytes, size, "crc32c", 6) + sizeof "crc32c\":\"" - 1;
  memcpy(memmem(bytes, size, "\"checksum\"", 10), "\"anything\"", 10);

  /* the digits of the file as it is now */
  char digits[SAC_CHECKSUM_DIGITS + 1];
  const sac_checksum_entries entries = {{digits_at, SAC_CHECKSUM_DIGITS, 0}, 0};
  ck_assert(!sac_checksum_fits(bytes, size, &entries, sac_crc32c, digits));
  memcpy(digits_at, digits, SAC_CHECKSUM_DIGITS);
  ck_assert(sac_checksum_fits(bytes, size, &entries, sac_crc32c_small, digits));

  sac_safetensors* file;
  ck_ok(sac_safetensors_parse(&file, "older", bytes, size));
  sac_safetensors_close(file);
  bytes[size - 1] ^= 1;
  ck_fails(sac_safetensors_parse(&file, "older", bytes, size), SAC_ERROR_FORMAT, "damaged: its checksum is ");
  free(bytes);
  test_folder_remove();
}
END_TEST

/* Flips the lowest bit of a byte of the file. */
static void flip(const char* path, int64_t at) {
  size_t size;
  char* bytes = test_read(path, &size);
  bytes[at >= 0 ? (size_t)at : size - (size_t)-at] ^= 1;
  test_write(path, bytes, size);
  free(bytes);
}

/* Every file of an agent: a weight that is still finite is noticed by every reader. */
START_TEST(files_of_an_agent) {
  sac_agent* loaded = NULL;
  rows_case c = rows_case_begin(20);
  const char* path = rows_step_file(c.dir, 20);

  /* a checkpoint: the words are those of the line "last checkpoint is damaged (...); using step_N" */
  ck_ok(sac_checkpoint_probe(c.dir, 20, NULL, 0));
  flip(path, -100);
  ck_fails(sac_checkpoint_probe(c.dir, 20, NULL, 0), SAC_ERROR_FORMAT, "is damaged (its checksum is ");
  ck_fails(sac_checkpoint_load(c.checkpoint, 20), SAC_ERROR_FORMAT, "damaged: its checksum is ");
  flip(path, -100);
  ck_ok(sac_checkpoint_load(c.checkpoint, 20));

  /* `best`, and what sac_agent_save writes */
  ck_ok(sac_checkpoint_best(c.checkpoint, c.agent, 20, -1.5, "seed: 1\n"));
  const char* const others[] = {test_path(c.dir, "checkpoints/best"), test_path(c.dir, "agent.safetensors")};
  ck_ok(sac_agent_save(c.agent, others[1]));
  for (int i = 0; i < 2; i++) {
    flip(others[i], -100);
    ck_fails(sac_agent_load(&loaded, others[i], "cpu"), SAC_ERROR_FORMAT, "damaged: its checksum is ");
  }
  rows_case_end(&c);
}
END_TEST

/* A damaged number of transitions in an old checkpoint must not cost the rows of a newer one. */
START_TEST(damage_costs_no_rows) {
  rows_case c = rows_case_begin(20);
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, rows_step_file(c.dir, 20)));
  const sac_file_tensor* last = &file->tensors[file->count - 1];
  const int64_t before_end =
      (const char*)last->data + last->bytes - (const char*)sac_safetensors_find(file, "counters")->data;
  sac_safetensors_close(file);
  flip(rows_step_file(c.dir, 20), 4 - before_end); /* 20 + 2^32 transitions */
  rows_push(c.agent, 20);
  rows_save(c.checkpoint, 40, 2);
  ck_ok(sac_checkpoint_probe(c.dir, 40, NULL, 0));
  rows_case_end(&c);
}
END_TEST

/* libsac_policy finds every changed bit of a policy. */
START_TEST(any_bit_of_a_policy) {
  static char memory[4096] __attribute__((aligned(16)));
  const char* path = test_path(test_folder(), "policy.safetensors");
  sac_agent* agent = rows_agent("network.hidden", "2", NULL);
  ck_ok(sac_policy_write(agent, 0, NULL, path));
  size_t size, damaged = 0;
  char* bytes = test_read(path, &size);
  sac_policy* policy;
  ck_assert_int_eq(sac_policy_create(&policy, bytes, size, memory, sizeof memory), SAC_POLICY_OK);
  for (size_t bit = 0; bit < 8 * size; bit++) {
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    const sac_policy_status status = sac_policy_create(&policy, bytes, size, memory, sizeof memory);
    ck_assert_msg(status != SAC_POLICY_OK, "bit %zu was not noticed", bit);
    damaged += status == SAC_POLICY_DAMAGED;
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
  }
  ck_assert_uint_gt(damaged, 8 * 22 * sizeof(float)); /* all bits of the tensors, at least */
  free(bytes);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("checksum", CASE(known_values), CASE(any_bit_of_a_file), CASE(without_the_promise), CASE(files_of_an_agent),
           CASE(damage_costs_no_rows), CASE(any_bit_of_a_policy))
