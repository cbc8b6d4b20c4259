#include "env/references.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "env/gym.h"

#define SOLVED "solved, by Gymnasium's threshold"
#define PUBLISHED "SAC, published: 10 seeds, 1M steps, mean of the last 10 evaluations"
#define TIANSHOU "SAC, Tianshou's examples/mujoco (gym 0.17): 10 seeds, best within 1M steps"
#define CLEANRL "SAC, CleanRL's docs (Pusher-v4): 3 seeds, 1M steps, in training"
#define SLM_LAB "SAC, SLM-Lab's docs/BENCHMARKS.md: 4 seeds, 1M steps, in training"
#define ZOO(steps) "SAC, RL Baselines3 Zoo's benchmark.md: one agent, " steps " steps"
#define ZOO_V3(steps) "SAC, RL Baselines3 Zoo's benchmark.md (-v3): one agent, " steps " steps"
#define SUITE "SAC, pytorch_sac's data/sac.csv: 3 seeds, evaluations from 0.9M to 1M steps"
#define BULLET "gym:pybullet_envs_gymnasium:"

const sac_reference sac_references[] = {
    {"Pendulum-v1", -157, NAN, ZOO("20k")},
    {"MountainCarContinuous-v0", 90, NAN, SOLVED},
    {"CartPole-v1", 475, NAN, SOLVED},
    {"Acrobot-v1", -100, NAN, SOLVED},

    {"InvertedPendulum-v5", 1000, 0, TIANSHOU},
    {"InvertedDoublePendulum-v5", 9359.5, 0.4, TIANSHOU},
    {"Reacher-v5", -2.6, 0.2, TIANSHOU},
    {"Pusher-v5", -22.45, 0.51, CLEANRL},
    {"Swimmer-v5", 345.6, NAN, ZOO_V3("1M")},
    {"Hopper-v5", 2761, 403, PUBLISHED},
    {"Walker2d-v5", 4460, 406, PUBLISHED},
    {"HalfCheetah-v5", 11058, 982, PUBLISHED},
    {"Ant-v5", 3960, 1202, PUBLISHED},
    {"Humanoid-v5", 4788, 1551, PUBLISHED},
    {"HumanoidStandup-v5", 137357, NAN, SLM_LAB},

    {"gym:LunarLanderContinuous-v3", 200, NAN, SOLVED},
    {"gym:BipedalWalker-v3", 300, NAN, SOLVED},
    {"gym:BipedalWalkerHardcore-v3", 300, NAN, SOLVED},
    {"gym:Swimmer-v4", 345.6, NAN, ZOO_V3("1M")},
    {"gym:Hopper-v4", 2761, 403, PUBLISHED},
    {"gym:Walker2d-v4", 4460, 406, PUBLISHED},
    {"gym:HalfCheetah-v4", 11058, 982, PUBLISHED},
    {"gym:Ant-v4", 5274, 810, PUBLISHED},
    {"gym:Humanoid-v4", 4788, 1551, PUBLISHED},
    {BULLET "HalfCheetahBulletEnv-v0", 2792.2, NAN, ZOO("1M")},
    {BULLET "AntBulletEnv-v0", 3073.1, NAN, ZOO("1M")},
    {BULLET "HopperBulletEnv-v0", 2603.5, NAN, ZOO("1M")},
    {BULLET "Walker2DBulletEnv-v0", 2292.3, NAN, ZOO("1M")},
    {BULLET "ReacherBulletEnv-v0", 18.1, NAN, ZOO("300k")},
    {"gym:shimmy:dm_control/cheetah-run-v0", 795.9, 33.2, SUITE},
    {"gym:shimmy:dm_control/hopper-hop-v0", 207.7, 45.7, SUITE},
    {"gym:shimmy:dm_control/walker-run-v0", 730.5, 88.8, SUITE},
};

const int32_t sac_reference_count = (int32_t)(sizeof sac_references / sizeof *sac_references);

const sac_reference* sac_reference_find(const char* id) {
  for (int32_t i = 0; i < sac_reference_count; i++)
    if (strcmp(sac_references[i].id, id) == 0) return &sac_references[i];
  const char* task = sac_env_gym_task(id);
  return task ? sac_reference_find(task) : NULL;
}
