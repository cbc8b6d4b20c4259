/* The text that sac bench --help prints below its options. */
#ifndef SAC_CLI_BENCH_NOTES_H
#define SAC_CLI_BENCH_NOTES_H

static const char sac_bench_notes[] =
    "  update  whole updates: sample, critics, actor, temperature, targets. Counts agent-updates: P agents count P\n"
    "  op      one update, part by part: the operations of the algorithm's list ('sac info --algo NAME') that run\n"
    "          together, what they run as, their time, and the rate of their products\n"
    "  act     observations to actions, N (--envs) at a time\n"
    "  replay  transitions pushed per second, and minibatch rows sampled per second\n"
    "  env     steps per second of an environment, N (--envs) at a time, with random actions. --bare alternates with\n"
    "          MuJoCo's own loop on the same model and threads: mj_step only, without rewards, checks or resets\n"
    "  train   steps per second of the whole loop after its warm-up: act, env step, push, updates; no files\n"
    "\n"
    "--stages prints the time of each stage. On the CPU it is measured in the loop. On a CUDA device the stages\n"
    "run one after another, also with train.overlap, each stage of an update as a graph of its own, and the\n"
    "device's events measure them. Where the host steps the environments, its clock measures act (from\n"
    "observations to actions) and env step, including waits. Below the stages: their sum; with train.overlap\n"
    "the time when env step (on a device also act) runs beside the updates, of which the longer one counts; and\n"
    "the measured time of the loop. The loop takes more because of waits and gaps between stages, or less\n"
    "because one graph of all stages is faster.\n"
    "\n"
    "bench op times each part in the order of an update: on the CPU by the host's clock, the median of many updates;\n"
    "on a CUDA device each part as a graph of its own, by the device's events. Below the parts: their sum, and the\n"
    "time of a whole update. --cases runs the odd sizes that sac's own tests run.\n"
    "\n"
    "--hidden takes several networks separated by '/'; --batch, --population, --threads and --envs take several\n"
    "numbers separated by ','. Every combination is one case. Results are the median of the repeats; --json\n"
    "prints one object for each case, with the slowest and the fastest repeat. The environment variable SAC_CPU\n"
    "(portable, avx2, avx512) chooses the instruction set.\n"
    "\n"
    "Examples:\n"
    "  sac bench update --batch 32,256,4096 --hidden 64,64/256,256\n"
    "  sac bench op --device cpu --threads 1 --algo sac-v\n"
    "  sac bench update --algo sac-discrete --obs 8 --actions 4\n"
    "  sac bench train --env Pendulum-v1 --hidden 64,64 --batch 100 --json\n"
    "  sac bench train --env HalfCheetah-v5 --population 10 --stages \\\n"
    "    --device cuda --set train.overlap=1\n";

#endif
