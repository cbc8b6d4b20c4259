#include "train/init.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/file.h"
#include "agent/steps.h"
#include "config/parts.h"
#include "formats/safetensors.h"
#include "train/source.h"
#include "util/error.h"
#include "util/number.h"
#include "util/text.h"

/* The agent that a run starts from, and what was taken of it. */
typedef struct source {
  const sac_safetensors* file;
  unsigned parts;     /* of sac_part_bit */
  int64_t population; /* number of agents in the file: with several, tensors have a leading dimension */
  int64_t row;        /* the agent in the file that is read */
  int taken[SAC_GROUP_COUNT], fresh[SAC_GROUP_COUNT]; /* tensors of each group: from the file, or new */
  int alpha_taken;
} source;

/* Steps of learning for which `auto` holds an actor whose critics are new: they must first know what actions are worth.
 * Without it Pendulum-v1 falls from -140 to -1600 at once. With 5000 it stays, and once the actor is free it falls to
 * between -340 and -1080 for one to five thousand steps (init.parts=actor, seeds 5 to 8). */
#define SAC_ACTOR_DELAY 5000

static const char* const group_words[SAC_GROUP_COUNT] = {
    [SAC_ACTOR] = "actor", [SAC_CRITIC] = "critics", [SAC_VALUE] = "value network"};

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* A whole number of the metadata, by its name in agents' files or in policy files; -1: there is none. */
static int64_t file_number(const sac_safetensors* file, const char* key, const char* policy_key) {
  const char* text = sac_safetensors_metadata(file, key);
  int64_t value;
  if (!text) text = sac_safetensors_metadata(file, policy_key);
  return text && sac_parse_integer(text, &value) == SAC_NUMBER_OK ? value : -1;
}

/* Checks the kind of actions, and the number of discrete ones. Files without the number are of continuous actions.
 * Errors: SHAPE. */
static sac_status check_actions(const sac_run* run, const sac_safetensors* file) {
  const int32_t here = run->agent->shape.actions;
  const int64_t number = file_number(file, "actions", "actions"), there = number > 0 ? number : 0;
  const char* env = sac_safetensors_metadata(file, "env");
  char of[SAC_SHOW_MAX], ours[40], theirs[40];
  if (there == here) return SAC_OK;

  /* say what both have */
  (void)snprintf(theirs, sizeof theirs, there ? "%lld discrete actions" : "continuous actions", (long long)there);
  (void)snprintf(ours, sizeof ours, here ? "%d discrete ones" : "continuous ones", (int)here);
  return sac_fail(SAC_ERROR_SHAPE, "%s is of %s, with %s; %s has %s", file->path,
                  env ? sac_text_show(of, env, SIZE_MAX) : "another environment", theirs, run->settings.env_id, ours);
}

/* Checks the sizes that the file names, before its tensors are compared. Errors: SHAPE. */
static sac_status check_sizes(const sac_run* run, const sac_safetensors* file) {
  const sac_shape* shape = &run->agent->shape;
  char widths[SAC_LAYERS_MAX * 8] = "", of[SAC_SHOW_MAX];
  size_t used = 0;
  sac_status status = SAC_OK;

  /* compare observations and actions */
  const char *env = sac_safetensors_metadata(file, "env"), *hidden = sac_safetensors_metadata(file, "hidden");
  const int64_t obs = file_number(file, "obs_size", "obs"), action = file_number(file, "action_size", "act");
  if (obs >= 0) SAC_TRY(check_actions(run, file));
  if (obs >= 0 && action >= 0 && (obs != shape->obs || action != shape->action))
    return sac_fail(SAC_ERROR_SHAPE, "%s is of %s: %lld observations and %lld action%s; %s has %d and %d", file->path,
                    env ? sac_text_show(of, env, SIZE_MAX) : "another environment", (long long)obs, (long long)action,
                    action == 1 ? "" : "s", run->settings.env_id, (int)shape->obs, (int)shape->action);

  /* compare the hidden layers */
  sac_widths_append(widths, sizeof widths, &used, shape->hidden, shape->layers, ",");
  if (hidden && strcmp(hidden, widths) != 0)
    return sac_fail(SAC_ERROR_SHAPE, "%s has hidden layers of %s; this run has %s: --set network.hidden=%s", file->path,
                    *hidden ? sac_text_show(of, hidden, SIZE_MAX) : "[]", *widths ? widths : "[]",
                    *hidden ? hidden : "[]");
fail:
  return status;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* The group that a tensor's name begins with; SAC_GROUP_COUNT: none, as of log_alpha. */
static int group_of(const char* name) {
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    const size_t length = strlen(sac_group_names[group]);
    if (strncmp(name, sac_group_names[group], length) == 0 && name[length] == '.') return group;
  }
  return SAC_GROUP_COUNT;
}

/* Whether the file has the network that a tensor belongs to. A network that it has must be whole. */
static int has_network(const sac_safetensors* file, const char* tensor) {
  char name[SAC_TENSOR_NAME_MAX + 16];
  const char* end = strstr(tensor, ".layers.");
  if (!end) end = strstr(tensor, ".head.");
  if (!end) return sac_safetensors_find(file, tensor) != NULL;
  (void)snprintf(name, sizeof name, "%.*s.head.weight", (int)(end - tensor), tensor);
  return sac_safetensors_find(file, name) != NULL;
}

/* Refuses a file that lacks the networks that act here, if they are wanted: it is of another kind of policy. And one
 * whose actor has a tensor that this agent's lacks: its network has other layers. Errors: FORMAT, SHAPE. */
static sac_status check_policy(const sac_run* run, const sac_safetensors* file, unsigned parts) {
  const sac_agent* agent = run->agent;
  const char *name = sac_algo_name(run->settings.algo), *other = sac_algo_name(sac_algo_for(agent->algo->discrete));
  const int actor = has_network(file, "actor.head.weight"), critics = has_network(file, "critic.0.head.weight");
  const int acts = sac_algo_acts_with(agent->algo) == SAC_ACTOR;
  if (acts && !actor && critics && (parts & SAC_PART_ACTOR))
    return sac_fail(SAC_ERROR_FORMAT,
                    "%s has no actor, and algo '%s' starts from one: --set init.parts=critics takes its critics alone",
                    file->path, name);
  if (!acts && actor && !critics)
    return sac_fail(SAC_ERROR_FORMAT,
                    "%s has an actor alone, and algo '%s' has none: give a checkpoint of its run, or --set algo=%s",
                    file->path, name, other);

  /* compare the layers of the actor */
  for (int32_t i = 0; acts && i < file->count; i++) {
    const char* tensor = file->tensors[i].name;
    if (strncmp(tensor, "actor.", 6) == 0 && !sac_tensors_find(&agent->tensors, tensor))
      return sac_fail(SAC_ERROR_SHAPE, "%s holds '%s', which this run's actor lacks: give the network.* of that policy",
                      file->path, tensor);
  }
  return SAC_OK;
}

/* Copies tensor `name` of the file to agent p's tensor `to` in a slab. Errors: FORMAT, SHAPE, DEVICE. */
static sac_status take(sac_run* run, const source* s, const char* name, int32_t p, const sac_tensor* to,
                       sac_memory memory) {
  int64_t dims[3];
  int32_t rank = 0;
  sac_status status = SAC_OK;

  /* check the shape; several agents have a leading dimension */
  if (s->population > 1) dims[rank++] = s->population;
  for (int32_t d = 0; d < to->rank; d++) dims[rank++] = to->dims[d];
  SAC_TRY(sac_safetensors_get(s->file, name, SAC_F32, rank, dims, NULL));

  /* refuse what is not finite, then copy */
  const float* data = (const float*)sac_safetensors_find(s->file, name)->data + (size_t)s->row * to->count;
  const size_t bad = sac_first_not_finite(data, to->count);
  if (bad < to->count)
    return sac_fail(SAC_ERROR_FORMAT, "%s: tensor '%s' holds %g at %zu", s->file->path, name, (double)data[bad], bad);
  SAC_TRY(run->agent->backend->write(run->agent, memory, p, to->offset, data, to->count));
fail:
  return status;
}

/* Whether init.parts names the part that a trained tensor belongs to. */
static int is_wanted(const sac_run* run, unsigned parts, int group) {
  if (group == SAC_ACTOR) return (parts & SAC_PART_ACTOR) != 0;
  if (group != SAC_GROUP_COUNT) return (parts & SAC_PART_CRITICS) != 0;

  /* a temperature that is not learned keeps the value of alpha.initial, unless it is asked for */
  return (parts & SAC_PART_ALPHA) && (run->settings.alpha_learn || !(parts & SAC_PART_AUTO));
}

/* Takes a target from the file, or from the network that it follows: a file of another algorithm may lack targets. */
static sac_status take_target(sac_run* run, const source* s, int32_t p, const sac_tensor* target, int group) {
  const char* rest = target->name + strlen(sac_group_names[group]);
  char follows[SAC_TENSOR_NAME_MAX];
  (void)snprintf(follows, sizeof follows, "%s%s", sac_group_names[run->agent->tensors.target_of[group]], rest);

  /* the target of a new network stays its copy */
  if (!(s->parts & SAC_PART_CRITICS) || !has_network(s->file, follows)) return SAC_OK;
  return take(run, s, has_network(s->file, target->name) ? target->name : follows, p, target, SAC_MEMORY_TARGET);
}

/* Takes a trained tensor, with its moments on request, or counts it as new. */
static sac_status take_trained(sac_run* run, source* s, int32_t p, const sac_tensor* tensor, int group) {
  char name[SAC_TENSOR_NAME_MAX + 8];
  const int wanted = is_wanted(run, s->parts, group), there = has_network(s->file, tensor->name);
  sac_status status = SAC_OK;

  /* leave what is not wanted or not there as it was made */
  if (!wanted || !there) {
    if (wanted && (group == SAC_ACTOR || !(s->parts & SAC_PART_AUTO)))
      return sac_fail(SAC_ERROR_FORMAT, "%s has no '%s'; init.parts=%s asks for it", s->file->path, tensor->name,
                      run->settings.init_parts);
    if ((s->parts & SAC_PART_OPTIMIZER) && (group != SAC_GROUP_COUNT || run->settings.alpha_learn))
      return sac_fail(SAC_ERROR_CONFIG,
                      "init.parts: optimizer goes with all of actor, critics, alpha, and %s asks for "
                      "fewer",
                      run->settings.init_parts);
    if (group < SAC_GROUP_COUNT) s->fresh[group]++;
    return SAC_OK;
  }

  /* take the weights */
  SAC_TRY(take(run, s, tensor->name, p, tensor, SAC_MEMORY_WEIGHTS));
  if (group < SAC_GROUP_COUNT) s->taken[group]++;
  else s->alpha_taken = 1;

  /* take Adam's moments */
  if (!(s->parts & SAC_PART_OPTIMIZER)) return SAC_OK;
  (void)snprintf(name, sizeof name, "adam_m/%s", tensor->name);
  SAC_TRY(take(run, s, name, p, tensor, SAC_MEMORY_ADAM_M));
  (void)snprintf(name, sizeof name, "adam_v/%s", tensor->name);
  SAC_TRY(take(run, s, name, p, tensor, SAC_MEMORY_ADAM_V));
fail:
  return status;
}

/* Takes the number of updates that the moments come from. It is the position in random streams too. Those of them in
 * which the actor was held are counted, as its moments do not come from them. */
static sac_status take_updates(sac_run* run, const source* s, int32_t p) {
  const int64_t dims[2] = {s->population, 3};
  const int32_t leading = s->population > 1;
  sac_adam_hold* hold = NULL;
  sac_status status = SAC_OK;

  /* read the number of updates */
  SAC_TRY(sac_safetensors_get(s->file, "counters", SAC_U64, 1 + leading, dims + !leading, NULL));
  const sac_counters* counters = sac_safetensors_find(s->file, "counters")->data;
  const uint64_t updates = counters[s->row].updates;
  run->agent->counters[p].updates = updates;
  if (updates > (uint64_t)SAC_BIG)
    SAC_TRY(sac_fail(SAC_ERROR_FORMAT, "%s: its number of updates is out of range", s->file->path));

  /* put those that were held before the next update, where hold_actors may add more */
  hold = calloc((size_t)s->population, sizeof *hold);
  if (!hold) SAC_TRY(sac_fail(SAC_ERROR_MEMORY, "no memory for %lld agents", (long long)s->population));
  SAC_TRY(sac_agent_read_hold(s->file, (int32_t)s->population, hold));
  const sac_adam_hold old = hold[s->row];
  const uint64_t held = (old.until < updates ? old.until : updates) - (old.from < updates ? old.from : updates);
  if (held > 0) run->agent->hold[p] = (sac_adam_hold){updates - held, updates};
fail:
  free(hold);
  return status;
}

/* Starts agent p from the file. */
static sac_status take_agent(sac_run* run, source* s, int32_t p) {
  const sac_tensors* tensors = &run->agent->tensors;
  const int32_t population = run->agent->shape.population;
  sac_status status = SAC_OK;

  /* refuse a file of no agent, which has none of the networks */
  int32_t networks = has_network(s->file, "actor.head.weight");
  for (int32_t t = 0; t < tensors->count; t++) networks += has_network(s->file, tensors->tensor[t].name);
  if (networks == 0) return sac_fail(SAC_ERROR_FORMAT, "%s is neither a policy nor a checkpoint", s->file->path);

  /* choose the agent of a file with several */
  const int64_t several = file_number(s->file, "population", "population");
  s->population = several > 1 ? several : 1;
  s->row = several > 1 ? p : 0;
  if (several > 1 && several != population)
    return sac_fail(SAC_ERROR_SHAPE, "%s holds %lld agents, this run has %d: --set seeds=%lld", s->file->path,
                    (long long)several, (int)population, (long long)several);

  /* a policy file has no moments */
  if ((s->parts & SAC_PART_OPTIMIZER) && !sac_safetensors_find(s->file, "counters"))
    return sac_fail(SAC_ERROR_FORMAT, "%s has no optimizer; init.parts=%s asks for it, a checkpoint has one",
                    s->file->path, run->settings.init_parts);

  /* check the sizes, then take each tensor that is wanted */
  SAC_TRY(check_sizes(run, s->file));
  SAC_TRY(check_policy(run, s->file, s->parts));
  for (int32_t t = 0; t < tensors->count; t++) {
    const sac_tensor* tensor = &tensors->tensor[t];
    const int group = group_of(tensor->name);
    if (tensor->slab == SAC_SLAB_TARGET) SAC_TRY(take_target(run, s, p, tensor, group));
    else SAC_TRY(take_trained(run, s, p, tensor, group));
  }
  if (s->parts & SAC_PART_OPTIMIZER) SAC_TRY(take_updates(run, s, p));
fail:
  return status;
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

/* Appends a word to a list with commas. */
static void append_word(char* text, size_t size, size_t* used, const char* word) {
  sac_text_append(text, size, used, "%s%s", *used ? ", " : "", word);
}

/* Whether the networks of some critics or of the value are new, while the actor is not. */
static int critics_are_new(const source* s) {
  return s->taken[SAC_ACTOR] && (s->fresh[SAC_CRITIC] || s->fresh[SAC_VALUE]);
}

/* Says where the bounds of actions are others than in the file: the policy's actions are scaled to the new ones. */
static void describe_bounds(sac_run* run, const source* s) {
  const sac_agent* agent = run->agent;
  const int64_t actions = agent->shape.action;
  if (!s->taken[SAC_ACTOR] || sac_safetensors_get(s->file, "action.centre", SAC_F32, 1, &actions, NULL) != SAC_OK ||
      sac_safetensors_get(s->file, "action.half_range", SAC_F32, 1, &actions, NULL) != SAC_OK)
    return;
  const float* centre = sac_safetensors_find(s->file, "action.centre")->data;
  const float* half = sac_safetensors_find(s->file, "action.half_range")->data;
  for (int64_t i = 0; i < actions; i++) {
    /* bounds that differ by roundings are the same */
    const float to_centre = agent->action_centre[i], to_half = agent->action_half[i];
    const float moved = fabsf(centre[i] - to_centre) + fabsf(half[i] - to_half);
    if (moved <= 1e-5F * (fabsf(to_centre) + to_half)) continue;
    sac_run_note(run,
                 "warning: action %lld is bounded by [%g, %g] in the file, and by [%g, %g] here: the policy's actions "
                 "are scaled to these",
                 (long long)i, (double)(centre[i] - half[i]), (double)(centre[i] + half[i]),
                 (double)(to_centre - to_half), (double)(to_centre + to_half));
    return;
  }
}

/* Says what the run starts from, what starts anew, and what of the file has no use here. */
static void describe(sac_run* run, const source* s) {
  char taken[128] = "", fresh[128] = "", unused[128] = "", env[SAC_SHOW_MAX];
  size_t taken_used = 0, fresh_used = 0, unused_used = 0;

  /* list the groups that were taken, and those of which networks are new */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    if (s->taken[group]) append_word(taken, sizeof taken, &taken_used, group_words[group]);
    if (s->fresh[group] && s->taken[group]) append_word(fresh, sizeof fresh, &fresh_used, "some critics");
    else if (s->fresh[group]) append_word(fresh, sizeof fresh, &fresh_used, group_words[group]);
  }
  append_word(s->alpha_taken ? taken : fresh, sizeof taken, s->alpha_taken ? &taken_used : &fresh_used, "temperature");
  if (s->parts & SAC_PART_OPTIMIZER) append_word(taken, sizeof taken, &taken_used, "optimizer");

  /* list the groups of the file that this algorithm does not have */
  for (int group = 0; group < SAC_GROUP_COUNT; group++) {
    int has = 0;
    for (int32_t i = 0; i < s->file->count; i++) has |= group_of(s->file->tensors[i].name) == group;
    if (has && run->agent->tensors.nets[group] == 0)
      append_word(unused, sizeof unused, &unused_used, sac_group_names[group]);
  }

  /* the first line: where it comes from, and what was taken */
  const char *of = sac_safetensors_metadata(s->file, "env"), *step = sac_safetensors_metadata(s->file, "step");
  sac_run_note(run, "starts from %s (%s%s%.20s): %s", s->file->path,
               of ? sac_text_show(env, of, SIZE_MAX) : "no environment", step ? ", step " : "", step ? step : "",
               taken);

  /* more lines where they are needed */
  const int policy = !sac_safetensors_find(s->file, "counters");
  if (fresh_used)
    sac_run_note(run, "new: %s%s", fresh,
                 policy ? "; the file has the policy alone, a checkpoint of its run has the rest" : "");
  if (unused_used)
    sac_run_note(run, "not used, as algo %s has no such networks: %s", sac_algo_name(run->settings.algo), unused);
}

/* Refuses an actor that is asked for by name where the algorithm has none. Errors: CONFIG. */
static sac_status check_parts(const sac_run* run, unsigned parts) {
  if (parts & SAC_PART_AUTO || !(parts & SAC_PART_ACTOR) || parts & SAC_PART_OPTIMIZER) return SAC_OK;
  if (sac_algo_has(run->agent->algo, SAC_ACTOR)) return SAC_OK;
  return sac_fail(SAC_ERROR_CONFIG, "init.parts=%s names the actor, and algo '%s' has none: its critics are its policy",
                  run->settings.init_parts, sac_algo_name(run->settings.algo));
}

/* --- the start ---------------------------------------------------------------------------------------------------- */

/* Sets the updates in which the actors are held: those of the first train.actor_delay_steps steps of learning, and as
 * many before them as the moments of the file do not come from. */
static void hold_actors(sac_run* run, int new_critics) {
  const sac_settings* settings = &run->settings;
  const double steps = sac_auto(settings->actor_delay_steps, new_critics ? SAC_ACTOR_DELAY : 0);
  if (!(steps > 0)) return;

  /* the number of updates that are due for these steps */
  const uint64_t updates = (uint64_t)floor(fmin(steps * settings->updates_per_step, SAC_BIG));
  for (int32_t p = 0; p < run->agent->shape.population; p++) {
    const uint64_t now = run->agent->counters[p].updates;
    sac_adam_hold* hold = &run->agent->hold[p];
    *hold = (sac_adam_hold){now - (hold->until - hold->from), now + updates};
  }
  sac_run_note(run,
               "actor and temperature are held for the first %.0f steps of learning, while the critics learn "
               "(train.actor_delay_steps)",
               steps);
}

sac_status sac_run_init(sac_run* run) {
  char path[SAC_PATH_MAX], opened[SAC_PATH_MAX] = "";
  sac_safetensors* file = NULL;
  source s = {0};
  int new_critics = 0, has_policy = 1;
  const sac_group acts = sac_algo_acts_with(run->agent->algo);
  sac_status status = SAC_OK;

  /* each agent starts from a file; a folder may have one for each seed */
  for (int32_t p = 0; run->settings.init[0] && p < run->agent->shape.population; p++) {
    SAC_TRY(sac_source_file(run->settings.init, &run->agent->seed[p], path));
    if (!file || strcmp(opened, path) != 0) {
      (void)snprintf(opened, sizeof opened, "%s", path);
      sac_safetensors_close(file);
      SAC_TRY(sac_steps_open(&file, path));
    }
    s = (source){.file = file};
    SAC_TRY(sac_parts_parse(run->settings.init_parts, &s.parts));
    SAC_TRY(check_parts(run, s.parts));
    SAC_TRY(take_agent(run, &s, p));
    if (p == 0) {
      describe(run, &s);
      describe_bounds(run, &s);
    }
    new_critics |= critics_are_new(&s);
    has_policy &= s.taken[acts] > 0 && s.fresh[acts] == 0;
  }

  /* Critics that know the policy's actions alone take others for better. So with new critics the warm-up keeps its
   * random actions. */
  run->start.acts = run->settings.init[0] && has_policy && !new_critics;

  /* hold the actors, and pass all counters on to a backend that keeps its own copy */
  hold_actors(run, new_critics);
  const int changed = run->settings.init[0] || run->agent->hold[0].until > 0;
  if (changed && run->agent->backend->state_set) SAC_TRY(run->agent->backend->state_set(run->agent));
fail:
  if (status != SAC_OK) sac_fail_prefix("init: ");
  sac_safetensors_close(file);
  return status;
}
