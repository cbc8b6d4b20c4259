/* The public API of agents with discrete actions: populations, and files. Both algorithms run each case. */
#include "support/api_discrete.h"
#include "support/checksum.h"
#include "support/folder.h"

/* --- populations -------------------------------------------------------------------------------------------------- */

/* Agent p of a population is the single agent of its seed, to the bit. */
START_TEST(population_members_are_single_agents) {
  sac_agent* both = discrete_agent(discrete_algos[_i], "2", "min");
  const rows r = discrete_rows();
  const sac_transitions t = transitions_of(&r, N);
  float together[2 * N], log_together[2 * N];
  sac_update_stats stats[2];
  ck_ok(sac_agent_push(both, &t));
  ck_ok(sac_agent_update(both, 5));
  ck_ok(sac_agent_stats(both, stats));
  ck_ok(sac_agent_act(both, N, r.obs, NULL, 0, together, log_together));
  for (int p = 0; p < 2; p++) {
    sac_config* config = make_config(discrete_algos[_i], "1");
    sac_agent* alone;
    sac_update_stats its;
    float action[N], log_prob[N];
    const sac_transitions own = {N,
                                 r.obs + p * N * O,
                                 r.action + p * N,
                                 r.reward + p * N,
                                 r.terminated + p * N,
                                 r.truncated + p * N,
                                 r.next_obs + p * N * O};
    ck_ok(sac_config_set(config, "seed", p ? "2" : "1"));
    ck_ok(sac_config_set(config, "alpha.initial", "0.2"));
    ck_ok(sac_agent_create(&alone, config, &discrete));
    ck_ok(sac_agent_push(alone, &own));
    ck_ok(sac_agent_update(alone, 5));
    ck_ok(sac_agent_stats(alone, &its));
    ck_assert_mem_eq(&its, &stats[p], sizeof its);
    ck_ok(sac_agent_act(alone, N, r.obs + p * N * O, NULL, 0, action, log_prob));
    ck_same_bits(action, together + p * N, N);
    ck_same_bits(log_prob, log_together + p * N, N);
    sac_agent_destroy(alone);
    sac_config_destroy(config);
  }
  sac_agent_destroy(both);
}
END_TEST

/* --- files -------------------------------------------------------------------------------------------------------- */

/* What is saved acts and updates with the same bits; save_all has the replay too. */
START_TEST(save_and_load) {
  const int all = _i / (int)ALGOS;
  const char* path = test_path(test_folder(), "agent.safetensors");
  static float before[MAX], after[MAX];
  sac_agent *agent = discrete_agent(discrete_algos[_i % ALGOS], "1", "mean"), *loaded;
  const rows r = discrete_rows();
  const sac_transitions t = transitions_of(&r, N);
  const sac_minibatch m = minibatch_of(&r);
  for (int i = 0; i < 3; i++) ck_ok(sac_agent_push(agent, &t)); /* the ring has wrapped around */
  ck_ok(sac_agent_update(agent, 3));
  ck_ok(all ? sac_agent_save_all(agent, path) : sac_agent_save(agent, path));
  ck_ok(sac_agent_load(&loaded, path, NULL));
  for (int i = 0; i < 3; i++) {
    float ours[N], theirs[N], our_log[N], their_log[N];
    if (all) ck_ok(sac_agent_update(agent, 4));
    if (all) ck_ok(sac_agent_update(loaded, 4));
    ck_ok(sac_agent_update_with(agent, &m, NULL, NULL));
    ck_ok(sac_agent_update_with(loaded, &m, NULL, NULL));
    snapshot(agent, before, MAX);
    snapshot(loaded, after, MAX);
    ck_same_bits(after, before, MAX);
    ck_ok(sac_agent_act(agent, N, r.obs, NULL, 0, ours, our_log));
    ck_ok(sac_agent_act(loaded, N, r.obs, NULL, 0, theirs, their_log));
    ck_same_bits(theirs, ours, N);
    ck_same_bits(their_log, our_log, N);
    ck_ok(sac_agent_push(agent, &t));
    ck_ok(sac_agent_push(loaded, &t));
  }
  sac_agent_destroy(agent);
  sac_agent_destroy(loaded);
  test_folder_remove();
}
END_TEST

/* Files without a checksum whose numbers of actions contradict the rest. */
START_TEST(load_refuses) {
  static const struct {
    const char *from, *to, *says;
    sac_status status;
  } edits[] = {
      {"\"actions\":\"5\"", "\"actions\":\"6\"", "[6, 8] is wanted", SAC_ERROR_SHAPE},
      {"\"actions\":\"5\"", "\"actions\":\"0\"", "has continuous actions; algo", SAC_ERROR_CONFIG},
      {"\"actions\":\"5\"", "\"actions\":\"1\"", "discrete actions", SAC_ERROR_FORMAT},
      {"\"action_size\":\"1\"", "\"action_size\":\"2\"", "discrete actions", SAC_ERROR_FORMAT},
  };
  const char *folder = test_folder(), *path = test_path(folder, "agent"), *other = test_path(folder, "other");
  sac_agent *agent = discrete_agent(discrete_algos[_i], "1", "min"), *loaded;
  ck_ok(sac_agent_save(agent, path));
  size_t size;
  char* bytes = test_read(path, &size);
  test_forget_checksum(bytes, size);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char* at = memmem(bytes, size, edits[i].from, strlen(edits[i].from));
    ck_assert_msg(at && strlen(edits[i].from) == strlen(edits[i].to), "%s", edits[i].from);
    memcpy(at, edits[i].to, strlen(edits[i].to));
    test_write(other, bytes, size);
    memcpy(at, edits[i].from, strlen(edits[i].from));
    loaded = (void*)marker;
    ck_fails(sac_agent_load(&loaded, other, "cpu"), edits[i].status, edits[i].says);
    ck_assert_ptr_null(loaded);
  }
  free(bytes);
  sac_agent_destroy(agent);
  test_folder_remove();
}
END_TEST

CHECK_MAIN("api_discrete_files", LOOP(population_members_are_single_agents, ALGOS), LOOP(save_and_load, 2 * ALGOS),
           LOOP(load_refuses, ALGOS))
