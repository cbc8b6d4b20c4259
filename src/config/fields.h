/* The list of config fields: one line each. Parsing, ranges, defaults, help, `sac config`, the written-out config and
 * the resume check all iterate over it. A new field is one line here and its use.
 *
 * X(kind, member, key, default, low, high, change, help)
 *   kind    INT int64_t | REAL double | AUTO double, NaN means "auto" | BOOL int | TEXT char[SAC_TEXT_MAX], a path or
 * what may be one: "~/x" is in the home folder CHOICE int, index into `member`_names (src/config/field.c) | SIZES the
 * hidden widths OPTIONS a mapping, kept as JSON text: keys sorted, "{}" when empty | DEVICE text: auto or a device low,
 * high   the allowed range, both ends included; a low of OPEN(x) is excluded. TEXT: of its length in bytes change  what
 * a resume may do: FREE (change it: it has no effect on results) | LATER (change it: the new value holds from the
 * resume on) | FIXED (not change it)
 *
 * Keys of one section ("optim.") stand together. */
#ifndef SAC_CONFIG_FIELDS_H
#define SAC_CONFIG_FIELDS_H

#include <math.h>
#include <stdint.h>

#define SAC_TEXT_MAX 1024
#define SAC_LAYERS_MAX 16
#define SAC_CRITICS_MAX 16

typedef enum sac_precision { SAC_FP32, SAC_TF32, SAC_BF16, SAC_PRECISION_COUNT } sac_precision;
typedef enum sac_on_error { SAC_ON_ERROR_STOP, SAC_ON_ERROR_CONTINUE, SAC_ON_ERROR_COUNT } sac_on_error;

typedef enum sac_eval_where { SAC_EVAL_OWN, SAC_EVAL_TRAIN, SAC_EVAL_WHERE_COUNT } sac_eval_where;
typedef enum sac_signal { SAC_SIGNAL_NONE, SAC_SIGNAL_USR1, SAC_SIGNAL_USR2, SAC_SIGNAL_COUNT } sac_signal;

typedef enum sac_join { SAC_JOIN_MIN, SAC_JOIN_MEAN, SAC_JOIN_COUNT } sac_join;

#define SAC_JOIN_NAMES \
  { "min", "mean", NULL }
#define SAC_PRECISION_NAMES \
  { "fp32", "tf32", "bf16", NULL }
#define SAC_ON_ERROR_NAMES \
  { "stop", "continue", NULL }
#define SAC_EVAL_WHERE_NAMES \
  { "own", "train", NULL }
#define SAC_SIGNAL_NAMES \
  { "none", "usr1", "usr2", NULL }

typedef struct sac_sizes {
  int32_t count;
  int32_t size[SAC_LAYERS_MAX];
} sac_sizes;

#define SAC_BIG 9007199254740992.0 /* 2^53: integers up to here are exact as double */

#define SAC_FIELDS(X)                                                                                                \
  X(TEXT, env_id, "env.id", "Pendulum-v1", 1, 1000, FIXED,                                                           \
    "environment ('sac envs' lists them), or the path of your own")                                                  \
  X(OPTIONS, env_options, "env.options", "{}", 0, 0, FIXED, "options of the environment, a mapping")                 \
  X(INT, num_envs, "env.num_envs", 1, 1, 65536, FIXED, "environments stepped together, per agent")                   \
  X(INT, seed, "seed", 1, 0, SAC_BIG, FIXED, "seed of the first agent; agent i has seed + i")                        \
  X(INT, seeds, "seeds", 1, 1, 4096, FIXED, "agents trained side by side, each complete")                            \
  X(DEVICE, device, "device", "auto", 0, 0, LATER,                                                                   \
    "auto, cpu or cuda:N; auto: what is expected to be faster ('sac info')")                                         \
  X(CHOICE, precision, "precision", SAC_FP32, 0, 0, LATER, "arithmetic of the products; tf32 and bf16 need CUDA")    \
  X(CHOICE, algo, "algo", 0, 0, 0, FIXED, "the algorithm ('sac info --algo' prints one)")                            \
  X(TEXT, out, "out", "", 0, 1023, FREE, "run folder; empty: runs/ENV/DATE-TIME")                                    \
  X(INT, steps, "train.steps", 1000000, 1, SAC_BIG, LATER,                                                           \
    "transitions to train on, per agent, summed over its environments")                                              \
  X(INT, warmup_steps, "train.warmup_steps", 10000, 0, SAC_BIG, LATER,                                               \
    "first steps without updates, with random actions, or with those of the agent that init.file gives")             \
  X(AUTO, actor_delay_steps, "train.actor_delay_steps", NAN, 0, SAC_BIG, FIXED,                                      \
    "steps of learning in which critics learn alone; auto: 0, or 5000 if they start anew for a given policy")        \
  X(REAL, updates_per_step, "train.updates_per_step", 1.0, 0, 1000, LATER,                                           \
    "updates for each step after the warm-up; the fraction is carried")                                              \
  X(INT, overlap, "train.overlap", 0, 0, 4194304, FIXED,                                                             \
    "steps by which updates lag, so that environments step at the same time; 0: no overlap")                         \
  X(INT, replay_capacity, "replay.capacity", 1000000, 1, SAC_BIG, FIXED,                                             \
    "transitions kept; the oldest are overwritten")                                                                  \
  X(INT, batch, "replay.batch", 256, 1, 1048576, FIXED, "transitions in a minibatch")                                \
  X(CHOICE, replay_sampling, "replay.sampling", 0, 0, 0, FIXED, "how minibatches are drawn")                         \
  X(TEXT, replay_load, "replay.load", "", 0, 1023, FIXED, "run folder or transitions file to start the replay with") \
  X(REAL, offline_share, "replay.offline_share", 0, 0, 1, FIXED,                                                     \
    "above 0: replay.load's transitions are kept, and are this share of each minibatch")                             \
  X(CHOICE, network_kind, "network.kind", 0, 0, 0, FIXED, "mlp: linear layers with ReLU")                            \
  X(SIZES, hidden, "network.hidden", SAC_SIZES(256, 256), 1, 65536, FIXED,                                           \
    "widths of the hidden layers, of every network; []: linear networks")                                            \
  X(INT, critics, "network.critics", 2, 1, SAC_CRITICS_MAX, FIXED, "Q networks; network.critics_join says how")      \
  X(CHOICE, critics_join, "network.critics_join", SAC_JOIN_MIN, 0, 0, FIXED,                                         \
    "the value of several Q networks: min, or mean (for discrete actions only)")                                     \
  X(REAL, lr, "optim.lr", 3e-4, OPEN(0), 1, LATER, "Adam's learning rate")                                           \
  X(AUTO, actor_lr, "optim.actor_lr", NAN, OPEN(0), 1, LATER, "of the actor; auto: optim.lr")                        \
  X(AUTO, critic_lr, "optim.critic_lr", NAN, OPEN(0), 1, LATER,                                                      \
    "of the critics and the value network; auto: optim.lr")                                                          \
  X(AUTO, alpha_lr, "optim.alpha_lr", NAN, OPEN(0), 1, LATER, "of the temperature; auto: optim.lr")                  \
  X(REAL, beta1, "optim.beta1", 0.9, 0, 0.999999, LATER, "Adam's decay of the first moment")                         \
  X(REAL, beta2, "optim.beta2", 0.999, 0, 0.99999999, LATER, "Adam's decay of the second moment")                    \
  X(REAL, epsilon, "optim.epsilon", 1e-8, OPEN(0), 1, LATER, "Adam's epsilon, outside the root")                     \
  X(REAL, alpha_initial, "alpha.initial", 1.0, OPEN(0), 1e6, FIXED,                                                  \
    "temperature at the start, or throughout when it is not learned")                                                \
  X(BOOL, alpha_learn, "alpha.learn", 1, 0, 1, FIXED, "learn the temperature towards the target entropy")            \
  X(AUTO, target_entropy, "alpha.target_entropy", NAN, -1e6, 1e6, LATER,                                             \
    "nats; auto: minus the number of action dimensions; discrete: alpha.target_entropy_share x log A")               \
  X(REAL, target_entropy_share, "alpha.target_entropy_share", 0.5, OPEN(0), 1, LATER,                                \
    "of A discrete actions: the target entropy as a share of the largest one, log A")                                \
  X(AUTO, alpha_min, "alpha.min", NAN, OPEN(0), 1e6, LATER, "the learned temperature is at least this; auto: none")  \
  X(AUTO, alpha_max, "alpha.max", NAN, OPEN(0), 1e6, LATER, "the learned temperature is at most this; auto: none")   \
  X(REAL, gamma, "gamma", 0.99, 0, 1, LATER, "discount")                                                             \
  X(REAL, tau, "tau", 0.005, OPEN(0), 1, LATER, "step of the target networks towards the networks, per update")      \
  X(REAL, reward_scale, "reward_scale", 1.0, OPEN(0), 1e6, LATER, "rewards are multiplied by it in the target")      \
  X(REAL, log_std_min, "policy.log_std_min", -20, -40, 4, LATER, "lower clamp of log sigma")                         \
  X(REAL, log_std_max, "policy.log_std_max", 2, -40, 4, LATER, "upper clamp of log sigma")                           \
  X(TEXT, init, "init.file", "", 0, 1023, FIXED, "run folder, checkpoint or policy file to start from")              \
  X(TEXT, init_parts, "init.parts", "auto", 1, 200, FIXED,                                                           \
    "what to take: of actor, critics, alpha, optimizer; auto: all that it has but the optimizer; all")               \
  X(INT, eval_every, "eval.every", 10000, 0, SAC_BIG, LATER, "steps between evaluations; 0: none")                   \
  X(INT, eval_episodes, "eval.episodes", 10, 1, 100000, LATER, "deterministic episodes per evaluation")              \
  X(TEXT, eval_camera, "eval.camera", "auto", 1, 63, FREE,                                                           \
    "of videos of MuJoCo's tasks: auto follows the body, default stays, or a camera's name")                         \
  X(INT, eval_max_steps, "eval.max_steps", 0, 0, 2147483647, LATER,                                                  \
    "steps after which an evaluation cuts an episode; 0: the environment's limit, 100000 if it has none")            \
  X(INT, eval_num_envs, "eval.num_envs", 0, 0, 65536, FREE,                                                          \
    "evaluation environments, per agent; 0: 1 for gym: and your own, otherwise one per episode")                     \
  X(CHOICE, eval_env, "eval.env", SAC_EVAL_OWN, 0, 0, FIXED,                                                         \
    "own, or train: evaluate in the training environments, whose episodes end before it as truncated")               \
  X(INT, log_every, "log.every", 1000, 1, SAC_BIG, LATER, "steps between rows of metrics")                           \
  X(INT, checkpoint_every, "checkpoint.every", 10000, 0, SAC_BIG, LATER,                                             \
    "steps between checkpoints; 0: only at the end")                                                                 \
  X(INT, checkpoint_keep, "checkpoint.keep", 2, 1, 1000000, LATER, "checkpoints kept, besides best")                 \
  X(CHOICE, checkpoint_on_error, "checkpoint.on_error", SAC_ON_ERROR_STOP, 0, 0, LATER,                              \
    "when one cannot be written (disk full): stop, or continue with the last good one")                              \
  X(CHOICE, signal_checkpoint, "signal.checkpoint", SAC_SIGNAL_USR1, 0, 0, FREE,                                     \
    "signal after which 'sac train' writes a checkpoint and goes on")                                                \
  X(CHOICE, signal_stop, "signal.stop", SAC_SIGNAL_USR2, 0, 0, FREE,                                                 \
    "signal after which it writes a checkpoint and exits as for SIGTERM")                                            \
  X(INT, threads, "cpu.threads", 0, 0, 1024, FREE,                                                                   \
    "of the CPU backend and of MuJoCo; 0: the cores this process may use")                                           \
  X(CHOICE, cuda_path, "cuda.path", 0, 0, 0, LATER,                                                                  \
    "how an update runs on CUDA; auto: the fastest that serves the shape")                                           \
  X(BOOL, cuda_graph, "cuda.graph", 1, 0, 1, FREE, "updates run as CUDA graphs; off for profiling by stage")         \
  X(INT, cuda_updates_per_graph, "cuda.updates_per_graph", 16, 1, 1024, FREE,                                        \
    "updates in the larger of the two graphs, which runs when that many are due")

/* Earlier names of keys, which are read as the present ones: X(name, key). */
#define SAC_FIELD_RENAMED(X) X("policy.init", "init.file")

/* Names that other programs use for a key: X(name, key). They are used in messages about unknown keys only. */
#define SAC_FIELD_ALIASES(X)                    \
  X("env_id", "env.id")                         \
  X("env_name", "env.id")                       \
  X("environment", "env.id")                    \
  X("num_envs", "env.num_envs")                 \
  X("n_envs", "env.num_envs")                   \
  X("cuda", "device")                           \
  X("dtype", "precision")                       \
  X("algorithm", "algo")                        \
  X("output", "out")                            \
  X("output_dir", "out")                        \
  X("total_timesteps", "train.steps")           \
  X("timesteps", "train.steps")                 \
  X("num_timesteps", "train.steps")             \
  X("total_steps", "train.steps")               \
  X("num_steps", "train.steps")                 \
  X("max_steps", "train.steps")                 \
  X("learning_starts", "train.warmup_steps")    \
  X("start_steps", "train.warmup_steps")        \
  X("random_steps", "train.warmup_steps")       \
  X("warmup", "train.warmup_steps")             \
  X("gradient_steps", "train.updates_per_step") \
  X("utd_ratio", "train.updates_per_step")      \
  X("async", "train.overlap")                   \
  X("buffer_size", "replay.capacity")           \
  X("replay_size", "replay.capacity")           \
  X("memory_size", "replay.capacity")           \
  X("batch_size", "replay.batch")               \
  X("minibatch_size", "replay.batch")           \
  X("net_arch", "network.hidden")               \
  X("hidden_size", "network.hidden")            \
  X("hidden_sizes", "network.hidden")           \
  X("hidden_layers", "network.hidden")          \
  X("num_critics", "network.critics")           \
  X("n_critics", "network.critics")             \
  X("learning_rate", "optim.lr")                \
  X("policy_lr", "optim.actor_lr")              \
  X("actor_learning_rate", "optim.actor_lr")    \
  X("q_lr", "optim.critic_lr")                  \
  X("critic_learning_rate", "optim.critic_lr")  \
  X("ent_coef_lr", "optim.alpha_lr")            \
  X("eps", "optim.epsilon")                     \
  X("alpha", "alpha.initial")                   \
  X("ent_coef", "alpha.initial")                \
  X("temperature", "alpha.initial")             \
  X("autotune", "alpha.learn")                  \
  X("entropy_target", "alpha.target_entropy")   \
  X("discount", "gamma")                        \
  X("discount_factor", "gamma")                 \
  X("polyak", "tau")                            \
  X("target_update_rate", "tau")                \
  X("eval_freq", "eval.every")                  \
  X("eval_interval", "eval.every")              \
  X("n_eval_episodes", "eval.episodes")         \
  X("log_interval", "log.every")                \
  X("save_freq", "checkpoint.every")            \
  X("num_threads", "cpu.threads")

#endif
