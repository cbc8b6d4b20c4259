"""File systems that lack something: locks, symbolic links, a rename over a file, a sync, whole writes. A run goes on there
and ends like any other, to the bit, or says which call failed. A library of tests/support/plugins takes the calls away."""
import errno
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SANITIZED, SMALL, checkpoints, main, one_line, sac, same_runs, sets, tensors, train

# ctest: timeout=180

LACK = pathlib.Path(os.environ["SAC_BUILD"], "tests/plugins/lack.so")
FAILED = 1


def lacking(**calls):
    """The environment of a process whose file system lacks these calls, each with its errno."""
    return {"LD_PRELOAD": str(LACK), "SAC_LACK": ",".join(f"{name}={reason}" for name, reason in calls.items())}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def whole_run(path):
    whole = pathlib.Path(path, "whole")
    train(whole)
    return whole / "seed_1"


def lives_without(path, whole, name, **calls):
    """Trains, evaluates and resumes where the calls fail. Returns the folder and what the program wrote to stderr."""
    out, env = pathlib.Path(path, name), lacking(**calls)
    start = ["train", "--env", "Pendulum-v1", "--out", out]
    said = sac(*start, *sets(dict(SMALL, **{"train.steps": 450})), env=env).stderr
    sac("eval", out, "--episodes", 1, env=env)
    said += sac("resume", out, "--steps", 600, env=env).stderr
    same_runs(whole, out / "seed_1", best=False)  # step 450, the end of the first run, was evaluated too
    parts = [file for file in out.rglob("*") if file.suffix in (".part", ".aside")]
    assert not parts, parts
    return out, said


def test_no_locks():
    with folder() as path:
        whole = whole_run(path)
        for reason in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL):
            # the other kind of lock does it
            calls = {"flock": reason}
            out, said = lives_without(path, whole, f"other-{reason}", **calls)
            assert not said, said
        start = ["train", "--env", "Pendulum-v1", "--quiet", *sets(dict(SMALL, **{"train.steps": 10**7, "eval.every": 0}))]
        first = subprocess.Popen([PROGRAM, *map(str, start), "--out", f"{path}/two"], env=dict(os.environ, **lacking(flock=38)))
        try:
            while not pathlib.Path(path, "two/config.yaml").exists():
                assert first.poll() is None
                time.sleep(0.01)
            line = one_line(sac("resume", f"{path}/two", code=FAILED, env=lacking(flock=38)).stderr)
            assert f"in use by process {first.pid}" in line and "--out" not in line, line
        finally:
            first.send_signal(signal.SIGINT)
            first.wait()

        # no lock at all: the run goes on, and says so once
        out, said = lives_without(path, whole, "none", flock=errno.ENOSYS, lock=errno.ENOLCK)
        assert said.count("has no locks") == 2, said  # of the start and of the resume


def test_two_starts_at_once():
    """Of two starts with one new folder the second is refused, and changes nothing in the folder of the first."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(SMALL, **{"train.steps": 10**7, "eval.every": 0})
        start = [PROGRAM, "train", "--env", "Pendulum-v1", "--quiet", "--out", str(out), *map(str, sets(values))]
        late = subprocess.Popen(start, env=dict(os.environ, **lacking(slow_mkdir=500)), stderr=subprocess.PIPE, text=True)
        time.sleep(0.2)  # it has looked for the folder by now, and waits before it makes it
        first = subprocess.Popen(start)
        try:
            said = one_line(late.communicate(timeout=60)[1])
            assert late.returncode == FAILED and f"in use by process {first.pid}" in said and "--out" in said, said
            assert (out / ".lock").exists() and "writes to" in (out / "log.txt").read_text()
            sac("resume", out, code=FAILED)
        finally:
            first.send_signal(signal.SIGINT)
            assert first.wait(timeout=60) == 130


def test_no_links():
    with folder() as path:
        whole = whole_run(path)
        for reason in (errno.EPERM, errno.EOPNOTSUPP):
            out, said = lives_without(path, whole, f"run-{reason}", symlink=reason)
            assert not said, said
            last = out / "seed_1/checkpoints/last"
            assert not last.is_symlink() and not last.exists()

        # a path that ends in checkpoints/last means the newest checkpoint
        assert "step_600.safetensors" in sac("eval", last, "--episodes", 1).stdout
        assert "step_600.safetensors" in sac("eval", "last", "--episodes", 1, cwd=last.parent).stdout
        sac("train", "--env", "Pendulum-v1", "--out", f"{path}/next", "--init", last, *sets(SMALL))


def test_copied_folders():
    """A copy without the link, or with a file in its place, evaluates and resumes."""
    with folder() as path:
        whole, half = whole_run(path), pathlib.Path(path, "half")
        train(half, {"train.steps": 450})
        for name in ("none", "text", "old"):
            copy = pathlib.Path(path, name)
            shutil.copytree(half, copy, symlinks=True)
            last = copy / "seed_1/checkpoints/last"
            last.unlink()
            if name == "text":  # what some programs make of a link
                last.write_text("step_450.safetensors")
            if name == "old":
                shutil.copy(copy / "seed_1/checkpoints/step_300.safetensors", last)
            result = sac("eval", copy, "--episodes", 1)
            assert "step_450.safetensors" in result.stdout and not result.stderr, result
            sac("resume", copy, "--steps", 600)
            same_runs(whole, copy / "seed_1", best=False)
            assert os.readlink(last) == "step_600.safetensors"


def test_lost_checkpoint():
    """A checkpoint that is gone is said, not stepped over."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out)
        (out / "seed_1/checkpoints/step_600.safetensors").unlink()
        result = sac("eval", out, "--episodes", 1)
        assert "step_600, is missing; step_450 plays" in one_line(result.stderr)
        result = sac("resume", out)
        assert "step_600, is missing; using step_450" in one_line(result.stderr)
        assert "had reached step 600; its steps after 450" in result.stdout


def test_no_rename_over_a_file():
    with folder() as path:
        whole = whole_run(path)
        for reason in (errno.EEXIST, errno.EBUSY, errno.EACCES, errno.EPERM):
            lives_without(path, whole, f"run-{reason}", rename=reason)

        # a kill between the two steps leaves the old file aside, which counts
        out = pathlib.Path(path, f"run-{errno.EEXIST}")
        for name in ("config.yaml", "seed_1/checkpoints/best", "seed_1/policy.safetensors"):
            (out / name).rename(out / (name + ".aside"))
        sac("eval", out, "--best", "--episodes", 1)
        sac("eval", out / "seed_1/policy.safetensors", "--episodes", 1)
        sac("resume", out, "--steps", 700)
        tensors(out / "seed_1/policy.safetensors")
        assert not list(out.rglob("policy.safetensors.aside")) and not list(out.rglob("config.yaml.aside"))


def test_no_sync():
    with folder() as path:
        whole = whole_run(path)
        for reason in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            lives_without(path, whole, f"run-{reason}", fsync=reason)

        # a disk that fails is an error
        start = ["train", "--env", "Pendulum-v1", "--out", f"{path}/bad", "--quiet"]
        line = one_line(sac(*start, *sets(SMALL), code=FAILED, env=lacking(fsync=errno.EIO)).stderr)
        assert "cannot sync" in line and "Input/output error" in line, line


def test_no_shorter_files():
    """Metrics beyond the checkpoint are cut off where a file cannot be shortened, too."""
    with folder() as path:
        whole, out = whole_run(path), pathlib.Path(path, "run")
        train(out)
        (out / "seed_1/checkpoints/step_600.safetensors").unlink()
        sac("resume", out, env=lacking(ftruncate=errno.EPERM))
        same_runs(whole, out / "seed_1")


def test_short_and_interrupted_calls():
    with folder() as path:
        whole = whole_run(path)
        lives_without(path, whole, "short", short=1)
        lives_without(path, whole, "interrupted", interrupt=1)
        lives_without(path, whole, "both", short=1, interrupt=1, append=errno.EINVAL)
        log = pathlib.Path(path, "both/log.txt").read_text()
        assert log.count("memory ") == 2, log  # of the start and of the resume: nothing is overwritten


def test_reads_that_fail():
    """A disk or server that cannot be read for a moment ends a resume, which changes nothing: no older step is taken in
    place of the newest, and no file is begun anew."""
    with folder() as path:
        half, whole = pathlib.Path(path, "half"), pathlib.Path(path, "whole")
        train(half, {"train.steps": 450})
        shutil.copytree(half, whole, symlinks=True)
        sac("resume", whole, "--steps", 600)
        for name in ("step_450.safetensors", "rows_0.bin", "checkpoints", "best", "metrics.csv", "evaluations.csv", "config.yaml"):
            out = pathlib.Path(path, "run-" + name)
            shutil.copytree(half, out, symlinks=True)
            env = {"LD_PRELOAD": str(LACK), "SAC_BROKEN": name}
            line = one_line(sac("resume", out, "--steps", 600, code=FAILED, env=env).stderr)
            assert name in line and "Input/output error" in line, line
            sac("resume", out, "--steps", 600)
            same_runs(whole / "seed_1", out / "seed_1")

        # a folder that cannot be read is not one without a run
        (half / "config.yaml").unlink()
        line = one_line(sac("resume", half, code=FAILED, env={"LD_PRELOAD": str(LACK), "SAC_BROKEN": "half"}).stderr)
        assert "cannot read folder" in line and "Input/output error" in line, line

        # rows whose file was moved aside when a kill came are still rows
        out = pathlib.Path(path, "aside")
        shutil.copytree(half, out, symlinks=True)
        shutil.copy(whole / "config.yaml", out)
        (out / "seed_1/metrics.csv").rename(out / "seed_1/metrics.csv.aside")
        sac("resume", out, "--steps", 600)
        same_runs(whole / "seed_1", out / "seed_1")


def test_rows_that_are_lost():
    """A run that goes on without some of its rows says so at its end, and exits 1."""
    with folder() as path:
        for name, size in (("metrics.csv", 900), ("evaluations.csv", 60), ("events.", 300)):
            out = pathlib.Path(path, name)
            env = {"LD_PRELOAD": str(LACK), "SAC_FULL": name, "SAC_FULL_BYTES": str(size)}
            start = ["train", "--env", "Pendulum-v1", "--out", out, "--quiet", *sets(SMALL)]
            said = sac(*start, "--set", "checkpoint.on_error=continue", code=FAILED, env=env).stderr
            last = said.splitlines()[-1]
            times = ("", "") if name == "evaluations.csv" else (r"\d+ times ", "; the last time")
            lost = rf"sac: trained to step 600, but {times[0]}something could not be written and is lost{times[1]}: .*{name}.*No space left.*"
            assert re.fullmatch(lost, last), said
            assert checkpoints(out / "seed_1")[-1] == 600

            # without that key the run stops there, and says how to go on
            out = pathlib.Path(path, name + "stop")
            start[4] = out
            line = one_line(sac(*start, code=FAILED, env=env).stderr)
            assert name in line and f"'sac resume {out}' goes on from step " in line, line
            sac("resume", out)

        # rows of which one sync has failed may be lost, also if the next one succeeds
        for name, text in (("metrics.csv", "trained to step 600, but something could not be written and is lost: "), ("log.txt", "")):
            out = pathlib.Path(path, "sync-" + name)
            env = {"LD_PRELOAD": str(LACK), "SAC_UNSYNCED": name, "SAC_UNSYNCED_CALL": "3" if name == "metrics.csv" else "6"}
            start[4] = out
            said = sac(*start, "--set", "checkpoint.on_error=continue", code=FAILED, env=env).stderr
            assert f"{text}cannot sync {out}" in said.splitlines()[-1], said
            assert checkpoints(out / "seed_1")[-1] == 600

        # log.txt alone stops nothing
        out = pathlib.Path(path, "log")
        out.mkdir()
        (out / "log.txt").symlink_to("/dev/full")
        start[4] = out
        lines = sac(*start, code=FAILED).stderr.splitlines()
        assert len(lines) == 2 and all("log.txt: No space left" in line for line in lines), lines
        assert checkpoints(out / "seed_1")[-1] == 600


if __name__ == "__main__":
    if SANITIZED:
        print("skipped: a sanitizer must be loaded before every other library")
        sys.exit(77)
    main(globals())
