#!/usr/bin/env python3
"""Measures `sac bench env --env gym:ID` against Gymnasium's vector environments, alternately: every round runs sac, the
synchronous one and the asynchronous one (shared memory), so that other work on the machine affects all alike. Random
actions are drawn beforehand; transitions per second do not count resets. Prints medians, and the median over rounds of
the ratio of sac to the better of the two.

  scripts/bench_gym.py
  scripts/bench_gym.py --env HalfCheetah-v5 --envs 4,16 --rounds 9
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import need

need("gymnasium", "numpy", setup="--gym")
import gymnasium
import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
ACTIONS = 64


class Peer:
    def __init__(self, name, n, mode):
        self.env, self.n = gymnasium.make_vec(name, n, vectorization_mode=mode), n
        self.env.reset(seed=1)
        self.actions, self.at = [self.env.action_space.sample() for _ in range(ACTIONS)], 0

    def rate(self, seconds):
        begin, transitions, resets = time.perf_counter(), 0, numpy.zeros(self.n, bool)
        while (taken := time.perf_counter() - begin) < seconds:
            for _ in range(16):
                _, _, terminated, truncated, _ = self.env.step(self.actions[self.at % ACTIONS])
                self.at += 1
                transitions += self.n - numpy.count_nonzero(resets)  # the step after the end of an episode only resets
                resets = terminated | truncated
        return transitions / taken


def ours(options, name, n):
    result = subprocess.run([options.program, "bench", "env", "--env", f"gym:{name}", "--envs", str(n), "--device", "cpu",
                             "--seconds", str(options.seconds), "--warmup", "0.1", "--repeats", "1", "--json"],
                            text=True, capture_output=True, env=dict(os.environ, SAC_PYTHON=sys.executable))
    if result.returncode:
        sys.exit(f"scripts/bench_gym.py: {result.stderr.strip()}")
    return json.loads(result.stdout)["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/sac"), help="default: build/release/sac")
    parser.add_argument("--env", action="append", metavar="ID", help="may be repeated")
    parser.add_argument("--envs", default="1,4,16", help="environments at a time; default: 1,4,16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    options = parser.parse_args()
    if not os.access(options.program, os.X_OK):
        sys.exit(f"scripts/bench_gym.py: no program {options.program}: cmake --preset release && cmake --build --preset release")
    warnings.simplefilter("ignore")
    options.program = os.path.abspath(options.program)
    with tempfile.TemporaryDirectory(prefix="sac-bench-") as folder:
        os.chdir(folder)  # in every worker process MuJoCo writes warnings to a file in the working folder
        compare(options)


def compare(options):
    print(f"{'transitions/s':24}{'N':>4}{'sac':>10}{'sync':>10}{'async':>10}{'sac / better':>14}")
    for name in options.env or ["CartPole-v1", "Pendulum-v1", "HalfCheetah-v5"]:
        for n in map(int, options.envs.split(",")):
            peers = [Peer(name, n, mode) for mode in ("sync", "async")]
            rounds = [(ours(options, name, n), *(peer.rate(options.seconds) for peer in peers))
                      for _ in range(options.rounds)]
            for peer in peers:
                peer.env.close()
            rates = "".join(f"{statistics.median(column):10.0f}" for column in zip(*rounds))
            ratio = statistics.median(sac / max(rest) for sac, *rest in rounds)
            print(f"{name:24}{n:4}{rates}{ratio:14.2f}", flush=True)


if __name__ == "__main__":
    main()
