"""What environments give: values in odd containers are taken, values of another kind are named, and info of an episode's
last step becomes a column."""
import ctypes
import json
import os
import pathlib
import re
import sys
import tempfile

import numpy

from support.gym_table import POINTER, Spec, table
from support.program import SMALL, main, rows, sac, sets

FAILED, USAGE, NUMERIC = 1, 2, 3
ENV = """
import decimal, fractions, warnings
import gymnasium, numpy
from gymnasium import spaces

class Odd(gymnasium.Env):
    observation_space = spaces.Box(-9, 9, (3,), numpy.float32)
    action_space = spaces.Box(-1, 1, (2,), numpy.float32)

    def __init__(self, **odd):
        self.odd = odd
        exec(odd.get("start", ""), globals(), {"self": self})
        if "space" in odd:
            self.observation_space = eval(odd["space"])

    def value(self, name, usual):
        return eval(self.odd[name], globals(), self.scope) if name in self.odd else usual

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.scope = 0, {}
        return self.value("reset", (self.value("obs", numpy.zeros(3, numpy.float32)), {}))

    def step(self, action):
        self.t += 1
        end = self.t >= 20
        if "raise" in self.odd:
            int("many")  # the user's own line
        exec(self.odd.get("run", ""), globals(), {"self": self})
        obs = self.value("obs", self.np_random.standard_normal(3).astype("f4"))
        info = {"reward/forward": 2, "speed": 1.0, "1st": 3, "a-b": 1, "a_b": 2, "text": "x", "array": numpy.zeros(3),
                "none": None, 5: 1.0, "parts": {"leg": 0.5}, "one": numpy.ones((1, 1)), **({"is_success": self.t == 20} if end else {})}
        self.scope = {"end": end, "obs": obs, "info": info}
        return self.value("step", (obs, self.value("reward", -1.5), self.value("terminated", end),
                                   self.value("truncated", False), self.value("info", info)))

class NoSeed(Odd):
    def reset(self):
        return self.observation_space.sample(), {}

class Town(Odd):
    def __init__(self, town):
        super().__init__()

class Blind(Odd):
    observation_space = None

class Heir(Odd):
    pass

gymnasium.register("Odd-v0", Odd)
gymnasium.register("NoSeed-v0", NoSeed)
gymnasium.register("Town-v0", Town)
gymnasium.register("Blind-v0", Blind)
gymnasium.register("Heir-v0", Heir)
gymnasium.register("Limited-v0", Odd, max_episode_steps=50)
"""


def play(path, options, env="Odd-v0", code=0, **values):
    pathlib.Path(path, "odd.py").write_text(ENV)
    values = dict(SMALL, **{"train.steps": 300, "eval.every": 0, "env.options": json.dumps(options), **values})
    out = tempfile.mkdtemp(prefix="run-", dir=path)
    result = sac("train", "--env", f"gym:odd:{env}", "--out", f"{out}/r", *sets(values), code=code, cwd=path,
                 env={"SAC_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"})
    return result, pathlib.Path(out, "r")


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def test_values_of_size_one_are_taken():
    with folder() as path:
        kept = None
        for options in ({}, {"reward": "numpy.array([-1.5])", "terminated": "numpy.array([[end]])", "truncated": "0"},
                        {"reward": "[[-1.5]]", "terminated": "numpy.bool_(end)", "truncated": "numpy.array(False)"},
                        {"reward": "fractions.Fraction(-3, 2)", "terminated": "int(end)", "truncated": "[0]"},
                        {"reward": "(decimal.Decimal('-1.5'),)", "step": "[obs, -1.5, end, False, info]"},
                        {"reward": "numpy.array(-1.5, object)", "terminated": "numpy.float32(end)"},
                        {"reward": "numpy.longdouble(-1.5)", "terminated": "numpy.longdouble(end)"}):
            _, out = play(path, options)
            text = [[row[k] for k in (3, 4)] for row in rows(out / "seed_1/metrics.csv")]
            kept = kept or text
            assert text == kept and ["-30", "20"] in text, (options, text)


def error_of(api, options, env="Odd-v0"):
    """The error of an environment whose reset or first step fails."""
    self, spec = POINTER(), Spec()
    code = api.create(ctypes.byref(self), f"gym:odd:{env}".encode(), 1, json.dumps(options).encode(), ctypes.byref(spec))
    assert code == 0, api.error(self)
    one, seed, action, obs = numpy.ones(1, "u1"), numpy.zeros(1, "u8"), numpy.zeros(2, "f4"), numpy.zeros(spec.obs_size, "f4")
    reward, terminated, truncated = numpy.zeros(1, "f4"), numpy.zeros(1, "u1"), numpy.zeros(1, "u1")
    code = api.reset(self, one.ctypes.data, seed.ctypes.data, obs.ctypes.data) or api.step(
        self, action.ctypes.data, obs.ctypes.data, reward.ctypes.data, terminated.ctypes.data, truncated.ctypes.data)
    assert code != 0, options
    text = api.error(self).decode()
    api.destroy(self)
    return text


def test_other_values_are_named():
    cases = {
        "reward": {"numpy.zeros(2)": "reward has shape (2,), not one number", "None": "reward is None, not a number",
                   "1j": "reward is 1j (complex)", "numpy.complex128(1)": "(complex128), not a number", "'1.5'": "reward is '1.5' (str)",
                   "{'a': 1}": "reward is {'a': 1} (dict)", "[1, [2]]": "reward is a list of 2, not one number"},
        "terminated": {"None": "terminated is None", "numpy.zeros(2, bool)": "terminated has shape (2,)",
                       "float('nan')": "terminated is NaN", "'False'": "terminated is 'False' (str)"},
        "truncated": {"{}": "truncated is {} (dict)"},
        "info": {"7": "info is 7 (int), not a dict"},
        "step": {"None": "step() gave None, not (", "(obs, 0.0, False, {})": "step() gave a tuple of 4, not ("},
        "obs": {"None": "an observation is None", "[[1], [2, 3]]": "an observation is no array of numbers",
                "{'a': 1}": "an observation is {'a': 1} (dict)", "numpy.zeros(3, complex)": "an array of complex128",
                "numpy.array(['1', '2', '3'])": "an array of <U1", "[1, None, 2]": "an observation[1] is None",
                "numpy.zeros(4)": "an observation has shape (4,), 4 numbers"},
        "reset": {"numpy.zeros(3)": "reset() gave ndarray, not (observation, info)"},
    }
    with folder() as path:
        pathlib.Path(path, "odd.py").write_text(ENV)
        sys.path.insert(0, path)
        api = table()
        for name, values in cases.items():
            for value, wanted in values.items():
                text = error_of(api, {name: value})
                function = "reset" if name in ("reset", "obs") else "step"
                assert wanted in text and f"(environment 0, Odd.{function} in " in text and "odd.py, line " in text, (value, text)
                assert len(text.splitlines()) == 1 or name not in ("reward", "terminated"), text
        text = error_of(api, {"step": "(obs, 0.0, False, {})"}, env="Limited-v0")
        assert "step() of the environment did not give (observation, reward, terminated, truncated, info)" in text, text
        text = error_of(api, {"obs": "{'a': 1}", "space": "spaces.Dict(b=spaces.Box(-1, 1, (2,)))"})
        assert "does not fit Dict(" in text and "KeyError: 'b'" in text, text
        text = error_of(api, {"raise": 1}).splitlines()
        assert "invalid literal for int()" in text[0] and "odd.py, line 28)" in text[0], text

        # Worker processes and the program show the same text.
        text = play(path, {"reward": "numpy.zeros(2)", "sac_workers": 2}, code=FAILED, **{"env.num_envs": 4})[0].stderr
        assert "reward has shape (2,)" in text and "odd.py" in text, text


def test_errors_are_told_in_one_line():
    cases = {
        "NoSeed-v0": (FAILED, {}, "unexpected keyword argument 'seed'; Gymnasium's interface is reset(self, *, seed=None, options"),
        "Town-v0": (USAGE, {}, "missing 1 required positional argument: 'town': set it as env.options.NAME=VALUE"),
        "Blind-v0": (FAILED, {}, "observation_space is None, no space of Gymnasium"),
        "Heir-v0": (FAILED, {"reward": "None"}, "reward is None, not a number (environment 0, Odd.step in "),
    }
    with folder() as path:
        for env, (code, options, wanted) in cases.items():
            text = play(path, options, env=env, code=code)[0].stderr
            assert wanted in text and len(text.splitlines()) == 1, text

        # The first line has the first line of an exception; half of a surrogate pair is text, too.
        for run, wanted in (("raise RuntimeError('a fault\\nread the manual')", "step failed: RuntimeError: a fault ("),
                            ("raise RuntimeError('name \\udcff')", "step failed: RuntimeError: name \\udcff (")):
            text = play(path, {"run": run}, code=FAILED)[0].stderr.splitlines()
            assert wanted in text[0], text


def test_floods_are_short():
    with folder() as path:
        for workers in (0, 2):
            run = "warnings.warn(f'step {self.t} of {id(self)} is odd')"
            text = play(path, {"run": run, "sac_workers": workers}, **{"env.num_envs": 2})[0].stderr
            assert 10 <= text.count("sac: warning of ") <= 20 and "further warnings of this line are not shown" in text, text
            assert "UserWarning" not in text, text
        text = play(path, {"info": "{f'k{hash(str(obs))}': 1.0}"})[0].stderr
        assert text.count("sac: info: there are columns for 32 terms") == 1, text


def test_numpy_that_raises():
    with folder() as path:
        tiny = {"start": "numpy.seterr(all='raise')", "obs": "numpy.full(3, 1e-300)"}
        for workers in (0, 2):
            play(path, dict(tiny, sac_workers=workers), **{"env.num_envs": 2})
        raises = {"start": "warnings.simplefilter('error')", "obs": "numpy.full(3, 1e-300)"}
        play(path, raises)


def test_numbers_beyond_float32():
    """A number that is finite, and that no float32 holds, is named; the exit code is that of infinity."""
    cases = {("obs", "numpy.array([0, 1e300, 0])"): "observation 1 is 1e+300, beyond the range of float32, 3.4e+38 (env",
             ("reward", "-1e39"): "reward is -1e+39, beyond", ("reward", "10**400"): "... (int), beyond",
             ("reward", "numpy.float64('inf')"): "reward is infinite in environment", ("obs", "[0, 0, float('nan')]"): "observation 2 is NaN"}
    with folder() as path:
        for (name, value), wanted in cases.items():
            text = play(path, {name: value}, code=NUMERIC)[0].stderr.splitlines()
            assert wanted in text[-1] and [line for line in text[:-1] if not line.startswith("sac: info")] == [], text
        for workers in (0, 2):
            options = {"run": "if self.t == 9: self.odd['obs'] = 'numpy.full(3, 1e300)'", "start": "warnings.simplefilter('error')",
                       "sac_workers": workers}
            text = play(path, options, code=NUMERIC, **{"env.num_envs": 4})[0].stderr
            assert "step 36: gym:odd:Odd-v0: observation 0 is 1e+300, beyond the range of float32" in text, text
            assert "environment 0, Odd.step in" in text.splitlines()[-1] and "RuntimeWarning" not in text, text


def test_a_space_that_cannot_be_seeded():
    with folder() as path:
        start = "class Own(spaces.Box):\n    def seed(self):\n        return []\nself.action_space = Own(-1, 1, (2,), numpy.float32)"
        text = play(path, {"start": start}, **{"train.steps": 220})[0].stderr
        assert text.count("sac: action_space cannot be seeded, so runs of one seed may differ: TypeError") == 1, text


def test_forked_process_that_comes_back():
    with folder() as path:
        fork = "import os, sys\nif self.t == 5:\n    child = os.fork()\n    if child == 0: {}\n    os.waitpid(child, 0)"
        for end, workers in (("sys.exit(0)", 0), ("raise RuntimeError('child')", 2), ("pass", 0)):
            result, out = play(path, {"run": fork.format(end), "sac_workers": workers},
                               **{"env.num_envs": 2, "train.steps": 40, "train.warmup_steps": 39, "log.every": 40})
            assert "step failed" not in result.stderr, result.stderr
            assert result.stderr.count("RuntimeError: child (") == ("child" in end) * 2, result.stderr
            assert len(rows(out / "seed_1/metrics.csv")) == 2


def test_environments_that_differ():
    """Environments of one run must have the same sizes and bounds, in one process and in several."""
    with folder() as path:
        count = "numpy.k = getattr(numpy, 'k', os.getpid()) + 1"
        for start, wanted in (("self.action_space = spaces.Box(-numpy.k, 1, (2,), 'f4')", "different bounds of actions, [["),
                              ("self.observation_space = spaces.Box(-1, 1, (numpy.k,), 'f4')", "different sizes of observations, ")):
            for workers, envs in ((0, 2), (2, 2)):
                odd = {"start": f"import os\n{count}\n{start}", "sac_workers": workers}
                text = play(path, odd, code=FAILED, **{"env.num_envs": envs})[0].stderr
                assert "create failed: environments 0 and 1 have " + wanted in text and len(text.splitlines()) == 1, text


def test_environment_that_exists_once():
    with folder() as path:
        once = {"start": "if hasattr(numpy, 'made'): raise RuntimeError('port in use')\nnumpy.made = 1"}
        text = play(path, once, code=FAILED, **{"eval.every": 100})[0].stderr.splitlines()[0]
        assert "evaluations need an environment of their own, unless eval.env=train: gym:odd:Odd-v0: create failed" in text, text
        play(path, once, **{"eval.every": 100, "eval.env": "train"})


def test_info_becomes_columns():
    with folder() as path:
        outs = []
        for workers in (0, 2):
            result, out = play(path, {"sac_workers": workers}, **{"env.num_envs": 4, "log.every": 20})
            outs.append(rows(out / "seed_1/metrics.csv"))
            for line in ("'reward/forward' is the column info/reward_forward", "'1st' is the column info/_1st",
                         "'a_b' has no column, because another term has the name 'a_b'"):
                assert result.stderr.count(line) == 1, (line, result.stderr)
        assert outs[0] == outs[1]
        header, *table = outs[0]
        assert header[-7:] == [f"info/{name}" for name in ("_1st", "a_b", "one", "parts_leg", "reward_forward", "speed", "is_success")]
        column = [row[-1] for row in table]

        # Episodes that do not tell their success are left out of the rate.
        odd = {"info": "dict(is_success=len(str(obs)) % 2 == 0) if end and obs[0] > 0 else {}", "sac_workers": 2}
        _, out = play(path, odd, **{"eval.num_envs": 2, "train.steps": 20, "train.updates_per_step": 0})
        play_on = ("eval", out, "--episodes", 9)
        found = sac(*play_on, env={"SAC_PYTHON": sys.executable}, cwd=path).stdout
        rate, told = re.search(r"success rate (\S+) % of the (\d) that tell it", found).groups()
        both = json.loads(sac(*play_on, "--json", env={"SAC_PYTHON": sys.executable}, cwd=path).stdout)
        successes = both["policies"][0]["successes"]
        assert len(successes) - successes.count(None) == int(told) and f"{100 * both['all']['success_rate']:.4g}" == rate
        assert column[:3] == ["", "", ""] and column.count("1") == 3, column
        assert [row[-7:-1] for row in table] == [["3", "1", "1", "0.5", "2", "1"]] * len(table), table


if __name__ == "__main__":
    if not pathlib.Path(os.environ["SAC_BUILD"], "sac_gym.so").exists():
        print("skipped: sac_gym.so is not built, Python's headers are missing")
        sys.exit(77)
    main(globals())
