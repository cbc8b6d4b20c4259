"""Environments for tests, which register with Gymnasium as gym:gym_envs:ID. This folder must be in PYTHONPATH."""
import os
import sys
import time

import gymnasium
import numpy
from gymnasium import spaces


class Drift(gymnasium.Env):
    """A point that drifts. Its observations are a Dict of several kinds, its actions have shape (2, 1) in double."""

    def __init__(self, wind=0.0):
        self.observation_space = spaces.Dict({
            "position": spaces.Box(-10, 10, (2,), numpy.float64),
            "picture": spaces.Box(0, 255, (2, 3), numpy.uint8),
            "side": spaces.Discrete(3, start=1),
        })
        self.action_space = spaces.Box(numpy.array([[-1.0], [-2.0]]), numpy.array([[1.0], [0.5]]), dtype=numpy.float64)
        self.wind, self.life = wind, 0

    def observe(self):
        picture = numpy.full((2, 3), int(abs(self.position[0]) * 20) % 256, numpy.uint8)
        picture[0, 1] = 7
        return {"position": self.position.copy(), "picture": picture, "side": 1 + int(abs(self.position[1])) % 3}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position, self.life, self.steps = self.np_random.uniform(-1, 1, 2), self.life + 1, 0
        return self.observe(), {}

    def step(self, action):
        assert action.shape == (2, 1) and action.dtype == numpy.float64
        self.position = numpy.clip(self.position + 0.1 * action[:, 0] + [self.wind, 0.01], -10, 10)
        reward = -float(abs(self.position).sum())
        self.steps += 1
        info = {"x": self.position[0], "life": self.life, "calm": self.wind == 0, "near": numpy.array(reward > -0.5),
                "half": numpy.float32(reward / 2), "huge": 10**400 if self.steps % 3 else 1e300, "place": self.position,
                "episode": {"r": 1.0}, "words": "none", "two words": 2.0, "none": None, "phase": 1j}
        if self.steps % 4 == 0:
            info["x"] = "lost"
        if self.steps % 5 == 0:
            info["late"] = 1.0
            del info["half"]
        return self.observe(), reward, bool(abs(self.position[0]) > 1.5), False, info


class Goal(gymnasium.Env):
    """A point with a goal. Its observations are a Dict of Boxes, some of whose members have another kind in some steps.
    Info is the same dict in all steps, and empty in most."""
    observation_space = spaces.Dict({"goal": spaces.Box(-10, 10, (2,), numpy.float64),
                                     "at": spaces.Box(-10, 10, (2, 2), numpy.float32),
                                     "steps": spaces.Box(0, 100, (), numpy.int32)})
    action_space = spaces.Box(-1, 1, (2,), numpy.float32)

    def observe(self):
        at = numpy.array([self.place, self.goal], numpy.float32)
        return {"goal": self.goal.tolist() if self.steps % 7 == 3 else self.goal, "at": at[::-1] if self.steps % 7 == 4 else at,
                "steps": numpy.array(self.steps + 0.5) if self.steps % 7 == 5 else numpy.array(self.steps, numpy.int32)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.goal, self.steps, self.info = numpy.zeros(2), self.np_random.uniform(-1, 1, 2), 0, {}
        return self.observe(), self.info

    def step(self, action):
        self.place, self.steps = self.place + action, self.steps + 1
        self.info.clear()
        if self.steps % 5 == 0:
            self.info["is_success"] = self.steps > 20
        return self.observe(), 0.0, self.steps == 30, False, self.info


class Plain(gymnasium.Env):
    """Has one observation. Fails in the way and at the step that its options say. truncate: it has a time limit of
    its own. slow: seconds of a step."""

    observation_space = spaces.Box(-1e6, 1e6, (1,), numpy.float32)
    action_space = spaces.Box(-1, 1, (1,), numpy.float32)

    def __init__(self, fault=None, at=30, truncate=None, slow=0):
        self.fault, self.at, self.truncate, self.slow, self.steps = fault, at, truncate, slow, 0
        if fault == "init":
            raise ValueError("the arm is not plugged in")
        if fault == "actions":
            self.action_space = spaces.Text(2)
        if fault == "text":
            self.observation_space = spaces.Sequence(spaces.Discrete(2))
        if fault == "unbounded":
            self.action_space = spaces.Box(-numpy.inf, numpy.inf, (1,), numpy.float32)

    def fail(self):
        raise RuntimeError("the gripper is stuck")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if self.fault == "reset":
            self.fail()
        self.steps = 0
        start = numpy.zeros(1, numpy.float32)
        return start if self.fault == "old reset" else (start, {})

    def step(self, action):
        self.steps += 1
        if self.slow:
            time.sleep(self.slow)
        obs, reward = numpy.array([self.steps / 100], numpy.float32), -float(action[0] ** 2)
        if self.steps == self.at:
            if self.fault == "step":
                self.fail()
            if self.fault == "exit":
                sys.exit(3)
            if self.fault == "old step":
                return obs, reward, False, {}
            if self.fault == "reward":
                reward = "much"
            if self.fault == "shape":
                obs = numpy.zeros(3, numpy.float32)
            if self.fault == "nan":
                obs[0] = numpy.nan
            if self.fault == "kill":
                os.kill(os.getpid(), 9)
            if self.fault == "leave":
                os._exit(5)
            if self.fault == "print":
                print("something")
        return obs, reward, False, self.truncate is not None and self.steps >= self.truncate, {}


class Bounds(Plain):
    """Refuses an action outside its bounds, which are random numbers of the type that the options name."""

    def __init__(self, dtype="float64"):
        super().__init__()
        draw = numpy.random.default_rng(3)
        low = draw.uniform(-10, 10, 40)
        high = low + draw.uniform(0.1, 1, 40) * 10.0 ** draw.integers(0, 3, 40)
        if dtype == "narrow":
            low, high, dtype = numpy.full(40, 0.1), numpy.full(40, 0.1 + 1e-12), "float64"
        self.action_space = spaces.Box(low.astype(dtype), high.astype(dtype), dtype=dtype)

    def step(self, action):
        assert self.action_space.contains(action), (action - self.action_space.low, self.action_space.high - action)
        return super().step(action)


class Choices(Plain):
    action_space = spaces.Discrete(3, start=-1)

    def step(self, action):
        assert action in self.action_space
        self.steps += 1
        return numpy.array([self.steps], numpy.float32), float(action), False, False, {}


class Joint(gymnasium.Env):
    """Takes choices of the space that `kind` names, and refuses what is not in it, of another type, or changed later. Info
    has the choices one by one. The reward is the share of choices that are the largest where the observation is 1, and the
    smallest where it is 0."""

    observation_space = spaces.Box(0, 1, (1,), numpy.float32)
    SPACES = {
        "discrete": lambda: spaces.Discrete(3, start=-3),
        "narrow": lambda: spaces.Discrete(5, start=2, dtype=numpy.int16),
        "multi": lambda: spaces.MultiDiscrete([3, 2]),
        "started": lambda: spaces.MultiDiscrete([[3, 1], [2, 4]], dtype=numpy.int8, start=[[-1, 5], [0, 7]]),
        "binary": lambda: spaces.MultiBinary(3),
        "grid": lambda: spaces.MultiBinary([2, 2]),
        "tuple": lambda: spaces.Tuple((spaces.Discrete(2, start=1), spaces.MultiDiscrete([2, 3]))),
        "dict": lambda: spaces.Dict({"grip": spaces.Discrete(2), "arm": spaces.Tuple((
            spaces.MultiBinary(2), spaces.Discrete(3, start=-1)))}),
        "largest": lambda: spaces.MultiBinary(12),
        "one": lambda: spaces.Discrete(1),
        "ones": lambda: spaces.MultiDiscrete([1, 1]),
        "many": lambda: spaces.MultiBinary(13),
        "huge": lambda: spaces.MultiDiscrete([1000] * 100),
        "wide": lambda: spaces.Discrete(65537),
        "mixed": lambda: spaces.Dict({"move": spaces.Box(-1, 1, (2,)), "grip": spaces.Discrete(2)}),
        "text": lambda: spaces.Text(3),
        "empty": lambda: spaces.Tuple(()),
        "none": lambda: None,
    }

    def __init__(self, kind, episode=20):
        self.kind, self.action_space, self.episode, self.kept = kind, self.SPACES[kind](), episode, []

    def check(self, space, value):
        """Refuses a value of another type. Returns each choice as [value, its smallest, its largest]."""
        if isinstance(space, spaces.Dict):
            return [one for key in space for one in self.check(space[key], value[key])]
        if isinstance(space, spaces.Tuple):
            assert type(value) is tuple, type(value)
            return [one for part, inner in zip(space, value) for one in self.check(part, inner)]
        assert type(value) is (space.dtype.type if isinstance(space, spaces.Discrete) else numpy.ndarray), type(value)
        assert value.dtype == space.dtype and value.shape == space.shape, (value.dtype, value.shape)
        self.kept.append((value, numpy.array(value)))
        low = getattr(space, "start", numpy.zeros(space.shape, int))
        high = low + (1 if isinstance(space, spaces.MultiBinary) else getattr(space, "nvec", getattr(space, "n", 0)) - 1)
        return numpy.stack([numpy.ravel(part).astype(int) for part in (value, low, high)], 1).tolist()

    def draw(self):
        self.side = int(self.np_random.integers(2))
        return numpy.array([self.side], numpy.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.draw(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        choices = self.check(self.action_space, action)
        assert all(numpy.array_equal(*pair) for pair in self.kept)
        del self.kept[:-50]
        self.steps += 1
        reward = sum(value == (high if self.side else low) for value, low, high in choices) / len(choices)
        return self.draw(), reward, self.steps == self.episode, False, {
            f"c{k}": value for k, (value, _, _) in enumerate(choices)}


class Texts(Plain):
    """Has a render mode that gives no pictures."""

    metadata = {"render_modes": ["ansi"]}

    def __init__(self, render_mode=None, **options):
        super().__init__(**options)
        self.render_mode = render_mode

    def render(self):
        return "a point"


class Liar(Texts):
    """Declares a render mode with pictures, but gives none."""

    metadata = {"render_modes": ["rgb_array"]}


gymnasium.register("Drift-v0", Drift, max_episode_steps=60)
gymnasium.register("Goal-v0", Goal)
gymnasium.register("Plain-v0", Plain)
gymnasium.register("Bounds-v0", Bounds, max_episode_steps=20)
gymnasium.register("Choices-v0", Choices, max_episode_steps=25)
gymnasium.register("Joint-v0", Joint, max_episode_steps=25)
gymnasium.register("Texts-v0", Texts)
gymnasium.register("Liar-v0", Liar)
