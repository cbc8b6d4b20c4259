/* ctest: timeout=300
 *
 * Devices that are missing, too old, too small or broken: the messages, and that all memory is released. */
#include "cuda/cuda.h"
#include "env/vector.h"
#include "kernels/random.h"
#include "support/cuda_agent.h"
#include "support/small_run.h"
#include "train/step.h"

/* An agent with the shape of SacPointMass-v0 and these keys ("KEY=VALUE KEY=VALUE"); on cuda:0 unless they name another
 * device. */
static sac_status make(sac_agent** agent, const char* sets) {
  static const float low[2] = {-1, -1}, high[2] = {1, 1};
  const sac_env_spec spec = {
      .obs_size = 4, .action_size = 2, .max_episode_steps = 100, .action_low = low, .action_high = high};
  char all[512];
  (void)snprintf(all, sizeof all, "env.id=SacPointMass-v0 device=cuda:0 %s", sets);
  sac_config* config = small_config("", all);
  const sac_status status = sac_agent_create(agent, config, &spec);
  sac_config_destroy(config);
  return status;
}

/* --- on any machine ----------------------------------------------------------------------------------------------- */

START_TEST(devices_that_are_not_there) {
  sac_agent* agent;
  char text[256];
  int32_t ordinal;
  ck_fails(make(&agent, "device=cuda:97"), SAC_ERROR_DEVICE, "the first is cuda:0");
  ck_assert_msg(strstr(sac_last_error(), "device cuda:97") && strstr(sac_last_error(), "--device cpu"), "%s",
                sac_last_error());
  ck_fails(make(&agent, "device=cpu precision=tf32"), SAC_ERROR_CONFIG, "CUDA device");
  ck_ok(sac_cuda_choose("cpu", &ordinal));
  ck_assert_int_eq(ordinal, -1);
  ck_ok(sac_cuda_choose("auto", &ordinal));
  ck_assert_int_eq(ordinal, 0);
  ck_ok(sac_cuda_choose("cuda", &ordinal));
  ck_assert_int_eq(ordinal, 0);
  ck_assert_int_ge(sac_cuda_devices(text, sizeof text), 1);
  ck_assert_str_eq(text, "");
  sac_cuda_describe(0, text, sizeof text);
  ck_assert_msg(strstr(text, "cuda:0 ") == text && strstr(text, "compute capability"), "%s", text);
  sac_cuda_describe(97, text, sizeof text);
  ck_assert_msg(strstr(text, "does not answer"), "%s", text);
  cuda_done();
}
END_TEST

#ifdef SAC_CUDA_HOST
#include <cuda_runtime_api.h>

/* --- machines without a usable device ----------------------------------------------------------------------------- */

static void no_driver(void) { sac_cuda_host_driver(0); }
static void old_driver(void) { sac_cuda_host_driver(11040); }
static void no_device(void) { sac_cuda_host_devices(0); }
static void none_visible(void) { ck_assert_int_eq(setenv("CUDA_VISIBLE_DEVICES", "", 1), 0); }
static void too_old(void) { sac_cuda_host_capability(7, 5); }

static const struct {
  void (*machine)(void);
  const char* says;
} machines[] = {{no_driver, "no NVIDIA driver is installed here"},
                {old_driver, "the NVIDIA driver serves CUDA up to 11.4, this build needs 13.0: update the driver"},
                {no_device, "this machine has no NVIDIA device"},
                {none_visible, "no device is visible (CUDA_VISIBLE_DEVICES is '')"},
                {too_old, "cuda:0 has compute capability 7.5; 8.0 or newer is needed"}};

START_TEST(machines_without_a_device) {
  /* an agent on the device is refused with what is wrong with the machine */
  sac_agent* agent;
  char text[256];
  machines[_i].machine();
  ck_fails(make(&agent, ""), SAC_ERROR_DEVICE, machines[_i].says);
  ck_assert_msg(strstr(sac_last_error(), "; --device cpu works everywhere"), "%s", sac_last_error());
  ck_assert_ptr_null(agent);

  /* sac info says the same */
  if (machines[_i].machine != too_old) {
    ck_assert_int_eq(sac_cuda_devices(text, sizeof text), 0);
    ck_assert_str_eq(text, machines[_i].says);
  } else {
    sac_cuda_describe(0, text, sizeof text);
    ck_assert_msg(strstr(text, "too old for this build"), "%s", text);
  }

  /* the CPU is not affected */
  ck_fails(make(&agent, "device=auto precision=bf16"), SAC_ERROR_CONFIG, "none is usable here");
  ck_ok(make(&agent, "device=auto")); /* the CPU is not affected */
  ck_assert_str_eq(agent->device, "cpu");
  agent_case_push(agent, 20, 1);
  ck_ok(sac_agent_update(agent, 2));
  sac_agent_destroy(agent);
  ck_assert_int_eq(unsetenv("CUDA_VISIBLE_DEVICES"), 0);
  cuda_done();
}
END_TEST

/* Two agents, each on its own device, alternately. */
START_TEST(two_devices) {
  sac_agent* agent[2];
  sac_agent* none;
  ck_ok(make(&agent[0], ""));
  ck_ok(make(&agent[1], "device=cuda:1"));
  ck_assert_str_eq(agent[1]->device, "cuda:1");
  for (int i = 0; i < 6; i++) agent_case_push(agent[i % 2], 30, 1 + (uint64_t)(i / 2));
  for (int i = 0; i < 6; i++) ck_ok(sac_agent_update(agent[i % 2], 3));
  same_agents(agent[0], 0, agent[1], 0);
  ck_fails(make(&none, "device=cuda:7"), SAC_ERROR_DEVICE, "there are 2 devices here");
  sac_agent_destroy(agent[0]);
  sac_agent_destroy(agent[1]);
  sac_cuda_host_devices(1);
  ck_fails(make(&none, "device=cuda:1"), SAC_ERROR_DEVICE, "there is 1 device here");
  cuda_done();
}
END_TEST

/* --- memory ------------------------------------------------------------------------------------------------------- */

/* The memory is checked before anything is allocated. The message names a capacity that fits, and that one does fit. */
START_TEST(too_little_memory) {
  sac_agent* agent;
  char sets[64];
  sac_cuda_host_memory((size_t)48 << 20);
  const long calls = sac_cuda_host_calls();
  ck_fails(make(&agent, "replay.capacity=10000000"), SAC_ERROR_MEMORY, "cuda:0 has ");
  ck_assert_int_lt(sac_cuda_host_calls() - calls, 20);
  const char* fits = strstr(sac_last_error(), "replay.capacity <= ");
  ck_assert_msg(fits && strstr(fits, " fits"), "%s", sac_last_error());
  (void)snprintf(sets, sizeof sets, "replay.capacity=%ld", strtol(fits + strlen("replay.capacity <= "), NULL, 10));
  ck_ok(make(&agent, sets));
  sac_agent_destroy(agent);
  sac_cuda_host_memory((size_t)8 << 20);
  ck_fails(make(&agent, ""), SAC_ERROR_MEMORY, "lower replay.capacity, seeds, network.hidden or replay.batch");
  cuda_done();
}
END_TEST

/* --- faults of kernels -------------------------------------------------------------------------------------------- */

START_TEST(kernel_that_faults) {
  /* a run with a fault in one of its kernels */
  static const char* const kernels[] = {"actor_act", "replay_push", "critic_loss", "temperature_update", "env_step"};
  const char* out = small_path(test_folder(), "run");
  sac_agent* agent;
  sac_run* run;
  sac_config* config =
      small_config(out,
                   "env.id=SacPointMass-v0 device=cuda:0 eval.every=0 train.warmup_steps=100 train.steps=140 "
                   "network.hidden=4 replay.batch=4");
  ck_ok(sac_run_create(&run, config, NULL, NULL));
  sac_config_destroy(config);
  ck_ok(sac_run_steps(run, 110));
  sac_cuda_host_fault_in_kernel(kernels[_i], 23);

  /* the message has CUDA's error, and what to do */
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_DEVICE, "cuda:0: ");
  ck_assert_msg(
      strstr(sac_last_error(), "an illegal memory access was encountered (cudaErrorIllegalAddress, code 700)"), "%s",
      sac_last_error());
  ck_assert_msg(strstr(sac_last_error(), "the last checkpoint is kept, resume from it"), "%s", sac_last_error());
  ck_assert_str_ne(sac_cuda_host_message(), "");

  /* nothing on this device works any more, and nothing leaks */
  ck_fails(sac_run_steps(run, 0), SAC_ERROR_DEVICE, "code 700"); /* later calls fail too */
  ck_fails(sac_run_save(run), SAC_ERROR_DEVICE, "no checkpoint of a failed run");
  sac_run_destroy(run);
  ck_assert_uint_eq(sac_cuda_host_leaks(), 0);
  ck_fails(make(&agent, ""), SAC_ERROR_DEVICE, "code 700"); /* this process has lost the context */
  ck_assert_uint_eq(sac_cuda_host_leaks(), 0);

  /* the next process resumes the run */
  sac_cuda_host_reset();
  ck_ok(sac_run_resume(&run, out, NULL, NULL, NULL));
  ck_assert_int_ge(sac_run_step(run), 100);
  ck_ok(sac_run_steps(run, 0));
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* --- captures that fail ------------------------------------------------------------------------------------------- */

/* The number of captures that fail, and the node at which they fail: an update of this agent has 21 nodes, the graph of
 * four updates 84. Then the graphs that exist at first, and after a second and a third attempt (1: of one update, 2: of
 * four). */
static const struct {
  int count;
  size_t nodes;
  int after[3];
} broken[] = {{1, 0, {0, 3, 3}}, {1, 20, {0, 3, 3}}, {2, 7, {0, 0, 3}}, {1, 30, {1, 3, 3}}, {2, 83, {1, 1, 3}}};

/* Without a graph the kernels of an update are launched one by one, with the same results. A notice says so once. The
 * capture is tried again after 1000 updates, and then after 2000; the test shortens these intervals. */
START_TEST(captures_that_fail) {
  /* one agent without graphs, one whose captures fail */
  sac_agent *eager, *graph;
  char text[1024];
  ck_ok(make(&eager, "network.hidden=4 replay.batch=4 cuda.graph=false"));
  ck_ok(make(&graph, "network.hidden=4 replay.batch=4 cuda.updates_per_graph=4"));
  agent_case_push(eager, 20, 1);
  agent_case_push(graph, 20, 1);
  sac_gpu* gpu = sac_gpu_of(graph);

  /* the first capture comes with the second call */
  sac_cuda_host_break_captures(broken[_i].count, broken[_i].nodes);
  ck_ok(sac_agent_update(graph, 1)); /* no capture yet */
  ck_ok(sac_agent_update(graph, 8));
  ck_assert_int_eq(gpu->capture_at, 1 + 1000);

  /* each round tries again later; the first failure alone is told */
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq((gpu->one ? 1 : 0) + (gpu->many ? 2 : 0), broken[_i].after[i]);
    ck_assert_uint_eq(sac_cuda_graph_nodes(graph), gpu->one ? 21 : 0);
    ck_assert_int_eq(gpu->capture_wait, i > 0 && broken[_i].count == 2 ? 2000 : 1000);
    ck_assert_int_eq(sac_cuda_take_warning(graph, text, sizeof text), i == 0);
    if (i == 0) {
      ck_assert_msg(strstr(text, gpu->one ? "warning: no CUDA graph of several updates could be captured"
                                          : "warning: no CUDA graph of an update could be captured") == text,
                    "%s", text);
      ck_assert_msg(strstr(text, "with the same results; another try follows after 1000 updates: "), "%s", text);
      ck_assert_msg(strstr(text, ": cuda:0: ") || strstr(text, ": cuBLAS: "), "%s", text); /* and the reason */
    }

    /* the next try comes due */
    gpu->capture_at = gpu->queued + 3;
    ck_ok(sac_agent_update(graph, 3));
    ck_assert_int_eq((gpu->one ? 1 : 0) + (gpu->many ? 2 : 0), broken[_i].after[i]);
    ck_ok(sac_agent_update(graph, 5));
  }

  /* whatever was captured, the bits are the same */
  ck_ok(sac_agent_update(eager, 9 + 3 * 8));
  same_agents(eager, 0, graph, 0);
  ck_assert_int_eq(sac_cuda_take_warning(eager, text, sizeof text), 0);
  sac_agent_destroy(eager);
  sac_agent_destroy(graph);
  cuda_done();
}
END_TEST

/* The log of a run has the notice. */
static int keep_warning(void* user, const char* line) {
  if (strncmp(line, "warning: no CUDA graph", 22) == 0) (void)snprintf(user, 64, "%d", atoi(user) + 1);
  return 0;
}

START_TEST(captures_that_fail_are_logged) {
  char count[64] = "0";
  const sac_callbacks callbacks = {.user = count, .log = keep_warning};
  sac_run* run;
  sac_config* config = small_config(small_path(test_folder(), "run"),
                                    "env.id=SacPointMass-v0 device=cuda:0 eval.every=0 log.every=50 train.steps=100");
  ck_ok(sac_run_create(&run, config, NULL, &callbacks));
  sac_config_destroy(config);
  sac_cuda_host_break_captures(1, 3);
  ck_ok(sac_run_steps(run, 0));
  ck_assert_str_eq(count, "1");
  sac_run_destroy(run);
  test_folder_remove();
  cuda_done();
}
END_TEST

/* --- every call fails once ---------------------------------------------------------------------------------------- */

/* Makes all calls of an agent's life up to the first one that fails, whose name goes to *where. Destroys everything. */
static sac_status life(const char* algo, const char* path, const char** where, char* notice, size_t notice_size) {
  /* environments on the host: none of their calls fails */
  const uint64_t seed = 1;
  const sac_env_api* api;
  sac_agent* agent = NULL;
  sac_vector* vector = NULL;
  char sets[128];
  float obs[3 * 4] = {0}, action[3 * 2] = {0}, reward[3] = {0}, log_prob[3], data[4];
  const uint8_t no[3] = {0};
  sac_status status = SAC_OK;
  (void)snprintf(sets, sizeof sets,
                 "algo=%s env.num_envs=3 cuda.updates_per_graph=2 network.hidden=4 network.critics=1", algo);
  ck_ok(sac_env_find("SacPointMass-v0", &api));
  ck_ok(sac_vector_create(&vector, api, "SacPointMass-v0", "{}", 1, 3, &seed, sac_stream_env(0)));
#define DO(call)                                   \
  do {                                             \
    *where = #call;                                \
    if ((status = (call)) != SAC_OK) goto the_end; \
  } while (0)
  DO(make(&agent, sets));

  /* environments on the device: bursts of steps, and a reset */
  DO(agent->backend->env_attach(agent, vector));
  for (int i = 0; i < 2; i++) DO(sac_step(agent, vector, SAC_ACT_UNIFORM, 0));
  DO(sac_step(agent, vector, SAC_ACT_SAMPLE, 1));
  DO(sac_settle(agent, vector));
  DO(agent->backend->env_get(agent, vector, 1));
  DO(sac_vector_reset(vector, 5));
  DO(sac_step(agent, vector, SAC_ACT_SAMPLE, 4));
  DO(sac_settle(agent, vector));

  /* the public API: push, act and update */
  const sac_transitions t = {3, obs, action, reward, no, no, obs};
  for (int i = 0; i < 2; i++) DO(sac_agent_push(agent, &t));
  DO(sac_agent_act(agent, 3, obs, NULL, 0, action, log_prob));
  DO(sac_agent_update(agent, 3));

  /* an update with a given minibatch */
  update_inputs in = update_inputs_create(agent, 5);
  *where = "update_with";
  status = sac_agent_update_with(agent, &in.minibatch, &in.noise, NULL);
  update_inputs_free(&in);
  if (status != SAC_OK) goto the_end;

  /* tensors and files */
  DO(sac_agent_tensor_get(agent, "actor.head.bias", data, 4));
  DO(sac_agent_tensor_set(agent, "actor.head.bias", data, 4));
  DO(sac_agent_save(agent, path));
#undef DO
  *where = "destroy";
the_end:
  /* the end is the same, wherever it stopped */
  notice[0] = '\0';
  if (agent) (void)sac_cuda_take_warning(agent, notice, notice_size);
  sac_vector_destroy(vector);
  sac_agent_destroy(agent);
  return status;
}

/* Lets each call fail in turn; every fifth one for the second algorithm and the second error. Fewer under sanitizers,
 * as calls of one kind are repeated many times. */
#ifdef SAC_SANITIZED
#define MANY 11
#define SOME 35
#else
#define MANY 1
#define SOME 5
#endif
static const struct {
  const char* algo;
  int error;
  long stride;
  const char* code;
} faults[] = {{"sac", cudaErrorLaunchFailure, MANY, "code 719)"},
              {"sac-v", cudaErrorLaunchFailure, SOME, "code 719)"},
              {"sac", cudaErrorMemoryAllocation, SOME, "code 2)"}};

START_TEST(every_call_fails_once) {
  /* how many calls a life has */
  const char *path = test_path(test_folder(), "agent"), *where;
  char notice[1024];
  cuda_done(); /* count the calls from here on */
  ck_ok(life(faults[_i].algo, path, &where, notice, sizeof notice));
  ck_assert_str_eq(notice, "");
  const long calls = sac_cuda_host_calls();
  ck_assert_int_gt(calls, 200);
  cuda_done();

  /* each life with one call that fails: nothing leaks, and the error has its code */
  long quiet = 0, eager = 0;
  for (long n = 1; n <= calls; n += faults[_i].stride) {
    sac_cuda_host_fail(n, faults[_i].error);
    const sac_status status = life(faults[_i].algo, path, &where, notice, sizeof notice);
    char message[1024];
    (void)snprintf(message, sizeof message, "%s", sac_last_error());
    ck_assert_msg(sac_cuda_host_leaks() == 0, "call %ld in %s: %zu leaks", n, where, sac_cuda_host_leaks());
    ck_assert_msg(sac_cuda_host_calls() >= n, "call %ld never came", n);

    /* no error: it failed in destroy, or in a capture, after which single launches do the work */
    if (status == SAC_OK) {
      ck_assert_msg(strcmp(where, "destroy") == 0, "call %ld", n);
      if (notice[0]) eager++;
      else quiet++;
      ck_assert_msg(!notice[0] || strstr(notice, faults[_i].code) || strstr(notice, "cuBLAS: "), "call %ld: %s", n,
                    notice);
    } else {
      ck_assert_msg(status == SAC_ERROR_DEVICE || status == SAC_ERROR_MEMORY, "call %ld in %s: %s: %s", n, where,
                    sac_status_name(status), message);
      const int blas = strstr(message, "cuBLAS: ") != NULL;
      ck_assert_msg(blas || (strstr(message, "cuda:0: ") && strstr(message, faults[_i].code)), "call %ld in %s: %s", n,
                    where, message);
    }
    cuda_done();
  }

  /* nearly every call that fails gives an error */
  printf("%s: %ld calls, of which one in %ld failed; %ld in destroy or asked again, %ld in a capture\n",
         faults[_i].algo, calls, faults[_i].stride, quiet, eager);
  ck_assert_int_le(quiet, 40);
  ck_assert_int_ge(eager, 40 / faults[_i].stride);
  ck_assert_int_le(eager, 200 / faults[_i].stride);
  test_folder_remove();
}
END_TEST

CUDA_MAIN("cuda errors", CASE(devices_that_are_not_there), LOOP(machines_without_a_device, 5), CASE(two_devices),
          CASE(too_little_memory), LOOP(kernel_that_faults, 5), LOOP(captures_that_fail, 5),
          CASE(captures_that_fail_are_logged), LOOP(every_call_fails_once, 3))
#else
CUDA_MAIN("cuda errors", CASE(devices_that_are_not_there))
#endif
