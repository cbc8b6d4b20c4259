/* ctest: one-thread
 *
 * Checkpoints and replay segments: exact, append-only, and safe against damaged files. */
#include "support/check_main.h"

#include <sys/stat.h>
#include <unistd.h>

#include <sac/agent.h>

#include "support/checksum.h"
#include "support/folder.h"
#include "support/rows_agent.h"
#include "support/rows_checkpoint.h"
#include "train/checkpoint.h"
#include "train/segments.h"

START_TEST(round_trip) {
  static const char* const algos[] = {"sac", "sac-v"};
  const char* dir = test_folder();
  sac_agent* agent = rows_agent("algo", algos[_i], "seed", "7", NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_save(checkpoint, 0, 5); /* before the first push */
  rows_push(agent, 700);
  ck_ok(sac_agent_update(agent, 5));
  rows_save(checkpoint, 700, 5);
  rows_push(agent, 900); /* after the ring has wrapped around */
  ck_ok(sac_agent_update(agent, 3));
  rows_save(checkpoint, 1600, 5);
  sac_checkpoint_destroy(checkpoint);

  char config[64], last[64] = "";
  ck_assert_int_gt(readlink(test_path(dir, "checkpoints/last"), last, sizeof last - 1), 0);
  ck_assert_str_eq(last, "step_1600.safetensors");
  ck_ok(sac_checkpoint_probe(dir, 1600, config, sizeof config));
  ck_assert_str_eq(config, "seed: 1\n");

  sac_agent* again = rows_agent("algo", algos[_i], "seed", "99", NULL);
  checkpoint = rows_checkpoint(again, dir);
  rows_set_states(-1);
  ck_ok(sac_checkpoint_load(checkpoint, 1600));
  ck_assert(rows_states_are(1600));
  rows_same_agent(agent, 0, again, 0);
  rows_check(again, 0, 0);
  /* both give the same results afterwards */
  rows_push(agent, 100), rows_push(again, 100);
  ck_ok(sac_agent_update(agent, 4));
  ck_ok(sac_agent_update(again, 4));
  rows_same_agent(agent, 0, again, 0);
  /* back to an empty replay */
  ck_ok(sac_checkpoint_load(checkpoint, 0));
  ck_assert(rows_states_are(0));
  ck_assert_uint_eq(again->counters[0].pushed, 0);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent), sac_agent_destroy(again);
  test_folder_remove();
}
END_TEST

/* Numbers of pushes between saves: within a segment, across several, more than the ring holds (rows that are never
 * saved), and none. */
START_TEST(ring_and_segments) {
  static const struct {
    const char* capacity;
    int64_t push[8];
  } cases[] = {
      {"100000", {10, 65526, 1, 70000, 0, 99999, 250000, 5}},
      {"65536", {65536, 65536, 1, 65535, 131073, 64, 65535, 1}},
      {"65537", {65537, 65537, 65537, 1, 300000, 2, 65536, 40000}},
      {"200000", {199999, 1, 1, 450000, 130000, 70000, 1, 200001}},
      {"5", {3, 1, 1, 1, 7, 65600, 4, 5}},
  };
  const char* dir = test_folder();
  sac_agent* agent = rows_agent("replay.capacity", cases[_i].capacity, NULL);
  sac_agent* again = rows_agent("replay.capacity", cases[_i].capacity, NULL);
  sac_checkpoint *checkpoint = rows_checkpoint(agent, dir), *other = rows_checkpoint(again, dir);
  for (int i = 0; i < 8; i++) {
    rows_push(agent, cases[_i].push[i]);
    rows_save(checkpoint, i, 2);
    for (int back = 0; back < 2 && back <= i; back++) { /* both checkpoints that were kept can be loaded */
      ck_ok(sac_checkpoint_probe(dir, i - back, NULL, 0));
      ck_ok(sac_checkpoint_load(other, i - back));
      rows_check(again, 0, 0);
    }
    /* sometimes continue with the agent that was loaded, in the same folder */
    if (i % 3 != 2) continue;
    ck_ok(sac_checkpoint_load(other, i));
    sac_checkpoint* swapped = checkpoint;
    checkpoint = other, other = swapped;
    sac_agent* swapped_agent = agent;
    agent = again, again = swapped_agent;
  }
  const int needed = (int)(strtoll(cases[_i].capacity, NULL, 10) / SAC_SEGMENT_ROWS) + 2;
  ck_assert_int_le(test_count_entries(test_path(dir, "replay")), 2 * needed + 1); /* of two checkpoints */
  sac_checkpoint_destroy(checkpoint), sac_checkpoint_destroy(other);
  sac_agent_destroy(agent), sac_agent_destroy(again);
  test_folder_remove();
}
END_TEST

START_TEST(keep_and_list) {
  const char* dir = test_folder();
  sac_agent* agent = rows_agent("replay.capacity", "1000", NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  int64_t step[4] = {0};
  ck_assert_int_eq(sac_checkpoint_list(dir, step, 4), 0);
  ck_assert_int_eq(sac_checkpoint_list("/no/such", step, 4), 0);
  for (int64_t s = 9; s <= 12; s++) rows_push(agent, 30000), rows_save(checkpoint, s, 3);
  ck_assert_int_eq(sac_checkpoint_list(dir, step, 4), 3);
  ck_assert(step[0] == 12 && step[1] == 11 && step[2] == 10);
  ck_assert_int_eq(sac_checkpoint_list(dir, step, 2), 2);
  ck_assert(step[0] == 12 && step[1] == 11);
  /* 60000, 90000, 120000 pushed, 1000 needed: segments 0 and 1 */
  ck_assert_int_eq(test_count_entries(test_path(dir, "replay")), 2);
  rows_save(checkpoint, 13, 1);
  ck_assert_int_eq(sac_checkpoint_list(dir, step, 4), 1);
  ck_assert_int_eq(test_exists(test_path(dir, "replay/rows_0.bin")), 0);
  ck_assert_int_eq(test_exists(test_path(dir, "replay/rows_1.bin")), 1);
  /* other files in the folder are not touched */
  test_write(test_path(dir, "checkpoints/step_0014.safetensors"), "", 0);
  test_write(test_path(dir, "checkpoints/step_15.safetensors.part"), "", 0);
  test_write(test_path(dir, "checkpoints/step_-1.safetensors"), "", 0);
  test_write(test_path(dir, "replay/rows_9x.bin"), "", 0);
  ck_assert_int_eq(sac_checkpoint_list(dir, step, 4), 1);
  sac_checkpoint_destroy(checkpoint);
  checkpoint = rows_checkpoint(agent, dir); /* partial files of a killed process are deleted */
  ck_assert_int_eq(test_exists(test_path(dir, "checkpoints/step_15.safetensors.part")), 0);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

static int64_t blocks_written(const char* path) {
  struct stat info;
  return stat(path, &info) == 0 ? (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec : -1;
}

/* A save touches only segments with new rows. */
START_TEST(append_only) {
  const char* dir = test_folder();
  sac_agent* agent = rows_agent("replay.capacity", "300000", NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_push(agent, 200000);
  rows_save(checkpoint, 1, 2);
  const int64_t old = blocks_written(test_path(dir, "replay/rows_0.bin"));
  const long long size = test_file_size(test_path(dir, "replay/rows_3.bin"));
  ck_assert_int_eq(size, 64 + (200000 - 3 * 65536) * (long long)agent->row.floats * 4);
  rows_push(agent, 1000);
  rows_save(checkpoint, 2, 2);
  ck_assert_int_eq(blocks_written(test_path(dir, "replay/rows_0.bin")), old);
  ck_assert_int_eq(test_file_size(test_path(dir, "replay/rows_3.bin")), size + 1000 * (long long)agent->row.floats * 4);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* Rows that the ring overwrote before they were saved are not written, and not needed. */
START_TEST(lost_rows) {
  const char* dir = test_folder();
  sac_agent* agent = rows_agent(NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_push(agent, 100);
  rows_save(checkpoint, 1, 2);
  rows_push(agent, 199900);
  rows_save(checkpoint, 2, 2);
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, rows_step_file(dir, 2)));
  const sac_file_tensor* parts = sac_safetensors_find(file, "replay.segments");
  const uint64_t* part = parts->data;
  ck_assert_uint_eq(parts->bytes, 4 * sizeof *part);
  ck_assert(part[0] == 3 && part[1] == 199000 - 3 * 65536 && part[2] == 200000 - 3 * 65536);
  sac_safetensors_close(file);
  ck_assert_int_eq(test_count_entries(test_path(dir, "replay")), 2); /* the first segment, and this one */
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

START_TEST(best_and_policy) {
  /* the best agent is saved with its return */
  const char* dir = test_folder();
  sac_agent *agent = rows_agent(NULL), *loaded;
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_push(agent, 50);
  ck_ok(sac_agent_update(agent, 2));
  ck_ok(sac_checkpoint_best(checkpoint, agent, 50, -12.5, NULL));

  /* return and step are in its metadata */
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, test_path(dir, "checkpoints/best")));
  ck_assert_str_eq(sac_safetensors_metadata(file, "mean_return"), "-12.5");
  ck_assert_str_eq(sac_safetensors_metadata(file, "step"), "50");
  sac_safetensors_close(file);

  /* it can be loaded */
  ck_ok(sac_agent_load(&loaded, test_path(dir, "checkpoints/best"), NULL));
  agent->counters[0].pushed = 0; /* a loaded agent's replay is empty */
  rows_same_agent(agent, 0, loaded, 0);
  sac_agent_destroy(loaded);

  /* neither it nor the policy is a checkpoint of a step */
  int64_t step;
  ck_assert_int_eq(sac_checkpoint_list(dir, &step, 1), 0); /* best is separate from the steps */
  ck_ok(sac_checkpoint_policy(checkpoint, NULL));
  ck_assert_int_eq(test_exists(test_path(dir, "policy.safetensors")), 1);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* Each agent of a population has a folder of its own, with the same content as that of a single run. */
START_TEST(population) {
  /* three agents, saved together */
  const char* dir = test_folder();
  sac_agent* three = rows_agent("seeds", "3", "seed", "5", NULL);
  rows_push(three, 300);
  ck_ok(sac_agent_update(three, 3));
  sac_checkpoint* checkpoint;
  ck_ok(sac_checkpoint_create(&checkpoint, dir, three, 2, NULL, 0));
  ck_ok(sac_checkpoint_save(checkpoint, 300, 1, NULL));
  sac_checkpoint_destroy(checkpoint);

  /* the third one's folder is that of a single run with its seed */
  sac_agent* one = rows_agent("seed", "7", NULL);
  ck_ok(sac_checkpoint_create(&checkpoint, dir, one, 0, NULL, 0));
  ck_ok(sac_checkpoint_load(checkpoint, 300));
  rows_same_agent(three, 2, one, 0);
  rows_check(one, 0, 2);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(one);

  /* its configuration creates this agent alone */
  ck_ok(sac_agent_load(&one, rows_step_file(dir, 300), NULL));
  ck_assert_int_eq(one->shape.population, 1);
  three->counters[2].pushed = 0;
  rows_same_agent(three, 2, one, 0);
  sac_agent_destroy(one);

  /* all three in one file */
  const char* path = test_path(dir, "all.safetensors");
  ck_ok(sac_agent_save(three, path));
  ck_ok(sac_agent_load(&one, path, "cpu"));
  ck_assert_int_eq(one->shape.population, 3);
  for (int32_t p = 0; p < 3; p++) {
    three->counters[p].pushed = 0;
    rows_same_agent(three, p, one, p);
  }
  sac_safetensors* file;
  ck_ok(sac_safetensors_open(&file, path));
  const sac_file_tensor* weight = sac_safetensors_find(file, "adam_v/actor.layers.0.weight");
  ck_assert_ptr_nonnull(weight);
  ck_assert(weight->rank == 3 && weight->dims[0] == 3 && weight->dims[1] == 8 && weight->dims[2] == ROWS_OBS);
  ck_fails(sac_agent_read(one, file, 0, 1), SAC_ERROR_SHAPE, "F32 [3, 8, 3]; F32 [8, 3] is wanted");
  sac_safetensors_close(file);
  sac_agent_destroy(one), sac_agent_destroy(three);
  test_folder_remove();
}
END_TEST

START_TEST(not_finite_is_not_written) {
  const char* dir = test_folder();
  sac_agent* agent = rows_agent(NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_save(checkpoint, 1, 2);
  const float nan = NAN;
  const sac_tensor* tensor = sac_tensors_find(&agent->tensors, "critic.1.layers.1.weight");
  ck_ok(agent->backend->write(agent, SAC_MEMORY_ADAM_V, 0, tensor->offset + 3, &nan, 1));
  ck_fails(sac_checkpoint_save(checkpoint, 2, 2, NULL), SAC_ERROR_NUMERIC,
           "'adam_v/critic.1.layers.1.weight' of agent 0 holds nan at 3");
  ck_fails(sac_agent_save(agent, rows_step_file(dir, 1)), SAC_ERROR_NUMERIC, "holds nan");
  agent->alive[0] = 0;
  ck_fails(sac_checkpoint_save(checkpoint, 2, 2, NULL), SAC_ERROR_NUMERIC, "its last good checkpoint stays");
  ck_ok(sac_checkpoint_probe(dir, 1, NULL, 0));
  ck_assert_int_eq(test_count_entries(test_path(dir, "checkpoints")), 2); /* step_1 and last, no part */
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------------------------- */

static char* good;
static size_t good_size;

/* The bytes of a tensor in the good file. */
static char* tensor_bytes(const char* name) {
  sac_safetensors* file;
  ck_ok(sac_safetensors_parse(&file, "good", good, good_size));
  const sac_file_tensor* tensor = sac_safetensors_find(file, name);
  ck_assert_ptr_nonnull(tensor);
  /* tensors are in the order of the file, and fill it up to its end */
  size_t after = 0;
  for (const sac_file_tensor* t = tensor; t < file->tensors + file->count; t++) after += t->bytes;
  sac_safetensors_close(file);
  return good + good_size - after;
}

START_TEST(damaged) {
  /* a checkpoint, and the bytes of its file */
  char config[8];
  rows_case c = rows_case_begin(500);
  const char* path = rows_step_file(c.dir, 500);
  good = test_read(path, &good_size);
  test_forget_checksum(good, good_size); /* which would hide the other checks; test_checksum.c is about it */

  /* what is not there, and a buffer that is too small */
  ck_fails(sac_checkpoint_probe(c.dir, 499, NULL, 0), SAC_ERROR_FORMAT, "is damaged (cannot read ");
  ck_fails(sac_checkpoint_probe(c.dir, 500, config, sizeof config), SAC_ERROR_FORMAT,
           "'config' is missing or too long");

  /* a file that was cut; the run's message starts with "last checkpoint ", followed by this */
  test_write(path, good, 100);
  ck_fails(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT, "is cut short (header ");
  ck_assert_int_eq(strncmp(sac_last_error(), "is cut short", 12), 0);
  for (size_t cut = 0; cut < good_size; cut += 1 + good_size / 97) {
    test_write(path, good, cut);
    ck_assert_int_eq(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT);
    ck_assert_int_eq(sac_checkpoint_load(c.checkpoint, 500), SAC_ERROR_FORMAT);
  }

  /* changed bytes of single tensors; `error` says what is found */
  static const struct {
    const char *tensor, *error;
    size_t at, size;
    unsigned char bytes[8];
  } changes[] = {
      {"actor.layers.0.weight", "tensor 'actor.layers.0.weight' holds nan at 1", 4, 4, {0, 0, 0xC0, 0x7F}},
      {"critic_target.0.head.bias", "tensor 'critic_target.0.head.bias' holds inf at 0", 0, 4, {0, 0, 0x80, 0x7F}},
      {"counters", "list of replay segments does not fit", 0, 8, {0xF5, 1}},
      {"counters", "list of replay segments does not fit", 0, 8, {0, 0, 0, 0, 0, 0, 0, 0x80}},
      {"replay.segments", "list of replay segments does not fit", 0, 8, {1}},
      {"replay.segments", "list of replay segments does not fit", 8, 8, {1}},
      {"replay.segments", "list of replay segments does not fit", 16, 8, {0, 0, 1}},
      {"replay.segments", "is damaged (replay/rows_0.bin: damaged (checksum", 24, 4, {1, 2, 3, 4}},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    char before[8], *at = tensor_bytes(changes[i].tensor) + changes[i].at;
    memcpy(before, at, changes[i].size);
    memcpy(at, changes[i].bytes, changes[i].size);
    test_write(path, good, good_size);
    ck_fails(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT, changes[i].error);
    ck_assert_int_eq(sac_checkpoint_load(c.checkpoint, 500), SAC_ERROR_FORMAT);
    memcpy(at, before, changes[i].size);
  }

  /* whole again, it is good */
  test_write(path, good, good_size);
  ck_ok(sac_checkpoint_probe(c.dir, 500, NULL, 0));

  /* a file of another step */
  ck_assert_int_eq(rename(path, rows_step_file(c.dir, 600)), 0);
  ck_fails(sac_checkpoint_probe(c.dir, 600, NULL, 0), SAC_ERROR_FORMAT, "is damaged (the file holds step 500)");
  free(good);
  rows_case_end(&c);
}
END_TEST

/* The files with the rows of the replay, which the checkpoint counts and whose checksums it has. */
START_TEST(damaged_rows) {
  rows_case c = rows_case_begin(500);

  /* a changed byte, and a file that was cut */
  const char* rows = test_path(c.dir, "replay/rows_0.bin");
  size_t size;
  char* bytes = test_read(rows, &size);
  for (size_t at = 0; at < size; at += 1 + size / 61) {
    bytes[at] = (char)(bytes[at] ^ 4);
    test_write(rows, bytes, size);
    bytes[at] = (char)(bytes[at] ^ 4);
    ck_fails(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT, "is damaged (replay/rows_0.bin: damaged (");
    test_write(rows, bytes, at);
    ck_assert_int_eq(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT);
  }

  /* any bit of the file's own header, 64 bytes */
  for (size_t bit = 0; bit < 8 * 64; bit++) {
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    test_write(rows, bytes, size);
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
    ck_assert_msg(sac_checkpoint_probe(c.dir, 500, NULL, 0) == SAC_ERROR_FORMAT, "bit %zu was not noticed", bit);
  }

  /* rows that are missing */
  ck_assert_int_eq(unlink(rows), 0);
  ck_fails(sac_checkpoint_probe(c.dir, 500, NULL, 0), SAC_ERROR_FORMAT, "rows_0.bin: No such file");

  /* more rows than the checkpoint counts: a run was killed after it wrote them, and goes on */
  char* longer = malloc(size + 5000);
  memcpy(longer, bytes, size);
  memset(longer + size, 7, 5000);
  test_write(rows, longer, size + 5000);
  ck_ok(sac_checkpoint_load(c.checkpoint, 500));
  rows_check(c.agent, 0, 0);
  free(bytes), free(longer);
  rows_case_end(&c);
}
END_TEST

START_TEST(other_shapes) {
  static const struct {
    const char *key, *value, *error;
  } cases[] = {
      {"network.hidden", "8,6", "'actor.layers.1.weight' is F32 [5, 8]; F32 [6, 8] is wanted"},
      {"network.hidden", "8", "'actor.layers.1.weight' has no place in this agent"},
      {"network.hidden", "8,5,5", "'actor.layers.2.weight' is missing"},
      {"network.critics", "1", "has no place in this agent"},
      {"network.critics", "3", "'critic.2.layers.0.weight' is missing"},
      {"algo", "sac-v", "has no place in this agent"},
      {"replay.capacity", "2000", "replay.capacity was 1000 and is now 2000"},
  };

  /* a checkpoint of an agent with hidden layers 8 and 5 */
  const char* dir = test_folder();
  sac_agent* agent = rows_agent(NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, dir);
  rows_push(agent, 10);
  rows_save(checkpoint, 10, 2);
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);

  /* agents of other shapes refuse it, and stay as they were */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    agent = rows_agent(cases[i].key, cases[i].value, NULL);
    checkpoint = rows_checkpoint(agent, dir);
    const sac_status status = sac_checkpoint_load(checkpoint, 10);
    ck_assert_msg(status == SAC_ERROR_SHAPE || status == SAC_ERROR_FORMAT, "%s", sac_last_error());
    ck_assert_msg(strstr(sac_last_error(), cases[i].error) != NULL, "%s", sac_last_error());
    ck_assert_uint_eq(agent->counters[0].pushed, 0);
    sac_checkpoint_destroy(checkpoint);
    sac_agent_destroy(agent);
  }

  /* another size of a state */
  agent = rows_agent(NULL);
  double more[6];
  const sac_state other = {"env.state", SAC_F64, more, sizeof more, 0};
  ck_ok(sac_checkpoint_create(&checkpoint, dir, agent, 0, &other, 1));
  ck_fails(sac_checkpoint_load(checkpoint, 10), SAC_ERROR_SHAPE, "'env.state' is F64 [5]; F64 [6] is wanted");
  sac_checkpoint_destroy(checkpoint);

  /* a state that the file does not have: an error, or zeros if it is optional */
  for (int optional = 0; optional < 2; optional++) {
    for (int i = 0; i < 6; i++) more[i] = 7;
    const sac_state missing = {"run.more", SAC_F64, more, sizeof more, optional};
    ck_ok(sac_checkpoint_create(&checkpoint, dir, agent, 0, &missing, 1));
    if (!optional) ck_fails(sac_checkpoint_load(checkpoint, 10), SAC_ERROR_FORMAT, "run.more");
    else ck_ok(sac_checkpoint_load(checkpoint, 10));
    for (int i = 0; i < 6; i++) ck_near(more[i], optional ? 0 : 7, 0);
    sac_checkpoint_destroy(checkpoint);
  }

  /* other bounds of the action */
  agent->action_half[1] *= 2;
  checkpoint = rows_checkpoint(agent, dir);
  ck_fails(sac_checkpoint_load(checkpoint, 10), SAC_ERROR_SHAPE, "action bounds have changed ('action.half_range')");
  sac_checkpoint_destroy(checkpoint);

  /* a file that is not an agent's */
  ck_ok(sac_safetensors_write(rows_step_file(dir, 10), NULL, 0, NULL, 0));
  ck_fails(sac_checkpoint_probe(dir, 10, NULL, 0), SAC_ERROR_FORMAT, "no agent's file");
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

/* tests/test_readback.py reads these files with the Python package safetensors. */
START_TEST(readback) {
  const char* folder = getenv("SAC_READBACK");
  if (!folder) return;
  sac_agent* agent = rows_agent("seed", "3", NULL);
  sac_checkpoint* checkpoint = rows_checkpoint(agent, test_path(folder, "seed_3"));
  rows_push(agent, 50);
  ck_ok(sac_agent_update(agent, 2));
  rows_save(checkpoint, 50, 1);
  ck_ok(sac_checkpoint_policy(checkpoint, NULL));
  sac_checkpoint_destroy(checkpoint);
  sac_agent_destroy(agent);
}
END_TEST

CHECK_MAIN("checkpoint", LOOP(round_trip, 2), LOOP(ring_and_segments, 5), CASE(keep_and_list), CASE(append_only),
           CASE(lost_rows), CASE(best_and_policy), CASE(population), CASE(not_finite_is_not_written), CASE(damaged),
           CASE(damaged_rows), CASE(other_shapes), CASE(readback))
