"""Files of a run that somebody deletes, empties, cuts, replaces or converts, while it is stopped or goes on: what is lost is
said in one line, and everything else stays."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SMALL, checkpoints, main, one_line, rows, sac, same_runs, sets, train

# ctest: timeout=120

FAILED = 1
TABLES = ("metrics.csv", "evaluations.csv")
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(pathlib.Path(__file__).parent / "support")}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def halves(path):
    """A run that stopped at step 450 (rows at 100 to 400, an evaluation at 300), and one that was not stopped."""
    half, whole = pathlib.Path(path, "half"), pathlib.Path(path, "whole")
    train(whole, {"log.every": 50, "eval.every": 150})
    train(half, {"log.every": 50, "eval.every": 150, "train.steps": 450})
    return half, whole


def copy_of(half, name):
    copy = half.parent / name
    shutil.copytree(half, copy, symlinks=True)
    return copy, copy / "seed_1"


def resumed(out):
    """Resumes and returns the lines of standard error."""
    return sac("resume", out, "--steps", 600).stderr.splitlines()


def cut(file, number):
    """Keeps the first lines of a file, and half of the next one."""
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:number]) + lines[number][:len(lines[number]) // 2])


def same_but(whole, seed, name, lost):
    """The run is that of `whole`, but for the first rows of this table, which are lost."""
    mine, theirs = rows(seed / name), rows(whole / "seed_1" / name)
    assert mine == theirs[:1] + theirs[1 + lost:], (mine, theirs)
    shutil.copy(whole / "seed_1" / name, seed / name)
    same_runs(whole / "seed_1", seed)


def test_tables_that_are_gone():
    with folder() as path:
        half, whole = halves(path)
        # the evaluation of the step at which the run goes on is played again
        for name, count, last in (("metrics.csv", 9, "up to step 450"), ("evaluations.csv", 2, "before step 450")):
            for how in ("deleted", "emptied", "headless"):
                out, seed = copy_of(half, f"{how}-{name}")
                if how == "deleted":
                    (seed / name).unlink()
                else:
                    (seed / name).write_text("" if how == "emptied" else "step,")
                (line,) = resumed(out)
                text = f"sac: {out}/seed_1/{name} is gone or empty: its {count} rows {last} are lost, later ones follow"
                assert line == text, (line, text)
                assert line[5:] in (out / "log.txt").read_text()
                same_but(whole, seed, name, count)
                assert not resumed(out)  # it is said once


def test_tables_that_were_cut():
    with folder() as path:
        half, whole = halves(path)
        for name, keep, text in (("metrics.csv", 4, "ends at step 150: 6 rows after it, up to step 450, are lost"),
                                 ("evaluations.csv", 2, "ends at step 150: 1 row after it, before step 450, are lost")):
            out, seed = copy_of(half, f"cut-{name}")
            cut(seed / name, keep)
            (line,) = resumed(out)
            assert f"{out}/seed_1/{name} {text}" in line, line
            mine, theirs = rows(seed / name), rows(whole / "seed_1" / name)
            assert [row for row in theirs if row not in mine] == theirs[keep:keep + len(theirs) - len(mine)], (mine, theirs)

        # the first rows are gone
        out, seed = copy_of(half, "head")
        lines = (seed / "metrics.csv").read_text().splitlines(keepends=True)
        (seed / "metrics.csv").write_text("".join(lines[:1] + lines[4:]))
        (line,) = resumed(out)
        assert f"{out}/seed_1/metrics.csv lacks 3 rows before step 450, which are lost" in line, line
        same_but(whole, seed, "metrics.csv", 3)

        # rows that the checkpoint does not know are no loss: a power cut has left a part of one
        out, seed = copy_of(half, "torn")
        for name in TABLES:
            with open(seed / name, "a") as file:
                file.write("500,1,2")
        assert not resumed(out)
        same_runs(whole / "seed_1", seed)


def test_damaged_lines():
    """A line that is no row is left out, the rows behind it stay, and the file is kept."""
    with folder() as path:
        half, _ = halves(path)
        for number, garbage in enumerate((b"\0" * 40, b"200,1", b"two hundred" + b"," * 40)):
            out, seed = copy_of(half, f"damaged-{number}")
            table = seed / "metrics.csv"
            lines = table.read_bytes().splitlines()
            lines[4] = garbage
            table.write_bytes(b"\n".join(lines) + b"\n")
            before = table.read_bytes()
            first, second = resumed(out)
            assert f"{out}/seed_1/metrics.csv: 1 damaged line is left out; the file as it was is kept as" in first, first
            assert "metrics.csv lacks 1 row before step 450, which are lost" in second, second
            assert [row[0] for row in rows(table)[1:]] == [str(50 * k) for k in range(1, 13) if k != 4]
            assert (seed / "metrics.csv.damaged").read_bytes() == before


def test_line_ends_of_windows():
    with folder() as path:
        half, whole = halves(path)
        for mark in (b"", b"\xef\xbb\xbf"):
            out, seed = copy_of(half, f"windows{len(mark)}")
            for file in (out / "log.txt", out / "config.yaml", out / "machine.json", *[seed / name for name in TABLES]):
                file.write_bytes(mark + file.read_bytes().replace(b"\n", b"\r\n"))
            assert not resumed(out)
            same_runs(whole / "seed_1", seed)
            assert all(b"\r" not in (seed / name).read_bytes() for name in TABLES)


def test_log_and_events():
    with folder() as path:
        half, whole = halves(path)
        train(half, {"log.every": 50, "eval.every": 150, "train.steps": 500}, "--quiet")  # a second event file
        for name, how, text in (("log.txt", "deleted", "log.txt has 0 of the"), ("log.txt", "cut", "bytes that it had at step 500: lines are lost"),
                                ("events.*", "deleted", "TensorBoard's files in {}/seed_1 lack points up to step 500"),
                                ("events.*", "cut", "TensorBoard's files in {}/seed_1 lack points up to step 500")):
            for which in (0, -1):
                out, seed = copy_of(half, f"{how}{which}{name[0]}")
                file = sorted((out if name == "log.txt" else seed).glob(name))[which]
                if how == "deleted":
                    file.unlink()
                else:
                    os.truncate(file, file.stat().st_size // (3 if name == "log.txt" else 2))
                (line,) = resumed(out)
                assert text.format(out) in line, line
                same_runs(whole / "seed_1", seed, best=False)
                assert not resumed(out)


def test_best_checkpoint():
    with folder() as path:
        half, _ = halves(path)
        for how in ("deleted", "damaged"):
            out, seed = copy_of(half, how)
            best = seed / "checkpoints/best"
            if how == "deleted":
                best.unlink()
            else:
                best.write_bytes(best.read_bytes()[:-9])
            (line,) = resumed(out)
            assert "the best checkpoint, of step " in line and "is gone or damaged" in line, line
            assert best.exists() and not resumed(out)


def test_no_files_but_pipes():
    """A pipe is never waited for, nor a folder written to; /dev/null takes the log."""
    with folder() as path:
        half, _ = halves(path)
        start = ["train", "--env", "Pendulum-v1", "--quiet", *sets(SMALL), "--out"]
        for number, name in enumerate(("log.txt", *[f"seed_1/{table}" for table in TABLES])):
            for make, text in ((os.mkfifo, "is a pipe or a socket, not a file"), (os.mkdir, "")):
                out = pathlib.Path(path, f"new-{number}-{make.__name__}")
                (out / "seed_1").mkdir(parents=True)
                make(out / name)
                line = one_line(sac(*start, out, code=FAILED, timeout=20).stderr)
                assert f"cannot write {out}/{name}: " in line and text in line, line
                out, _ = copy_of(half, f"old-{number}-{make.__name__}")
                (out / name).unlink()
                make(out / name)
                line = one_line(sac("resume", out, "--steps", 600, code=FAILED, timeout=20).stderr)
                assert f"{out}/{name}: it is " in line or f"{out}/{name}: Is a directory" in line, line
        for name in (".lock", "seed_1/failed.txt", "seed_1/replay/rows_0.bin", "seed_1/checkpoints/step_0.safetensors.part"):
            out, _ = copy_of(half, "pipe-" + name.replace("/", "-"))
            (out / name).unlink(missing_ok=True)
            os.mkfifo(out / name)
            sac("resume", out, "--steps", 600, code=None, timeout=20)
        out = pathlib.Path(path, "null")
        out.mkdir()
        (out / "log.txt").symlink_to("/dev/null")
        sac(*start, out)
        sac("resume", out, "--steps", 700)


def test_while_the_run_goes_on():
    """A file that is deleted or replaced below a run is written again at the next checkpoint, with all that was in it; so
    are the configuration and the rows of the replay."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(SMALL, **{"eval.every": 100, "checkpoint.every": 50, "train.steps": 10**6, "env.options.seconds": 0.001})
        process = subprocess.Popen([PROGRAM, "train", "--env", "gym:stop_envs:Paced-v0", "--out", out, *sets(values)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ, **PYTHON))
        seed = out / "seed_1"
        try:
            evaluations = seed / "evaluations.csv"
            until(lambda: evaluations.exists() and evaluations.stat().st_size and len(rows(evaluations)) > 2)
            begun = checkpoints(seed)[-1]
            for name in ("seed_1/metrics.csv", "seed_1/replay/rows_0.bin", "config.yaml"):
                (out / name).unlink()
            (out / "log.txt").rename(out / "log.old")
            next(seed.glob("events.*")).unlink()
            pathlib.Path(path, "edited").write_text("step\n")
            os.replace(f"{path}/edited", seed / "evaluations.csv")  # as editors save
            until(lambda: checkpoints(seed)[-1] > begun + 50)
        finally:
            process.send_signal(signal.SIGTERM)
            errors = process.communicate(timeout=60)[1]
        assert process.returncode == 143, errors
        assert "metrics.csv, evaluations.csv, TensorBoard's events of" in errors and "log.txt was deleted or replaced" in errors
        assert f"{out}/config.yaml was deleted: it is written again" in errors
        stopped = checkpoints(seed)[-1]
        for name in TABLES:
            steps = [int(row[0]) for row in rows(seed / name)[1:]]
            assert steps == list(range(100, stopped + 1, 100))[:len(steps)] and len(steps) >= stopped // 100 - 1, steps
        assert (seed / "evaluations.csv.other").read_text() == "step\n"
        log = (out / "log.txt").read_text()
        assert log.startswith("sac ") and log.count("writes to") == 1 and "stopped at step" in log
        assert len(list(seed.glob("events.*"))) == 1
        errors = sac("resume", out, "--steps", stopped + 100, env=PYTHON).stderr
        assert "lost" not in errors and "lack" not in errors, errors


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


if __name__ == "__main__":
    main(globals())
