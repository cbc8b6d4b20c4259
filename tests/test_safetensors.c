/* Reading and writing safetensors, and util/file: round trips, hostile headers, full disks. */
#include "support/check_main.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/safetensors.h"
#include "support/folder.h"
#include "util/error.h"
#include "util/file.h"
#include "util/lock.h"

static const float matrix[6] = {1, -2, 3.5f, 1e-30f, 0, -0.0f};
static const double doubles[3] = {0.1, -1e300, 5e-324};
static const uint8_t flags[5] = {1, 0, 255, 7, 9};
static const int64_t signeds[2] = {INT64_MIN, 42};
static const uint64_t unsigneds[2] = {UINT64_MAX, 3};

/* Every dtype. Tensors of odd sizes come first, so that the writer must put them last. */
static const sac_file_tensor tensors[] = {
    {"flags", SAC_U8, 1, {5}, flags, sizeof flags},
    {"a.weight", SAC_F32, 2, {2, 3}, matrix, sizeof matrix},
    {"doubles", SAC_F64, 1, {3}, doubles, sizeof doubles},
    {"signed", SAC_I64, 1, {2}, signeds, sizeof signeds},
    {"scalar", SAC_F32, 0, {0}, matrix, sizeof(float)},
    {"unsigned", SAC_U64, 2, {1, 2}, unsigneds, 16},
    {"empty", SAC_F32, 2, {0, 4}, NULL, 0},
    {"name \"x\"\\\n\xC3\xA9", SAC_U8, 1, {2}, flags, 2},
};
static const int32_t tensor_count = sizeof tensors / sizeof *tensors;
static const sac_metadata metadata[] = {{"format", "test"},
                                        {"text", "line 1\nline \"2\"\t\\ \xE2\x82\xAC \xF0\x9F\x8E\xB2"}};

static void check_contents(const sac_safetensors* file) {
  ck_assert_int_eq(file->count, tensor_count);
  for (int32_t i = 0; i < tensor_count; i++) {
    const sac_file_tensor* found = sac_safetensors_find(file, tensors[i].name);
    ck_assert_msg(found != NULL, "%s is missing", tensors[i].name);
    ck_assert_int_eq(found->dtype, tensors[i].dtype);
    ck_assert_int_eq(found->rank, tensors[i].rank);
    for (int32_t d = 0; d < found->rank; d++) ck_assert_int_eq(found->dims[d], tensors[i].dims[d]);
    ck_assert_uint_eq(found->bytes, tensors[i].bytes);
    ck_assert_uint_eq((uintptr_t)found->data % sac_dtype_size(found->dtype), 0);
    if (found->bytes > 0) ck_assert_mem_eq(found->data, tensors[i].data, found->bytes);
  }
  ck_assert_int_eq(file->metadata_count,
                   sac_safetensors_metadata(file, "crc32c") ? 4 : 2); /* the package writes none */
  for (int i = 0; i < 2; i++) ck_assert_str_eq(sac_safetensors_metadata(file, metadata[i].key), metadata[i].value);
  ck_assert_ptr_null(sac_safetensors_find(file, "no such"));
  ck_assert_ptr_null(sac_safetensors_metadata(file, "no such"));
}

START_TEST(round_trip) {
  const char* path = test_path(test_folder(), "x.safetensors");
  sac_safetensors* file;
  for (int again = 0; again < 2; again++) {
    ck_ok(sac_safetensors_write(path, tensors, tensor_count, metadata, 2));
    ck_ok(sac_safetensors_open(&file, path));
    check_contents(file);
    sac_safetensors_close(file);
  }
  size_t size;
  char* bytes = test_read(path, &size);
  ck_assert_uint_eq((unsigned char)bytes[0] % 8,
                    0); /* with the size of the header the data starts at a multiple of 8 */
  /* from memory, at any alignment */
  for (size_t shift = 0; shift < 8; shift++) {
    char* copy = malloc(size + 8);
    memcpy(copy + shift, bytes, size);
    ck_ok(sac_safetensors_parse(&file, "memory", copy + shift, size));
    free(copy);
    check_contents(file);
    sac_safetensors_close(file);
  }
  free(bytes);
  test_folder_remove();
}
END_TEST

START_TEST(get_checks_shapes) {
  const char* path = test_path(test_folder(), "x.safetensors");
  ck_ok(sac_safetensors_write(path, tensors, tensor_count, NULL, 0));
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, path));
  float data[6];
  const int64_t right[2] = {2, 3}, wrong[2] = {3, 2}, six = 6;
  ck_ok(sac_safetensors_get(file, "a.weight", SAC_F32, 2, right, data));
  ck_same_bits(data, matrix, 6);
  ck_fails(sac_safetensors_get(file, "b.weight", SAC_F32, 2, right, data), SAC_ERROR_FORMAT, "'b.weight' is missing");
  ck_fails(sac_safetensors_get(file, "a.weight", SAC_F32, 2, wrong, data), SAC_ERROR_SHAPE,
           "F32 [2, 3]; F32 [3, 2] is");
  ck_fails(sac_safetensors_get(file, "a.weight", SAC_F32, 1, &six, data), SAC_ERROR_SHAPE, "F32 [2, 3]; F32 [6] is");
  ck_fails(sac_safetensors_get(file, "a.weight", SAC_F64, 2, right, data), SAC_ERROR_SHAPE, "F64 [2, 3] is wanted");
  sac_safetensors_close(file);
  sac_safetensors_close(NULL);
  ck_fails(sac_safetensors_open(&file, test_path(path, "none")), SAC_ERROR_FILE, "Not a directory");
  ck_assert_ptr_null(file);
  ck_fails(sac_safetensors_open(&file, "/"), SAC_ERROR_FILE, "not a file");
  ck_fails(sac_safetensors_open(&file, "/no/such"), SAC_ERROR_FILE, "No such file");
  test_folder_remove();
}
END_TEST

/* Headers: the JSON, the bytes of data after it, and the expected message; NULL: the file is valid. */
#define T(name, dtype, shape, begin, end) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"
static const struct {
  const char* json;
  size_t data;
  const char* error;
} headers[] = {
    {"{}", 0, NULL},
    {"{}  \n", 0, NULL},
    {"{" T("a", "F32", "2", 0, 8) "}", 8, NULL},
    {"{ \"a\" : { \"data_offsets\" : [ 0 , 8 ] , \"shape\" : [ 2 ] , \"dtype\" : \"F32\" } } ", 8, NULL},
    {"{" T("a", "U8", "1", 0, 1) "," T("b", "F32", "1", 1, 5) "}", 5, NULL}, /* unaligned, which is allowed */
    {"{" T("b", "F32", "1", 1, 5) "," T("a", "U8", "1", 0, 1) "}", 5, NULL}, /* in any order */
    {"{" T("a", "F32", "0,9223372036854775807", 0, 0) "}", 0, NULL},
    {"{" T("a", "U8", "0,9223372036854775807", 0, 0) "}", 0, NULL},
    {"{" T("a", "U8", "9223372036854775807,0", 0, 0) "}", 0, NULL},
    {"{\"\\u00e9\\ud83c\\udfb2\\n\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1, NULL},
    {"{\"__metadata__\":{}}", 0, NULL},
    {"{\"__metadata__\":{\"k\":\"v\",\"l\":\"\"}," T("a", "U8", "1", 0, 1) "}", 1, NULL},
    {"{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0, "metadata 'k' is there twice"},
    {"{\"__metadata__\":{\"k\":\"v\",\"\\u006b\":\"w\"}}", 0, "metadata 'k' is there twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ is there twice"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "value of __metadata__ is not a text"},
    {"{\"__metadata__\":{\"k\":{\"a\":\"b\"}}}", 0, "value of __metadata__ is not a text"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":\"v\",}}", 0, "a key is missing"},
    {"[]", 0, "is no safetensors file"},
    {" {}", 0, "is no safetensors file"},
    {"{", 0, NULL /* shorter than 2: see below */},
    {"{{", 0, "a name is missing"},
    {"{}x", 0, "something follows"},
    {"{}{}", 0, "something follows"},
    {"{" T("a", "F32", "2", 0, 8), 8, "',' or '}' is missing"},
    {"{" T("a", "F32", "2", 0, 8) ",}", 8, "a name is missing"},
    {"{," T("a", "F32", "2", 0, 8) "}", 8, "a name is missing"},
    {"{" T("a", "F32", "2", 0, 8) T("b", "F32", "0", 8, 8) "}", 8, "',' or '}' is missing"},
    {"{\"a\":[]}", 0, "entry is not an object"},
    {"{\"a\":{}}", 0, "lacks dtype, shape or data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0, "lacks dtype, shape or data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "doubled field"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "'}' of a tensor's entry"},
    {"{\"a\":{\"type\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown field"},
    {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is not a text"},
    {"{" T("a", "F32", "2", 0, 8) "," T("a", "F32", "2", 8, 16) "}", 16, "tensor 'a' is there twice"},
    {"{" T("a", "F32", "2", 0, 8) "," T("\\u0061", "F32", "2", 8, 16) "}", 16, "tensor 'a' is there twice"},
    {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 4, 12) "}", 12, "inside the one before"},
    {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 0, 8) "}", 8, "inside the one before"},
    {"{" T("a", "F32", "2", 0, 8) "," T("b", "F32", "2", 12, 20) "}", 20, "after a hole from 8"},
    {"{" T("a", "F32", "2", 4, 12) "}", 12, "after a hole from 0"},
    {"{" T("a", "F32", "2", 0, 8) "}", 9, "1 bytes follow the last tensor"},
    {"{}", 4, "4 bytes follow the last tensor"},
    {"{" T("a", "F32", "2", 0, 8) "}", 7, "cut short (tensor 'a' ends at byte "},
    {"{" T("a", "F32", "2", 0, 9) "}", 9, "do not fit shape and dtype"},
    {"{" T("a", "F64", "2", 0, 8) "}", 8, "do not fit shape and dtype"},
    {"{" T("a", "F32", "2", 8, 0) "}", 8, "run backwards"},
    {"{" T("a", "F32", "2", 0, 9223372036854775807) "}", 8, "cut short"},
    {"{" T("a", "F32", "2", 0, 9223372036854775808) "}", 8, "number beyond 2^63"},
    {"{" T("a", "F32", "2", 0, 18446744073709551624) "}", 8, "number beyond 2^63"},
    {"{" T("a", "F32", "4611686018427387906", 0, 8) "}", 8, "shape too large"},
    {"{" T("a", "F32", "4294967296,4294967296,2", 0, 8) "}", 8, "shape too large"},
    {"{" T("a", "F32", "-2", 0, 8) "}", 8, "whole number is missing"},
    {"{" T("a", "F32", "2.0", 0, 8) "}", 8, "']' is missing"},
    {"{" T("a", "F32", "2e0", 0, 8) "}", 8, "']' is missing"},
    {"{" T("a", "F32", "02", 0, 8) "}", 8, "leading zero"},
    {"{" T("a", "F32", "2,", 0, 8) "}", 8, "whole number is missing"},
    {"{" T("a", "F32", "1,1,1,1,1,1,2", 0, 8) "}", 8, "more than 6 dimensions"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "'[' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8]}}", 8, "data_offsets are not two"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8, "data_offsets are not two"},
    {"{" T("a", "F16", "4", 0, 8) "}", 8, "tensor 'a' has dtype 'F16'; F32, F64, U8, BOOL, I64 and U64 are read"},
    {"{" T("a", "I8", "8", 0, 8) "}", 8, "tensor 'a' has dtype 'I8'"},
    {"{" T("a", "f32", "2", 0, 8) "}", 8, "tensor 'a' has dtype 'f32'"},
    {"{" T("a", "F\\u0033\\u0032", "2", 0, 8) "}", 8, "has dtype"},
    {"{" T("\xFF", "F32", "2", 0, 8) "}", 8, "not UTF-8"},
    {"{" T("\xC0\x80", "F32", "2", 0, 8) "}", 8, "not UTF-8"},
    {"{" T("\xED\xA0\x80", "F32", "2", 0, 8) "}", 8, "not UTF-8"},
    {"{" T("\xF4\x90\x80\x80", "F32", "2", 0, 8) "}", 8, "not UTF-8"},
    {"{" T("\n", "F32", "2", 0, 8) "}", 8, "control character"},
    {"{" T("\\u0000", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{" T("\\ud800", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{" T("\\ud800\\u0041", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{" T("\\udc00", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{" T("\\u12g4", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{" T("\\x", "F32", "2", 0, 8) "}", 8, "wrong escape"},
    {"{\"a", 0, "text without its end"},
    {"{\"a\\", 0, "wrong escape"},
    {"{\"a\":null}", 0, "entry is not an object"},
    {"{null:{}}", 0, "a name is missing"},
    {"{'a':{}}", 0, "a name is missing"},
};

static char* build(const char* json, size_t json_size, uint64_t header_size, size_t data, size_t* size) {
  *size = 8 + json_size + data;
  char* bytes = calloc(1, *size + 1);
  for (int i = 0; i < 8; i++) bytes[i] = (char)(header_size >> 8 * i);
  memcpy(bytes + 8, json, json_size);
  return bytes;
}

START_TEST(header_by_hand) {
  size_t size;
  const char* json = headers[_i].json;
  char* bytes = build(json, strlen(json), strlen(json), headers[_i].data, &size);
  sac_safetensors* file = (void*)1;
  const char* error = *json != '{' ? "is no safetensors file" : strlen(json) < 2 ? "empty header" : headers[_i].error;
  if (error) {
    ck_fails(sac_safetensors_parse(&file, "hostile", bytes, size), SAC_ERROR_FORMAT, error);
    ck_assert_ptr_null(file);
    ck_assert_int_eq(strncmp(sac_last_error(), "hostile", 7), 0);
  } else {
    ck_ok(sac_safetensors_parse(&file, "kind", bytes, size));
    sac_safetensors_close(file);
  }
  free(bytes);
}
END_TEST

START_TEST(sizes_by_hand) {
  static const struct {
    uint64_t header_size;
    size_t json, data;
    const char* error;
  } cases[] = {
      {UINT64_MAX, 2, 0, "header beyond 100000000 bytes (header 18446744073709551615 bytes, file 10)"},
      {100000001, 2, 0, "header beyond 100000000 bytes"},
      {18212104, 2, 4086, "cut short (header 18212104 bytes, file 4096)"},
      {3, 2, 0, "cut short (header 3 bytes, file 10)"},
      {1, 2, 0, "empty header"},
      {0, 2, 0, "empty header (file 10 bytes)"},
  };

  /* a header of "{}" with a size that is not its own */
  sac_safetensors* file;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size;
    char* bytes = build("{}", cases[i].json, cases[i].header_size, cases[i].data, &size);
    ck_fails(sac_safetensors_parse(&file, "x", bytes, size), SAC_ERROR_FORMAT, cases[i].error);
    free(bytes);
  }

  /* less than the size itself */
  for (size_t size = 0; size < 8; size++)
    ck_fails(sac_safetensors_parse(&file, "x", "\2\0\0\0\0\0\0", size), SAC_ERROR_FORMAT, "is no safetensors file");
}
END_TEST

/* Files that are often given in place of a policy are named by what they are. */
START_TEST(files_of_other_kinds) {
  static const struct {
    const char* bytes;
    size_t size;
    const char* said;
  } cases[] = {
      {"PK\3\4\24\0\0\0\10\0archive/data.pkl", 26,
       "x is no safetensors file, as policies and checkpoints are; it is a zip"},
      {"\x80\2}q\0(X\5\0\0\0state", 16, "it is a pickle"},
      {"\x80\5\x95\20\0\0\0\0\0\0\0}\x94.", 14, "it is a pickle"},
      {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, "it is a PNG picture"},
      {"\x93NUMPY\1\0v\0{'descr'", 18, "it is a NumPy array"},
      {"env:\n  id: Pendulum-v1\n", 22, "it is text"},
      {"{\"a\": 1}", 8, "it is text"},
      {"", 0, "it is empty"},
      {"\0\0\0\0\0\0\0\0\0\0", 10, "x is no safetensors file, as policies and checkpoints are"},
  };
  sac_safetensors* file;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    ck_fails(sac_safetensors_parse(&file, "x", cases[i].bytes, cases[i].size), SAC_ERROR_FORMAT, cases[i].said);
}
END_TEST

/* A file that is cut anywhere is refused, and so is one in which a byte of the header is replaced by a brace. */
START_TEST(damage_anywhere) {
  const char* path = test_path(test_folder(), "x.safetensors");
  ck_ok(sac_safetensors_write(path, tensors, tensor_count, metadata, 2));
  size_t size;
  char* bytes = test_read(path, &size);
  sac_safetensors* file;
  for (size_t cut = 0; cut < size; cut++) {
    char* copy = malloc(cut + 1);
    memcpy(copy, bytes, cut);
    ck_assert_int_eq(sac_safetensors_parse(&file, "cut", copy, cut), SAC_ERROR_FORMAT);
    free(copy);
  }
  const size_t json = (unsigned char)bytes[0] | (size_t)(unsigned char)bytes[1] << 8;
  for (size_t i = 0; i < 8 + json; i++) {
    const char old = bytes[i];
    bytes[i] = '{';
    if (sac_safetensors_parse(&file, "changed", bytes, size) == SAC_OK) sac_safetensors_close(file);
    bytes[i] = old;
  }
  free(bytes);
  test_folder_remove();
}
END_TEST

/* A sparse file that is larger than the memory is refused before it is read. */
START_TEST(huge_file_is_refused) {
  const char* path = test_path(test_folder(), "huge");
  const char json[] = "{" T("a", "U8", "4398046511104", 0, 4398046511104) "}";
  size_t size;
  char* bytes = build(json, strlen(json), strlen(json), 0, &size);
  test_write(path, bytes, size);
  free(bytes);
  if (truncate(path, (off_t)size + 4398046511104) == 0) {
    sac_safetensors* file;
    ck_fails(sac_safetensors_open(&file, path), SAC_ERROR_MEMORY, "no memory for its 4398046511");
  }
  test_folder_remove();
}
END_TEST

static const float many[50000];

/* Runs in a child process: a limit on file size stands for a full disk (EFBIG instead of ENOSPC). */
static int write_beyond_limit(const char* path, rlim_t limit) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit size = {limit, limit};
    setrlimit(RLIMIT_FSIZE, &size);
    const sac_file_tensor big[] = {{"many", SAC_F32, 1, {50000}, many, sizeof many}};
    const sac_status status = sac_safetensors_write(path, big, 1, NULL, 0);
    _exit(status == SAC_ERROR_FILE && strstr(sac_last_error(), "File too large") && strstr(sac_last_error(), path) ? 7
                                                                                                                   : 1);
  }
  int result;
  waitpid(child, &result, 0);
  return WIFEXITED(result) ? WEXITSTATUS(result) : -1;
}

START_TEST(full_disk_keeps_the_old_file) {
  const char* folder = test_folder();
  const char* path = test_path(folder, "x.safetensors");
  static const rlim_t limits[] = {0, 100, 16384, 100000, 200000};
  ck_ok(sac_safetensors_write(path, tensors, tensor_count, metadata, 2));
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    ck_assert_int_eq(write_beyond_limit(path, limits[i]), 7);
    ck_assert_int_eq(test_count_entries(folder), 1); /* no temporary file remains */
    sac_safetensors* file;
    ck_ok(sac_safetensors_open(&file, path));
    check_contents(file);
    sac_safetensors_close(file);
  }
  test_folder_remove();
}
END_TEST

START_TEST(unwritable_places) {
  const char* folder = test_folder();
  const char* file = test_path(folder, "file");
  test_write(file, "x", 1);
  const sac_file_tensor* t = tensors;
  /* root ignores permissions, so there is a file in place of a folder */
  ck_fails(sac_safetensors_write(test_path(file, "x"), t, 1, NULL, 0), SAC_ERROR_FILE, "file/x.part: Not a directory");
  ck_fails(sac_safetensors_write(test_path(folder, "no/x"), t, 1, NULL, 0), SAC_ERROR_FILE, "No such file");
  ck_ok(sac_make_folders(test_path(folder, "folder/in")));
  ck_fails(sac_safetensors_write(test_path(folder, "folder"), t, 1, NULL, 0), SAC_ERROR_FILE,
           "folder: it is not a file");

  /* a device stays one */
  const char* pipe = test_path(folder, "pipe");
  ck_assert_int_eq(mkfifo(pipe, 0600), 0);
  ck_fails(sac_safetensors_write(pipe, t, 1, NULL, 0), SAC_ERROR_FILE, "pipe: it is not a file");
  struct stat info;
  ck_assert(stat(pipe, &info) == 0 && S_ISFIFO(info.st_mode));
  ck_assert_int_eq(test_exists(test_path(folder, "folder.part")), 0);
  /* /dev/full fails like a full disk */
  const char* part = test_path(folder, "full.part");
  ck_assert_int_eq(symlink("/dev/full", part), 0);
  ck_fails(sac_safetensors_write(test_path(folder, "full"), t, 1, NULL, 0), SAC_ERROR_FILE, "No space left on device");
  ck_assert_int_eq(test_exists(part), 0);
  char path[SAC_PATH_MAX + 8];
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  ck_fails(sac_safetensors_write(path, t, 1, NULL, 0), SAC_ERROR_FILE, "path is longer");
  sac_file_tensor wrong = tensors[1];
  wrong.bytes = 4;
  ck_fails(sac_safetensors_write(test_path(folder, "y"), &wrong, 1, NULL, 0), SAC_ERROR_ARGUMENT, "has 4 bytes");
  test_folder_remove();
}
END_TEST

START_TEST(folders) {
  const char* folder = test_folder();
  ck_ok(sac_make_folders(test_path(folder, "a/b//c/")));
  ck_ok(sac_make_folders(test_path(folder, "a/b/c")));
  ck_assert_int_eq(test_count_entries(test_path(folder, "a/b/c")), 0);
  ck_ok(sac_make_folders("/"));
  test_write(test_path(folder, "file"), "x", 1);
  ck_fails(sac_make_folders(test_path(folder, "file/x")), SAC_ERROR_FILE, "Not a directory");
  ck_fails(sac_make_folders(test_path(folder, "file")), SAC_ERROR_FILE, "Not a directory");
  test_folder_remove();
}
END_TEST

START_TEST(whole_files_and_links) {
  /* what was written is read, up to the limit */
  const char* folder = test_folder();
  const char* path = test_path(folder, "x");
  void* bytes;
  size_t size;
  ck_ok(sac_write_file(path, "hello", 5));
  ck_ok(sac_read_file(path, 5, &bytes, &size));
  ck_assert_uint_eq(size, 5);
  ck_assert_str_eq(bytes, "hello");
  free(bytes);
  ck_fails(sac_read_file(path, 4, &bytes, &size), SAC_ERROR_FILE, "has 5 bytes, 4 are the most");
  ck_assert_ptr_null(bytes);

  /* folders and pipes are no files */
  ck_fails(sac_read_file(folder, 4, &bytes, &size), SAC_ERROR_FILE, "not a file");
  ck_assert_int_eq(mkfifo(test_path(folder, "fifo"), 0666), 0);
  ck_fails(sac_read_file(test_path(folder, "fifo"), 4, &bytes, &size), SAC_ERROR_FILE, "not a file");

  /* a link is replaced */
  for (int i = 0; i < 2; i++) {
    char target[16] = "";
    ck_ok(sac_link_file(i ? "other" : "x", test_path(folder, "last")));
    ck_assert_int_ge(readlink(test_path(folder, "last"), target, sizeof target - 1), 0);
    ck_assert_str_eq(target, i ? "other" : "x");
  }
  test_folder_remove();
}
END_TEST

START_TEST(one_process_a_folder) {
  const char* folder = test_folder();
  int first, second, held;
  ck_ok(sac_lock(&first, &held, folder));
  char text[64];
  snprintf(text, sizeof text, "is in use by process %ld: stop it first", (long)getpid());
  ck_fails(sac_lock(&second, &held, folder), SAC_ERROR_FILE, text);
  ck_assert_int_eq(second, -1);
  sac_unlock(second);
  sac_unlock(first);
  /* a killed process leaves the lock file, but not the lock */
  const pid_t child = fork();
  if (child == 0) _exit(sac_lock(&first, &held, folder) == SAC_OK ? (kill(getpid(), SIGKILL), 0) : 1);
  int result;
  waitpid(child, &result, 0);
  ck_assert(WIFSIGNALED(result));
  ck_ok(sac_lock(&first, &held, folder));
  sac_unlock(first);
  ck_fails(sac_lock(&first, &held, "/no/such"), SAC_ERROR_FILE, "No such file");
  test_folder_remove();
}
END_TEST

/* tests/test_readback.py runs this case with a folder in SAC_READBACK: Python reads what sac writes, and sac reads what
 * Python wrote. */
START_TEST(readback) {
  const char* folder = getenv("SAC_READBACK");
  if (!folder) return;
  ck_ok(sac_safetensors_write(test_path(folder, "ours.safetensors"), tensors, tensor_count, metadata, 2));
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, test_path(folder, "theirs.safetensors")));
  check_contents(file);
  sac_safetensors_close(file);
  ck_fails(sac_safetensors_open(&file, test_path(folder, "half.safetensors")), SAC_ERROR_FORMAT, "has dtype 'F16'");
}
END_TEST

CHECK_MAIN("safetensors", CASE(round_trip), CASE(get_checks_shapes),
           LOOP(header_by_hand, sizeof headers / sizeof *headers), CASE(sizes_by_hand), CASE(files_of_other_kinds),
           CASE(damage_anywhere), CASE(huge_file_is_refused), CASE(full_disk_keeps_the_old_file),
           CASE(unwritable_places), CASE(folders), CASE(whole_files_and_links), CASE(one_process_a_folder),
           CASE(readback))
