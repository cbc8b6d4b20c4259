/* Embedding libsac: a program of your own that has the world, and lets an agent learn in it.
 *
 *   cc embed.c $(pkg-config --cflags --libs sac) -lm -o embed && ./embed
 *
 * The world here is a cart on a rail. It is seen as (position, velocity), pushed with a force in [-2, 2] newtons, and
 * should stand still at position 0. The program makes an agent, acts, pushes what happened, updates, and saves the
 * agent; then it loads it again and checks that the two act alike. It ends with status 0 when the agent has learnt. */
#include <math.h>
#include <sac/sac.h>
#include <stdio.h>
#include <stdlib.h>

enum { OBS = 2, ACT = 1, EPISODE = 60, STEPS = 1500, WARMUP = 300 };

/* Every call that can fail returns a sac_status; the text of the last failure is kept for this thread. */
static void must(sac_status status) {
  if (status == SAC_OK) return;
  fprintf(stderr, "%s: %s\n", sac_status_name(status), sac_last_error());
  exit(EXIT_FAILURE);
}

/* --- the world: yours --------------------------------------------------------------------------------------------- */

typedef struct cart {
  float position, velocity;
} cart;

/* Uniform in [-1, 1), the same on every machine. */
static float uniform(void) {
  static unsigned dice = 1;
  dice = dice * 1664525u + 1013904223u;
  return (float)(dice >> 8) / 8388608.0f - 1.0f;
}

static cart cart_start(void) {
  cart c = {uniform(), 0.0f};
  return c;
}

static float cart_step(cart* c, float force) {
  const float dt = 0.1f;
  c->velocity += force * dt;
  c->position += c->velocity * dt;
  return -c->position * c->position - 0.1f * c->velocity * c->velocity - 0.01f * force * force;
}

/* The mean return of a few episodes with the deterministic policy. */
static double evaluate(sac_agent* agent) {
  double sum = 0;
  const int episodes = 10;
  for (int i = 0; i < episodes; i++) {
    cart c = {-1.0f + 2.0f * (float)i / (float)(episodes - 1), 0.0f};
    for (int t = 0; t < EPISODE; t++) {
      const float obs[OBS] = {c.position, c.velocity};
      float force;
      must(sac_agent_act(agent, 1, obs, NULL, 1, &force, NULL)); /* 1: deterministic */
      sum += (double)cart_step(&c, force);
    }
  }
  return sum / episodes;
}

/* Long because it is the whole program of a user, in the order in which it runs. */
int main(void) {
  /* 1. What to train with. Any key of `sac config` may be set; all values are text, as in a YAML file. */
  sac_config* config = NULL;
  must(sac_config_create(&config));
  must(sac_config_set(config, "device", "cpu"));
  must(sac_config_set(config, "network.hidden", "32,32"));
  must(sac_config_set(config, "replay.batch", "64"));
  must(sac_config_set(config, "replay.capacity", "1500"));
  must(sac_config_set(config, "optim.lr", "3e-3"));
  must(sac_config_set(config, "gamma", "0.95"));

  /* 2. What the world looks like: sizes, and the bounds of the action. The agent works in (-1, 1) inside and gives
   *    actions in these units. */
  const float low[ACT] = {-2.0f}, high[ACT] = {2.0f};
  sac_env_spec spec = {0};
  spec.obs_size = OBS;
  spec.action_size = ACT;
  spec.action_low = low;
  spec.action_high = high;

  /* 3. The agent. From here on no call allocates memory. The config may be destroyed: the agent has its own copy. */
  sac_agent* agent = NULL;
  must(sac_agent_create(&agent, config, &spec));
  sac_config_destroy(config);
  const double before = evaluate(agent);

  /* 4. The loop: act, step, push, update. */
  cart c = cart_start();
  for (int step = 0; step < STEPS; step++) {
    const float obs[OBS] = {c.position, c.velocity};
    float force;
    if (step < WARMUP) force = 2.0f * uniform();                    /* random, to see the world first */
    else must(sac_agent_act(agent, 1, obs, NULL, 0, &force, NULL)); /* a sample of the policy */

    /* the world's step, and what it has shown */
    const float reward = cart_step(&c, force);
    const float next_obs[OBS] = {c.position, c.velocity};
    const float action[ACT] = {force / 2.0f};                  /* stored in (-1, 1): divide by the half range */
    const unsigned char terminated = 0;                        /* this world has no terminal state ... */
    const unsigned char truncated = (step + 1) % EPISODE == 0; /* ... its episodes are only cut off */

    /* one transition goes into the replay */
    sac_transitions transition = {0}; /* one, or many at once: arrays are (n, ...) */
    transition.n = 1;
    transition.obs = obs;
    transition.action = action;
    transition.reward = &reward;
    transition.terminated = &terminated;
    transition.truncated = &truncated;
    transition.next_obs = next_obs; /* the true one, also at the end of an episode */
    must(sac_agent_push(agent, &transition));

    /* learning: every step after the warm-up has one update */
    if (step >= WARMUP) must(sac_agent_update(agent, 1)); /* samples the replay; one gradient step each */
    if (truncated) c = cart_start();
  }

  /* what training has changed */
  sac_update_stats stats;
  must(sac_agent_stats(agent, &stats));
  const double after = evaluate(agent);
  printf("mean return %.2f before, %.2f after %d steps; critic loss %.3g, alpha %.3g, entropy %.2f nats\n", before,
         after, STEPS, stats.critic_loss, stats.alpha, stats.entropy);

  /* 5. Save and load: weights, targets, moments and counters; a program can go on from there. */
  const char* path = "embed_agent.safetensors";
  must(sac_agent_save(agent, path));
  sac_agent* loaded = NULL;
  must(sac_agent_load(&loaded, path, "cpu"));
  const float obs[OBS] = {0.5f, -0.2f};
  float one, two;
  must(sac_agent_act(agent, 1, obs, NULL, 1, &one, NULL));
  must(sac_agent_act(loaded, 1, obs, NULL, 1, &two, NULL));
  (void)remove(path);

  /* 6. What was created is destroyed; NULL is fine. */
  sac_agent_destroy(loaded);
  sac_agent_destroy(agent);

  /* the loaded agent acts alike, and training has helped */
  const int same = one == two, learnt = after > before && after > -25.0;
  printf("force at (0.5, -0.2): %.4f N; %s after loading\n", (double)one, same ? "the same" : "NOT the same");
  return same && learnt ? EXIT_SUCCESS : EXIT_FAILURE;
}
