"""What a newcomer reads: help that fits 80 columns, and errors that say what to do, each in one line."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from support.program import BENCH, PROGRAM, SMALL, main, one_line, sac, sets, train

ALGOS = json.loads(sac("config", "algo", "--json").stdout)[0]["allowed"].split(" | ")
GOLDEN = f"{os.environ['SAC_SOURCE']}/tests/golden/updates"
COMMANDS = ("train", "resume", "eval", "replay", "verify", "config", "envs", "info", "bench")


def refused(*arguments, says, code=2, output="", **more):
    result = sac(*arguments, code=code, **more)
    line = one_line(result.stderr)
    assert result.stdout[:1] == output and says in line, f"'{says}' is not in: {line}"


def test_text_fits_the_terminal():
    for arguments in (("--help",), *((command, "--help") for command in COMMANDS), ("envs",), ("config",), ("info",),
                      ("envs", "SacPointMass-v0"), ("envs", "SacTabular-v0"), ("config", "optim.lr"), ("info", "--env", "Pendulum-v1"),
                      *(("info", "--algo", algo) for algo in ALGOS), ("info", "--algo", "sac", "--set", "network.hidden=" + "1024," * 7 + "9")):
        text = sac(*arguments).stdout
        wide = [line for line in text.splitlines() if len(line) > 80]
        assert not wide and text.endswith("\n") and not text.endswith("\n\n"), (arguments, wide)
        assert not re.search(r"[ \t]$", text, re.M), arguments
    text = sac("envs", "SacPointMass-v0").stdout
    assert "2 in [-1, 1] [-0.5, 1.5]" in text, text
    assert "for algo: sac-discrete" in sac("envs", "CartPole-v1").stdout


def test_options_of_other_programs():
    for option, says in (("--lr", "use '--set optim.lr=VALUE'"), ("--learning-rate", "use '--set optim.lr=VALUE'"),
                         ("--batch-size", "use '--set replay.batch=VALUE'"), ("--gamma", "use '--set gamma=VALUE'"),
                         ("--num-envs", "use '--set env.num_envs=VALUE'"), ("--total-timesteps", "use '--steps'"),
                         ("--buffer_size", "use '--set replay.capacity=VALUE'"), ("--cuda", "use '--device'"),
                         ("--sede", "nearest is '--seed'")):
        refused("train", option, "1", says=f"unknown option '{option}'")
        refused("train", f"{option}=1", says=says)
    line = one_line(sac("train", "--every", 1, code=2).stderr)  # of eval, log and checkpoint
    assert "unknown option '--every' ('sac train --help' says more)" in line, line
    line = one_line(sac("resume", "runs/x", "--env", "Pendulum-v1", code=2).stderr)  # a section, and not eval.env
    assert "unknown option '--env' ('sac resume --help' says more)" in line, line
    refused("train", "Pendulum-v1", says="unexpected argument 'Pendulum-v1'; an environment is named by '--env ID'")
    refused("train", "gamma=0.9", says="unexpected argument 'gamma=0.9'; a key is set by '--set KEY=VALUE'")
    line = one_line(sac("config", "qwerty", code=2).stderr)
    assert line == "sac: unknown key 'qwerty' ('sac config' lists all)", line


def test_commands_can_be_copied():
    """A message names the program as it was called, and each word as a shell reads it."""
    with tempfile.TemporaryDirectory(prefix="sac test ") as folder:
        pathlib.Path(folder, "my sac").symlink_to(PROGRAM)
        run, short = pathlib.Path(folder, "a run"), sets(dict(SMALL, **{"eval.every": 0}))
        for called, word in (("sac", "sac"), ("./my sac", '"./my sac"'), (f"{folder}/my sac", f'"{folder}/my sac"')):
            def call(*words):
                words = subprocess.run([called, *map(str, words)], executable=PROGRAM, text=True, capture_output=True, cwd=folder)
                return words.stdout + words.stderr
            assert f"('{word} train --help' says more)" in call("train", "--sede", 1)
            assert f"('{word} --help' lists all)" in call("qwerty") and f"('{word} config' lists all)" in call("config", "qwerty")
            assert f"('{word} envs' lists others)" in call("train", "--dry-run")
            shutil.rmtree(run, ignore_errors=True)
            said = call("train", "--env", "Pendulum-v1", "--out", "a run", *short).splitlines()
            assert said[-2:] == [f'  {word} eval "a run"', f'  {word} resume "a run" --steps 1200'], said
            assert f"""'{word} resume "a run" --steps 1200'""" in call("train", "--out", "a run")

        # what the last lines say is what a shell runs
        for line in said[-2:]:
            subprocess.run(["sh", "-c", line], cwd=folder, check=True, capture_output=True, timeout=60)


def test_environments():
    for env, says in (("libplug.so", "your own shared object is named by its path, ./libplug.so"),
                      ("libplug.so.1", "./libplug.so.1"), ("my_env.py", "named gym:MODULE:ID"),
                      ("Gym:Pendulum-v1", "named gym:Pendulum-v1"), ("gymnasium:Pendulum-v1", "named gym:Pendulum-v1"),
                      ("cheetah", "nearest is HalfCheetah-v5"), ("pendulum", "nearest is Pendulum-v1"),
                      ("package:Thing-v0", "gym:package:Thing-v0")):
        refused("train", "--env", env, says=says)
        refused("envs", env, says=says)
    line = one_line(sac("train", "--env", "LunarLander-v3", code=2).stderr)
    assert "nearest" not in line and "gym:LunarLander-v3" in line, line
    result = sac("train", "--dry-run")
    assert result.stderr == "sac: no --env given: taking Pendulum-v1 ('sac envs' lists others)\n", result.stderr
    refused("envs", "a\033[31mb", says=r"'a\x1B[31mb'")
    for value, says in (("1e99", "[-1e+06, 1e+06] as 'g', not 1e99"), ("[1]", "as 'g', not [1]"), ("no", "not \"no\"")):
        refused("train", "--env", "Pendulum-v1", "--dry-run", "--set", f"env.options.g={value}", says=says)


def test_files_that_are_none():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        for name, data, says in (("a.zip", b"PK\3\4" + bytes(90), "it is a zip file"), ("b.yaml", b"seed: 1\nseeds: 2\n", "it is text"),
                                 ("c\033[1m.png", b"\x89PNG\r\n\x1a\n" + bytes(9), "it is a PNG picture"), ("d", b"", "it is empty")):
            path = pathlib.Path(folder, name)
            path.write_bytes(data)
            for command in ("eval", "verify"):
                result = sac(command, path, code=1)
                line = one_line(result.stderr)
                assert "is no safetensors file, as policies and checkpoints are" in line and says in line, line
                assert "\033" not in line, line


def test_one_thing_in_place_of_another():
    """A file in place of a folder, one of sac's files in place of another, and the other way round."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        run, plain, nothing = pathlib.Path(folder, "run"), pathlib.Path(folder, "plain"), pathlib.Path(folder, "none")
        train(run, {"eval.every": 0})
        plain.mkdir()
        policy, last = run / "seed_1/policy.safetensors", run / "seed_1/checkpoints/last"
        refused("verify", policy, code=1, says="its format is sac-policy-1: neither a golden update nor an environment trace")
        refused("verify", last, "--json", code=1, says="its format is sac-agent-1", output="{")
        sac("replay", "export", run, f"{folder}/transitions")
        for command in (("eval",), ("train", "--env", "Pendulum-v1", "--out", nothing, *sets(SMALL), "--init")):
            refused(*command, f"{folder}/transitions", code=1, says=f"{folder}/transitions is neither a policy nor a checkpoint")
        refused("verify", run, code=1, says="cannot read")
        refused("resume", last, code=1, says=f"it is a part of the run in {run} ('sac resume {run}')")
        shutil.copy(policy, folder)
        refused("resume", pathlib.Path(folder, policy.name), code=1, says="is a file, not a run folder")
        new = ("train", "--env", "Pendulum-v1", "--out", nothing, *sets(SMALL))
        for command in (("resume",), ("eval",), ("replay", "info"), (*new, "--init"), (*new, "--replay")):
            refused(*command, plain, code=1, says=f"{plain} holds no run: there is no config.yaml in it")
            refused(*command, run / "seed_1/replay", code=1, says=f"it is a part of the run in {run}")
        for option in ("--init", "--replay"):  # a dry run reads them too
            refused(*new, "--dry-run", option, plain, code=1, says=f"{option[2:]}: {plain} holds no run")
            refused(*new, "--dry-run", option, nothing, code=1, says=f"cannot read {nothing}: No such file")
            assert sac(*new, "--dry-run", option, run).stdout.startswith("env:")
        assert not nothing.exists()

        # a name that is no text is shown in JSON too
        odd = folder.encode() + b"/\xff\x1b[1m"
        shutil.copy(policy, odd)
        for option in ((), ("--json",)):
            said = subprocess.run([b"sac", b"eval", odd, b"--episodes", b"1", *map(str.encode, option)], executable=PROGRAM, capture_output=True)
            assert said.returncode == 0 and said.stderr == b"" and f"{folder}/??[1m".encode() in said.stdout, said
        shutil.copy(f"{GOLDEN}/sac.safetensors", odd)
        said = subprocess.run([b"sac", b"verify", b"--json", odd], executable=PROGRAM, capture_output=True)
        assert said.returncode == 0 and json.loads(said.stdout)["file"] == f"{folder}/??[1m", said

        # a name that no environment has is wrong usage in every command
        for command in (("train",), ("envs",), ("info",), ("bench", "env"), ("bench", "train"), ("eval", policy)):
            refused(*command, *("--env",) * (command[0] != "envs"), "none", says="no environment 'none'")


def test_arguments_that_no_file_has():
    for command in ("eval", "resume", "verify", "envs", "config", "bench"):
        refused(command, "", says=f"an argument is empty: sac {command} ")
        refused(command, "a\nb", says=r"argument 'a\x0Ab' has a line break")
    refused("replay", "info", "", says="an argument is empty: sac replay ")
    refused("--env", "Pendulum-v1", says="no command '--env'; options stand behind a command")
    refused("train", "--set", "env.options={", says="env.options (from --set) is not valid YAML: while parsing a flow node")


def test_output_that_cannot_be_written():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        run = pathlib.Path(folder, "run")
        train(run, {"eval.every": 0})
        for command in (("--help",), ("train", "--help"), ("config",), ("config", "--json"), ("envs",), ("envs", "--json"), ("info", "--json"),
                        ("replay", "info", run), ("eval", run, "--episodes", 1), ("eval", run, "--episodes", 1, "--json"),
                        ("train", "--env", "Pendulum-v1", "--dry-run")):
            with open("/dev/full", "w") as full:
                result = subprocess.run(["sac", *map(str, command)], executable=PROGRAM, stdout=full, stderr=subprocess.PIPE, text=True)
            assert (result.returncode, result.stderr) == (1, "sac: cannot write to standard output\n"), (command, result)

        # a run goes on, and says so once
        with open("/dev/full", "w") as full:
            words = ["train", "--env", "Pendulum-v1", "--out", f"{folder}/b", *map(str, sets(dict(SMALL, **{"eval.every": 0})))]
            result = subprocess.run(["sac", *words], executable=PROGRAM, stdout=full, stderr=subprocess.PIPE, text=True)
        line = one_line(result.stderr)
        assert result.returncode == 0 and "No space left on device; the run goes on, and log.txt has its lines" in line, result
        assert "done: 600 steps" in pathlib.Path(folder, "b/log.txt").read_text()


def test_arguments_that_have_no_effect():
    refused("--version", "extra", says="unexpected argument 'extra'")
    refused("help", "train", "extra", says="unexpected argument 'extra'")
    refused("bench", "op", "--env", "Pendulum-v1", says="--env goes with env, train, not with op")
    refused("bench", "env", "--obs", 3, says="--obs goes with update, op, act, replay, not with env")
    refused("bench", "env", "--batch", 3, says="--batch goes with")
    refused("bench", "update", "--batch", "8,", *BENCH, says="replay.batch is empty (from --batch)")
    refused("bench", "update", "--batch", "8,2000000", *BENCH, says="replay.batch = 2000000")
    refused("info", "--algo", "sac", "--seeds", 2, says="--seeds goes with --env")
    refused("info", "--algo", "sac", "--device", "cpu", says="--device goes with --env")
    refused("bench", "update", "--hidden", "8", "--batch", 8, *BENCH, says="SAC_CPU=foo: this processor has no such kernels",
            env={"SAC_CPU": "foo"})
    text = sac("config", "env.options", "--env", "Pendulum-v1", "--set", "env.options.g=9", "--set", "env.options={}").stdout
    assert "value    {} (from --set)" in text, text


def test_runs_say_what_was_given():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        whole = pathlib.Path(folder, "whole.yaml")
        whole.write_text(sac("config", "--env", "Pendulum-v1", "--set", "gamma=0.9").stdout)
        out = pathlib.Path(folder, "run")
        said = sac("train", "--config", whole, "--out", out, *sets(dict(SMALL, **{"eval.episodes": 1})), "--seeds", 2).stdout
        (given,) = re.findall(r"you set (.*)", said)
        assert "gamma 0.9" in given and "optim.beta1" not in given and "precision" not in given, given
        assert re.search(r"^done: 2 agents, 600 steps of each and 800 updates of all in ", said, re.M), said
        assert "1 episode each" in said and "1 episodes" not in said, said

        # another environment, and an option that a file cannot have
        policy = out / "seed_1/policy.safetensors"
        line = one_line(sac("eval", out / "seed_1", "--env", "MountainCarContinuous-v0", code=1).stderr)
        assert "does not fit MountainCarContinuous-v0, which has 2 observations and 1 actions" in line, line
        refused("eval", policy, "--best", says="--best chooses a checkpoint of a run")
        refused("eval", policy, "--camera", "track", says="--camera goes with --record-video")
        assert "over 1 episode of" in sac("eval", policy, "--episodes", 1).stdout


if __name__ == "__main__":
    main(globals())
