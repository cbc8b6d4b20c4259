"""kill -9 of a real process at random moments, also while it writes checkpoints. Each kill leaves a checkpoint that
can be loaded, and a run that is resumed many times ends like one that was never killed, to the bit."""
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from support.program import PROGRAM, checkpoints, main, sac, same_runs, sets, tensors

# ctest: timeout=300 processors=2

KILLS = 50
STEPS = 4000

# Two agents and a checkpoint every few milliseconds, so that most kills hit a checkpoint that is being written.
VALUES = {
    "network.hidden": "16,16",
    "replay.batch": 16,
    "replay.capacity": 1500,
    "train.steps": STEPS,
    "train.warmup_steps": 100,
    "log.every": 25,
    "eval.every": 100,
    "eval.episodes": 1,
    "checkpoint.every": 20,
    "checkpoint.keep": 2,
    "seeds": 2,
}

# Which environment, with what, and how many kills.
RUNS = {
    "sac": ("Pendulum-v1", {}, KILLS),
    "soft-q": ("CartPole-v1", {"algo": "soft-q", "train.steps": 2 * STEPS}, KILLS // 4),
    "sac-discrete": ("CartPole-v1", {"algo": "sac-discrete", "train.overlap": 4}, KILLS // 4),
}


def start(folder, run):
    env, values, _ = RUNS[run]
    arguments = ["train", "--env", env, "--out", folder, "--quiet", *sets(dict(VALUES, **values))]
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True)


def seeds(folder):
    return sorted(pathlib.Path(folder).glob("seed_*"))


def check_loads(folder):
    """The newest checkpoint of each agent is complete, and `last` points to a complete one."""
    for seed in seeds(folder):
        steps = checkpoints(seed)
        assert steps, f"{seed}: no checkpoint"
        tensors(seed / f"checkpoints/step_{steps[-1]}.safetensors")
        if (seed / "checkpoints/last").is_symlink():
            tensors(seed / "checkpoints/last")


def progress(folder):
    return min((checkpoints(seed)[-1] for seed in seeds(folder)), default=0)


def finish(folder, undisturbed, run):
    process = start(folder, run)
    assert process.wait() == 0, process.stderr.read()
    compare(folder, undisturbed)


def compare(folder, undisturbed):
    for seed in seeds(undisturbed):
        same_runs(seed, folder / seed.name)


def kill(run):
    env, _, kills_wanted = RUNS[run]
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        undisturbed = pathlib.Path(path, "undisturbed")
        begin = time.monotonic()
        process = start(undisturbed, run)
        assert process.wait() == 0, process.stderr.read()
        whole = time.monotonic() - begin
        reached, rounds, kills = [], 0, 0
        killed = pathlib.Path(path, "killed-0")
        while kills < kills_wanted:
            process = start(killed, run)
            # some kills come before there is a run to resume; most within a fiftieth of the run
            time.sleep(random.uniform(0, whole / 50) if kills % 5 else random.uniform(0, 0.02))
            if process.poll() is not None:  # the run finished, which is fine; the remaining kills use another folder
                assert process.returncode == 0, process.stderr.read()
                compare(killed, undisturbed)
                rounds += 1
                killed = pathlib.Path(path, f"killed-{rounds}")
                continue
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            kills += 1
            if (killed / "config.yaml").exists():
                check_loads(killed)
                reached.append(progress(killed))
        finish(killed, undisturbed, run)
        print(f"{run}: {kills} kills at steps {min(reached)} to {max(reached)}, {whole:.1f} s undisturbed")
        result = sac("train", "--env", env, "--out", killed, code=2)
        assert "finished run" in result.stderr


def test_kill():
    random.seed(int(os.environ.get("SAC_TEST_SEED", "1")))
    for run in RUNS:
        kill(run)


if __name__ == "__main__":
    main(globals())
