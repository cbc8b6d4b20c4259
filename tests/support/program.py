"""Runs the sac program as a user does and reads its files, for the tests in Python."""
import csv
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy
from safetensors import safe_open

PROGRAM = os.environ["SAC_PROGRAM"]
SANITIZED = "SAC_SANITIZED" in os.environ

# A small configuration in which every part of a run is active. 1,000 steps with updates take about a second.
SMALL = {
    "network.hidden": "16,16",
    "replay.batch": 16,
    "replay.capacity": 2000,
    "train.steps": 600,
    "train.warmup_steps": 200,
    "log.every": 100,
    "eval.every": 300,
    "eval.episodes": 2,
    "checkpoint.every": 150,
    "checkpoint.keep": 2,
}

# A benchmark that only has to run. It is too short for useful numbers.
BENCH = ("--seconds", 0.05, "--warmup", 0.05, "--repeats", 3)

# Columns of metrics.csv with times or rates. Two equal runs differ in these only.
TIMES = ("per_second", "seconds")


def sets(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def without_waits(text):
    """Standard error without the lines about calls that take long: on a busy machine it takes seconds to make an
    environment in Python."""
    return re.sub(r"^sac: waiting for .*\n", "", text, flags=re.M)


def sac(*arguments, code=0, env=None, timeout=120, **options):
    """Runs the program, checks its exit code (None: any) and returns the CompletedProcess. It is called `sac`, as in a
    folder of PATH, so that messages name it so."""
    result = subprocess.run(["sac", *map(str, arguments)], executable=PROGRAM, text=True, capture_output=True,
                            timeout=timeout, env=dict(os.environ, **(env or {})), **options)
    result.stderr = without_waits(result.stderr)
    assert code is None or result.returncode == code, (
        f"sac {' '.join(map(str, arguments))}: exit code {result.returncode}, not {code}\n"
        f"{result.stdout}\n{result.stderr}")
    return result


def train(out, values=None, *arguments, env="Pendulum-v1", **options):
    """A small run in the folder `out`."""
    return sac("train", "--env", env, "--out", out, *sets(dict(SMALL, **(values or {}))), *arguments, **options)


def one_line(text):
    """Checks that the error is one line that starts with the program's name."""
    lines = without_waits(text).splitlines()
    assert len(lines) == 1 and lines[0].startswith("sac: "), f"not one clear line:\n{text}"
    return lines[0]


def checkpoints(seed_folder):
    """The steps of the checkpoints in a seed folder, the oldest first."""
    files = pathlib.Path(seed_folder, "checkpoints").glob("step_*.safetensors")
    return sorted(int(file.stem[5:]) for file in files)


def tensors(path):
    with safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def rows(path, times=False):
    """A CSV file as a list of rows, by default without the columns that hold times."""
    with open(path, newline="") as file:
        table = list(csv.reader(file))
    keep = [i for i, name in enumerate(table[0]) if times or not name.endswith(TIMES)]
    return [[row[i] for i in keep] for row in table]


def replay(seed_folder):
    return {file.name: file.read_bytes() for file in pathlib.Path(seed_folder, "replay").iterdir()}


def same_tensors(a, b, ignore=()):
    """Checks that two safetensors files hold the same names and the same bits."""
    first, second = tensors(a), tensors(b)
    assert first.keys() == second.keys(), f"{a}, {b}: {first.keys() ^ second.keys()}"
    for name, value in first.items():
        if name in ignore:
            continue
        other = second[name]
        assert value.dtype == other.dtype and value.shape == other.shape, f"{a}, {b}: {name}"
        if value.tobytes() != other.tobytes():
            differ = numpy.count_nonzero(value != other)
            raise AssertionError(f"{a}, {b}: {name} differs in {differ} of {value.size} elements: {value} {other}")


def same_runs(a, b, best=True):
    """Checks that two seed folders have the same state, to the bit: newest checkpoint, replay, best, policy, CSV
    files. best=False: one run repeated an evaluation after an interruption, and may have another best policy."""
    a, b = pathlib.Path(a), pathlib.Path(b)
    assert checkpoints(a) and checkpoints(a)[-1] == checkpoints(b)[-1], (checkpoints(a), checkpoints(b))
    last = f"checkpoints/step_{checkpoints(a)[-1]}.safetensors"
    same_tensors(a / last, b / last, ignore=("run.seconds",))
    assert (a / "checkpoints/best").exists() == (b / "checkpoints/best").exists()
    if best and (a / "checkpoints/best").exists():
        same_tensors(a / "checkpoints/best", b / "checkpoints/best", ignore=("run.seconds",))
    same_tensors(a / "policy.safetensors", b / "policy.safetensors")
    assert replay(a) == replay(b), f"{a}, {b}: replay rows differ"
    for name in ("metrics.csv", "evaluations.csv"):
        assert rows(a / name) == rows(b / name), f"{a}, {b}: {name} differs:\n{rows(a / name)}\n{rows(b / name)}"


def children(pid):
    """The child processes of this process that are still running."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
        except (OSError, ValueError, IndexError):
            pass
    return found


def main(cases):
    """Runs all functions test_* of the calling file, or those named on the command line."""
    names = sys.argv[1:] or [name for name in cases if name.startswith("test_")]
    for name in names:
        begin = time.monotonic()
        cases[name]()
        print(f"{name}: passed, {time.monotonic() - begin:.1f} s", flush=True)
