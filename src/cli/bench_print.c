#include "cli/bench_print.h"

#include <stdio.h>
#include <string.h>

#include "backend/registry.h"
#include "cli/bench_stages.h"
#include "cli/out.h"
#include "config/field.h"
#include "env/vector.h"

/* What a case prints about its agent. */
typedef struct agent_facts {
  const char* device;
  const sac_backend* backend;
  int updates;               /* 1: the case measures an agent's networks; 0: its environments, or there is no agent */
  int threaded;              /* 1: the agent computes with threads of the host */
  char hidden[SAC_TEXT_MAX]; /* "256, 256" */
} agent_facts;

static agent_facts facts_of(const sac_bench_label* label) {
  const sac_agent* agent = label->agent;
  agent_facts facts = {.device = sac_backend_host()->name, .backend = sac_backend_host()};
  size_t used = 0;

  /* keep the host where there is no agent */
  if (!agent) return facts;

  /* take the rest from the agent */
  facts.device = agent->device;
  facts.backend = agent->backend;
  facts.updates = strcmp(label->kind, "env") != 0;
  facts.threaded = facts.backend->threads != NULL;
  sac_widths_append(facts.hidden, sizeof facts.hidden, &used, agent->shape.hidden, agent->shape.layers, ", ");
  return facts;
}

static void print_label_json(const sac_bench_label* label, const agent_facts* facts) {
  const sac_agent* agent = label->agent;
  const sac_backend* backend = facts->backend;

  /* print what was measured, and where */
  sac_print("{\"bench\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\"", label->kind, facts->device,
            sac_config_get(label->config, "precision"));
  if (label->vector) sac_print(", \"env\": \"%s\"", label->vector->id);

  /* print the sizes */
  if (facts->updates)
    sac_print(", \"algo\": \"%s\", \"obs\": %d, \"%s\": %d, \"hidden\": [%s], \"batch\": %d, \"critics\": %d",
              sac_config_get(label->config, "algo"), (int)agent->shape.obs, agent->shape.actions ? "actions" : "act",
              (int)(agent->shape.actions ? agent->shape.actions : agent->shape.action), facts->hidden,
              (int)agent->shape.batch, (int)agent->shape.critics);
  sac_print(", \"population\": %s", sac_config_get(label->config, "seeds"));
  sac_print(", \"envs\": %s", sac_config_get(label->config, "env.num_envs"));

  /* print how the agent computes */
  if (facts->updates) sac_print(", \"path\": \"%s\"", backend->path(&agent->settings));
  if (facts->updates && facts->threaded)
    sac_print(", \"isa\": \"%s\", \"threads\": %d", backend->kernels(agent), (int)backend->threads(agent));
  const size_t nodes = agent && backend->graph_nodes ? backend->graph_nodes(agent) : 0;
  if (nodes) sac_print(", \"nodes\": %zu", nodes);
  sac_print(", \"repeats\": %d", (int)label->repeats);
}

void sac_bench_print_label(const sac_bench_label* label) {
  const agent_facts facts = facts_of(label);
  const sac_agent* agent = label->agent;
  if (label->json) {
    print_label_json(label, &facts);
    return;
  }

  /* print what was measured, its sizes, and how the agent computes */
  sac_print("%-6s %s", label->kind, label->vector ? label->vector->id : facts.device);
  if (facts.updates)
    sac_print("  obs %d %s %d hidden %s batch %d", (int)agent->shape.obs, agent->shape.actions ? "actions" : "act",
              (int)(agent->shape.actions ? agent->shape.actions : agent->shape.action),
              agent->shape.layers ? facts.hidden : "none", (int)agent->shape.batch);
  if (facts.updates && facts.threaded)
    sac_print(" threads %d %s", (int)facts.backend->threads(agent), facts.backend->kernels(agent));
  else if (!facts.threaded && agent) sac_print(" on %s %s", facts.device, sac_config_get(label->config, "precision"));

  /* print the number of agents and environments */
  sac_print("  P %s", sac_config_get(label->config, "seeds"));
  sac_print(" N %s:", sac_config_get(label->config, "env.num_envs"));
}

void sac_bench_print_rate(int json, const char* key, const char* words, double each, sac_timing t) {
  /* a shorter time is a higher rate: the fastest repeat gives the highest */
  const char *median = sac_bench_number(each / t.median), *slowest = sac_bench_number(each / t.slowest),
             *fastest = sac_bench_number(each / t.fastest);
  if (json) sac_print(", \"%s\": %s, \"%s_min\": %s, \"%s_max\": %s", key, median, key, slowest, key, fastest);
  else sac_print("  %s %s (%s to %s)", median, words, slowest, fastest);
}

void sac_bench_print_microseconds(int json, const char* key, sac_timing t) {
  const char* microseconds = sac_bench_number(1e6 * t.median);
  if (json) sac_print(", \"%s\": %s", key, microseconds);
  else sac_print(", %s us each", microseconds);
}

void sac_bench_print_end(int json) {
  sac_print(json ? "}\n" : "\n");
  (void)fflush(sac_out);
}
