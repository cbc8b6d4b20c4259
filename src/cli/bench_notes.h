/* What sac bench --help says below its options. */
#ifndef SAC_CLI_BENCH_NOTES_H
#define SAC_CLI_BENCH_NOTES_H

static const char sac_bench_notes[] =
    "  update  whole updates: sample, critics, actor, temperature, targets. Agent-updates a second: P agents count P\n"
    "  act     observations to actions, N (--envs) at a time\n"
    "  replay  transitions pushed a second, and minibatch rows sampled a second\n"
    "  env     steps a second of an environment, N (--envs) at a time, with random actions. --bare: beside MuJoCo's "
    "own\n"
    "          loop on the same model and threads, in turn: mj_step alone, without rewards, checks or ends of "
    "episodes\n"
    "  train   steps a second of the whole loop after its warm-up: act, env step, push, updates; no files\n"
    "\n"
    "--stages: what each stage takes. On the CPU: by its clock, as the loop makes them. On a CUDA device: one after\n"
    "another, with train.overlap too, each of an update as a graph of its own, by the device's events; where the host\n"
    "steps the environments, act and env step by the host's clock, act from its observations to its actions, waits\n"
    "included. Below them stand their sum, what it comes to with env step (on a device act too) beside the updates\n"
    "(train.overlap: the longer counts), and the time of the loop that was measured before. The difference: waits,\n"
    "and gaps between stages (more), or what one graph of all stages saves (less).\n"
    "\n"
    "--hidden takes several networks separated by '/'; --batch, --population, --threads and --envs take several\n"
    "numbers separated by ','. Every combination is one case. Figures are the median of the repeats; --json prints\n"
    "one object a case, with the slowest and the fastest repeat beside it. The environment variable SAC_CPU\n"
    "(portable, avx2, avx512) picks the instruction set.\n"
    "\n"
    "Examples:\n"
    "  sac bench update --batch 32,256,4096 --hidden 64,64/256,256\n"
    "  sac bench train --env Pendulum-v1 --hidden 64,64 --batch 100 --json\n"
    "  sac bench train --env HalfCheetah-v5 --population 10 --device cuda --stages --set train.overlap=1\n";

#endif
