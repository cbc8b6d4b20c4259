"""The random generators that environments share: Python's random, NumPy's, PyTorch's where it is imported, the C
library's, and those of spaces. Runs in the names of bridge.py, in sac's process and in worker processes.

Environments that draw from the generator that reset(seed) gives them need none of this."""
import ctypes
import random
import sys

SEED = 0   # the last seed of `seed_generators`, for environments and processes that are made later
KEPT = []  # states that keep_generators has stored


def torch_or_none():
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "manual_seed") else None  # it may be half imported


def mixed(seed, index):
    """A seed for number `index`, for which `seed` itself would be the same for all. 0 gives the seed."""
    return (seed + index * 0x9E3779B97F4A7C15) % 2**64


def seed_generators(seed, library=True):
    """Seeds them all. library: the C library's too, which sac seeds itself in its own process."""
    global SEED
    SEED = seed
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), torch_or_none()
    if numpy:
        numpy.random.seed([seed % 2**32, seed >> 32])
    if torch:
        torch.manual_seed(seed)
    if library:
        ctypes.CDLL(None).srandom(ctypes.c_uint(seed % 2**32))


def seed_spaces(env, seed):
    """Seeds the spaces of an environment, from which action_space.sample() draws."""
    for one in (env, env.unwrapped):
        for k, name in enumerate(("action_space", "observation_space")):
            space = getattr(one, name, None)
            try:
                if hasattr(space, "seed"):
                    space.seed(mixed(seed, k) % 2**31)
            except Exception as error:  # a space of one's own
                say(f"{name} cannot be seeded, so runs of one seed may differ: {describe(error).splitlines()[0]}")


def generator_states():
    numpy, torch = sys.modules.get("numpy"), torch_or_none()
    return random.getstate(), numpy and numpy.random.get_state(), torch and torch.get_rng_state()


def keep_generators():
    KEPT.append(generator_states())


def restore_generators():
    """Goes back to the states that the last keep_generators stored."""
    python, numpy, torch = KEPT.pop()
    random.setstate(python)
    if numpy:
        sys.modules["numpy"].random.set_state(numpy)
    if torch is not None:
        torch_or_none().set_rng_state(torch)


def draws_of_all():
    """Something that is equal as long as nothing is drawn from the generators of Python and NumPy."""
    python, numpy, _ = generator_states()
    return python, numpy and (numpy[1].tobytes(), *numpy[2:])
