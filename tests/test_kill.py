"""kill -9 of a real process at random moments, checkpoint writes included: each leaves a checkpoint that loads, and the
run that is resumed again and again ends as the one that was never disturbed, to the bit."""
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

# Two agents, and a checkpoint every few milliseconds: most kills meet one being written.
VALUES = {
    "network.hidden": "16,16",
    "replay.batch": 16,
    "replay.capacity": 1500,
    "train.warmup_steps": 100,
    "log.every": 25,
    "eval.every": 100,
    "eval.episodes": 1,
    "checkpoint.every": 20,
    "checkpoint.keep": 2,
    "seeds": 2,
}


def start(folder, steps):
    arguments = ["train", "--env", "Pendulum-v1", "--out", folder, "--quiet", *sets(dict(VALUES, **{"train.steps": steps}))]
    return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True)


def seeds(folder):
    return sorted(pathlib.Path(folder).glob("seed_*"))


def check_loads(folder):
    """The newest checkpoint of each agent is whole; `last` points to a whole one."""
    for seed in seeds(folder):
        steps = checkpoints(seed)
        assert steps, f"{seed}: no checkpoint"
        tensors(seed / f"checkpoints/step_{steps[-1]}.safetensors")
        if (seed / "checkpoints/last").is_symlink():
            tensors(seed / "checkpoints/last")


def progress(folder):
    return min((checkpoints(seed)[-1] for seed in seeds(folder)), default=0)


def test_kill():
    random.seed(int(os.environ.get("SAC_TEST_SEED", "1")))
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        undisturbed, killed = pathlib.Path(path, "undisturbed"), pathlib.Path(path, "killed")
        # long enough that fifty pieces of it fit: how long a piece is depends on the machine
        steps = 4000
        begin = time.monotonic()
        process = start(undisturbed, steps)
        assert process.wait() == 0, process.stderr.read()
        whole = time.monotonic() - begin
        kills = finished = 0
        reached = []
        while kills < KILLS:
            process = start(killed, steps)
            # from before the run folder is there to some hundred steps on
            time.sleep(random.uniform(0, whole / 50) if kills % 5 else random.uniform(0, 0.02))
            if process.poll() is not None:
                assert process.returncode == 0, process.stderr.read()
                finished += 1
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
            kills += 1
            if (killed / "config.yaml").exists():
                check_loads(killed)
                reached.append(progress(killed))
        assert kills == KILLS or finished, kills
        if not finished:
            process = start(killed, steps)
            assert process.wait() == 0, process.stderr.read()
        for seed in seeds(undisturbed):
            same_runs(seed, killed / seed.name)
        print(f"{kills} kills at steps {reached[0]} to {reached[-1]} of {steps}, {whole:.1f} s undisturbed")
        assert kills >= KILLS, f"the run ended after {kills} kills"
        result = sac("train", "--env", "Pendulum-v1", "--out", killed, code=2)
        assert "finished run" in result.stderr


if __name__ == "__main__":
    main(globals())
