"""A run uses no more memory late than early: thousands of steps and episodes of each kind of environment, with the
other parts of a run (acting, replay, some updates, evaluations, checkpoints, logs). Read from /proc while the
program runs."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SANITIZED, SMALL, children, main, rows, sac, sets

# ctest: timeout=600

BUILD = pathlib.Path(os.environ["SAC_BUILD"])
PAGE = os.sysconf("SC_PAGESIZE")

# The memory of a process varies by some tens of KB (the kernel's pages, stacks of threads, Python's arenas). The
# smallest leak of a step is one allocation of 32 bytes, and there are at least 10,000 steps between the two
# measurements.
TOLERANCE = 256 * 1024


def resident(pid):
    """The bytes of the process and its worker processes."""
    return sum(int(pathlib.Path(f"/proc/{one}/statm").read_text().split()[1]) for one in [pid, *children(pid)]) * PAGE


def flat(env, num_envs, steps, **options):
    values = {**SMALL, "train.steps": steps, "train.warmup_steps": steps // 10, "train.updates_per_step": 0.01,
              "env.num_envs": num_envs, "log.every": steps // 100, "eval.every": steps // 20, "eval.episodes": 1,
              "checkpoint.every": steps // 20, **{f"env.options.{key}": value for key, value in options.items()}}
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        out = pathlib.Path(path, "run")
        metrics = out / "seed_1/metrics.csv"
        run = subprocess.Popen([PROGRAM, "train", "--env", env, "--device", "cpu", "--quiet", "--out", str(out), *sets(values)],
                               stderr=subprocess.PIPE, text=True, env=dict(os.environ, SAC_PYTHON=sys.executable))
        seen, begin = [], time.monotonic()
        while run.poll() is None:
            try:
                seen.append((int(rows(metrics)[-1][0]), resident(run.pid)))
            except (OSError, ValueError, IndexError):  # not started yet, or just ended
                pass
            time.sleep(0.01)
        assert run.returncode == 0, run.stderr.read()
    early = [size for step, size in seen if 0.25 * steps <= step <= 0.4 * steps]
    late = [size for step, size in seen if 0.9 * steps <= step]
    assert len(early) >= 3 and len(late) >= 3, f"{env}: seen too seldom: {seen}"
    grown = statistics.median(late) - statistics.median(early)
    print(f"{env} N {num_envs} {options}: {statistics.median(early) / 2**20:.1f} MB, {grown / 1024:+.0f} KB later, "
          f"{time.monotonic() - begin:.0f} s")
    assert grown <= TOLERANCE, f"{env}, N {num_envs}: {grown / 1024:.0f} KB more from a third of the run to its end"


def test_built_in():
    flat("Pendulum-v1", 4, 1_000_000)  # fewer steps end before memory is measured often enough


def test_mujoco():
    """Its episodes are short, about ten steps."""
    if sac("envs", "InvertedPendulum-v5", code=None).returncode == 0:
        flat("InvertedPendulum-v5", 16, 256_000)


def test_gym():
    """In the process of sac and in worker processes. A short time limit gives thousands of resets."""
    if (BUILD / "sac_gym.so").exists():
        for workers in (0, 2):
            flat("gym:Pendulum-v1", 4, 64_000, sac_workers=workers, max_episode_steps=20)


if __name__ == "__main__":
    if SANITIZED:
        print("skipped: the sanitizers' own memory grows")
        sys.exit(77)
    main(globals())
