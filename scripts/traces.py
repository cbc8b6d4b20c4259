#!/usr/bin/env python3
"""Records environment traces with Gymnasium: whole episodes, which `sac verify FILE...` steps again.

    scripts/traces.py OUT                         the committed set, as in tests/golden/traces
    scripts/traces.py OUT --env Pendulum-v1 --seed 7 --count 3 --policy swing --option g=9.81
    scripts/traces.py OUT --env Hopper-v5 --option 'healthy_z_range=[0.5, "inf"]'

The format is in src/verify/verify.h: `initial` is the state after reset (MuJoCo: qpos, then qvel), then each step's
action, observation, reward, terminated and truncated, float64 (the last two uint8), and info/NAME, the numbers of the steps'
info. The metadata has env, options, gymnasium and actions. MuJoCo tasks also need the packages mujoco, imageio and
packaging.
"""

import argparse
import json
import math
import pathlib
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import need, no_log_of_mujoco

need("gymnasium", "numpy", setup="--gym")
import gymnasium
import numpy as np

# Options that Gymnasium sets through an attribute, not through make().
ATTRIBUTES = {"book_or_nips"}


def random_policy(env, rng):
    """Uniform actions, float32 as from the sample function of the action space."""
    space = env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return lambda obs: int(rng.integers(space.n))
    return lambda obs: rng.uniform(space.low, space.high).astype(np.float32)


def swing_policy(env, rng):
    """First adds energy, then holds: episodes that reach states which random actions do not, with actions at and
    inside the bounds."""
    name = env.spec.id
    if name.startswith("Pendulum"):

        def act(obs):
            cosine, sine, velocity = obs
            energy = 0.5 * velocity**2 + 15 * (cosine - 1)  # 0 at rest upright
            if cosine > 0.9:
                torque = -12 * math.atan2(sine, cosine) - 3 * velocity
            else:
                torque = -2 * np.sign(energy) * np.sign(velocity if velocity else 1.0)
            return np.clip(np.array([torque], np.float32), -2, 2)

        return act
    if name.startswith("MountainCar"):
        return lambda obs: np.array([0.9 * np.sign(obs[1] if obs[1] else 1.0) + 0.1 * rng.uniform(-1, 1)], np.float32)
    if name.startswith("CartPole"):
        return lambda obs: int(obs[2] + 0.5 * obs[3] + 0.05 * obs[0] + 0.1 * obs[1] > 0)
    if name.startswith("Acrobot"):
        return lambda obs: int(1 + np.sign(obs[5] if rng.random() < 0.9 else -obs[5]))
    raise SystemExit(f"traces.py: no swing policy for {name}")


def beyond_policy(env, rng):
    """Uniform over twice the bounds: Gymnasium limits the force, but not always the cost."""
    space = env.action_space
    return lambda obs: (2 * rng.uniform(space.low, space.high)).astype(np.float32)


POLICIES = {"random": random_policy, "swing": swing_policy, "beyond": beyond_policy}


def argument(value):
    """An option as Gymnasium takes it. JSON has no infinity and no tuples."""
    if isinstance(value, list):
        return tuple(float(end) for end in value)
    return value


def state(env):
    """The state that an episode starts from: qpos then qvel, or the state of classic control."""
    if hasattr(env, "state_vector"):
        return np.array(env.state_vector(), np.float64)
    return np.array(env.state, np.float64)


def check_actions(name, space):
    """Refuses actions that no task of sac has. A number in a trace is a discrete action itself, which begins at 0."""
    spaces = gymnasium.spaces
    if not isinstance(space, (spaces.Box, spaces.Discrete)) or getattr(space, "start", 0) != 0:
        raise SystemExit(f"traces.py: {name} takes actions of {space}; sac's tasks, which verify steps, take Box, or Discrete from 0")


def trace(name, seed, policy, options, wide=False):
    """One episode as (tensors, metadata). wide: actions are passed to Gymnasium as float64."""
    arguments = {key: argument(value) for key, value in options.items() if key not in ATTRIBUTES}
    if ".mujoco." in str(gymnasium.spec(name).entry_point):
        no_log_of_mujoco()
    env = gymnasium.make(name, disable_env_checker=True, **arguments)
    check_actions(name, env.action_space)
    for key in ATTRIBUTES & options.keys():
        setattr(env.unwrapped, key, options[key])
    rng = np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    act = POLICIES[policy](env, rng)
    initial = state(env.unwrapped)
    actions, observations, rewards, terminations, truncations, infos = [], [obs], [], [], [], []
    done = False
    while not done:
        action = act(obs)
        if wide:
            action = np.asarray(action, np.float64) + rng.uniform(-1e-9, 1e-9)
        obs, reward, terminated, truncated, info = env.step(action)
        actions.append(np.atleast_1d(np.array(action, np.float64)))
        observations.append(obs)
        rewards.append(float(reward))
        terminations.append(terminated)
        truncations.append(truncated)
        infos.append({key: float(value) for key, value in info.items() if np.ndim(value) == 0})
        done = terminated or truncated
    env.close()
    tensors = {
        "initial": initial,
        "action": np.array(actions, np.float64),
        "observation": np.array(observations, np.float64),
        "reward": np.array(rewards, np.float64),
        "terminated": np.array(terminations, np.uint8),
        "truncated": np.array(truncations, np.uint8),
    }
    tensors.update({f"info/{key}": np.array([info[key] for info in infos], np.float64) for key in infos[0]})
    metadata = {
        "env": name,
        "options": json.dumps(options),
        "gymnasium": gymnasium.__version__,
        "actions": "float64" if wide else "int64" if isinstance(action, int) else "float32",
        "policy": policy,
        "seed": str(seed),
    }
    return tensors, metadata


# The content of tests/golden/traces: both ways in which an episode ends, every option, first steps and whole episodes;
# seeds, and whether actions are float64. Acrobot's seed 20199 exceeds the tolerance if one square in a thousand differs
# in its last bit.
COMMITTED = [
    ("Pendulum-v1", "random", {}, [0, 1, 2], False),
    ("Pendulum-v1", "swing", {}, [0, 1], False),
    ("Pendulum-v1", "random", {"g": 9.81}, [0], False),
    ("Pendulum-v1", "random", {}, [0], True),
    ("MountainCarContinuous-v0", "random", {}, [0, 1], False),
    ("MountainCarContinuous-v0", "swing", {}, [0, 1], False),
    ("MountainCarContinuous-v0", "beyond", {}, [0], False),
    ("MountainCarContinuous-v0", "swing", {"goal_velocity": 0.07}, [0], False),
    ("MountainCarContinuous-v0", "swing", {}, [0], True),
    ("CartPole-v1", "random", {}, [0, 1, 2], False),
    ("CartPole-v1", "swing", {}, [0], False),
    ("CartPole-v1", "random", {"sutton_barto_reward": True}, [0], False),
    ("Acrobot-v1", "random", {}, [0, 1, 2, 20199], False),
    ("Acrobot-v1", "swing", {}, [0, 1], False),
    ("Acrobot-v1", "swing", {"book_or_nips": "nips"}, [0], False),
]


def save(path, tensors, metadata):
    """Writes safetensors without the package, which orders its header at random. The same trace gives the same file."""
    names = {np.dtype(np.float64): "F64", np.dtype(np.uint8): "U8"}
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        end = offset + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(array.tobytes())


def write(folder, name, policy, options, seed, wide):
    tensors, metadata = trace(name, seed, policy, options, wide)
    stem = "_".join([name, policy, *(f"{key}-{json.dumps(value)}".replace('"', "") for key, value in options.items())] + ["wide"] * wide)
    if len(stem) > 200:  # file names may be only so long
        stem = f"{stem[:190]}~{zlib.crc32(stem.encode()):08x}"
    path = folder / f"{stem}_{seed}.safetensors"
    save(path, tensors, metadata)
    print(f"{path}  {len(tensors['reward'])} steps, return {tensors['reward'].sum():.1f}")


def option(text):
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="folder to write to")
    parser.add_argument("--env", help="environment id; without it, the committed set")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds")
    parser.add_argument("--policy", choices=POLICIES, default="random")
    parser.add_argument("--option", type=option, action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--wide", action="store_true", help="hand the actions to Gymnasium as float64")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.env:
        for i in range(arguments.count):
            write(arguments.out, arguments.env, arguments.policy, dict(arguments.option), arguments.seed + i,
                  arguments.wide)
        return 0
    for name, policy, options, seeds, wide in COMMITTED:
        for seed in seeds:
            write(arguments.out, name, policy, options, seed, wide)
    return 0


if __name__ == "__main__":
    sys.exit(main())
