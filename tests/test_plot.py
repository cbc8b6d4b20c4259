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


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "Pendulum-v1" / "first"
        write_seed(run / "seed_1", -150.0)
        write_seed(run / "seed_2", -170.0)

        status, text, _ = plot(run, "--text")
        assert status == 0 and "2 seeds" in text and "last -160.0 +- 14.1" in text and "best -160.0 at step 2000" in text, text
        status, text, _ = plot(run / "seed_1", "--text")
        assert status == 0 and "last -150.0 +- 1.5" in text, text

        status, text, errors = plot(run)
        assert status == 0 and (run / "curves.png").read_bytes().startswith(b"\x89PNG"), errors
        out = pathlib.Path(folder) / "panels.svg"
        status, text, errors = plot(run, run / "seed_2", "--metrics", "alpha,entropy,info/reward_forward", "--out", out)
        assert status == 0 and b"<svg" in out.read_bytes(), errors
        assert b"<!-- info/reward_forward -->" in out.read_bytes()  # the title of its panel

        for arguments, message in (((run, "--metrics", "alhpa"), "has no 'alhpa'; it has step, alpha, entropy, info/reward_forward"),
                                   ((folder,), "this is no run folder"), ((run / "none",), "no such folder")):
            status, _, errors = plot(*arguments)
            assert status == 1 and message in errors and "Traceback" not in errors, errors
    print("curves drawn and described")


if __name__ == "__main__":
    main()
