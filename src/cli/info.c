/* sac info: prints the version, the machine, and which algorithms run on which device. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "backend/registry.h"
#include "cli/cli.h"
#include "cli/expect.h"
#include "cli/info_algo.h"
#include "cli/options.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/sources.h"
#include "env/list.h"
#include "env/vector.h"
#include "util/embedded.h"
#include "util/error.h"
#include "util/memory.h"
#include "util/system.h"
#include "util/text.h"

/* How an update of a combination runs on a device, by the name of its path; "" when the combination is not supported,
 * or this build has no such device. index: of algo, network and replay. */
static const char* path_on(const char* device, const int index[3]) {
  /* take the combination, and the library's defaults for the rest */
  const sac_backend* backend = sac_backend_find(device);
  sac_settings settings = sac_settings_library;
  settings.algo = index[0];
  settings.network_kind = index[1];
  settings.replay_sampling = index[2];

  /* ask the backend */
  const char* path = backend ? backend->path(&settings) : NULL;
  return path ? path : "";
}

#ifdef __clang__
static const char compiler[] = __VERSION__; /* "Clang 14.0.6" */
#else
static const char compiler[] = "gcc " __VERSION__;
#endif

/* Calls `row` for every combination of algorithm, network and replay, with their names and indices. */
static void each_combination(void (*row)(const char* const names[3], const int index[3])) {
  const char* const* algos = sac_fields[SAC_FIELD_algo].names;
  const char* const* networks = sac_fields[SAC_FIELD_network_kind].names;
  const char* const* replays = sac_fields[SAC_FIELD_replay_sampling].names;
  for (int a = 0; algos[a]; a++)
    for (int n = 0; networks[n]; n++)
      for (int r = 0; replays[r]; r++)
        row((const char* const[]){algos[a], networks[n], replays[r]}, (const int[]){a, n, r});
}

/* The kind of actions that an algorithm takes. */
static const char* actions_of(int algo) { return sac_algo_at(algo)->discrete ? "discrete" : "continuous"; }

/* Prints a word in the column of a kind of devices; the last column is not padded. */
static void print_column(const sac_device_kind* kind, const char* word) {
  sac_print(kind[1].name ? "%-12s" : "%s\n", word);
}

/* Prints a line of the table of what is supported: a path for each kind of devices, built or not; "-": none. */
static void print_row(const char* const names[3], const int index[3]) {
  sac_print("  %-14s%-12s%-10s%-10s", names[0], actions_of(index[0]), names[1], names[2]);
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
    const char* path = path_on(kind->name, index);
    print_column(kind, *path ? path : "-");
  }
}

/* The launches in the graph of one update on a device, counted with a small agent that has two hidden layers; 0: it
 * failed, and sac_last_error says why. */
static size_t graph_nodes(const char* device, int algo) {
  /* describe the smallest agent: O = 3, A = 1, B = 16 */
  static const char* const keys[][2] = {{"network.hidden", "16,16"},
                                        {"replay.capacity", "64"},
                                        {"replay.batch", "16"},
                                        {"cuda.graph", "on"},
                                        {"seeds", "1"}};
  static const float low[1] = {-1}, high[1] = {1}, zero[3] = {0};
  static const uint8_t no[1] = {0};
  const sac_env_spec continuous = {
      .obs_size = 3, .action_size = 1, .max_episode_steps = 1, .action_low = low, .action_high = high};
  const sac_env_spec discrete = {.obs_size = 3, .action_size = 1, .actions = 2, .max_episode_steps = 1};
  const sac_transitions one = {1, zero, zero, zero, no, no, zero};
  sac_config* config = NULL;
  sac_agent* agent = NULL;
  size_t nodes = 0;
  sac_status status = sac_config_create(&config);

  /* create the agent, with one transition in its replay */
  for (size_t i = 0; i < sizeof keys / sizeof *keys && status == SAC_OK; i++)
    status = sac_config_set(config, keys[i][0], keys[i][1]);
  if (status == SAC_OK) status = sac_config_set(config, "device", device);
  if (status == SAC_OK) status = sac_config_set(config, "algo", sac_algo_name(algo));
  if (status == SAC_OK)
    status = sac_agent_create(&agent, config, sac_algo_at(algo)->discrete ? &discrete : &continuous);
  if (status == SAC_OK) status = sac_agent_push(agent, &one);

  /* update twice, because the first update runs without a graph; then count the nodes */
  if (status == SAC_OK) status = sac_agent_update(agent, 2);
  if (status == SAC_OK) nodes = agent->backend->graph_nodes(agent);
  sac_agent_destroy(agent);
  sac_config_destroy(config);
  return nodes;
}

/* Calls `row` for every algorithm that runs on the first usable device, with the number of nodes of its graph. */
static void each_graph(void (*row)(const char* algo, size_t nodes)) {
  const char* const* algos = sac_fields[SAC_FIELD_algo].names;
  const sac_backend* backend;
  int32_t ordinal;

  /* leave when there is no usable device */
  if (sac_backend_choose("auto", &backend, &ordinal) != SAC_OK || ordinal < 0 || !backend->graph_nodes) return;
  for (int a = 0; algos[a]; a++)
    if (*path_on(backend->name, (const int[]){a, 0, 0})) row(algos[a], graph_nodes(backend->name, a));
}

/* Prints a line of a name and what is known of it. */
static void print_fact(const char* name, const char* text) {
  sac_print("%-14s", name);
  sac_wrap(sac_out, text, 14, 14, sac_wrap_width());
}

/* Prints the launches of an algorithm, for people. */
static void print_graph(const char* algo, size_t nodes) {
  char text[SAC_ERROR_MAX];
  if (nodes)
    (void)snprintf(text, sizeof text, "%s: %zu launches in an update's graph (two hidden layers)", algo, nodes);
  else (void)snprintf(text, sizeof text, "%s: no update could be made: %.3900s", algo, sac_last_error());
  print_fact("", text);
}

/* The number of devices of a kind here. why: receives the reason when there is none. */
static int32_t count_devices(const sac_device_kind* kind, char* why, size_t size) {
  const sac_backend* backend = sac_backend_find(kind->name);
  if (backend) return backend->devices(why, size);
  (void)snprintf(why, size, "this build of sac has no %s", kind->title);
  return 0;
}

/* Prints the devices and the launches on them, for people. */
static void print_devices(void) {
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
    char text[512] = "none: ";
    const size_t used = strlen(text);
    const int32_t count = kind->on_host ? -1 : count_devices(kind, text + used, sizeof text - used);

    /* list the devices of this kind, or say why there is none */
    if (count == 0) print_fact(kind->title, text);
    for (int32_t i = 0; i < count; i++) {
      sac_backend_find(kind->name)->describe(i, text, sizeof text);
      print_fact(i ? "" : kind->title, text);
    }
  }

  /* create an agent of each algorithm to count its launches */
  each_graph(print_graph);
}

/* Prints everything about this machine, for people. */
static void print_text(void) {
  char processor[256] = "", system[256] = "", total[SAC_BYTES_MAX], available[SAC_BYTES_MAX];

  /* print version and machine */
  sac_system_processor(processor, sizeof processor);
  sac_system_distribution(system, sizeof system);
  sac_print("sac %s (compiler %s)\n\n", sac_version(), compiler);
  print_fact("system", system);
  print_fact("processor", processor);
  sac_print("cores         %d for this process\n", sac_system_cores());

  /* print the instruction sets that SAC_CPU can choose, and the memory */
  const sac_backend* host = sac_backend_host();
  sac_print("CPU kernels   %s", host->kernels(NULL));
  for (int32_t i = 0; host->kernels_at(i); i++)
    sac_print("%s%s", i ? ", " : " (SAC_CPU chooses: ", host->kernels_at(i));
  sac_print(")\nmemory        %s free of %s\n", sac_text_bytes(available, sac_memory_available()),
            sac_text_bytes(total, sac_system_memory()));
  print_devices();

  /* print the table of what is supported, then the estimates */
  sac_print(
      "environments  %d known by name ('sac envs' lists them)\n"
      "              %zu presets ('sac config --env ID')\n\n",
      sac_env_count(), sac_embedded_config_count);
  sac_print("  %-14s%-12s%-10s%-10s", "algo", "actions", "network", "replay");
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) print_column(kind, kind->name);
  each_combination(print_row);
  sac_cli_estimates(0);
}

static int first_row; /* 1: nothing is in the JSON list yet, so that no comma comes first */

/* Prints a combination as a JSON object: the path on each kind of devices, null where there is none. */
static void print_json_row(const char* const names[3], const int index[3]) {
  sac_print("%s\n    {\"algo\": \"%s\", \"actions\": \"%s\", \"network\": \"%s\", \"replay\": \"%s\"",
            first_row ? "" : ",", names[0], actions_of(index[0]), names[1], names[2]);

  /* quote the path; null has no quotes */
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++) {
    const char *path = path_on(kind->name, index), *quote = *path ? "\"" : "";
    sac_print(", \"%s\": %s%s%s", kind->name, quote, *path ? path : "null", quote);
  }
  sac_print("}");
  first_row = 0;
}

/* Prints a member with a text, and a comma. */
static void print_pair(const char* name, const char* value) {
  char text[2048] = "";
  size_t used = 0;
  sac_text_append_quoted(text, sizeof text, &used, value);
  sac_print("  \"%s\": %s,\n", name, text);
}

/* Prints the launches of an algorithm as a member. */
static void print_json_graph(const char* algo, size_t nodes) {
  sac_print("%s\"%s\": %zu", first_row ? "" : ", ", algo, nodes);
  first_row = 0;
}

/* Prints the devices of a kind as members "cuda", "cuda_none" and "cuda_devices". */
static void print_json_kind(const sac_device_kind* kind) {
  char text[512], name[64], quoted[2048];
  size_t used = 0;

  /* say whether this build has the kind, and why there is no device */
  const int32_t count = count_devices(kind, text, sizeof text);
  sac_print("  \"%s\": %s,\n", kind->name, kind->built ? "true" : "false");
  (void)snprintf(name, sizeof name, "%s_none", kind->name);
  if (count == 0) print_pair(name, text);

  /* list the devices */
  sac_print("  \"%s_devices\": [", kind->name);
  for (int32_t i = 0; i < count; i++, used = 0) {
    sac_backend_find(kind->name)->describe(i, text, sizeof text);
    sac_text_append_quoted(quoted, sizeof quoted, &used, text);
    sac_print("%s%s", i ? ", " : "", quoted);
  }
  sac_print("],\n");
}

/* Prints the devices and the launches on them as members. */
static void print_json_devices(void) {
  for (const sac_device_kind* kind = sac_device_kinds; kind->name; kind++)
    if (!kind->on_host) print_json_kind(kind);

  /* list the launches in the graph of each algorithm */
  sac_print("  \"graph_nodes\": {");
  first_row = 1;
  each_graph(print_json_graph);
  sac_print("},\n");
}

/* Prints everything about this machine as one JSON object. */
static void print_json(void) {
  char processor[256] = "", system[256] = "";
  sac_system_processor(processor, sizeof processor);
  sac_system_distribution(system, sizeof system);

  /* print version and machine */
  sac_print("{\n");
  print_pair("version", sac_version());
  print_pair("compiler", compiler);
  print_pair("system", system);
  print_pair("processor", processor);
  print_pair("cpu_kernels", sac_backend_host()->kernels(NULL));

  /* print devices, estimates, and the table of what is supported */
  print_json_devices();
  sac_cli_estimates(1);
  sac_print("  \"cores\": %d,\n  \"memory_bytes\": %zu,\n  \"environments\": %d,\n  \"support\": [", sac_system_cores(),
            sac_system_memory(), sac_env_count());
  first_row = 1;
  each_combination(print_json_row);
  sac_print("\n  ]\n}\n");
}

static const char notes[] =
    "With --env, or any key that says what to train, it prints instead how long a step and an update of such a run\n"
    "are expected to take on each device here, and which of them device auto takes.\n"
    "\n"
    "With --algo and no environment it prints the list of operations that an update of this algorithm is, with their\n"
    "equations, their launches on a device, and what they run as. The costs are those of observation 17, action 6,\n"
    "2x256 and batch 256 with two critics; --set changes network and batch.\n"
    "\n"
    "Examples:\n"
    "  sac info --algo sac-v\n"
    "  sac info --env HalfCheetah-v5 --seeds 10\n"
    "  sac info --env Pendulum-v1 --set network.hidden=64,64 --json\n";

/* Whether the value of a field comes from `from` or a later origin. */
static int given(const sac_config* config, int field, sac_origin from) { return config->source[field].origin >= from; }

/* Whether the command line describes a run: some value comes from --config, --set or an option. */
static int asks(const sac_config* config) {
  int asked = 0;
  for (int i = 0; i < SAC_FIELD_COUNT; i++) asked |= given(config, i, SAC_ORIGIN_FILE);
  return asked;
}

/* Prints what is expected of a run. Returns the exit code. */
static int tell(const sac_config* config, int json) {
  sac_settings settings;
  const sac_env_api* env;

  /* refuse an environment that does not exist, then print the estimates */
  const int code = sac_options_env(config, &settings, &env);
  if (code != SAC_OPTIONS_GO) return code;
  const sac_status status = sac_cli_expected(config, json);
  return status == SAC_OK ? SAC_EXIT_WELL : sac_cli_fail(status);
}

int sac_cli_info(int argc, char** argv) {
  /* describe the command line */
  int json = 0;
  const sac_option options[] = {SAC_OPTION_ENV,
                                SAC_OPTION_KEY("--algo", "NAME", "algo", "the algorithm, and without --env its list"),
                                SAC_OPTION_SEEDS,
                                SAC_OPTION_DEVICE,
                                SAC_OPTION_CONFIG,
                                SAC_OPTION_SET,
                                SAC_OPTION_SWITCH("--json", &json, "the same as one JSON object"),
                                {0}};
  const sac_syntax syntax = {.command = "info",
                             .arguments = "[options]",
                             .help = "Prints version, machine, devices, and which algorithms run on which of them.",
                             .notes = notes,
                             .options = options,
                             .preset = 1};

  /* parse the command line */
  sac_config* config = NULL;
  sac_operands operands;
  const int code = sac_options_parse(&syntax, argc, argv, &config, &operands);
  if (code != SAC_OPTIONS_GO) return code;

  /* refuse options that the list of an algorithm does not depend on */
  const int algo = given(config, SAC_FIELD_algo, SAC_ORIGIN_FLAG) && !given(config, SAC_FIELD_env_id, SAC_ORIGIN_FILE);
  const char* extra = given(config, SAC_FIELD_seeds, SAC_ORIGIN_FLAG)    ? "--seeds"
                      : given(config, SAC_FIELD_device, SAC_ORIGIN_FLAG) ? "--device"
                                                                         : NULL;
  if (algo && extra) {
    sac_config_destroy(config);
    return sac_options_usage(&syntax, "%s goes with --env: the list of an algorithm does not depend on it", extra);
  }

  /* print an algorithm (--algo without an environment), a run, or this machine */
  int result = SAC_EXIT_WELL;
  if (algo) result = sac_cli_info_algo(config, json);
  else if (asks(config)) result = tell(config, json);
  else if (json) print_json();
  else print_text();
  sac_config_destroy(config);
  return result;
}
