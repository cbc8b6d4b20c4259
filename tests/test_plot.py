"""scripts/plot.py on run folders that the test writes: seeds, gaps, pictures, text, errors."""
import os
import pathlib
import subprocess
import sys
import tempfile

PLOT = pathlib.Path(os.environ["SAC_SOURCE"]) / "scripts" / "plot.py"


def plot(*arguments):
    result = subprocess.run([sys.executable, str(PLOT), *map(str, arguments)], text=True, capture_output=True)
    return result.returncode, result.stdout, result.stderr


def write_seed(folder, final):
    folder.mkdir(parents=True)
    rows = [f"{step},{value},1.5,2,{value - 1};{value + 1},200;200" for step, value in ((1000, -1000.0), (2000, final))]
    (folder / "evaluations.csv").write_text("\n".join(["step,mean,std,episodes,returns,lengths", *rows]) + "\n")
    (folder / "metrics.csv").write_text("step,alpha,entropy,info/reward_forward\n1000,1,,\n2000,0.5,1.25,-3.5\n")


def many_seeds(folder):
    """A seed that ended early: the label says so, its line changes there, and the interval is of the seeds that go on."""
    run = folder / "many"
    for seed in range(1, 6):
        (run / f"seed_{seed}").mkdir(parents=True)
        last = 2 if seed == 5 else 4
        rows = [f"{1000 * i},{100 * i + seed},1,2,,\n" for i in range(1, last + 1)]
        (run / f"seed_{seed}/evaluations.csv").write_text("step,mean,std,episodes,returns,lengths\n" + "".join(rows))
    status, text, errors = plot(run, "--text")
    assert status == 0 and "Pendulum-v1/many (5 seeds, 4 beyond 2,000)" in text, (text, errors)
    assert "last 402.5 [401.5, 403.5] of 4 seeds" in text, text
    assert plot(run, "--text")[1] == text, "the interval is the same each time"
    status, text, errors = plot(run, "--out", folder / "new" / "many.svg")  # the folder is made
    picture = (folder / "new" / "many.svg").read_text()
    assert status == 0 and "<!-- band: 95 % interval of the mean, by bootstrap over seeds -->" in picture, errors
    assert "stroke-dasharray" in picture and "(5 seeds, 4 beyond 2,000)" in picture


def write_points(file, points, end="\n"):
    file.parent.mkdir(parents=True)
    rows = ["step,mean", *(f"{step},{value}" for step, value in points)]
    file.write_bytes((end.join(rows) + end).encode())


def seeds_that_are_late(folder):
    """The label says how many seeds there are at first, and how many have no evaluation at all."""
    run = folder / "late"
    write_points(run / "seed_1/evaluations.csv", [(1000 * i, i) for i in range(1, 5)])
    write_points(run / "seed_2/evaluations.csv", [(1000 * i, i + 1) for i in range(3, 5)])
    status, text, errors = plot(run, "--text")
    assert status == 0 and "(2 seeds, 1 at first, 2 beyond 2,000)" in text, (text, errors)
    (run / "seed_3").mkdir()
    status, text, errors = plot(run, "--text")
    assert status == 0 and "(2 of 3 seeds, 1 at first, 2 beyond 2,000)" in text, (text, errors)

    # A seed that is evaluated at other steps counts between its own.
    write_points(run / "seed_4/evaluations.csv", [(1000, 0), (4000, 3)])
    status, text, errors = plot(run, "--text")
    assert status == 0 and "(3 of 4 seeds, 2 at first, 3 beyond 2,000)" in text and "first 0.5" in text, (text, errors)


def files_of_other_programs(folder):
    """Ends of lines as on Windows and a byte order mark are read; a last line that is cut is left out, and named."""
    run = folder / "other"
    file = run / "seed_1/evaluations.csv"
    write_points(file, [(1000, -5), (2000, -4)], "\r\n")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    status, text, errors = plot(run, "--text")
    assert status == 0 and "last -4\n" in text and not errors, (text, errors)
    for cut in (b"3000", b"3000,-1"):  # of 3000,-100
        whole = file.read_bytes()
        file.write_bytes(whole + cut)
        status, text, errors = plot(run, "--text")
        assert status == 0 and "last -4\n" in text and f"its last line is cut, and left out: '{cut.decode()}'" in errors, errors
        file.write_bytes(whole)

    # A reader that has enough ends it without a word.
    with subprocess.Popen([sys.executable, str(PLOT), str(run), "--text"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait() == 0


def files_that_are_wrong(folder):
    """The file and its line are named; a run without evaluations gives no empty picture."""
    run = folder / "wrong"
    (run / "seed_1").mkdir(parents=True)
    file, head = run / "seed_1/evaluations.csv", "step,mean,std,episodes,returns,lengths\n"
    for text, message in ((head, "no evaluations"), (head + "1000,5,1,2,,\nx,5,1,2,,\n", "evaluations.csv:3: no number in 'x,5,"),
                          (head + "1000,5\n", "evaluations.csv:2: 2 columns, not 6"), ("hello\n", "evaluations.csv:1: no column"),
                          ("\0\1\2\n", "evaluations.csv:1: no column")):
        file.write_text(text)
        status, _, errors = plot(run)
        assert status == 1 and message in errors and "Traceback" not in errors, (text, errors)
        assert not (run / "curves.png").exists()


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "Pendulum-v1" / "first"
        write_seed(run / "seed_1", -150.0)
        write_seed(run / "seed_2", -170.0)

        status, text, _ = plot(run, "--text")
        assert status == 0 and "2 seeds" in text and "last -160 [-170, -150]" in text and "best -160 at step 2000" in text, text
        status, text, _ = plot(run / "seed_1", "--text")
        assert status == 0 and text.endswith("last -150\n"), text

        status, text, errors = plot(run)
        assert status == 0 and (run / "curves.png").read_bytes().startswith(b"\x89PNG"), errors
        out = pathlib.Path(folder) / "panels.svg"
        status, text, errors = plot(run, run / "seed_2", "--metrics", "alpha,entropy,info/reward_forward", "--out", out)
        assert status == 0 and b"<svg" in out.read_bytes(), errors
        assert b"<!-- info/reward_forward -->" in out.read_bytes()  # the title of its panel

        status, text, _ = plot(run, "--text", "--band", "std", "--metrics", "alpha")
        assert status == 0 and "last -160 [-174.142, -145.858]" in text and "alpha, 1000 to 2000 steps" in text, text
        many_seeds(run.parent)
        seeds_that_are_late(run.parent)
        files_of_other_programs(run.parent)
        files_that_are_wrong(run.parent)

        for arguments, message in (((run, "--metrics", "alhpa"), "no column 'alhpa'; it has step, alpha, entropy, info/reward_forward"),
                                   ((run, "--out", "curve.xyz"), "the name must end with one of ."),
                                   ((folder,), "this is no run folder"), ((run / "none",), "no such folder")):
            status, _, errors = plot(*arguments)
            assert status == 1 and message in errors and "Traceback" not in errors, errors
    print("curves drawn and described")


if __name__ == "__main__":
    main()
