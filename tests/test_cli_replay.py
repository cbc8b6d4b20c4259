"""sac replay as a user runs it: what a run's replay and a file of transitions hold, and what is neither."""
import json
import math
import pathlib
import tempfile

import numpy
from safetensors.numpy import save_file

from support.program import SMALL, main, one_line, sac, sets, tensors, train


def info(path, code=0):
    result = sac("replay", "info", path, "--json", code=code)
    assert result.stderr == "" and result.stdout.count("\n") == 1, result
    return json.loads(result.stdout)


def refused(*arguments, says, code):
    result = sac("replay", *arguments, code=code)
    assert result.stdout == "" and says in one_line(result.stderr), result.stderr


def agrees(found, file):
    """The numbers are those that NumPy finds in the file."""
    assert (found["transitions"], found["obs_size"]) == file["obs"].shape and found["action_size"] == file["action"].shape[1]
    ended = file["terminated"] != 0
    cut = (file["truncated"] != 0) & ~ended if "truncated" in file else ended & False
    assert (found["terminated"], found["truncated"]) == (ended.sum(), cut.sum()), found
    values = {"reward": file["reward"], "action": file["action"], "obs": numpy.concatenate([file["obs"], file["next_obs"]])}
    for name, value in values.items():
        for word, number in (("min", value.min(0)), ("max", value.max(0))):
            assert numpy.allclose(found[name][word], number, rtol=1e-6, atol=0), (name, word, found[name], number)
    assert math.isclose(found["reward"]["mean"], file["reward"].mean(dtype=float), rel_tol=1e-6), found["reward"]


def test_a_run_and_its_file():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        run, file = pathlib.Path(folder, "run"), pathlib.Path(folder, "file")
        train(run, {"replay.capacity": 500, "eval.every": 0})
        assert sac("replay", "export", run, file).stdout == f"500 transitions written to {file}\n"
        of_run, of_file = info(run), info(file)
        agrees(of_run, tensors(file))
        assert of_run == info(run / "seed_1") and of_run["path"] == f"{run}/seed_1/checkpoints/step_600.safetensors"
        assert (of_run["kind"], of_run["step"], of_run["capacity"], of_run["fixed"]) == ("run", 600, 500, 0), of_run
        assert of_run["finite"] and of_run["not_finite"] == 0 and of_run["env"] == "Pendulum-v1", of_run
        assert (of_run["truncated"], of_run["terminated"]) == (3, 0), of_run
        assert of_file == dict(of_run, path=str(file), kind="file", step=None, capacity=None), of_file

        # the text says the same
        text = sac("replay", "info", run).stdout
        for line in ("transitions   500 of at most 500", "sizes         observation 3, action 1", "environment   Pendulum-v1",
                     "episodes      3 ended: 0 terminated, 3 truncated", "finite        all values"):
            assert f"\n  {line}\n" in text, (line, text)
        assert f"{of_run['reward']['mean']:14.6g}" in text and f"{of_run['obs']['max'][2]:14.6g}" in text, text
        assert max(map(len, text.splitlines()[1:])) <= 80

        # transitions that are kept
        kept = pathlib.Path(folder, "kept")
        train(kept, {"replay.offline_share": 0.5, "eval.every": 0}, "--replay", file)
        found = info(kept)
        assert (found["fixed"], found["transitions"], found["capacity"]) == (500, 1100, 2000), found
        assert "\n  kept          500 of them, loaded with --replay\n" in sac("replay", "info", kept).stdout

        # an export is written over, and no other file
        assert sac("replay", "export", run, file).stdout == f"500 transitions written to {file}\n"
        for other in (run / "config.yaml", run / "seed_1/policy.safetensors"):
            before = other.read_bytes()
            refused("export", run, other, code=1, says="is there, and is no export: choose another name")
            assert other.read_bytes() == before

        # of several seeds one is named; a policy and a checkpoint say where the transitions are
        refused("info", run / "seed_1/policy.safetensors", code=1, says="is a policy and has no transitions; they are read from")
        refused("info", run / "seed_1/checkpoints/last", code=1, says="is a checkpoint; transitions are read from the folder")
        refused("export", file, pathlib.Path(folder, "again"), code=1, says="is a file, not a run folder")
        sac("train", "--env", "Pendulum-v1", "--seeds", 2, "--out", f"{folder}/two", *sets(dict(SMALL, **{"eval.every": 0})))
        refused("info", f"{folder}/two", code=1, says="has the seeds 1 to 2: name one of its seed folders")


def test_discrete_actions():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        cart = {"env": "CartPole-v1"}
        for algo in ("soft-q", "sac-discrete"):
            run, file = pathlib.Path(folder, algo), pathlib.Path(folder, f"{algo}.safetensors")
            train(run, {"algo": algo, "eval.every": 0}, **cart)
            assert sac("replay", "export", run, file).stdout == f"600 transitions written to {file}\n"

            # the numbers of the actions, as they are
            of_run, of_file, columns = info(run), info(file), tensors(file)
            assert set(columns["action"].ravel()) == {0.0, 1.0} and columns["action"].shape == (600, 1), columns["action"]
            agrees(of_run, columns)
            assert of_run["actions"] == 2 and of_run["action"] == {"min": [0], "max": [1]}, of_run
            assert of_file == dict(of_run, path=str(file), kind="file", step=None, capacity=None), of_file
            assert "\n  sizes         observation 4, 2 discrete actions\n" in sac("replay", "info", run).stdout

            # the file trains the other algorithm, and no continuous one
            other = "sac-discrete" if algo == "soft-q" else "soft-q"
            train(f"{folder}/{other}-2", {"algo": other, "eval.every": 0}, "--replay", file, **cart)
            result = train(f"{folder}/none", {"algo": "sac", "eval.every": 0}, "--replay", file, code=None)
            assert result.returncode != 0 and "observations" in one_line(result.stderr), result.stderr

        # a file of the user: whole numbers in one dimension; each that no action has is named with its row
        path = f"{folder}/mine"
        mine = {"obs": numpy.zeros((5, 4)), "action": numpy.array([0, 1, 1, 0, 1]), "reward": numpy.zeros(5),
                "terminated": numpy.zeros(5), "next_obs": numpy.zeros((5, 4))}
        save_file(mine, path)
        found = info(path)
        assert found["actions"] is None and (found["action"]["min"], found["action"]["max"]) == ([0], [1]), found
        train(f"{folder}/good", {"algo": "soft-q", "eval.every": 0}, "--replay", path, **cart)
        for bad in (2, -1):
            mine["action"][3] = bad
            save_file(mine, path)
            result = train(f"{folder}/bad", {"algo": "soft-q", "eval.every": 0}, "--replay", path, code=1, **cart)
            assert f"action {bad} of transition 3 is no number of an action: 0 to 1 are" in one_line(result.stderr)


def test_demonstrations():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        path, draw, n = f"{folder}/demo", numpy.random.default_rng(5), 2000
        file = {"obs": draw.normal(size=(n, 40)), "action": draw.normal(size=(n, 2)).astype("f4"), "reward": draw.normal(size=n),
                "terminated": draw.uniform(size=n) < 0.01, "next_obs": draw.normal(size=(n, 40))}
        save_file(file, path)
        found = info(path)
        agrees(found, file)
        assert found["kind"] == "file" and found["env"] is None and found["capacity"] is None, found
        text = sac("replay", "info", path).stdout
        assert "\n  obs, all " in text and "\n  action 1 " in text and "--json has the range of each component" in text, text

        # values that are not finite, also those beyond float, are counted and left out
        file["reward"][7], file["obs"][1999, 3], file["next_obs"][7, 0] = math.inf, math.nan, 1e300
        save_file(file, path)
        found = info(path)
        assert (found["finite"], found["not_finite"], found["first_not_finite"]) == (False, 2, 7), found
        agrees(dict(found, transitions=n - 2), {name: numpy.delete(value, (7, 1999), 0) for name, value in file.items()})
        assert "\n  finite        all but 2 transitions (the first: 7)\n" in sac("replay", "info", path).stdout
        file = {name: value[7:8] for name, value in file.items()}
        save_file(file, path)
        assert info(path)["reward"] == {"min": None, "mean": None, "max": None}
        assert "smallest" not in sac("replay", "info", path).stdout


def test_what_is_neither():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        path = f"{folder}/file"
        good = {"obs": numpy.zeros((3, 2)), "action": numpy.zeros((3, 1)), "reward": numpy.zeros(3),
                "terminated": numpy.zeros(3), "next_obs": numpy.zeros((3, 2))}
        for change, says in (({"reward": None}, "has no tensor 'reward'"), ({"next_obs": numpy.zeros((3, 4))}, "'next_obs' is F64 [3, 4]; F64 [3, 2] is wanted"),
                             ({"reward": numpy.zeros(4)}, "'reward' is F64 [4]; F64 [3] is wanted"), ({"obs": numpy.zeros(3)}, "'obs' is not of shape (n, size)"),
                             ({"action": numpy.zeros((3, 0))}, "'action' is not of shape (n, size)"),
                             ({"action": numpy.zeros((3, 1), "f2")}, "F16"),
                             ({"terminated": numpy.full(3, 2.0)}, "terminated or truncated of transition 0 is neither 0 nor 1")):
            save_file({name: value for name, value in dict(good, **change).items() if value is not None}, path)
            refused("info", path, code=1, says=says)
            refused("info", path, "--json", code=1, says=says)
        refused("info", f"{folder}/none", code=1, says="none: No such file or directory")
        refused("info", folder, code=1, says="holds no run: there is no config.yaml in it")
        refused("info", code=2, says="too few arguments: info RUN|FILE")
        refused("export", folder, code=2, says="too few arguments: export RUN FILE")
        refused("info", folder, folder, code=2, says=f"unexpected argument '{folder}'")
        refused("export", folder, path, "--json", code=2, says="--json goes with info, not with export")
        refused("show", folder, code=2, says="unknown action 'show'; there are 'info' and 'export'")


if __name__ == "__main__":
    main(globals())
