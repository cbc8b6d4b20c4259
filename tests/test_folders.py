"""Run folders as a user meets them: paths of the command line, folders that hold something else, and what a message says
to do next."""
import os
import pathlib
import shlex
import shutil
import tempfile

from support.program import SMALL, checkpoints, main, one_line, sac, sets, train

# ctest: timeout=120

FAILED, USAGE = 1, 2
SHORT = dict(SMALL, **{"eval.every": 0, "checkpoint.every": 0, "train.steps": 210})


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def refused(arguments, code, *texts, **options):
    line = one_line(sac(*arguments, code=code, **options).stderr)
    for text in texts:
        assert text in line, f"'{text}' is not in: {line}"
    return line


def start(out, *arguments, values=None):
    return ["train", "--env", "Pendulum-v1", f"--out={out}", "--quiet", *sets(dict(SHORT, **(values or {}))), *arguments]


def test_home_folder():
    """No shell expands "--out=~/x" or a configuration."""
    with folder() as path:
        home, here = pathlib.Path(path, "home"), pathlib.Path(path, "here")
        home.mkdir(), here.mkdir()
        there = {"env": {"HOME": str(home)}, "cwd": here}
        sac(*start("~/a"), **there)
        (home / "c.yaml").write_text("out: ~/b\n")
        sac("train", "--config=~/c.yaml", "--env", "Pendulum-v1", "--quiet", *sets(SHORT), **there)
        sac(*start("x", "--init=~/a/seed_1/checkpoints/last"), **there)
        sac(*start("y"), "--set", "policy.init=~/a/seed_1/policy.safetensors", **there)
        assert (home / "a/config.yaml").exists() and (home / "b/config.yaml").exists()
        assert sorted(os.listdir(here)) == ["x", "y"]
        refused(start("~nobody/a"), USAGE, "out = ~nobody/a (from --out)", "write the whole path", **there)


def test_folders_that_hold_something_else():
    with folder() as path:
        out = pathlib.Path(path, "out")
        out.mkdir()
        for name in ("main.c", "data"):
            (out / name).mkdir()
            line = refused(start(out), FAILED, str(out), name, "choose a new or empty folder")
            (out / name).rmdir()
        assert not os.listdir(out)

        # logs of a shell are no obstacle, nor what a killed start leaves
        for name in ("slurm-12.out", "nohup.out", "train.log", ".hidden"):
            (out / name).touch()
        sac(*start(out))
        (out / "config.yaml").unlink()
        refused(start(out), FAILED, "checkpoint of step 210, but no config.yaml")


def test_names_of_default_folders():
    """The folder of an environment's id has no character that a shell or another file system refuses."""
    plugin = next(pathlib.Path(os.environ["SAC_BUILD"], "tests/plugins").glob("libquadrotor.so"))
    with folder() as path:
        shutil.copy(plugin, pathlib.Path(path, "a:b?c*d e|f.so"))
        sac("train", "--env", "./a:b?c*d e|f.so", "--quiet", *sets(SHORT), cwd=path)
        assert os.listdir(f"{path}/runs") == ["a_b_c_d_e_f.so"]


def test_long_paths():
    """A path is refused at the start, and not at the checkpoint whose name is too long for it."""
    with folder() as path:
        parts = pathlib.Path(path, *["d" * 200] * 4)
        for length in (895, 896, 1000):
            out = parts / ("e" * (length - len(str(parts)) - 1))
            if length > 895:
                refused(start(out), FAILED, f"has {length} bytes, 895 are the most: choose a shorter --out")
                assert not out.exists()
            else:
                sac(*start(out))
                sac("resume", out, "--steps", 220)


def test_names_that_begin_with_a_dash():
    with folder() as path:
        result = sac(*[word for word in start("-x") if word != "--quiet"], cwd=path)
        command = shlex.split(result.stdout.splitlines()[-1])
        assert command[:3] == ["sac", "resume", "./-x"], command
        sac(*command[1:], cwd=path)


def test_empty_values():
    for name in ("--init", "--out", "--config", "--env", "--set"):
        refused(["train", name, ""], USAGE, f"value of {name} is empty")
        refused(["train", f"{name}="], USAGE, f"value of {name} is empty")


def test_which_run_is_meant():
    with folder() as path:
        out = pathlib.Path(path, "my runs/a b")
        sac(*start(out))
        for inside in ("seed_1", "seed_1/checkpoints"):
            line = refused(["resume", out / inside], FAILED, f"part of the run in {out}")
            words = shlex.split(line[line.index("'sac ") + 1 : line.rindex("'")])
            assert words == ["sac", "resume", str(out)], line
        for command in ("resume", "eval"):
            refused([command, out.parent], FAILED, "holds no run itself", str(out))
            refused([command, path], FAILED, "holds no run itself", str(out))
        refused(["eval", out / "seed_1/replay"], FAILED, f"part of the run in {out}")

        # another environment is another run
        refused([*start(out), "--env", "MountainCarContinuous-v0"], USAGE, f"{out} holds a run already", "another --out",
                "env.id was Pendulum-v1")


def test_finished_runs():
    with folder() as path:
        out = pathlib.Path(path, "a b")
        result = sac(*[word for word in start(out) if word != "--quiet"])
        command = shlex.split(result.stdout.splitlines()[-1])
        before = (out / "config.yaml").read_text()
        result = sac("resume", out)
        assert "finished already: all 210 steps were made" in result.stdout and "done" not in result.stdout
        assert f'sac resume "{out}" --steps 420' in result.stdout

        # fewer steps than were made are refused before anything is written
        refused(["resume", out, "--steps", 205], USAGE, "train.steps = 205", "210 steps that the run has made")
        assert (out / "config.yaml").read_text() == before and checkpoints(out / "seed_1")[-1] == 210

        # the command that a run suggests works
        assert command[:2] == ["sac", "resume"] and command[2] == str(out)
        sac(*command[1:])
        assert checkpoints(out / "seed_1")[-1] == 420

        # a vector of environments may end a little behind its last step
        many = pathlib.Path(path, "many")
        sac(*start(many, values={"env.num_envs": 4}))
        assert checkpoints(many / "seed_1")[-1] == 212
        assert "finished already" in sac("resume", many).stdout
        refused(["resume", many, "--steps", 208], USAGE, "212 steps that the run has made")


def test_runs_without_updates():
    with folder() as path:
        for i, value in enumerate(({"env.num_envs": 1000}, {"train.updates_per_step": 0.0001},
                                   {"train.updates_per_step": 0}, {"train.overlap": 64})):
            line = one_line(sac(*start(f"{path}/{i}", values=value)).stderr)
            assert "makes no update" in line, line
        for i, value in enumerate(({"train.steps": 201}, {"train.updates_per_step": 0.1}, {"env.num_envs": 200})):
            assert not sac(*start(f"{path}/with-{i}", values=value)).stderr


def test_best_of_a_later_step():
    """A run that goes on differently from an earlier step does not keep the best of the steps that it never makes."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, {"eval.every": 600})
        best = out / "seed_1/checkpoints/best"
        kept = out / "seed_1/checkpoints/best_step_600.safetensors"
        before = best.read_bytes()
        for name in ("step_600.safetensors", "last"):
            (out / "seed_1/checkpoints" / name).unlink()
        result = sac("resume", out, "--set", "gamma=0.5")
        assert str(kept) in result.stdout, result.stdout
        assert kept.read_bytes() == before and best.read_bytes() != before
        sac("eval", kept, "--episodes", 1)

        # a run that makes the same steps again keeps it
        train(f"{path}/same", {"eval.every": 600})
        pathlib.Path(path, "same/seed_1/checkpoints/step_600.safetensors").unlink()
        sac("resume", f"{path}/same")
        assert not list(pathlib.Path(path, "same/seed_1/checkpoints").glob("best_*"))


if __name__ == "__main__":
    main(globals())
