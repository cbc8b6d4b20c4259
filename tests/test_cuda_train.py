"""Training on a CUDA device through the program, as a user does it: it learns, the same seed gives the same bytes,
runs can be stopped and resumed, and the program reports on the device. Skipped if no device is usable. A build that
runs CUDA on the host has one; its runs are small."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import numpy

from support.program import PROGRAM, SANITIZED, SMALL, checkpoints, main, rows, sac, same_runs, sets, tensors

# ctest: label=learning,cuda timeout=600

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])
CUDA = ("--device", "cuda")

# Learns reliably within the number of steps that the host execution makes in half a minute.
LEARN = {"network.hidden": "32,32", "replay.batch": 64, "optim.lr": 3e-3, "gamma": 0.95, "tau": 0.02, "alpha.initial": 0.2,
         "eval.every": 0, "checkpoint.every": 0}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def run(out, values, *arguments, **options):
    """A small run in the folder `out`, of a task whose actions the algorithm takes. env: environment variables of the
    process."""
    env = "CartPole-v1" if values.get("algo") in ("soft-q", "sac-discrete") else "Pendulum-v1"
    return sac("train", "--env", env, "--out", out, *sets(dict(SMALL, **values)), *arguments, **options)


def mean_return(out, episodes=20):
    result = json.loads(sac("eval", out, "--episodes", episodes, "--json").stdout)
    return result["policies"][0]["mean"]


def learn(env, steps, values):
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(LEARN, **values)
        sac("train", "--env", env, "--out", out, "--steps", steps, "--quiet", *CUDA, *sets(values), timeout=500)
        learnt = mean_return(out)
        untrained = pathlib.Path(path, "untrained")
        sac("train", "--env", env, "--out", untrained, "--steps", 1, "--quiet", *CUDA,
            *sets({**values, "train.warmup_steps": 0, "train.updates_per_step": 0}))
        before = mean_return(untrained)
        print(f"{env}: {before:.3g} before, {learnt:.3g} after {steps} steps")
        return before, learnt


def test_quadratic_reaches_its_optimum():
    """The reward is -2 (a + 0.6)^2, so the best deterministic action has return 0."""
    before, learnt = learn("SacQuadratic-v0", 500, {"train.warmup_steps": 100, "env.options.centre": -0.6})
    assert before < -0.1, before
    assert learnt > -0.01, learnt


def test_pendulum_learns():
    """A pendulum without control, or with random actions, has a return of about -1200; one that swings up, -150."""
    before, learnt = learn("Pendulum-v1", 3000, {"train.warmup_steps": 500})
    assert before < -800, before
    assert learnt > -400, learnt


def test_cart_pole_learns():
    """The return is the number of steps that the pole stands. Most of an untrained policy's actions are the same, so
    it falls at once."""
    for algo in ("soft-q", "sac-discrete"):
        values = {"algo": algo, "train.warmup_steps": 200, "replay.batch": 32, "gamma": 0.98, "alpha.learn": "false"}
        before, learnt = learn("CartPole-v1", 1200, values)
        assert before < 40, before
        assert learnt > 80, learnt


def test_same_seed_same_bytes():
    """Results do not depend on the device's order: the host execution shuffles blocks, threads and graph nodes."""
    few = {"train.warmup_steps": 260} if SANITIZED else {}
    for values in ({"train.steps": 301, "seeds": 2, **few}, {"train.steps": 301, "algo": "sac-v", "env.num_envs": 3, **few},
                   {"train.steps": 301, "algo": "soft-q", "seeds": 2, **few},
                   {"train.steps": 301, "algo": "sac-discrete", "train.overlap": 2, **few}):
        with folder() as path:
            one, two = pathlib.Path(path, "1"), pathlib.Path(path, "2")
            run(one, values, *CUDA)
            run(two, values, *CUDA, env={"SAC_CUDA_HOST_SEED": "12345"})
            for seed in sorted(one.glob("seed_*")):
                same_runs(seed, two / seed.name)
                assert len(rows(seed / "metrics.csv")) > 3


def test_interrupted_and_resumed():
    values = {"train.steps": 400, "log.every": 70, "eval.every": 0}
    with folder() as path:
        whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
        run(whole, values, *CUDA)
        process = subprocess.Popen(
            [PROGRAM, "train", "--env", "Pendulum-v1", "--out", str(parts), *CUDA, "--quiet",
             *sets({**SMALL, **values, "checkpoint.every": 20})],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        seed = parts / "seed_1"
        while process.poll() is None and not (seed.exists() and checkpoints(seed) and checkpoints(seed)[-1] >= 240):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
        stopped = checkpoints(seed)[-1]
        assert 240 <= stopped < 400, f"nothing was interrupted: step {stopped}"
        assert process.returncode == 130, (process.returncode, said)
        sac("resume", parts, *sets({"checkpoint.every": SMALL["checkpoint.every"]}))
        same_runs(whole / "seed_1", seed)


def test_environments_of_the_host():
    """Environments that the host steps: their transitions are the same in the device's replay and in the CPU's.
    Random actions are the same on both, so the transitions of the warm-up are equal to the bit."""
    values = {"train.steps": 300, "train.warmup_steps": 100, "env.num_envs": 2, "eval.every": 150}
    # memory that Python never frees is a leak to the address sanitizer
    ids = ["gym:Pendulum-v1"] * (not SANITIZED and pathlib.Path(os.environ["SAC_BUILD"], "sac_gym.so").exists())
    ids += ["HalfCheetah-v5"] * (sac("envs", "HalfCheetah-v5", code=None).returncode == 0)
    for env in ids:
        with folder() as path:
            for device in ("cpu", "cuda"):
                sac("train", "--env", env, "--out", pathlib.Path(path, device), "--device", device, "--quiet",
                    *sets(dict(SMALL, **values)), env={"SAC_PYTHON": sys.executable})
            here, there = (pathlib.Path(path, device, "seed_1") for device in ("cpu", "cuda"))
            tables = []
            for seed in (here, there):
                data = (seed / "replay/rows_0.bin").read_bytes()
                tables.append(numpy.frombuffer(data, "f4", offset=64).reshape(-1, int.from_bytes(data[8:16], "little")))
            assert len(tables[0]) >= 300 and tables[0][:100].tobytes() == tables[1][:100].tobytes(), env
            assert numpy.isfinite(tables[1][:300]).all() and len(rows(there / "evaluations.csv")) == 3, env
            last = dict(zip(rows(there / "metrics.csv")[0], rows(there / "metrics.csv")[-1]))
            print(f"{env}: {last}")
            assert int(last["step"]) == 300 and checkpoints(there) == checkpoints(here)
            weights = tensors(there / "checkpoints/last")
            assert all(numpy.isfinite(value).all() for value in weights.values()), env


def test_info():
    text = sac("info").stdout
    assert "cuda:0" in text and "compute capability" in text, text
    assert json.loads(sac("info", "--json").stdout)["cuda"] is True


def test_bench():
    lines = sac("bench", "update", *CUDA, "--hidden", "16,16", "--batch", 16, "--seconds", 0.1, "--warmup", 0.1,
                "--repeats", 2, "--json").stdout.splitlines()
    assert len(lines) == 1
    case = json.loads(lines[0])
    assert case["device"] == "cuda:0" and case["precision"] == "fp32", case
    # 18 kernels and 16 products. A device may split a product into two kernels.
    devices = json.loads(sac("info", "--json").stdout)["cuda_devices"]
    assert 34 <= case["nodes"] <= (34 if "host execution" in devices[0] else 50), (case, devices)
    assert case["updates_per_second"] > 0, case
    small = ["--hidden", "8,8", "--batch", 8, "--seconds", 0.01, "--warmup", 0, "--repeats", 1, "--json"]
    assert json.loads(sac("bench", "update", *small).stdout)["device"] == "cpu"
    # a capture needs a device, so auto chooses one
    assert json.loads(sac("bench", "update", *small, "--profile", "1:2").stdout)["device"] == "cuda:0"


def test_bench_op():
    """Each launch of an update, and all of them its graph."""
    words = ["bench", "op", *CUDA, "--hidden", "8,8", "--batch", 8, "--seconds", 0.01, "--warmup", 0.01, "--repeats", 1]
    case = json.loads(sac(*words, "--json").stdout)
    assert sum(part["nodes"] for part in case["parts"]) == case["nodes"] >= 34, case
    assert all(part["microseconds"] > 0 for part in case["parts"]), case
    assert [part["runs_as"] for part in case["parts"]][0] == "replay_sample", case
    assert re.search(r"\n  temperature update +[\d.]+ +[\d.]+% +1\n      temperature_update: temperature", sac(*words).stdout)


def test_bench_stages():
    """The times of the loop's stages too, with environments on the host and on the device, and overlapping the
    updates. Below the sum of the stages is the measured time of the loop."""
    ids = ["Pendulum-v1"] + ["HalfCheetah-v5"] * (sac("envs", "HalfCheetah-v5", code=None).returncode == 0)
    words = ["bench", "train", *CUDA, "--hidden", "8,8", "--batch", 8, "--population", 2, "--seconds", 0.01, "--warmup", 0,
             "--repeats", 1, "--stages"]
    for env in ids:
        for overlap in (0, 2):
            values = sets({"train.overlap": overlap, "env.num_envs": 2})
            case = json.loads(sac(*words, "--env", env, *values, "--json").stdout)
            times = {name: stage["microseconds"] for name, stage in case["stages"].items()}
            assert len(times) == 8 and all(time > 0 for time in times.values()), case
            assert case["updates"] == 2
            before = times["act"] + times["replay push"]
            updates = 2 * (sum(times.values()) - before - times["env step"])
            assert abs(case["stages_sum"] - before - times["env step"] - updates) < 1e-4 * case["stages_sum"], case
            late = overlap > 0 and env != "Pendulum-v1"  # environments on the device run in the same queue as everything else
            assert ("stages_overlapped" in case) == late and ("nodes" in case["stages"]["env step"]) == (env == "Pendulum-v1")
            if late:
                expected = times["replay push"] + max(times["act"] + times["env step"], updates)
                assert abs(case["stages_overlapped"] - expected) < 1e-4 * expected, case
        text = sac(*words, "--env", env, *values).stdout
        assert re.search(r"\n  all +[\d.]+  the sum, with 2 updates\n", text), text
        assert re.search(r"\n  measured +[\d.]+  in the loop, [\d.]+ us (less|more)\n", text), text


def test_verify():
    names = ("sac", "sac-v-odd", "soft-q", "sac-discrete")
    files = [SOURCE / f"tests/golden/updates/{name}.safetensors" for name in names]
    text = sac("verify", *files, *CUDA, "--set", "cuda.path=composed").stdout
    assert text.count("within tolerance") == len(names), text


def where(out):
    """The line of a run's log about the choice of auto, without its numbers."""
    lines = [line for line in (out / "log.txt").read_text().splitlines() if "device auto: " in line]
    return re.sub(r"\d+ us", "N us", lines[-1][lines[-1].index("device auto: "):]) if lines else None


def test_devices():
    """A device that does not exist, and the CPU when all devices are hidden."""
    error = sac("train", "--env", "Pendulum-v1", "--device", "cuda:97", code=1).stderr
    assert error.startswith("sac: device cuda:97: there ") and error.count("\n") == 1, error
    with folder() as path:
        out = pathlib.Path(path, "run")
        run(out, {"train.steps": 210}, "--device", "auto", env={"CUDA_VISIBLE_DEVICES": ""})
        assert json.loads((out / "machine.json").read_text())["device"] == "cpu"
        assert where(out) == "device auto: cpu, no device is visible (CUDA_VISIBLE_DEVICES is '')"
        on = pathlib.Path(path, "on")
        run(on, {"train.steps": 210}, *CUDA)
        assert json.loads((on / "machine.json").read_text())["device"] != "cpu" and where(on) is None
        assert tensors(on / "seed_1/checkpoints/last").keys() == tensors(out / "seed_1/checkpoints/last").keys()


def test_auto():
    """auto chooses the faster one: the CPU for tiny networks, the device for large networks and for precisions that
    only a device has. It says so, and a resumed run stays where it was."""
    with folder() as path:
        tiny, there = pathlib.Path(path, "tiny"), pathlib.Path(path, "there")
        run(tiny, {"train.steps": 210}, "--device", "auto")
        assert json.loads((tiny / "machine.json").read_text())["device"] == "cpu"
        assert where(tiny) == "device auto: cpu, a step takes about N us on the CPU, N us on cuda:0 (estimates)"
        run(there, {"train.steps": 210}, *CUDA)
        sac("resume", there, "--device", "auto", "--steps", 220)
        assert where(there) == "device auto: cuda:0, where the run was (--device moves it)"
        assert "warning" not in (there / "log.txt").read_text(), (there / "log.txt").read_text()
        sac("resume", tiny, "--steps", 220)
        assert where(tiny) == "device auto: cpu, where the run was (--device moves it)"
    for values, takes in (({"seeds": 64}, "cuda:0, a step takes"), ({"precision": "bf16"}, "cuda:0, for precision bf16"),
                          ({"network.hidden": "16,16", "replay.batch": 16}, "cpu, a step takes")):
        said = sac("train", "--env", "Pendulum-v1", "--dry-run", *sets({"network.hidden": "256,256", **values})).stdout
        assert f"\n# device auto: {takes}" in said, said
    said = sac("train", "--env", "Pendulum-v1", "--dry-run", *CUDA).stdout
    assert "device auto" not in said, said


def test_expected():
    """sac info shows the time of a step on each device of this machine."""
    text = sac("info", "--env", "SacPointMass-v0", "--seeds", 64, "--set", "network.hidden=256,256").stdout
    assert re.search(r"us, expected +cpu +cuda:0\n", text) and re.search(r"\n  a step( +[\d.]+){2}\n", text), text
    assert "\ndevice auto: cuda:0, a step takes about " in text, text
    case = json.loads(sac("info", "--env", "SacPointMass-v0", "--set", "network.hidden=8,8", "--json").stdout)
    assert case["takes"] == "cpu" and case["why"].startswith("device auto: cpu, a step takes about "), case
    assert 0 < case["cpu"]["step"] < case["cuda"]["step"], case
    case = json.loads(sac("info", "--env", "SacPointMass-v0", "--set", "precision=tf32", "--json").stdout)
    assert case["takes"] == "cuda:0" and case["cpu"] is None, case


def cases():
    """All of them on a device. The host execution takes a minute for a pendulum, whose updates are those of the
    quadratic. Under sanitizers long training shows nothing that short runs do not."""
    left_out = []
    if "host execution" in sac("info").stdout:
        left_out = ["test_pendulum_learns"]
        if SANITIZED:
            left_out += ["test_quadratic_reaches_its_optimum", "test_cart_pole_learns", "test_interrupted_and_resumed",
                         "test_environments_of_the_host", "test_bench_stages", "test_bench_op", "test_bench"]
    return {name: value for name, value in globals().items() if name not in left_out}


if __name__ == "__main__":
    if "cuda:0" not in sac("info").stdout:
        print("skipped: no CUDA device is usable here ('sac info')")
        sys.exit(77)
    main(cases())
