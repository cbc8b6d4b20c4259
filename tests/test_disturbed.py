"""Real runs under random signals, kills, pauses, full disks, copies, cut and deleted files, resumed until they are done. Nothing
is lost: each ends like a run that nothing disturbed, to the bit. SAC_TEST_SECONDS: how long; SAC_TEST_SEED: of what."""
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from support.program import PROGRAM, checkpoints, main, rows, same_runs, sets, tensors

# ctest: timeout=900 processors=2

SECONDS = float(os.environ.get("SAC_TEST_SECONDS", "18"))

COMMON = {
    "network.hidden": "16,16",
    "replay.batch": 16,
    "replay.capacity": 900,
    "train.steps": 6000,
    "train.warmup_steps": 100,
    "log.every": 30,
    "eval.every": 90,
    "eval.episodes": 1,
    "checkpoint.every": 40,
}
TABLES = ("metrics.csv", "evaluations.csv")
VARIANTS = {
    "plain": {},
    "seeds": {"seeds": 2, "eval.episodes": 3},
    "overlap": {"env.num_envs": 2, "train.overlap": 6, "cpu.threads": 1, "replay.capacity": 3000},
    "sac-v": {"algo": "sac-v", "checkpoint.keep": 5},
    "soft-q": {"algo": "soft-q", "network.critics_join": "mean"},
    "sac-discrete": {"algo": "sac-discrete", "seeds": 2, "train.overlap": 3},
}
ENVS = {"soft-q": "CartPole-v1", "sac-discrete": "CartPole-v1"}  # of the others: Pendulum-v1

# What a run may exit with after each signal.
EXITS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}


def start(arguments, limit=None):
    """Starts sac. limit: the most bytes that a file may have, as if the disk were full then."""
    def prepare():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.Popen([PROGRAM, *map(str, arguments), "--quiet"], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def end(process, allowed, what):
    errors = process.communicate(timeout=60)[1]
    assert process.returncode in allowed, f"{what}: exit code {process.returncode}, not {allowed}\n{errors}"
    return process.returncode


def wait_a_while(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def disturb(process, whole):
    """Lets the run go on for a while, then disturbs it. Returns what was done, and its exit codes."""
    wait_a_while(process, random.choice((0.02, whole / 4, whole)) * random.random())
    what = random.choice(("kill", "stop", "twice", "pause", "save"))
    if what == "kill":
        process.kill()
        return what, (0, -9)
    if what == "stop":
        number = random.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        process.send_signal(number)
        # before the program has set its handlers, a signal ends it as any other program
        return f"{what} {number}", (0, EXITS[number], -number)
    if what == "twice":
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            time.sleep(random.choice((0, 0.002)))
        return what, (0, 143, -signal.SIGTERM)
    if what == "pause":
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.01)
        process.send_signal(signal.SIGCONT)
        return what, (0,)
    time.sleep(0.1)  # the handlers are set
    for _ in range(random.randrange(1, 4)):
        if process.poll() is None:
            process.send_signal(signal.SIGUSR1)
            time.sleep(random.choice((0, 0.005)))
    return what, (0,)


def steps(table):
    return {row[0] for row in rows(table)[1:] if row} if table.exists() and table.stat().st_size else set()


def spoil(folder, lost):
    """Deletes, empties, cuts or converts a file that no resume needs. lost: the steps of rows that are gone, by table."""
    seed = random.choice(sorted(folder.glob("seed_*")))
    files = [folder / "log.txt", *[seed / name for name in TABLES], *seed.glob("events.*")]
    file = random.choice([file for file in files if file.exists()])
    before, bytes = steps(file) if file.name in TABLES else set(), file.read_bytes()
    what = random.choice(("deleted", "emptied", "cut", "headless", "converted"))
    if what == "deleted":
        file.unlink()
    elif what == "emptied":
        file.write_bytes(b"")
    elif what == "cut":
        file.write_bytes(bytes[:random.randrange(len(bytes) + 1)])
    elif file.name in TABLES:
        lines = bytes.splitlines()
        if what == "headless" and len(lines) > 3:
            del lines[1:random.randrange(2, len(lines))]
        file.write_bytes((b"\r\n" if what == "converted" else b"\n").join([*lines, b""]))
    if file.name in TABLES:
        whole = steps(file) if file.exists() and file.read_bytes().endswith(b"\n") else steps_of_whole_lines(file)
        lost.setdefault((seed.name, file.name), set()).update(before - whole)


def steps_of_whole_lines(file):
    """The same for a file that ends in the middle of a line."""
    lines = file.read_bytes().split(b"\n")[1:-1] if file.exists() else []
    return {line.split(b",")[0].decode() for line in lines}


def same_but(whole, folder, lost):
    """The run is that of `whole`, but for rows that are lost; those of steps that were made again are not."""
    for seed in sorted(whole.glob("seed_*")):
        for name in TABLES:
            mine, theirs, gone = rows(folder / seed.name / name), rows(seed / name), lost.get((seed.name, name), set())
            missing = [row for row in theirs if row not in mine]
            assert all(row[0] in gone for row in missing), (seed, name, missing, gone)
            assert mine == [row for row in theirs if row in mine], (seed, name, mine)
            shutil.copy(seed / name, folder / seed.name / name)
        same_runs(seed, folder / seed.name)


def handle(folder, path, cut, lost):
    """Does what people do to the folder of a stopped run. Returns the folder to go on with. cut: the sizes of the
    checkpoints that were cut short, by path; lost: see spoil."""
    seeds = sorted(folder.glob("seed_*"))
    what = random.random()
    if what > 0.8:
        spoil(folder, lost)
    if what < 0.1:
        # a copy without links, as by a file share
        copy = pathlib.Path(path, f"{folder.name}c")
        shutil.copytree(folder, copy, symlinks=True)
        for link in [p for p in copy.rglob("*") if p.is_symlink()]:
            link.unlink()
        shutil.rmtree(folder)
        return copy
    if what < 0.2 and all(len(checkpoints(seed)) > 1 for seed in seeds):
        # the newest checkpoint of one seed is cut short
        seed = random.choice(seeds)
        file = seed / f"checkpoints/step_{checkpoints(seed)[-1]}.safetensors"
        cut[file] = random.randrange(file.stat().st_size)
        os.truncate(file, cut[file])
    return folder


def check(folder, cut):
    """Each checkpoint loads, but for those that were cut and not written again."""
    for file in folder.glob("seed_*/checkpoints/step_*.safetensors"):
        if file.stat().st_size != cut.get(file):
            tensors(file)


def check_saved(folder):
    """After a stop each agent has a checkpoint of its last step: that of its last row of metrics, or a later one."""
    for seed in sorted(folder.glob("seed_*")):
        table = rows(seed / "metrics.csv") if (seed / "metrics.csv").exists() and (seed / "metrics.csv").stat().st_size else []
        assert len(table) < 2 or checkpoints(seed)[-1] >= int(table[-1][0]), f"{seed}: {checkpoints(seed)}, {table[-1]}"


def round_of(path, name, number, whole, deadline):
    """Trains one run to its end through disturbances. Returns how many there were."""
    values = sets(dict(COMMON, **VARIANTS[name]))
    folder, count = pathlib.Path(path, f"run-{number}"), 0
    done, cut, lost = False, {}, {}
    while not done:
        begun = (folder / "config.yaml").exists()
        train = ["train", "--env", ENVS.get(name, "Pendulum-v1"), "--out", folder, *values]
        arguments = ["resume", folder] if begun and random.random() < 0.5 else train
        late = time.monotonic() > deadline
        full = begun and not late and random.random() < 0.1
        process = start(arguments, random.randrange(1, 90_000) if full else None)
        if full or late:
            what, allowed = ("full disk", (0, 1, 2, -signal.SIGXFSZ)) if full else ("the end", (0,))
        else:
            what, allowed = disturb(process, whole)
            count += 1
        code = end(process, allowed, f"{name}, {' '.join(map(str, arguments))}, {what}")
        done = code == 0
        if code in (129, 130, 143) and what != "twice":
            check_saved(folder)
        if (folder / "config.yaml").exists():
            check(folder, cut)
            if not done and not late:
                folder = handle(folder, path, cut, lost)
    same_but(pathlib.Path(path, name), folder, lost)
    shutil.rmtree(folder)
    return count


def test_disturbed():
    seed = int(os.environ.get("SAC_TEST_SEED", "1"))
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        whole = {}
        deadline = time.monotonic() + SECONDS
        rounds = disturbances = 0
        while time.monotonic() < deadline:
            name = random.choice(list(VARIANTS))
            if name not in whole:
                begin = time.monotonic()
                end(start(["train", "--env", ENVS.get(name, "Pendulum-v1"), "--out", pathlib.Path(path, name),
                           *sets(dict(COMMON, **VARIANTS[name]))]), (0,), name)
                whole[name] = time.monotonic() - begin
            disturbances += round_of(path, name, rounds, whole[name], deadline)
            rounds += 1
        print(f"seed {seed}: {rounds} runs, {disturbances} disturbances")


if __name__ == "__main__":
    main(globals())
