"""A user's environment through the program: compiled as its page says, trained, resumed, evaluated, measured."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from safetensors import safe_open

from support.program import BENCH, SMALL, checkpoints, main, one_line, rows, sac, same_runs, sets, train

# ctest: timeout=300

SOURCE, PLUGINS = pathlib.Path(os.environ["SAC_SOURCE"]), pathlib.Path(os.environ["SAC_BUILD"], "tests/plugins")
LIAR = PLUGINS / "liar.so"
FAILED, USAGE, NUMERIC = 1, 2, 3


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def test_the_example_learns():
    """Built with the command in its first comment, in a folder with only the file and the headers."""
    with folder() as path:
        shutil.copy(SOURCE / "tests/examples/plugin/quadrotor.c", path)
        shutil.copytree(SOURCE / "include", pathlib.Path(path, "include"))
        text = pathlib.Path(path, "quadrotor.c").read_text()
        line = re.search(r"cc .*libquadrotor\.so -lm", text).group()
        assert line in (SOURCE / "src/env/README.md").read_text()
        subprocess.run(line, shell=True, check=True, cwd=path)
        values = {"network.hidden": "64,64", "replay.batch": 64, "replay.capacity": 20000, "train.steps": 6000,
                  "train.warmup_steps": 1000, "optim.lr": 1e-3, "gamma": 0.97, "eval.every": 0}
        sac("train", "--env", "./libquadrotor.so", "--out", "run", *sets(values), cwd=path)
        trained = json.loads(sac("eval", "run", "--episodes", 20, "--json", cwd=path).stdout)["policies"][0]["mean"]
        values.update({"train.steps": 1, "train.updates_per_step": 0})
        sac("train", "--env", "./libquadrotor.so", "--out", "new", *sets(values), cwd=path)
        before = json.loads(sac("eval", "new", "--episodes", 20, "--json", cwd=path).stdout)["policies"][0]["mean"]
        print(f"return {before:.1f} before, {trained:.1f} after 6,000 steps; 250 is the most")
        assert trained > before + 60, (before, trained)
        # the policy file names its environment too
        sac("eval", "run/seed_1/policy.safetensors", "--episodes", 2, cwd=path)
        # in a folder where the relative path does not lead to the plugin
        away = pathlib.Path(path, "away")
        away.mkdir()
        line = one_line(sac("resume", "../run", "--steps", 7000, cwd=away, code=FAILED).stderr)
        assert "./libquadrotor.so: No such file" in line and f"current folder, {away}" in line, line


def test_real_hardware():
    """One servo, in real time: compiled as its page says; trained with updates during the steps; what goes wrong."""
    with folder() as path:
        shutil.copy(SOURCE / "tests/examples/plugin/servo.c", path)
        line = re.search(r"cc .*libservo\.so -lm", pathlib.Path(path, "servo.c").read_text()).group()
        subprocess.run(line.replace("-I include", f"-I {SOURCE / 'include'}"), shell=True, check=True, cwd=path)

        def servo(out, values=None, **options):
            usual = {"train.steps": 300, "train.warmup_steps": 50, "eval.every": 0, "train.overlap": 1, "env.options.period_ms": 1}
            values = sets({**SMALL, **usual, **(values or {})})
            return sac("train", "--env", "./libservo.so", "--out", out, *values, cwd=path, **options)

        servo("run")
        header, *table = rows(pathlib.Path(path, "run/seed_1/metrics.csv"))
        assert header[-1] == "info/late" and all(float(row[-1]) >= 0 for row in table), (header, table)
        assert "there is one servo, not 2" in one_line(servo("two", {"env.num_envs": 2}, code=USAGE).stderr)
        result = servo("silent", {"train.steps": 100000, "env.options.silent_after": 0.5}, code=FAILED)
        line = one_line(result.stderr)
        assert re.search(r"(step|reset) failed: the servo has not answered for 0.1 s", line), line
        assert "env.options has no 'perod'; there is: period_ms" in one_line(
            servo("typo", {"env.options.perod": 1}, code=USAGE).stderr)


def test_discrete_actions():
    """The lights of a crossing: compiled as its page says, trained by both algorithms, resumed to the bit. The policy knows
    what the numbers are."""
    with folder() as path:
        shutil.copy(SOURCE / "tests/examples/plugin/crossing.c", path)
        line = re.search(r"cc .*libcrossing\.so", pathlib.Path(path, "crossing.c").read_text()).group()
        subprocess.run(line.replace("-I include", f"-I {SOURCE / 'include'}"), shell=True, check=True, cwd=path)
        start = ["train", "--env", "./libcrossing.so"]
        values = {"network.hidden": "64,64", "replay.batch": 64, "replay.capacity": 20000, "train.steps": 5000,
                  "train.warmup_steps": 500, "optim.lr": 1e-3, "gamma": 0.9, "alpha.initial": 0.1, "eval.every": 0}

        def mean(out):
            return json.loads(sac("eval", out, "--episodes", 20, "--json", cwd=path).stdout)["policies"][0]["mean"]

        none = {**values, "algo": "soft-q", "train.steps": 1, "train.updates_per_step": 0}
        sac(*start, "--out", "new", *sets(none), cwd=path)
        before = mean("new")
        for algo in ("sac-discrete", "soft-q"):
            sac(*start, "--out", algo, *sets({**values, "algo": algo}), cwd=path)
            trained = mean(algo)
            print(f"{algo}: return {before:.1f} before, {trained:.1f} after 5,000 steps")
            assert trained > before + 60, (algo, before, trained)
            short = {**SMALL, "algo": algo, "train.steps": 600}
            sac(*start, "--out", f"{algo}-whole", *sets(short), "--seeds", 2, cwd=path)
            sac(*start, "--out", f"{algo}-parts", *sets({**short, "train.steps": 330}), "--seeds", 2, cwd=path)
            assert "saves no state" not in sac("resume", f"{algo}-parts", "--steps", 600, cwd=path).stderr
            for seed in ("seed_1", "seed_2"):
                same_runs(*(pathlib.Path(path, f"{algo}-{name}", seed) for name in ("whole", "parts")), best=False)
        with safe_open(pathlib.Path(path, "sac-discrete/seed_1/policy.safetensors"), "numpy") as file:
            assert json.loads(file.metadata()["spaces"])["action"][0]["actions"] == ["first", "second"]

        # what shows it and measures it; an algorithm for continuous actions
        (one,) = json.loads(sac("envs", "./libcrossing.so", "--json", cwd=path).stdout)
        assert (one["actions"], one["action_size"], one["action_low"], one["action_high"]) == (2, 1, [], []), one
        assert re.search(r"^  actions +2 discrete, for algo: sac-discrete, soft-q$", sac("envs", "./libcrossing.so", cwd=path)
                         .stdout, re.M)
        assert json.loads(sac("bench", "env", "--env", "./libcrossing.so", "--json", *BENCH, cwd=path).stdout.splitlines()[0])
        refused = sac(*start, "--out", "none", *sets(SMALL), cwd=path, code=USAGE)
        assert "./libcrossing.so has 2 discrete actions; algo 'sac' needs continuous ones" in one_line(refused.stderr)


def test_resume_is_exact():
    plugin = PLUGINS / "libquadrotor.so"
    with folder() as path:
        whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
        train(whole, {"train.overlap": 2}, env=plugin)
        train(parts, {"train.overlap": 2, "train.steps": 330, "cpu.threads": 1}, env=plugin)
        result = sac("resume", parts, "--steps", 600)
        assert "saves no state" not in result.stderr
        same_runs(whole / "seed_1", parts / "seed_1", best=False)


def test_without_state_functions():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, {"train.steps": 330}, env=LIAR)
        result = sac("resume", out, "--steps", 600)
        line = one_line(result.stderr)
        assert "saves no state: new episodes start" in line and "liar.so" in line, line


def test_population():
    plugin = PLUGINS / "libquadrotor.so"
    with folder() as path:
        two, alone = pathlib.Path(path, "two"), pathlib.Path(path, "alone")
        train(two, {"env.num_envs": 2}, "--seeds", 2, env=plugin)
        train(alone, {"env.num_envs": 2}, "--seed", 2, env=plugin)
        same_runs(two / "seed_2", alone / "seed_2")


def test_lies():
    with folder() as path:
        start = ["train", "--env", LIAR, "--out", pathlib.Path(path, "run"), *sets(SMALL)]
        for lie, code, text in (
            ("abi", USAGE, "build it against"),
            ("no table", USAGE, "no table of functions"),
            ("no step", USAGE, "lacks 'step'"),
            ("no observations", FAILED, "obs_size is 0"),
            ("infinite bounds", FAILED, "bounds must be finite"),
            ("one choice", FAILED, "1 discrete actions; actions must be 2 to 65536"),
            ("choices in two", FAILED, "3 discrete actions in 2 numbers; each is one number: action_size must be 1"),
            ("choices with bounds", FAILED, "3 discrete actions with bounds; action_low and action_high must be NULL"),
            ("choices", USAGE, "3 discrete actions; algo 'sac' needs continuous ones"),
            ("create", FAILED, "create failed: the cable is loose"),
            ("other sizes each time", FAILED, "has 2 observations and 1 actions; for the training it had 1 and 1"),
        ):
            line = one_line(sac(*start, code=code, env={"SAC_TEST_LIE": lie}).stderr)
            assert text in line and "liar.so" in line, line
        other = sac(*start, "--set", "algo=soft-q", code=FAILED, env={"SAC_TEST_LIE": "other choices each time"})
        assert "has 1 observations and 4 discrete actions; for the training it had 1 and 3" in one_line(other.stderr)
        line = one_line(sac("train", "--env", PLUGINS / "empty.so", code=USAGE).stderr)
        assert "empty.so has no function sac_env_plugin" in line
        assert not pathlib.Path(path, "run").exists()


def test_lies_while_it_trains():
    """The run ends there, names the step, and keeps its checkpoint."""
    for lie, code, text in (
        ("step", FAILED, "step failed: the cable is loose"),
        ("nan observation", NUMERIC, "observation 0 is NaN"),
        ("nan reward", NUMERIC, "reward is NaN"),
    ):
        with folder() as path:
            out = pathlib.Path(path, "run")
            start = ["train", "--env", LIAR, "--out", out, *sets(dict(SMALL, **{"checkpoint.every": 25}))]
            result = sac(*start, code=code, env={"SAC_TEST_LIE": lie})
            line = one_line(result.stderr)
            assert line.startswith("sac: step 40: ") and text in line and "liar.so" in line, line
            assert line.endswith(f"; 'sac resume {out}' continues from the checkpoint of step 25"), line
            assert checkpoints(out / "seed_1")[-1] == 25
            sac("resume", out, "--steps", 300)


def test_success_rate():
    """The last info of an episode tells its success: sac eval prints the share, also where several play together."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        success = {"SAC_TEST_LIE": "nothing, but success"}
        kept = None
        for num_envs in (1, 5):
            train(out, {"train.steps": 40, "train.warmup_steps": 20, "eval.every": 0, "eval.num_envs": num_envs}, env=LIAR, code=0)
            for file in (out, out / "seed_1/policy.safetensors"):
                found = json.loads(sac("eval", file, "--episodes", 20, "--json", env=success).stdout)
                one, rate = found["policies"][0], found["all"]["success_rate"]
                kept = kept or one["successes"]
                assert one["successes"] == kept and one["success_rate"] == rate == sum(kept) / 20 and 0 < rate < 1, found
            text = sac("eval", out, "--episodes", 20, env=success).stdout
            assert f"over 20 episodes of 50.0 steps, success rate {100 * rate:.4g} %\n" in text, text
            shutil.rmtree(out)
        train(out, {"train.steps": 40, "train.warmup_steps": 20, "eval.every": 0}, env=LIAR)
        found = json.loads(sac("eval", out, "--episodes", 2, "--json").stdout)["policies"][0]
        assert found["success_rate"] is None and "successes" not in found, found


def test_measured():
    result = sac("bench", "env", "--env", PLUGINS / "libquadrotor.so", "--json", *BENCH)
    assert json.loads(result.stdout.splitlines()[0])
    text = sac("envs", "--help").stdout
    assert "./libmyenv.so" in text


if __name__ == "__main__":
    main(globals())
