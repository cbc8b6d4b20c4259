"""Stopping a run or an evaluation at any moment, signals, and how many environments there are."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SMALL, checkpoints, main, rows, sac, same_runs, sets

# ctest: timeout=300 processors=2

SUPPORT = pathlib.Path(__file__).parent / "support"
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(SUPPORT)}
PACED = "gym:stop_envs:Paced-v0"


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def arguments(out, values=None, env=PACED):
    return ["train", "--env", env, "--out", str(out), *sets(dict(SMALL, **(values or {})))]


def start(command, **more):
    return subprocess.Popen([PROGRAM, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, **PYTHON, **more))


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def has(path, text):
    return path.exists() and text in path.read_text()


def end(process, code, seconds=3):
    """Waits for a process that was stopped; returns what it printed."""
    begin = time.monotonic()
    text, error = process.communicate(timeout=60)
    assert process.returncode == code, (process.returncode, text, error)
    assert time.monotonic() - begin < seconds, (time.monotonic() - begin, text, error)
    return text, error


# --- an evaluation is left --------------------------------------------------------------------------------------------


def test_endless_evaluation():
    """It is limited and named, and a signal leaves it at once; the checkpoint is there."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        process = start(arguments(out, {"env.options.steps": 0, "checkpoint.every": 0}))
        wait_for(lambda: has(out / "log.txt", "no limit of steps") and has(out / "seed_1/metrics.csv", "\n300,"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        text, error = end(process, 130)
        assert "the evaluation of step 300 was left" in text and "stopped at step 300" in text, text
        assert f"{PACED} has no limit of steps: evaluations cut an episode after 100000 (eval.max_steps)" in error
        assert checkpoints(out / "seed_1") == [0, 300]
        # cut after 50 steps, the evaluations end and say so
        text = sac("resume", out, "--set", "eval.max_steps=50", env=PYTHON).stdout
        assert text.count("over 2 episodes, 2 cut after 50 steps") == 2, text
        assert [row[-1] for row in rows(out / "seed_1/evaluations.csv")[1:]] == ["50;50"] * 2


def stopped_parts(out, values, signals, lines):
    """A run that gets a signal each time that one of these rows is in its metrics, and is resumed. Returns the steps of
    the evaluations that were left, each with the step at which the run stopped."""
    process, found = start(arguments(out, values, "Pendulum-v1")), []
    for number, row in zip(signals, lines):
        wait_for(lambda row=row: has(out / "seed_1/metrics.csv", f"\n{row},") or process.poll() is not None)
        process.send_signal(number)
        text, _ = end(process, 128 + number)
        found += re.findall(r"the evaluation of step (\d+) was left.*\nstopped at step (\d+);", text)
        process = start(["resume", out])
    end(process, 0, 60)
    return [(int(left), int(step)) for left, step in found]


def test_left_and_repeated():
    """A run whose evaluations are left again and again ends as one that was never stopped, also where they are played
    beside the training."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    beside = os.cpu_count() > 1
    for values, lines in (({"cpu.threads": os.cpu_count()}, (200, 400, 600)),
                          ({"cpu.threads": 1, "seeds": 2}, (250, 450) if beside else (200, 400))):
        with folder() as path:
            values = {"eval.every": 200, "checkpoint.every": 0, "log.every": 50, "eval.episodes": 800, **values}
            whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
            sac(*arguments(whole, values, "Pendulum-v1"))
            left = stopped_parts(parts, values, signals, lines)
            assert left, "no evaluation was left"
            if "seeds" in values and beside:  # of an earlier step than that of the checkpoint
                assert any(evaluation < step for evaluation, step in left), left
            for seed in whole.glob("seed_*"):
                same_runs(seed, parts / seed.name)
                assert not (parts / seed.name / "checkpoints/evaluation").exists()


def test_last_evaluation():
    """A run that is stopped in the evaluation of its last step has not ended: the same command goes on."""
    for every in (600, 400):  # due at the last step, and made because the run ends
        with folder() as path:
            out = pathlib.Path(path, "run")
            values = {"eval.every": every, "eval.episodes": 5000, "cpu.threads": os.cpu_count()}
            process = start(arguments(out, values, "Pendulum-v1"))
            if every == 400:
                wait_for(lambda: has(out / "seed_1/evaluations.csv", "\n400,"))
            wait_for(lambda: has(out / "seed_1/metrics.csv", "\n600,"))
            time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            text, _ = end(process, 143)
            assert "the evaluation of step 600 was left" in text, text
            sac(*arguments(out, {**values, "eval.episodes": 2}, "Pendulum-v1"))
            assert rows(out / "seed_1/evaluations.csv")[-1][0] == "600"
            assert len(rows(out / "seed_1/metrics.csv")) == 7
            assert "finished run" in sac(*arguments(out, {}, "Pendulum-v1"), code=2).stderr


def test_eval_stops():
    with folder() as path:
        out = pathlib.Path(path, "run")
        sac(*arguments(out, {"eval.every": 0}), env=PYTHON)
        # SIGUSR1 asks for a checkpoint, and there is none to write; SIGUSR2 stops as SIGTERM does
        for target, number, code in ((out, signal.SIGINT, 130), (out / "seed_1/policy.safetensors", signal.SIGUSR2, 143)):
            process = start(["eval", target, "--episodes", 10**5, "--json"])
            while not re.search(r"^sac: [1-9]\d* of 100000 episodes", process.stderr.readline()):
                assert process.poll() is None
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.1)
            process.send_signal(number)
            text, error = end(process, code)
            one = json.loads(text)["policies"][0]
            assert 0 < len(one["returns"]) < 10**5 and set(one["lengths"]) == {20}, len(one["returns"])
            assert re.search(r"^sac: stopped: \d+ of 100000 episodes have ended", error, re.M), error
        # and says which step it plays
        text = sac("eval", out, "--episodes", 2, env=PYTHON).stdout
        assert text.startswith(f"step 600 of {out}/seed_1/checkpoints/"), text


def test_eval_limits_episodes():
    with folder() as path:
        out = pathlib.Path(path, "run")
        sac(*arguments(out, {"eval.every": 0, "env.options.steps": 0, "eval.max_steps": 30}), env=PYTHON)
        result = sac("eval", out, "--episodes", 3, env=PYTHON)
        assert "over 3 episodes of 30.0 steps, 3 cut after 30 steps" in result.stdout and not result.stderr, result
        policy = out / "seed_1/policy.safetensors"
        result = sac("eval", policy, "--episodes", 2, "--max-steps", 10, "--json", env=PYTHON)
        one = json.loads(result.stdout)["policies"][0]
        assert one["lengths"] == [10, 10] and one["cut"] == 2, one


# --- signals ----------------------------------------------------------------------------------------------------------


def test_first_signal_is_answered():
    """At once, also in a step that takes long. A repeated signal is no second one; the second one ends the process."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = {"env.options.seconds": 60, "env.options.slow_from": 250, "eval.every": 0}
        process = start(arguments(out, values) + ["--quiet"])
        wait_for(lambda: has(out / "seed_1/metrics.csv", "\n200,"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        line = process.stderr.readline()
        while "no limit" in line:
            line = process.stderr.readline()
        assert line.startswith("sac: Ctrl-C: stops after this step of the environments and a checkpoint"), line
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        end(process, 143)
        assert checkpoints(out / "seed_1") == [0, 150]


def test_signal_while_the_run_is_created():
    with folder() as path:
        out = pathlib.Path(path, "run")
        process = start(arguments(out, {"train.steps": 10**7}))
        wait_for(lambda: "stops when" in answer(process))
        text, _ = end(process, 143, 20)
        assert "stopped at step 0" in text, text


def answer(process):
    """Sends SIGTERM as soon as the process catches it, and returns the line that it answers."""
    status = pathlib.Path(f"/proc/{process.pid}/status")
    caught = int(re.search(r"SigCgt:\s*(\w+)", status.read_text()).group(1), 16)
    if not caught >> (signal.SIGTERM - 1) & 1:
        return ""
    process.send_signal(signal.SIGTERM)
    return process.stderr.readline()


def test_user_signals():
    """SIGUSR1 writes a checkpoint, also in an evaluation, and the run goes on; SIGUSR2 stops it."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = {"env.options.seconds": 0.001, "env.options.steps": 0, "checkpoint.every": 0}
        process = start(arguments(out, values))
        wait_for(lambda: has(out / "seed_1/metrics.csv", "\n300,"))
        time.sleep(0.3)
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: has(out / "log.txt", "step 300: checkpoint written on request"))
        assert checkpoints(out / "seed_1")[-1] == 300 and not has(out / "seed_1/evaluations.csv", "\n300,")
        process.send_signal(signal.SIGUSR2)
        text, error = end(process, 143)
        assert "sac: SIGUSR2: stops" in error and "stopped at step 300" in text, (text, error)
        # the other way round, and none: its default action
        for keys, number, code in (({"signal.checkpoint": "usr2", "signal.stop": "usr1"}, signal.SIGUSR1, 143),
                                   ({"signal.checkpoint": "none", "signal.stop": "none"}, signal.SIGUSR2, -signal.SIGUSR2)):
            process = start(["resume", out, *sets(keys)])
            wait_for(lambda: (out / "log.txt").read_text().count("continues") >= (2 if code == 143 else 4))
            time.sleep(0.5)
            process.send_signal(number)
            end(process, code)
        result = sac(*arguments(f"{path}/no", {"signal.stop": "usr1"}), code=2)
        assert "signal.checkpoint = usr1 (the default) and signal.stop = usr1 (from --set) are the same" in result.stderr


# --- few environments -------------------------------------------------------------------------------------------------


def made(path, *command):
    """How many instances a command makes."""
    file = pathlib.Path(path, "made")
    file.write_text("")
    sac(*command, env=dict(PYTHON, MADE=str(file)))
    return len(file.read_text().splitlines())


def test_instances():
    with folder() as path:
        out = pathlib.Path(path)
        assert made(path, *arguments(out / "a")) == 2
        assert made(path, "resume", out / "a", "--steps", 700) == 2
        assert made(path, "eval", out / "a", "--episodes", 4) == 1
        assert made(path, "eval", out / "a/seed_1/policy.safetensors", "--episodes", 4) == 1
        assert made(path, *arguments(out / "b", {"eval.num_envs": 2, "env.num_envs": 3})) == 5
        assert made(path, *arguments(out / "c", {"eval.env": "train"})) == 1
        assert made(path, *arguments(out / "d", {"eval.every": 0})) == 1
        assert made(path, *arguments(out / "f", {"env.num_envs": 4, "env.options.sac_workers": 2})) == 5
        assert made(path, *arguments(out / "g"), "--dry-run") == 1


def test_dry_run_counts():
    for values, line in (({}, "1 for training, 1 more for"), ({"eval.env": "train"}, "1 for training, 0 more for"),
                         ({"seeds": 3, "eval.num_envs": 2}, "3 for training, 6 more for")):
        assert f"# environments: {line}" in sac(*arguments("x", values), "--dry-run", env=PYTHON).stdout
    assert "# environments: 1 for training, 2 more" in sac(*arguments("x", env="Pendulum-v1"), "--dry-run").stdout


def test_eval_num_envs_changes_nothing():
    with folder() as path:
        runs = []
        for n in (0, 1, 2, 3):
            out = pathlib.Path(path, str(n))
            sac(*arguments(out, {"eval.num_envs": n, "eval.episodes": 3, "seeds": 2}, "Pendulum-v1"))
            runs.append([rows(out / f"seed_{s}/evaluations.csv") for s in (1, 2)])
        assert all(run == runs[0] for run in runs), runs


def test_evaluation_in_the_training_environments():
    """Deterministic, and exact after a stop at any point, also without saved state where a stop is at an evaluation."""
    with folder() as path:
        for env, values in (("Pendulum-v1", {}), (PACED, {"env.options.seconds": 0.001, "env.options.steps": 27}),
                            (PACED, {"env.options.steps": 27, "train.overlap": 1, "env.num_envs": 2})):
            values = dict({"eval.env": "train", "eval.every": 200, "checkpoint.every": 100}, **values)
            whole, parts = (pathlib.Path(path, f"{name}-{len(values)}-{env[:3]}") for name in ("whole", "parts"))
            sac(*arguments(whole, values, env), env=PYTHON)
            # train.steps may change on a resume: the run ends at the step of an evaluation, and goes on
            sac(*arguments(parts, dict(values, **{"train.steps": 400}), env), env=PYTHON)
            sac("resume", parts, "--steps", 600, env=PYTHON)
            same_runs(whole / "seed_1", parts / "seed_1")


if __name__ == "__main__":
    main(globals())
