"""Discrete actions of Gymnasium's environments: what each number stands for, in this process and in worker processes,
what is refused, and training on them."""
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy
from safetensors import safe_open

from support.gym_table import POINTER, Spec, table
from support.program import BENCH, SMALL, main, one_line, replay, rows, sac, sets

# ctest: timeout=600

SUPPORT = pathlib.Path(__file__).parent / "support"
FAILED = 1
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(SUPPORT)}
JOINT = "gym:gym_envs:Joint-v0"

# The sizes and the smallest values of the choices of each kind of Joint, in order, and their names.
CHOICES = {
    "discrete": ([3], [-3], [""]),
    "narrow": ([5], [2], [""]),
    "multi": ([3, 2], [0, 0], ["0", "1"]),
    "started": ([3, 1, 2, 4], [-1, 5, 0, 7], ["0.0", "0.1", "1.0", "1.1"]),
    "binary": ([2, 2, 2], [0, 0, 0], ["0", "1", "2"]),
    "grid": ([2, 2, 2, 2], [0, 0, 0, 0], ["0.0", "0.1", "1.0", "1.1"]),
    "tuple": ([2, 2, 3], [1, 0, 0], ["0", "1.0", "1.1"]),
    "dict": ([2, 2, 3, 2], [0, 0, -1, 0], ["arm.0.0", "arm.0.1", "arm.1", "grip"]),
    "largest": ([2] * 12, [0] * 12, [str(k) for k in range(12)]),
}


def created(api, options, n):
    self, spec = POINTER(), Spec()
    code = api.create(ctypes.byref(self), JOINT.encode(), n, json.dumps(options).encode(), ctypes.byref(spec))
    return code, self, spec


def test_numbers_are_joint_actions():
    """Every number in turn. The environment refuses actions that are not in its space, and tells the choices that it got:
    those of numpy.unravel_index, in which the last one changes fastest."""
    sys.path.insert(0, str(SUPPORT))
    api = table()
    for kind, (sizes, starts, _) in CHOICES.items():
        for n, workers in ((1, 0), (3, 0), (3, 2)):
            code, self, spec = created(api, {"kind": kind, "sac_workers": workers}, n)
            assert code == 0, api.error(self)
            count = int(numpy.prod(sizes))
            assert (spec.actions, spec.action_size, bool(spec.low), bool(spec.high)) == (count, 1, False, False), kind
            obs, reward = numpy.empty((n, 1), "f4"), numpy.empty(n, "f4")
            terminated, truncated, mask = (numpy.ones(n, "u1") for _ in range(3))
            seed = numpy.arange(n, dtype="u8") << 33
            assert api.reset(self, mask.ctypes.data, seed.ctypes.data, obs.ctypes.data) == 0, api.error(self)
            numbers = numpy.arange(count) if count < 100 else numpy.append(numpy.arange(0, count, 61), count - 1)
            for first in numbers:
                before, action = obs.copy(), ((first + numpy.arange(n)) % count).astype("f4").reshape(n, 1)
                assert api.step(self, action.ctypes.data, obs.ctypes.data, reward.ctypes.data, terminated.ctypes.data,
                                truncated.ctypes.data) == 0, api.error(self)
                info, names = numpy.empty((n, len(sizes)), "f4"), api.info_names(self)
                assert sorted(names[k] for k in range(len(sizes))) == sorted(b"c%d" % k for k in range(len(sizes)))
                assert names[len(sizes)] is None and api.info(self, info.ctypes.data) == 0
                got = info[:, numpy.argsort([int(names[k][1:]) for k in range(len(sizes))])]
                digits = numpy.stack(numpy.unravel_index(action[:, 0].astype(int), sizes), 1)
                assert numpy.array_equal(got, digits + starts), (kind, action, got)
                wanted = numpy.where(before == 1, numpy.array(sizes) - 1, 0)
                assert numpy.allclose(reward, (digits == wanted).mean(1), atol=1e-6), (kind, reward)
            api.destroy(self)


def test_what_a_number_means_is_described():
    """By the text that becomes the metadata `spaces` of policy.safetensors."""
    sys.path.insert(0, str(SUPPORT))
    api = table()
    kinds = {"discrete": "Discrete", "narrow": "Discrete", "tuple": "Tuple", "dict": "Dict", "binary": "MultiBinary",
             "grid": "MultiBinary", "largest": "MultiBinary"}
    for kind, (sizes, starts, names) in CHOICES.items():
        for n, workers in ((1, 0), (2, 2)):
            code, self, _ = created(api, {"kind": kind, "sac_workers": workers}, n)
            assert code == 0, api.error(self)
            (action,) = json.loads(api.describe(self))["action"]
            wanted = {"name": "", "offset": 0, "size": 1, "space": kinds.get(kind, "MultiDiscrete"),
                      "actions": int(numpy.prod(sizes))}
            if len(sizes) == 1:
                wanted["start"] = starts[0]
            else:
                wanted["encoding"] = "row-major: the last factor changes fastest"
                wanted["factors"] = [{"name": name, "size": size, "start": start}
                                     for name, size, start in zip(names, sizes, starts)]
            assert action == wanted, (action, wanted)
            api.destroy(self)


def test_refused_by_name():
    api, wrap = table(), "wrap the environment"
    sys.path.insert(0, str(SUPPORT))
    for kind, *texts in (
        ("one", "its action space Discrete(1) leaves no choice; sac takes 2 actions or more: ", wrap),
        ("ones", "its action space MultiDiscrete([1 1]) leaves no choice", wrap),
        ("empty", "its action space Tuple() leaves no choice", wrap),
        ("many", "its action space MultiBinary(13) has 8,192 joint actions; sac takes up to 4,096: ", wrap),
        ("huge", "its action space MultiDiscrete([1000 1000 ", "... has about 10^300 joint actions; sac takes up to 4,096", wrap),
        ("wide", "its action space Discrete(65537) has 65,537 actions; sac takes up to 65,536", wrap),
        ("mixed", "it takes actions of Box(-1.0, 1.0, (2,), float32) at move; sac gives numbers (Box), or choices", wrap),
        ("text", "it takes actions of Text(", wrap),
        ("none", "it takes actions of None; sac gives numbers (Box), or choices", wrap),
    ):
        for n, workers in ((1, 0), (2, 2)):
            code, self, _ = created(api, {"kind": kind, "sac_workers": workers}, n)
            line = api.error(self).decode()
            assert code == FAILED and len(line.splitlines()) == 1 and all(text in line for text in texts), (kind, line)
            api.destroy(self)


def numbers_of(seed_folder, obs, steps):
    """The actions in the rows of the replay, (steps)."""
    data = (seed_folder / "replay/rows_0.bin").read_bytes()
    return numpy.frombuffer(data, "f4", offset=64).reshape(-1, int.from_bytes(data[8:16], "little"))[:steps, obs]


def test_trained():
    """The best choices are learnt by both algorithms, whatever the space; the same with worker processes. Kept in the replay
    as whole numbers, resumed, evaluated."""
    values = {**SMALL, "train.steps": 800, "network.hidden": "32,32", "replay.batch": 32, "optim.lr": 3e-3, "gamma": 0,
              "eval.every": 0, "env.num_envs": 2}
    for kind, algo in (("discrete", "sac-discrete"), ("multi", "soft-q"), ("binary", "sac-discrete"), ("dict", "soft-q")):
        sizes, starts, _ = CHOICES[kind]
        with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
            outs = [pathlib.Path(path, name) for name in ("here", "there")]
            for out, workers in zip(outs, (0, 2)):
                sac("train", "--env", JOINT, "--out", out, *sets({**values, "algo": algo, "env.options.kind": kind,
                                                                 "env.options.sac_workers": workers}), env=PYTHON)
            one, other = (out / "seed_1" for out in outs)
            assert replay(one) == replay(other) and rows(one / "metrics.csv") == rows(other / "metrics.csv"), kind
            numbers, count = numbers_of(one, 1, 800), int(numpy.prod(sizes))
            assert numpy.array_equal(numpy.unique(numbers), numpy.arange(count)), (kind, numpy.unique(numbers))
            header, *table = rows(one / "metrics.csv")
            for k, (size, start) in enumerate(zip(sizes, starts)):
                means = [float(row[header.index(f"info/c{k}")]) for row in table]
                assert start < min(means) and max(means) < start + size - 1, (kind, k, means)
            sac("resume", outs[0], "--steps", 900, env=PYTHON)
            [policy] = json.loads(sac("eval", outs[0], "--episodes", 5, "--json", env=PYTHON).stdout)["policies"]
            print(f"{kind}, {algo}: return {policy['mean']:.2f} of 20")
            assert policy["mean"] > 19, (kind, policy)
            with safe_open(one / "policy.safetensors", "numpy") as file:
                assert json.loads(file.metadata()["spaces"])["action"][0]["actions"] == count


def test_cart_pole():
    """Gymnasium's own, for some hundred steps: numbers 0 and 1, returns that are lengths of episodes."""
    for algo in ("sac-discrete", "soft-q"):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
            out = pathlib.Path(path, "run")
            sac("train", "--env", "gym:CartPole-v1", "--out", out, *sets({**SMALL, "algo": algo}), env=PYTHON)
            assert set(numbers_of(out / "seed_1", 4, 600)) == {0, 1}
            [policy] = json.loads(sac("eval", out, "--episodes", 3, "--json", env=PYTHON).stdout)["policies"]
            assert policy["returns"] == policy["lengths"] and min(policy["lengths"]) >= 8, policy


def test_shown_and_measured():
    text = sac("envs", "gym:gym_envs:Choices-v0", env=PYTHON).stdout
    assert re.search(r"^  actions +3 discrete, for algo: sac-discrete, soft-q$", text, re.M), text
    (one,) = json.loads(sac("envs", "gym:gym_envs:Choices-v0", "--json", env=PYTHON).stdout)
    assert (one["actions"], one["action_size"], one["action_low"]) == (3, 1, []), one
    result = sac("bench", "env", "--env", "gym:gym_envs:Choices-v0", "--json", *BENCH, env=PYTHON)
    assert json.loads(result.stdout.splitlines()[0])
    line = one_line(sac("train", "--env", JOINT, *sets({**SMALL, "env.options.kind": "many"}), code=FAILED, env=PYTHON).stderr)
    assert "MultiBinary(13) has 8,192 joint actions" in line, line


def test_traces_are_of_actions_that_tasks_have():
    code = "import sys, gym_envs; sys.path.insert(0, sys.argv[1]); import traces; traces.trace(sys.argv[2], 0, 'random', " \
           "{'kind': sys.argv[3]} if sys.argv[3] else {})"
    for name, kind, space in (("Joint-v0", "multi", "MultiDiscrete([3 2])"), ("Choices-v0", "", "Discrete(3, start=-1)")):
        result = subprocess.run([sys.executable, "-c", code, SUPPORT.parents[1] / "scripts", name, kind], text=True,
                                capture_output=True, env={**os.environ, **PYTHON})
        assert result.returncode == 1 and result.stderr == (
            f"traces.py: {name} takes actions of {space}; sac's tasks, which verify steps, take Box, or Discrete from 0\n"), result


if __name__ == "__main__":
    main(globals())
