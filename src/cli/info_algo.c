#include "cli/info_algo.h"

#include <stdio.h>
#include <string.h>

#include "algo/cost.h"
#include "algo/plan.h"
#include "backend/registry.h"
#include "cli/cli.h"
#include "cli/ops.h"
#include "cli/out.h"
#include "cli/wrap.h"
#include "config/sources.h"
#include "util/text.h"

/* observation and action of the shape that costs are counted for; the number of discrete actions */
#define OBS 17
#define ACTION 6
#define ACTIONS 4

#define BACKENDS_MAX 4 /* columns of the table; backends beyond are left out */

/* What an operation runs as on one backend, and the operations that run together with it. */
typedef struct runs {
  const char* name;     /* NULL: it does not run there */
  int32_t first, count; /* the group: `count` operations from number `first` on */
} runs;

/* All that is printed about an algorithm. */
typedef struct list {
  const sac_algorithm* algo;
  const char* name;
  sac_shape shape; /* of the costs and launches */
  int32_t backends;
  const sac_backend* backend[BACKENDS_MAX]; /* (backends) */
  runs runs[BACKENDS_MAX][SAC_OPS_MAX];     /* (backends, operations) */
} list;

/* The shape of the costs: one agent with the hidden layers and batch of the command line, or else those of the library.
 * Values of a preset are not used, because they belong to an environment. */
static sac_shape shape_of(const sac_config* config, const sac_settings* settings) {
  /* choose hidden layers and batch by the origin of their values */
  const sac_settings* library = &sac_settings_library;
  const sac_sizes* hidden =
      config->source[SAC_FIELD_hidden].origin >= SAC_ORIGIN_FILE ? &settings->hidden : &library->hidden;
  const int64_t batch = config->source[SAC_FIELD_batch].origin >= SAC_ORIGIN_FILE ? settings->batch : library->batch;

  /* fill the shape; O and A are fixed */
  sac_shape shape = {.population = 1,
                     .num_envs = 1,
                     .batch = (int32_t)batch,
                     .obs = OBS,
                     .action = sac_algo_at(settings->algo)->discrete ? 1 : ACTION,
                     .actions = sac_algo_at(settings->algo)->discrete ? ACTIONS : 0,
                     .layers = hidden->count,
                     .critics = (int32_t)settings->critics};
  memcpy(shape.hidden, hidden->size, (size_t)hidden->count * sizeof *shape.hidden);
  return shape;
}

/* Asks each backend what the operations run as. */
static void find_runs(list* l, const sac_settings* settings) {
  for (int32_t b = 0; b < sac_backend_count() && b < BACKENDS_MAX; b++) {
    const sac_backend* backend = l->backend[l->backends++] = sac_backend_at(b);

    /* go from group to group: the backend says how many operations run as one */
    for (int32_t i = 0, count; i < l->algo->op_count; i += count) {
      const char* name = backend->runs_as(settings, i, &count);

      /* note the group for each of its operations */
      for (int32_t o = i; o < i + count; o++) l->runs[b][o] = (runs){name, i, count};
    }
  }
}

/* --- text --------------------------------------------------------------------------------------------------------- */

#define STAGE_WIDTH 49 /* columns before the number of launches */

/* Prints operation i as a line of the table, and its equation below. */
static void print_op(const list* l, int32_t i) {
  const sac_op* op = &l->algo->update[i];
  const sac_cost cost = sac_op_cost(l->algo, op, &l->shape, l->shape.batch);
  const int32_t launches = sac_op_launches(l->algo, i, l->shape.layers);
  const char* place = sac_op_place(op);
  char networks[SAC_OP_TEXT_MAX], line[2 * SAC_OP_TEXT_MAX];
  size_t used = 0;

  /* write what it is: kind, networks, place; networks without a place take both columns */
  sac_text_append(line, sizeof line, &used, "%3d  %-17s", (int)i + 1, sac_op_word(op));
  sac_text_append(line, sizeof line, &used, "%-*s%-*s", *place ? 17 : 27, sac_op_nets(op, networks), *place ? 10 : 0,
                  place);

  /* write launches and costs; a number that is 0 leaves its column empty */
  if (launches) sac_text_append(line, sizeof line, &used, "%9d", (int)launches);
  else sac_text_append(line, sizeof line, &used, "%9s", "");
  if (cost.flops > 0) sac_text_append(line, sizeof line, &used, "%10.1f", 1e-6 * cost.flops);
  else if (cost.bytes > 0) sac_text_append(line, sizeof line, &used, "%10s", "");
  if (cost.bytes > 0) sac_text_append(line, sizeof line, &used, "%10.2f", 1e-6 * cost.bytes);

  /* print the line without the blanks at its end */
  while (used > 0 && line[used - 1] == ' ') line[--used] = '\0';
  sac_print("%s\n", line);
  if (op->kind == SAC_ROWS) sac_print("       %s\n", sac_row_equation(op->row));
}

/* The end of the operations from i on that make one line of what runs on backend b: a group, or neighbours that run
 * alone under the same name. */
static int32_t line_end(const list* l, int32_t b, int32_t i) {
  const runs* r = l->runs[b];
  int32_t end = i + r[i].count;
  while (r[i].count == 1 && end < l->algo->op_count && r[end].count == 1 &&
         (r[end].name && r[i].name ? strcmp(r[end].name, r[i].name) == 0 : r[end].name == r[i].name))
    end++;
  return end;
}

/* Prints what the operations run as on backend b: "1-9  chunks", and "10+11  blocks" for two that run together. */
static void print_runs(const list* l, int32_t b) {
  for (int32_t i = 0, end; i < l->algo->op_count; i = end) {
    const runs* r = &l->runs[b][i];
    char numbers[64];
    size_t used = 0;

    /* write the numbers */
    end = line_end(l, b, i);
    sac_text_append(numbers, sizeof numbers, &used, "%d", (int)i + 1);
    if (r->count == 1 && end > i + 1) sac_text_append(numbers, sizeof numbers, &used, "-%d", (int)end);
    for (int32_t o = i + 1; r->count > 1 && o < end; o++)
      sac_text_append(numbers, sizeof numbers, &used, "+%d", (int)o + 1);

    /* print them with the name */
    sac_print("  %-6s%10s  ", i == 0 ? l->backend[b]->name : "", numbers);
    sac_wrap(sac_out, r->name ? r->name : "-", 20, 20, sac_wrap_width());
  }
}

/* What the shape has for actions: their components, or their number. */
static const char* action_key(const list* l) { return l->shape.actions ? "actions" : "act"; }
static int action_value(const list* l) { return (int)(l->shape.actions ? l->shape.actions : l->shape.action); }

/* Prints what is listed, and the shape of the costs. */
static void print_head(const list* l) {
  char head[SAC_TEXT_MAX + 256] = "";
  size_t used = 0;

  /* print the algorithm */
  sac_text_append(head, sizeof head, &used, "%s: %s", l->name, l->algo->meaning);
  sac_wrap(sac_out, head, 0, 2, sac_wrap_width());

  /* print the sizes */
  used = 0;
  sac_text_append(head, sizeof head, &used, "MFLOP and MB: obs %d %s %d, hidden ", OBS, action_key(l), action_value(l));
  sac_widths_append(head, sizeof head, &used, l->shape.hidden, l->shape.layers, ",");
  sac_text_append(head, sizeof head, &used, ", batch %d, %d critic%s", (int)l->shape.batch, (int)l->shape.critics,
                  l->shape.critics > 1 ? "s" : "");
  sac_wrap(sac_out, head, 0, 2, sac_wrap_width());
}

/* Prints the tables, for people. */
static void print_text(const list* l) {
  /* print the column titles, and the stage that has no operation */
  print_head(l);
  sac_print("\n     %-17s%-17s%-10s%9s%10s%10s\n", "operation", "networks", "at", "launches", "MFLOP", "MB");
  sac_print("%-*s%9d\n", STAGE_WIDTH, sac_stage_names[SAC_STAGE_REPLAY_SAMPLE], 1);

  /* print the operations, below the names of their stages */
  for (int32_t i = 0; i < l->algo->op_count; i++) {
    const sac_op* op = &l->algo->update[i];
    if (i == 0 || op->stage != op[-1].stage) sac_print("%s\n", sac_stage_names[op->stage]);
    print_op(l, i);
  }

  /* print what they run as */
  sac_print("\nWhat the operations run as; those with a + run together:\n\n");
  for (int32_t b = 0; b < l->backends; b++) print_runs(l, b);

  /* print the launches of a whole update */
  sac_print("\n%d launches per update on a device with %d hidden layer%s",
            (int)sac_algo_launches(l->algo, l->shape.layers), (int)l->shape.layers, l->shape.layers > 1 ? "s" : "");
  if (l->shape.layers != 2) sac_print("; %d with two", (int)sac_algo_launches(l->algo, 2));
  sac_print("\n");
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

/* Prints operation i as a JSON object. */
static void print_json_op(const list* l, int32_t i) {
  const sac_op* op = &l->algo->update[i];
  const sac_cost cost = sac_op_cost(l->algo, op, &l->shape, l->shape.batch);

  /* print what it is, and its costs */
  sac_print("%s\n    {\"number\": %d, \"stage\": \"%s\", ", i ? "," : "", (int)i + 1, sac_stage_names[op->stage]);
  sac_op_print_json(op);
  sac_print(", \"launches\": %d, \"flops\": %.0f, \"bytes\": %.0f, \"runs_as\": {",
            (int)sac_op_launches(l->algo, i, l->shape.layers), cost.flops, cost.bytes);

  /* print what it runs as on each backend, with its group; null: it does not run there */
  for (int32_t b = 0; b < l->backends; b++) {
    const runs* r = &l->runs[b][i];
    sac_print("%s\"%s\": ", b ? ", " : "", l->backend[b]->name);
    if (r->name)
      sac_print("{\"name\": \"%s\", \"first\": %d, \"count\": %d}", r->name, (int)r->first + 1, (int)r->count);
    else sac_print("null");
  }
  sac_print("}}");
}

/* Prints the list as one JSON object. */
static void print_json(const list* l) {
  char meaning[512] = "", hidden[SAC_TEXT_MAX] = "";
  size_t used = 0, hidden_used = 0;
  sac_text_append_quoted(meaning, sizeof meaning, &used, l->algo->meaning);
  sac_widths_append(hidden, sizeof hidden, &hidden_used, l->shape.hidden, l->shape.layers, ", ");

  /* print algorithm, shape and launches */
  sac_print("{\n  \"algo\": \"%s\",\n  \"meaning\": %s,\n  \"obs\": %d,\n  \"%s\": %d,\n  \"hidden\": [%s],\n", l->name,
            meaning, OBS, action_key(l), action_value(l), hidden);
  sac_print("  \"batch\": %d,\n  \"critics\": %d,\n  \"launches\": %d,\n  \"launches_two_hidden\": %d,\n",
            (int)l->shape.batch, (int)l->shape.critics, (int)sac_algo_launches(l->algo, l->shape.layers),
            (int)sac_algo_launches(l->algo, 2));

  /* print the operations */
  sac_print("  \"operations\": [");
  for (int32_t i = 0; i < l->algo->op_count; i++) print_json_op(l, i);
  sac_print("\n  ]\n}\n");
}

int sac_cli_info_algo(const sac_config* config, int json) {
  list l = {.backends = 0};
  sac_settings settings;
  const sac_status status = sac_config_settings(config, &settings);
  if (status != SAC_OK) return sac_cli_fail(status);

  /* collect what is printed */
  l.algo = sac_algo_at(settings.algo);
  l.name = sac_algo_name(settings.algo);
  l.shape = shape_of(config, &settings);
  find_runs(&l, &settings);

  /* print it */
  if (json) print_json(&l);
  else print_text(&l);
  return SAC_EXIT_WELL;
}
