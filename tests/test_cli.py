"""The program as a user runs it: in a pipe, on a terminal, interrupted, asked for help."""
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

import pexpect

from support.program import PROGRAM, SMALL, checkpoints, main, one_line, rows, sac, same_runs, sets, train

# ctest: timeout=300

ALGOS = json.loads(sac("config", "algo", "--json").stdout)[0]["allowed"].split(" | ")
assert {"sac", "sac-v"} <= set(ALGOS), ALGOS
LONG = {"train.steps": 10000000, "checkpoint.every": 0, "eval.every": 0}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def words(values):
    return ["train", "--env", "Pendulum-v1", *map(str, sets(dict(SMALL, **values)))]


def test_help_and_version():
    assert re.fullmatch(r"sac \d+\.\d+\.\d+\n", sac("--version").stdout)
    text = sac("--help").stdout
    assert sac("help").stdout == text
    for command in ("train", "resume", "eval", "replay", "verify", "config", "bench", "envs", "info"):
        assert re.search(rf"^  {command} ", text, re.M), command
        own = sac(command, "--help").stdout
        assert own.startswith(f"Usage: sac {command}"), own
        assert sac("help", command).stdout == own
    nothing = sac(code=2)
    assert nothing.stdout == "" and nothing.stderr == text


def test_info():
    text, info = sac("info").stdout, json.loads(sac("info", "--json").stdout)
    assert re.search(r"\n  cpu   flops +[\d.]+ G/s  arithmetic ", text) and "\n  cuda  launch " in text, text
    assert {"flops", "floor"} <= info["estimate"]["cpu"].keys() and {"launch", "act"} <= info["estimate"]["cuda"].keys()
    assert [shape["auto"] for shape in info["estimate"]["shapes"]][-3:] == ["cuda"] * 3, info["estimate"]
    for shape in info["estimate"]["shapes"]:
        assert shape["auto"] == ("cuda" if shape["cuda"]["step"] < shape["cpu"]["step"] else "cpu"), shape
        assert all(0 < shape[place]["update"] < shape[place]["step"] for place in ("cpu", "cuda")), shape
        assert re.search(rf"{shape['population']} x obs {shape['obs']} act .* {shape['auto']}\n", text), (shape, text)
    assert {row["algo"] for row in info["support"]} == set(ALGOS)
    for row in info["support"]:
        cuda = {None, "composed"} if row["algo"] not in ("sac", "sac-v") else {"composed" if info["cuda"] else None}
        assert row["cpu"] == "composed" and row["cuda"] in cuda, row
    if info["cuda_devices"]:
        assert info["cuda_devices"][0].startswith("cuda:0 ") and info["cuda_devices"][0] in text, text
        # Kernels and products. A device may split a product into two kernels.
        for algo, kernels, products in (("sac", 18, 16), ("sac-v", 24, 23)):
            assert kernels + products <= info["graph_nodes"][algo] <= kernels + 2 * products, info["graph_nodes"]
        assert f"sac: {info['graph_nodes']['sac']} launches" in text, text
    else:
        assert info["graph_nodes"] == {} and info["cuda_none"] and f"none: {info['cuda_none']}" in text, text


def test_profiling():
    for command in (("train", "--env", "Pendulum-v1"), ("bench", "update")):
        for wrong in ("5", "5:", ":5", "5:0", "-1:5", "a:b", "1:2:3"):
            error = one_line(sac(*command, "--device", "cpu", f"--profile={wrong}", code=2).stderr)
            assert f"FROM:COUNT, two whole numbers as in 1000:50, not '{wrong}'" in error, error
        error = one_line(sac(*command, "--device", "cpu", "--profile", "1:2", code=2).stderr)
        assert "device 'cpu' is the CPU" in error, error
    tiny = ("--hidden", "8,8", "--batch", 8, "--rows", 100, "--seconds", 0.001, "--repeats", 1, "--warmup", 0)
    stages = json.loads(sac("bench", "update", "--device", "cpu", "--stages", "--json", *tiny).stdout)["stages"]
    assert list(stages) == ["replay sample", "critic update", "actor update", "temperature update", "target update"], stages
    assert all(stage["microseconds"] > 0 for stage in stages.values()), stages
    text = sac("bench", "train", "--env", "Pendulum-v1", "--device", "cpu", "--stages", *tiny[:4], *tiny[6:]).stdout
    assert re.search(r"^  env step +[\d.]+ +[\d.]+%$", text, re.M), text
    assert "--stages goes with" in one_line(sac("bench", "act", "--stages", code=2).stderr)


def test_bench_bare():
    """MuJoCo's own loop next to sac's. test_mujoco.py has the tests that need the library."""
    assert "--bare goes with env" in one_line(sac("bench", "act", "--bare", code=2).stderr)
    assert "--bare works only with MuJoCo's tasks; Pendulum-v1 is not one of them" in one_line(sac("bench", "env", "--env", "Pendulum-v1", "--bare",
                                                                        "--device", "cpu", code=2).stderr)


def test_envs():
    listed = {one["id"]: one for one in json.loads(sac("envs", "--json").stdout)}
    for one in listed.values():
        assert one["source"] in ("built in", "MuJoCo", "Gymnasium"), one
        assert (one["reference_return"] is None) == (one["reference_source"] is None), one
        assert one["reference_return"] is None or abs(one["reference_return"]) > 0, one
        assert one["reference_spread"] is None or one["reference_spread"] >= 0 and one["reference_return"] is not None, one
        known = one["source"] != "Gymnasium" and "missing" not in one  # listing environments does not start Python
        assert (one.get("obs_size", 0) > 0) == known and ("options" in one) == known, one
        assert (one["source"] == "Gymnasium") == one["id"].startswith("gym:"), one
    pendulum, cheetah, lander = (listed[id] for id in ("Pendulum-v1", "HalfCheetah-v5", "gym:LunarLanderContinuous-v3"))
    assert pendulum["source"] == "built in" and -200 < pendulum["reference_return"] < -100
    assert cheetah["source"] == "MuJoCo" and (cheetah["reference_return"], cheetah["reference_spread"]) == (11058, 982)
    assert "10 seeds" in cheetah["reference_source"]
    assert lander["reference_return"] == 200 and "Gymnasium" in lander["reference_source"]
    gym = [id for id in listed if id.startswith("gym:")]
    assert len(gym) >= 12 and "gym:pybullet_envs_gymnasium:AntBulletEnv-v0" in gym

    text = sac("envs").stdout
    for id in listed:
        assert re.search(rf"^{re.escape(id)} ", text, re.M), id
    assert re.search(r"^HalfCheetah-v5 +17  6 in \[-1, 1\] +1000  11058 \+- 982 \[(\d+)\]", text, re.M), text
    numbers = set(map(int, re.findall(r" \[(\d+)\]", text)))
    assert numbers == set(range(1, len(numbers) + 1))
    assert [int(n) for n in re.findall(r"^  \[(\d+)\] \S", text, re.M)] == sorted(numbers)
    assert max(map(len, text.splitlines())) <= 80 and "Discrete actions are for algo: sac-discrete, soft-q.\n" in text

    (one,) = json.loads(sac("envs", "Pendulum-v1", "--json").stdout)
    assert one == pendulum
    text = sac("envs", "Pendulum-v1").stdout
    assert "reference     -157: SAC, " in text and re.search(r"^  g +10$", text, re.M) and "Acrobot" not in text, text
    assert "nearest is Pendulum-v1" in one_line(sac("envs", "Pendulm-v1", code=2).stderr)


def test_info_of_a_run():
    text = sac("info", "--env", "Pendulum-v1", "--seeds", 2, "--set", "env.num_envs=3", "--device", "cpu").stdout
    assert " ".join(text.split()).startswith(
        "Pendulum-v1: algo sac, obs 3 act 1, hidden 64,64, batch 128, 2 agents of 3 environments, "), text
    assert re.search(r"\n  a step +[\d.]+", text) and "device auto" not in text, text
    case = json.loads(sac("info", "--env", "Pendulum-v1", "--set", "network.hidden=8", "--device", "cpu", "--json").stdout)
    cpu = case["cpu"]
    assert case["takes"] == "cpu" and case["hidden"] == [8] and cpu["env_step"] > 0, case
    parts = cpu["act"] + cpu["env_step"] + cpu["replay_push"] + cpu["waits"] + cpu["update"]
    assert abs(cpu["step"] - parts) < 1e-5 * parts, case
    assert "nearest is Pendulum-v1" in one_line(sac("info", "--env", "Pendulum-v", code=2).stderr)


def test_info_algo():
    """The list of every algorithm, as text and as JSON, for every backend of this build."""
    info = json.loads(sac("info", "--json").stdout)
    backends = ["cpu"] + ["cuda"] * info["cuda"]
    for algo, two_hidden in (("sac", 34), ("sac-v", 47)):
        listed, text = json.loads(sac("info", "--algo", algo, "--json").stdout), sac("info", "--algo", algo).stdout
        operations = listed["operations"]
        assert listed["algo"] == algo and (listed["obs"], listed["act"], listed["batch"]) == (17, 6, 256), listed
        assert listed["hidden"] == [256, 256] and listed["launches"] == two_hidden == listed["launches_two_hidden"], listed
        assert 1 + sum(one["launches"] for one in operations) == two_hidden, operations
        assert [one["number"] for one in operations] == list(range(1, len(operations) + 1))
        assert text.startswith(f"{algo}: ") and f"\n{two_hidden} launches per update" in text, text
        assert not re.search(r" \n", text), text
        table, ran = text.split("\nWhat the operations run as")
        stages = dict(re.findall(r"^([a-z].*[a-z])\n((?: .*\n)+)", table, re.M))
        for one in operations:
            (line,) = re.findall(rf"^ *{one['number']}  .*(?:\n {{7}}.*)?", stages[one["stage"]], re.M)
            for word in (one.get("rows", one["kind"]), one.get("networks", ""), one.get("place", ""), one.get("equation", "")):
                assert word in line, (one, line)
            assert (one["flops"] > 0) == (one["kind"] in ("forward", "backward", "gradient", "input gradient")), one
            assert list(one["runs_as"]) == backends, one
            for runs in one["runs_as"].values():  # those that run together say so alike
                together = operations[runs["first"] - 1:runs["first"] - 1 + runs["count"]]
                assert one in together, one
                numbers = "+".join(str(runs["first"] + i) for i in range(runs["count"]))
                alone = [name for first, last, name in re.findall(r" (\d+)(?:-(\d+))?  (\S.*)", ran)
                         if runs["count"] == 1 and int(first) <= one["number"] <= int(last or first)]
                assert runs["name"] in alone or f" {numbers}  {runs['name']}" in ran, (one, ran)
        assert {one["rows"] for one in operations if one["kind"] == "rows"} >= {"sample", "square loss", "smallest"}

    deep = json.loads(sac("info", "--algo", "sac", "--set", "network.hidden=8,8,8", "--json").stdout)
    assert deep["launches"] == 48 and deep["launches_two_hidden"] == 34 and deep["hidden"] == [8, 8, 8], deep
    assert "is not one of: " + " | ".join(ALGOS) in one_line(sac("info", "--algo", "sack", code=2).stderr)
    assert sac("info", "--env", "Pendulum-v1", "--algo", "sac-v", "--device", "cpu").stdout.startswith("Pendulum-v1: algo sac-v")


def test_bench_op():
    tiny = ("--device", "cpu", "--seconds", 0.01, "--warmup", 0, "--repeats", 1, "--rows", 200)
    sizes = ("--obs", 3, "--act", 2, "--hidden", "8,7", "--batch", 33)
    discrete = ("--obs", 3, "--actions", 2, "--hidden", "8,7", "--batch", 33)
    for algo in ALGOS:
        sizes_of = discrete if algo in ("sac-discrete", "soft-q") else sizes
        for more in ((), ("--population", 3, "--threads", 2)):
            case = json.loads(sac("bench", "op", *tiny, *sizes_of, *more, "--algo", algo, "--json").stdout)
            parts = case["parts"]
            assert case["bench"] == "op" and case["algo"] == algo and case["microseconds"] > 0, case
            assert abs(sum(part["microseconds"] for part in parts) - case["parts_sum"]) < 1e-4 * case["parts_sum"], case
            assert abs(sum(part["share"] for part in parts) - 1) < 1e-3 and parts[0]["stage"] == "replay sample", case
            # The operations of the list, each once.
            fields = ("kind", "networks", "place", "rows", "equation", "source")
            ran = [{key: one[key] for key in fields if key in one} for part in parts for one in part["operations"]]
            listed = [{key: one[key] for key in fields if key in one}
                      for one in json.loads(sac("info", "--algo", algo, "--json").stdout)["operations"]]
            assert sorted(map(str, ran)) == sorted(map(str, listed)), (ran, listed)
            for part in parts:
                products = any(one["kind"] in ("forward", "backward", "gradient", "input gradient") for one in part["operations"])
                assert ("gflops" in part) == products and part["microseconds"] >= 0 and part["runs_as"], part
    text = sac("bench", "op", *tiny, *sizes).stdout
    assert re.search(r"\n  critic update +[\d.]+ +[\d.]+% .*\n      blocks: gradient critic \(s, a\), adam critic\n", text), text
    assert max(map(len, text.splitlines()[1:])) <= 80, text
    assert re.search(r"\n  all +[\d.]+  the sum\n  measured +[\d.]+  in the loop, [\d.]+ us (less|more)\n", text), text
    cases = [json.loads(line) for line in sac("bench", "op", *tiny, "--cases", "--json").stdout.splitlines()]
    assert {case["algo"] for case in cases} == set(ALGOS) and {case["batch"] for case in cases} >= {1, 31, 33, 257}
    assert {case["population"] for case in cases} == {1, 3} and len(cases) >= 14, cases
    assert "--cases has sizes of its own" in one_line(sac("bench", "op", "--cases", "--obs", 3, code=2).stderr)
    assert "--cases goes with op" in one_line(sac("bench", "update", "--cases", code=2).stderr)


def test_bench_stages():
    for overlap in (0, 1):
        words = ["bench", "train", "--env", "Pendulum-v1", "--device", "cpu", "--hidden", "8,8", "--batch", 8, "--seconds", 0.05,
                 "--warmup", 0, "--repeats", 1, "--stages", "--set", f"train.overlap={overlap}"]
        case = json.loads(sac(*words, "--json").stdout)
        times = {name: stage["microseconds"] for name, stage in case["stages"].items()}
        assert len(times) == 8 and abs(case["stages_sum"] - sum(times.values())) < 1e-4 * case["stages_sum"], case
        late = case.get("stages_overlapped", case["stages_sum"])
        assert late <= case["stages_sum"] and (overlap or "stages_overlapped" not in case), case
        text = sac(*words).stdout
        assert re.search(r"\n  all +[\d.]+  the sum\n", text), text
        assert re.search(r"\n  measured +[\d.]+  in the loop, [\d.]+ us (less|more)\n", text), text
    text = sac("bench", "update", "--device", "cpu", "--hidden", "8,8", "--batch", 8, "--seconds", 0.05, "--warmup", 0,
               "--repeats", 1, "--stages").stdout
    assert "  critic update" in text and "env step" not in text, text


def test_unknown_command():
    assert one_line(sac("trian", code=2).stderr) == "sac: no command 'trian'; nearest is 'train' ('sac --help' lists all)"
    assert "nearest" not in one_line(sac("xyzzy", code=2).stderr)
    one_line(sac("help", "trian", code=2).stderr)


def test_full_standard_output():
    with open("/dev/full", "w") as full:
        result = subprocess.run([PROGRAM, "config"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and "standard output" in one_line(result.stderr)


def test_dry_run():
    with folder() as path:
        out = pathlib.Path(path, "run")
        result = sac("train", "--env", "Pendulum-v1", "--set", "optim.lr=1e-3", "--seed", 7, "--out", out, "--dry-run")
        assert not out.exists()
        text = pathlib.Path(path, "again.yaml")
        text.write_text(result.stdout)
        assert re.search(r"lr: 0\.001\s+# from --set", result.stdout), result.stdout
        assert re.search(r"seed: 7\s+# from --seed", result.stdout), result.stdout
        assert re.search(r"# memory: [\d.]+ .B, of it replay [\d.]+ .B", result.stdout), result.stdout
        again = sac("train", "--config", text, "--dry-run").stdout  # the output is a valid configuration
        values = [re.sub(r"\s*#.*", "", line) for line in result.stdout.splitlines()]
        assert [re.sub(r"\s*#.*", "", line) for line in again.splitlines()] == values


def test_pipe():
    with folder() as path:
        out = pathlib.Path(path, "run")
        result = train(out)
        assert result.stderr == ""
        text = result.stdout
        assert "\r" not in text and "\033" not in text
        assert text == (out / "log.txt").read_text()
        for wanted in ("Pendulum-v1", "memory ", f"writes to {out}", "step 300: evaluation ", "done: 600 steps",
                       f"  sac eval {out}", f"  sac resume {out} --steps 1200"):
            assert wanted in text, (wanted, text)
        assert len(rows(out / "seed_1/metrics.csv")) == 1 + 6
        assert len(rows(out / "seed_1/evaluations.csv")) == 1 + 2


def test_quiet():
    with folder() as path:
        result = train(pathlib.Path(path, "run"), {}, "--quiet")
        assert result.stdout == "" and result.stderr == ""


def test_default_folder():
    with folder() as path:
        for _ in range(2):
            sac(*words({}), "--quiet", cwd=path)
        made = sorted(pathlib.Path(path, "runs/Pendulum-v1").iterdir())
        assert len(made) == 2, made
        for run in made:
            assert re.fullmatch(r"\d{8}-\d{4}(-\d+)?", run.name), run
            assert (run / "config.yaml").exists()


def test_machine():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out)
        machine = json.loads((out / "machine.json").read_text())
        for key in ("processor", "cpu_kernels", "cores", "device", "memory_bytes", "system", "kernel", "compiler",
                    "sac", "started"):
            assert machine[key], (key, machine)
        machine["cpu_kernels"] = "another one"
        (out / "machine.json").write_text(json.dumps(machine))
        result = sac("resume", out, "--steps", 700)
        assert "another one" in one_line(result.stderr)


def test_out_resumes_or_refuses():
    with folder() as path:
        whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
        train(whole)
        train(parts, {"train.steps": 250})
        refused = train(parts, {"train.steps": 250}, code=2)
        assert "finished run" in one_line(refused.stderr) and refused.stdout == ""
        result = train(parts)
        assert "continues" in result.stdout and "train.steps" in result.stdout
        same_runs(whole / "seed_1", parts / "seed_1", best=False)
        one_line(train(parts, {"train.steps": 900, "replay.batch": 17}, code=2).stderr)


def test_init():
    with folder() as path:
        first = pathlib.Path(path, "first")
        train(first)
        for name in ("policy.safetensors", "checkpoints/best"):
            out = pathlib.Path(path, name.replace("/", "-"))
            train(out, {"train.steps": 1, "train.warmup_steps": 1, "train.updates_per_step": 0}, "--init",
                  first / "seed_1" / name)
            ours = sac("eval", out, "--json").stdout
            theirs = sac("eval", first, *(["--best"] if "best" in name else []), "--json").stdout
            assert json.loads(ours)["all"] == json.loads(theirs)["all"]


def test_eval():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, {}, "--seeds", 3)
        result = json.loads(sac("eval", out, "--episodes", 20, "--json").stdout)
        assert len(result["policies"]) == 3 and result["episodes"] == 20
        for policy in result["policies"]:
            returns = policy["returns"]
            assert len(returns) == 20 and len(set(returns)) == 20
            mean = sum(returns) / 20
            std = (sum((value - mean) ** 2 for value in returns) / 19) ** 0.5
            assert abs(policy["mean"] - mean) < 1e-9 and abs(policy["std"] - std) < 1e-9
            assert abs(policy["half_width_95"] - 2.0930241 * std / 20**0.5) < 1e-3 * std  # t quantile for 19 degrees of freedom
            assert policy["min"] == min(returns) and policy["max"] == max(returns)
            assert policy["lengths"] == [200] * 20 and policy["mean_length"] == 200
        means = [policy["mean"] for policy in result["policies"]]
        assert abs(result["all"]["mean"] - sum(means) / 3) < 1e-9
        assert sac("eval", out, "--episodes", 20, "--json").stdout == sac("eval", out, "--episodes", 20, "--json").stdout
        other = json.loads(sac("eval", out, "--episodes", 20, "--seed", 1, "--json").stdout)
        assert other["policies"][0]["returns"] != result["policies"][0]["returns"]
        # a seed folder, its checkpoint and its policy file have the same actor, up to the rounding of the scaling
        for target in ("seed_2", "seed_2/checkpoints/last", "seed_2/policy.safetensors"):
            one = json.loads(sac("eval", out / target, "--episodes", 20, "--json").stdout)
            for ours, theirs in zip(one["policies"][0]["returns"], result["policies"][1]["returns"]):
                assert abs(ours - theirs) < 1e-2 * abs(theirs), (target, ours, theirs)
        text = sac("eval", out).stdout
        assert "all 3 seeds" in text and "over 100 episodes" in text, text


def test_eval_of_policy_with_options():
    """A policy file plays in the environment of its run, with the same options."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, {"env.options": "{g: 3.5}"})
        last, policy = (json.loads(sac("eval", out / "seed_1" / file, "--episodes", 20, "--json").stdout)["all"]["mean"]
                        for file in ("checkpoints/last", "policy.safetensors"))
        assert abs(last - policy) < 1e-3 * abs(last), (last, policy)


def test_eval_while_training():
    """A run's policy can be evaluated while the run trains."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        process = subprocess.Popen([PROGRAM, *words(LONG), "--out", str(out), "--quiet"])
        try:
            wait_for(lambda: (out / "config.yaml").exists())
            sac("eval", out, "--episodes", 2)
        finally:
            process.kill()
            process.wait()


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def test_signals():
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        with folder() as path:
            out = pathlib.Path(path, "run")
            process = subprocess.Popen([PROGRAM, *words(LONG), "--out", str(out)], stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            wait_for(lambda: (out / "config.yaml").exists())
            time.sleep(0.3)
            process.send_signal(number)
            text, error = process.communicate(timeout=30)
            assert process.returncode == code, (process.returncode, error)
            step = int(re.search(r"stopped at step (\d+); '\S+/sac resume", text).group(1))
            assert step > 0 and checkpoints(out / "seed_1")[-1] == step
            # and the run goes on from there
            assert f"at step {step} of" in sac("resume", out, "--steps", step + 5).stdout


def test_closed_pipe():
    """sac train | head: the closed pipe does not end the run."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        process = subprocess.Popen([PROGRAM, *words({}), "--out", str(out)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        process.stdout.close()
        assert process.wait(timeout=60) == 0 and process.stderr.read() == ""
        assert checkpoints(out / "seed_1")[-1] == 600


def terminal(arguments, columns, kind="xterm"):
    """Runs on a terminal of this type, whatever the test itself runs on."""
    return pexpect.spawn(PROGRAM, arguments, dimensions=(24, columns), encoding="utf-8", timeout=60,
                         env=dict(os.environ, TERM=kind))


def test_terminal():
    with folder() as path:
        child = terminal([*words({"train.steps": 100000, "log.every": 1000, "eval.every": 0, "checkpoint.every": 0}),
                          "--out", f"{path}/run"], 200)
        child.expect(r"\r *\d+% step \d+/100000[^\r\n]*updates/s[^\r\n]*left\x1b\[K")
        child.sendcontrol("c")
        child.expect(r"stopped at step \d+; '\S+/sac resume ")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 130, child.exitstatus


def test_narrow_terminal():
    for columns in (10, 30, 60):
        with folder() as path:
            child = terminal([*words({"train.steps": 4000, "eval.every": 0}), "--out", f"{path}/run"], columns)
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == 0
            lines = re.findall(r"\r([^\r\n\x1b]+)\x1b\[K", child.before)
            assert lines, child.before
            for line in lines:
                assert len(line) < columns, (columns, line)


def test_dumb_terminal():
    with folder() as path:
        child = terminal([*words({}), "--out", f"{path}/run"], 80, "dumb")
        child.expect(pexpect.EOF)
        assert "\x1b" not in child.before


if __name__ == "__main__":
    main(globals())
