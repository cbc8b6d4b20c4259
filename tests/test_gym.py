"""Gymnasium's environments in sac: equal to stepping them in Python, trained, resumed, and all errors of a Python in
the process or in worker processes."""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import gymnasium
import numpy
from safetensors import safe_open

from support.gym_table import POINTER, Spec, table
from support.program import BENCH, PROGRAM, SMALL, checkpoints, children, main, one_line, replay, rows, sac, same_runs, sets

# ctest: timeout=600

BUILD, SUPPORT = pathlib.Path(os.environ["SAC_BUILD"]), pathlib.Path(__file__).parent / "support"
FAILED, USAGE, NUMERIC = 1, 2, 3
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(SUPPORT)}
PLAIN = "gym:gym_envs:Plain-v0"


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def gym_train(out, values=None, *arguments, env="gym:Pendulum-v1", code=0, more=None):
    return sac("train", "--env", env, "--out", out, *sets(dict(SMALL, **(values or {}))), *arguments, code=code,
               env=dict(PYTHON, **(more or {})))


# --- the same numbers as in Python ------------------------------------------------------------------------------------

def single(value):
    """A number of info as sac keeps it: a float; NaN if a float cannot hold it."""
    if isinstance(value, (str, dict, complex, type(None))) or numpy.ndim(value):
        return numpy.float32("nan")
    return numpy.float32(value if abs(value) <= float(numpy.finfo("f4").max) else "nan")


def named(info):
    """Info with the terms of the dict in it, and with names that columns can have."""
    return {**info, "episode_r": info.get("episode", {}).get("r"), "two_words": info.get("two words")}


def play(api, name, n, options, make, flatten, terms=()):
    """200 steps with random actions, in sac and in Python, from the same seeds. Observations, rewards and info agree
    to the bit."""
    draw = numpy.random.default_rng(5)
    self, spec = POINTER(), Spec()
    code = api.create(ctypes.byref(self), name.encode(), n, json.dumps(options).encode(), ctypes.byref(spec))
    assert code == 0, api.error(self)
    envs = [make() for _ in range(n)]
    for env in envs:
        assert spec.max_episode_steps == (env.spec.max_episode_steps or 0)
    space = envs[0].action_space
    obs, reward = numpy.full((n, spec.obs_size), 99, "f4"), numpy.empty(n, "f4")
    terminated, truncated, mask = (numpy.ones(n, "u1") for _ in range(3))
    if spec.actions == 0:
        assert numpy.array_equal(numpy.ctypeslib.as_array(spec.low, (spec.action_size,)), space.low.reshape(-1).astype("f4"))
        assert numpy.array_equal(numpy.ctypeslib.as_array(spec.high, (spec.action_size,)), space.high.reshape(-1).astype("f4"))
    names, known = api.info_names(self), 0
    assert names[0] is None
    ends = 0
    for _ in range(200):
        if mask.any():
            seed = draw.integers(0, 2**63, n, dtype="u8")
            before = obs.copy()
            assert api.reset(self, mask.ctypes.data, seed.ctypes.data, obs.ctypes.data) == 0, api.error(self)
            for i, env in enumerate(envs):
                wanted = flatten(env.reset(seed=int(seed[i]) >> 33)[0]) if mask[i] else before[i]
                assert obs[i].tobytes() == wanted.astype("f4").tobytes(), (name, i, obs[i], wanted)
        if spec.actions:
            action = draw.integers(0, spec.actions, (n, 1)).astype("f4")
        else:
            action = draw.uniform(space.low.reshape(-1), space.high.reshape(-1), (n, spec.action_size)).astype("f4")
        assert api.step(self, action.ctypes.data, obs.ctypes.data, reward.ctypes.data, terminated.ctypes.data,
                        truncated.ctypes.data) == 0, api.error(self)
        while names[known] is not None:  # steps add names
            known += 1
        received = numpy.empty((n, known), "f4")
        assert api.info(self, received.ctypes.data) == 0
        for i, env in enumerate(envs):
            own = space.start + int(action[i, 0]) if spec.actions else action[i].astype(space.dtype).reshape(space.shape)
            o, r, end, cut, info = env.step(own)
            assert obs[i].tobytes() == flatten(o).astype("f4").tobytes(), (name, i, obs[i], o)
            assert reward[i] == numpy.float32(r) and terminated[i] == end and truncated[i] == cut
            wanted = numpy.array([single(named(info).get(term)) for term in terms[:known]], "f4")
            assert numpy.array_equal(received[i], wanted, equal_nan=True), (name, i, received[i], wanted)
        mask[:] = terminated | truncated
        ends += mask.sum()
    assert [names[k].decode() for k in range(known)] == list(terms), (name, known)
    api.destroy(self)
    print(f"{name}, {n} environments: equal, {ends} ends of episodes")
    assert ends > 0 or name == "gym:MountainCarContinuous-v0"


def test_equal_to_python():
    sys.path.insert(0, str(SUPPORT))
    import gym_envs  # noqa: F401  registers

    api, drift = table(), gym_envs.Drift().observation_space

    def plain(value):
        return numpy.asarray(value).reshape(-1)

    for n in (1, 3, 5):
        for name in ("CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "gym_envs:Choices-v0"):
            play(api, f"gym:{name}", n, {"sac_workers": 2 if n == 5 else 0}, lambda name=name: gymnasium.make(name), plain)
        play(api, "gym:gym_envs:Drift-v0", n, {"wind": 0.03, "sac_workers": 2 if n == 5 else 0},
             lambda: gymnasium.make("gym_envs:Drift-v0", wind=0.03), lambda value: gymnasium.spaces.flatten(drift, value),
             ("calm", "episode_r", "half", "huge", "life", "near", "two_words", "x", "late"))
        goal = gym_envs.Goal().observation_space
        play(api, "gym:gym_envs:Goal-v0", n, {"sac_workers": 2 if n == 5 else 0},
             lambda: gymnasium.make("gym_envs:Goal-v0", disable_env_checker=True),
             lambda value: gymnasium.spaces.flatten(goal, value), ("is_success",))


# --- trained ----------------------------------------------------------------------------------------------------------


def test_train_resume_eval():
    with folder() as path:
        out = pathlib.Path(path, "run")
        result = gym_train(out)
        assert result.stderr == "" and "gym:Pendulum-v1" in result.stdout
        result = sac("resume", out, "--steps", 800, env=PYTHON)
        assert "gym:Pendulum-v1 saves no state: new episodes start" in one_line(result.stderr)
        assert checkpoints(out / "seed_1")[-1] == 800
        mean = json.loads(sac("eval", out, "--episodes", 3, "--json", env=PYTHON).stdout)["policies"][0]["mean"]
        assert -2000 < mean < 0
        sac("eval", out / "seed_1/policy.safetensors", "--episodes", 1, env=PYTHON)
        # the same run gives the same bits, also as one of several
        again, many = pathlib.Path(path, "again"), pathlib.Path(path, "many")
        gym_train(again, {"train.steps": 800})
        gym_train(many, {"train.steps": 800}, "--seeds", 2)
        same_runs(again / "seed_1", many / "seed_1")


def test_spaces_in_the_policy():
    """The policy says where the members of a Dict are: at those places Gymnasium's own flattening puts them."""
    sys.path.insert(0, str(SUPPORT))
    import gym_envs

    for options in ({}, {"env.options.sac_workers": 2, "env.num_envs": 2}):
        with folder() as path:
            out = pathlib.Path(path, "run")
            gym_train(out, {"train.steps": 300, **options}, env="gym:gym_envs:Drift-v0")
            with safe_open(out / "seed_1/policy.safetensors", "numpy") as file:
                said = json.loads(file.metadata()["spaces"])
        env = gym_envs.Drift()
        value = env.observation_space.sample()
        flat = gymnasium.spaces.flatten(env.observation_space, value)
        assert sorted(part["name"] for part in said["observation"]) == ["picture", "position", "side"], said
        for part in said["observation"]:
            own = gymnasium.spaces.flatten(env.observation_space[part["name"]], value[part["name"]])
            assert part["size"] == len(own), part
            assert numpy.array_equal(flat[part["offset"] : part["offset"] + part["size"]], own), part
        assert [part["encoding"] for part in said["observation"] if part["space"] == "Discrete"] == ["one-hot"], said
        assert said["action"] == [{"name": "", "offset": 0, "size": 2, "space": "Box", "shape": [2, 1],
                                   "dtype": "float64"}], said


def test_rows_of_the_replay():
    """Values of a Python environment arrive unchanged: the observation of Plain counts its steps, its reward is
    -a^2."""
    for workers in (0, 2):
        with folder() as path:
            out = pathlib.Path(path, "run")
            gym_train(out, {"env.num_envs": 2, "env.options": f"{{truncate: 50, sac_workers: {workers}}}"}, env=PLAIN)
            data = (out / "seed_1/replay/rows_0.bin").read_bytes()
            floats = int.from_bytes(data[8:16], "little")
            table = numpy.frombuffer(data, "f4", offset=64).reshape(-1, floats)[:600]
            obs, action, reward, terminated, truncated, following = table[:, :6].T
            assert floats >= 6 and len(table) == 600
            step = numpy.arange(600) // 2 % 50  # two environments alternately
            assert numpy.array_equal(obs, (step / 100).astype("f4"))
            assert numpy.array_equal(following, ((step + 1) / 100).astype("f4"))
            assert reward.tolist() == [-float(a**2) for a in action]  # means of numbers, not of arrays
            assert not terminated.any() and numpy.array_equal(truncated, step == 49)


def test_actions_inside_the_bounds():
    """Bounds of any type: the environment refuses an action that is outside by one rounding. Large standard deviations
    put half of the actions at a bound."""
    for dtype in ("float16", "float32", "float64"):
        with folder() as path:
            out = pathlib.Path(path, "run")
            values = {"env.options.dtype": dtype, "train.steps": 300, "train.warmup_steps": 60, "policy.log_std_min": 1,
                      "eval.every": 150}
            gym_train(out, values, env="gym:gym_envs:Bounds-v0")
            sac("eval", out / "seed_1/policy.safetensors", "--episodes", 2, env=PYTHON)

    # Bounds that are no two floats.
    with folder() as path:
        result = gym_train(pathlib.Path(path, "run"), {"env.options.dtype": "narrow"}, env="gym:gym_envs:Bounds-v0", code=1)
        assert "action 0 is bounded by [" in result.stderr and "too few floats between them" in result.stderr, result


def test_workers_change_nothing():
    with folder() as path:
        outs = [pathlib.Path(path, name) for name in ("here", "there")]
        for out, workers in zip(outs, (0, 3)):
            gym_train(out, {"env.num_envs": 4, "env.options": f"{{wind: 0.02, sac_workers: {workers}}}"},
                      env="gym:gym_envs:Drift-v0")
        one, other = (out / "seed_1" for out in outs)
        assert replay(one) == replay(other)
        for name in ("metrics.csv", "evaluations.csv"):
            assert rows(one / name) == rows(other / name), name
        header, *table = rows(one / "metrics.csv")
        names = ("calm", "episode_r", "half", "huge", "life", "near", "two_words", "x", "late")
        assert header[-9:] == [f"info/{name}" for name in names], header
        values = dict(zip(names, numpy.array([[float(cell or "nan") for cell in row[-9:]] for row in table]).T))
        assert not values["calm"].any() and numpy.isnan(values["huge"]).all() and (values["life"] >= 1).all(), values
        assert (abs(values["x"]) < 1.5).all() and ((0 <= values["near"]) & (values["near"] <= 1)).all(), values
        assert (values["late"] == 1).all() and (values["two_words"] == 2).all(), values


def test_overlap():
    """Steps next to the updates, on a thread that Python did not start. Evaluations run on another such thread, or
    on the same."""
    for workers in (0, 2):
        with folder() as path:
            outs = [pathlib.Path(path, str(threads)) for threads in (1, 1024)]  # with more environments than processors no processor is free
            for out in outs:
                gym_train(out, {"train.overlap": 1, "env.num_envs": 2, "cpu.threads": out.name, "env.options":
                                f"{{sac_workers: {workers}}}"})
            same_runs(outs[0] / "seed_1", outs[1] / "seed_1")
    ends({"fault": "step"}, FAILED, "step failed: RuntimeError: the gripper is stuck", "in fail",
         values={"train.overlap": 1, "train.warmup_steps": 10})


def test_bench_and_lists():
    result = sac("bench", "env", "--env", "gym:Pendulum-v1", "--json", *BENCH, env=PYTHON)
    assert json.loads(result.stdout.splitlines()[0])
    assert "gym:LunarLanderContinuous-v3" in sac("envs", "--help").stdout
    (one,) = json.loads(sac("envs", "gym:Pendulum-v1", "--json", env=PYTHON).stdout)
    assert (one["source"], one["obs_size"], one["max_episode_steps"]) == ("Gymnasium", 3, 200), one
    (own,) = json.loads(sac("envs", "Pendulum-v1", "--json").stdout)
    assert one["reference_return"] == own["reference_return"] and "options" not in one
    text = sac("envs", PLAIN, env=PYTHON).stdout
    assert text.startswith("gym:gym_envs:Plain-v0\n") and re.search(r"^  source +Gymnasium$", text, re.M), text


def test_presets():
    def preset(env):
        values = json.loads(sac("config", "--env", env, "--json", env=PYTHON).stdout)
        return {key: one["value"] for key, one in values.items() if one["from"].startswith("preset")}, {
            one["from"] for one in values.values()}

    values, origins = preset("gym:LunarLanderContinuous-v3")
    assert origins == {"library", "--env", "preset gym:LunarLanderContinuous-v3"}, origins
    assert values == {"train.steps": 500000, "train.warmup_steps": 10000, "network.hidden": [400, 300], "tau": 0.01}, values
    values, origins = preset("gym:Pendulum-v1")  # the same task as the built-in one
    assert origins == {"library", "--env", "preset Pendulum-v1"} and values["network.hidden"] == [64, 64], values
    assert preset("gym:gym_envs:Plain-v0") == ({}, {"library", "--env"})
    with folder() as path:  # the first lines of a run name the preset of these values
        text = gym_train(pathlib.Path(path, "run")).stdout
        assert "preset Pendulum-v1 sets " in text, text


def test_bench_beside_gymnasiums_vectors():
    script = [sys.executable, pathlib.Path(os.environ["SAC_SOURCE"], "scripts/bench_gym.py")]
    result = subprocess.run([*script, "--program", "/no/such/sac"], text=True, capture_output=True)
    assert result.returncode == 1 and "no program /no/such/sac" in result.stderr, result.stderr
    result = subprocess.run([*script, "--program", PROGRAM, "--env", "CartPole-v1", "--envs", "2", "--rounds", "1",
                             "--seconds", "0.05"], text=True, capture_output=True, timeout=120)
    name, n, *rates = result.stdout.splitlines()[-1].split()
    assert (name, n) == ("CartPole-v1", "2") and len(rates) == 4 and all(float(rate) > 0 for rate in rates), result.stdout


def test_what_it_prints_is_not_ours():
    result = sac("bench", "env", "--env", PLAIN, "--set", "env.options.fault=print", "--set", "env.options.at=5", "--json",
                 *BENCH, env=PYTHON)
    assert "something" in result.stderr and all(json.loads(line) for line in result.stdout.splitlines())


def test_mujoco_leaves_no_file():
    """MuJoCo writes its warnings (the cheetah's model has an old attribute) to a file in the working folder."""
    for workers in (0, 2):
        with folder() as path:
            values = dict(SMALL, **{"env.num_envs": 2, "train.steps": 300, "env.options.sac_workers": workers})
            result = sac("train", "--env", "gym:HalfCheetah-v5", "--out", "run", *sets(values), env=PYTHON, cwd=path)
            assert os.listdir(path) == ["run"], os.listdir(path)
            said = result.stderr.count("MuJoCo warns: compiler attribute 'settotalmass'")
            assert said == 1 if workers == 0 else said > 1, result.stderr  # once for each process


# --- what goes wrong --------------------------------------------------------------------------------------------------


def refused(code, *texts, env=PLAIN, options=None, keys=None, more=None, **options_of_sac):
    """The run does not start; one line says why."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(SMALL, **({"env.options": json.dumps(options)} if options else {}), **(keys or {}))
        result = sac("train", "--env", env, "--out", out, *sets(values), code=code, env=dict(PYTHON, **(more or {})),
                     **options_of_sac)
        line = one_line(result.stderr)
        for text in texts:
            assert text in line, f"'{text}' is not in: {line}"
        assert not out.exists()


def test_ids():
    refused(USAGE, "no Gymnasium environment 'Pendulm-v1'", "nearest is gym:Pendulum-v1", env="gym:Pendulm-v1")
    refused(USAGE, "no package 'no_such_package' in", env="gym:no_such_package:Some-v0")
    refused(USAGE, "no Gymnasium environment 'gym_envs:Plane-v0'", "nearest is gym:gym_envs:Plain-v0", env="gym:gym_envs:Plane-v0")
    refused(USAGE, "no Gymnasium environment 'gym_envs:xyz'", "gym_envs registers ", env="gym:gym_envs:xyz")
    refused(USAGE, "gym: names no environment", env="gym:")
    refused(USAGE, "env.options", "wnd", env="gym:gym_envs:Drift-v0", options={"wnd": 1})
    refused(USAGE, "sac_workers = -1 is no number of processes", options={"sac_workers": -1})
    refused(USAGE, "2 discrete actions; algo 'sac' needs continuous ones: --set algo=", env="gym:CartPole-v1", keys={"algo": "sac"})


def test_spaces():
    refused(FAILED, "it takes actions of Text(", "wrap the environment", options={"fault": "actions"})
    refused(FAILED, "have no fixed size", options={"fault": "text"})
    refused(FAILED, "bounds must be finite", options={"fault": "unbounded"})


def ends(fault, code, *texts, where="step", values=None, traceback=True):
    """The run starts, and ends with the message of the environment. The checkpoint before stays good."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        all_values = {"checkpoint.every": 20, "eval.every": 0, "env.options": json.dumps(dict(fault, truncate=50))}
        result = gym_train(out, dict(all_values, **(values or {})), "--quiet", env=PLAIN, code=code)
        text = result.stderr
        assert text.startswith("sac: ") and text.count("sac: ") == 1, text
        for wanted in (PLAIN, *texts):
            assert wanted in text, f"'{wanted}' is not in: {text}"
        assert ("Traceback (most recent call last):" in text) == traceback, text
        if traceback:
            assert "gym_envs.py" in text and "<sac>" not in text, text
        if where == "step":
            n = int((values or {}).get("env.num_envs", 1))
            assert f"step {30 * n}: " in text, text
            assert checkpoints(out / "seed_1")[-1] == (30 * n - 1) // 20 * 20
            assert text.splitlines()[0][5:] in (out / "log.txt").read_text()
        return text


def test_exceptions():
    for workers, more in ((0, {}), (2, {"env.num_envs": 4})):
        def fault(what):
            return {"fault": what, "sac_workers": workers}

        ends(fault("step"), FAILED, "step failed: RuntimeError: the gripper is stuck", "in fail", values=more)
        ends(fault("exit"), FAILED, "step failed: SystemExit: 3", values=more)
        ends(fault("reset"), FAILED, "reset failed: RuntimeError: the gripper is stuck", where="start", values=more)
        ends(fault("init"), FAILED, "create failed: ValueError: the arm is not plugged in", where="start", values=more)
        ends(fault("shape"), FAILED, "an observation has shape (3,), 3 numbers", traceback=False, values=more)
        ends(fault("old step"), FAILED, "step() gave a tuple of 4, not (observation, reward,", traceback=False, values=more)
        ends(fault("old reset"), FAILED, "reset() gave ndarray, not (observation, info)", where="start", traceback=False,
             values=more)
        ends(fault("nan"), NUMERIC, "observation 0 is NaN", traceback=False, values=more)
    # during the test step that decides about workers: the failure is reported by the run, not by this test
    ends({"fault": "step", "at": 1}, FAILED, "step failed: RuntimeError: the gripper is stuck", where="start",
         values={"env.num_envs": 4})


def test_workers_that_die():
    more = {"env.num_envs": 4}
    ends({"fault": "kill", "sac_workers": 2}, FAILED, "worker process of environments 0 to 1 (process ",
         "was killed by signal 9 (SIGKILL)", traceback=False, values=more)
    ends({"fault": "leave", "sac_workers": 4}, FAILED, "worker process of environments 0 to 0 (process ",
         "ended with exit code 5", traceback=False, values=more)


def gone(pids):
    end = time.monotonic() + 20
    while any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, f"still there: {pids}"
        time.sleep(0.02)


def test_workers_where_they_pay():
    """Slow environments get worker processes if there are cores for them; fast ones do not."""
    api, cores = table(), len(os.sched_getaffinity(0))
    sys.path.insert(0, str(SUPPORT))
    for slow, n, wanted in ((0, 4, 0), (0.005, 4, min(4, cores)), (0.005, 3, 0)):
        self, spec = POINTER(), Spec()
        assert api.create(ctypes.byref(self), PLAIN.encode(), n, json.dumps({"slow": slow}).encode(), ctypes.byref(spec)) == 0
        workers = children(os.getpid())
        assert len(workers) == (wanted if cores > 1 else 0), (slow, n, workers)
        api.destroy(self)
        gone(workers)


def long_run(out):
    values = dict(SMALL, **{"train.steps": 10000000, "eval.every": 0, "env.num_envs": 4,
                            "env.options": "{sac_workers: 2}"})
    run = subprocess.Popen([PROGRAM, "train", "--env", "gym:Pendulum-v1", "--quiet", "--out", str(out),
                            *map(str, sets(values))], env=dict(os.environ, **PYTHON), stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while len(list((out / "seed_1/checkpoints").glob("step_[1-9]*.safetensors"))) == 0:
        assert time.monotonic() < end and run.poll() is None
        time.sleep(0.02)
    workers = children(run.pid)
    assert len(workers) == 2, workers
    return run, workers


def test_a_killed_worker_is_named():
    with folder() as path:
        out = pathlib.Path(path, "run")
        run, workers = long_run(out)
        os.kill(workers[1], signal.SIGKILL)
        _, text = run.communicate(timeout=30)
        assert run.returncode == FAILED
        assert f"(process {workers[1]}) was killed by signal 9 (SIGKILL)" in one_line(text)
        gone(workers)
        step = checkpoints(out / "seed_1")[-1]
        sac("resume", out, "--steps", step + 100, env=PYTHON)


def test_interrupted():
    """Ctrl-C reaches only sac. Its workers end when sac ends, also when it is killed."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        with folder() as path:
            run, workers = long_run(pathlib.Path(path, "run"))
            run.send_signal(number)
            run.communicate(timeout=30)
            assert run.returncode == code
            gone(workers)


def test_which_python():
    with folder() as path:
        nothing = {"SAC_PYTHON": "", "VIRTUAL_ENV": "", "PATH": path}
        refused(USAGE, "no Python found", "python3", "set SAC_PYTHON", more=nothing, cwd=path)
        refused(USAGE, f"no Python found for gym: environments: {path}/none (SAC_PYTHON): No such file",
                more={"SAC_PYTHON": f"{path}/none"})
        refused(USAGE, "/bin/true (SAC_PYTHON) is no Python that works", more={"SAC_PYTHON": "/bin/true"})
        old = pathlib.Path(path, "old")
        old.write_text("#!/bin/sh\nprintf '3.9\\n/x\\n\\n\\n\\n\\n'\n")
        old.chmod(0o755)
        refused(USAGE, "is Python 3.9; gym: environments take 3.11 or newer", more={"SAC_PYTHON": str(old)})
        old.write_text("#!/bin/sh\nprintf '3.12\\n/x/python\\n/x\\nlibpython3.12.a\\nlibpython3.12.a\\n/x\\n'\n")
        refused(USAGE, "/x/python (SAC_PYTHON) has no shared library", "apt install libpython3.12",
                more={"SAC_PYTHON": str(old)})

        # virtual environments: one without gymnasium gives a message, one with it is used
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{path}/.venv"], check=True)
        python = f"{path}/.venv/bin/python"
        missing = f"{python} has no gymnasium: {python} -m pip install gymnasium"
        refused(FAILED, missing, more={"SAC_PYTHON": python})
        refused(FAILED, missing, more={"SAC_PYTHON": "", "VIRTUAL_ENV": f"{path}/.venv"})
        refused(FAILED, missing, more={"SAC_PYTHON": "", "VIRTUAL_ENV": ""}, cwd=path)
        (packages,) = pathlib.Path(path, ".venv/lib").glob("python3.*/site-packages")
        (packages / "ours.pth").write_text(str(pathlib.Path(gymnasium.__file__).parents[1]))
        sac("train", "--env", "gym:Pendulum-v1", "--dry-run", env={"SAC_PYTHON": "", "VIRTUAL_ENV": "", "PYTHONPATH": ""},
            cwd=path)
        # an environment in the current folder
        pathlib.Path(path, "mine.py").write_text((SUPPORT / "gym_envs.py").read_text())
        sac("train", "--env", "gym:mine:Plain-v0", "--dry-run", env=dict(PYTHON, PYTHONPATH=""), cwd=path)


if __name__ == "__main__":
    if not (BUILD / "sac_gym.so").exists():
        print("skipped: sac_gym.so is not built, Python's headers are missing")
        sys.exit(77)
    main(globals())
