"""Discrete actions: the choices of an action space, as one number from 0. Runs in the names of bridge.py, in sac's process
and in worker processes."""
import math

DISCRETE_MAX = 65536     # actions of a Discrete: SAC_ENV_SIZE_MAX of env/check.h
JOINT_MAX = 4096         # joint actions of several choices


def short(space):
    """A space for messages, in one short line."""
    text = " ".join(str(space).split())
    return text if len(text) <= 120 else text[:117] + "..."


def members_of_action(spaces, space):
    """(key, space) of each member of a Dict or a Tuple; None for other spaces."""
    if isinstance(space, spaces.Dict):
        return list(space.spaces.items())
    return list(enumerate(space.spaces)) if isinstance(space, spaces.Tuple) else None


class Leaf:
    """A space without members: its choices, each with a name, a size and a smallest value. place: where it stands in the
    action, such as "arm.0"; "" for the whole action."""

    def __init__(self, numpy, spaces, space, place):
        if not isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
            raise EnvError(f"it takes actions of {short(space)}{f' at {place}' if place else ''}; sac gives numbers (Box), or "
                           "choices (Discrete, MultiDiscrete, MultiBinary, or Dict and Tuple of these alone): wrap the "
                           "environment")
        self.shape, self.dtype = space.shape, space.dtype
        sizes = space.n if isinstance(space, spaces.Discrete) else getattr(space, "nvec", 2)  # a MultiBinary has none
        self.sizes, self.starts = ([int(value) for value in numpy.broadcast_to(values, self.shape).reshape(-1)]
                                   for values in (sizes, getattr(space, "start", 0)))
        self.names = [".".join(map(str, (place, *index) if place else index)) for index in numpy.ndindex(*self.shape)]

    def place_in(self, numpy, stride):
        """Takes the number of joint actions of the choices behind its own. Returns that with its own."""
        strides = []
        for size in reversed(self.sizes):
            strides.insert(0, stride)
            stride *= size
        self.arrays = [numpy.array(values, numpy.int64) for values in (strides, self.sizes, self.starts)]
        return stride

    def values_of(self, numbers):
        """The values in joint actions with these numbers (n, 1), as the environment takes them."""
        strides, sizes, starts = self.arrays
        values = (starts + numbers // strides % sizes).astype(self.dtype)
        return values.reshape((len(values), *self.shape))


class Choices:
    """An action space of discrete actions, which have the numbers from 0. The number of a joint action is row-major: the
    last choice changes fastest. That of a Discrete is the action less its `start`."""

    def __init__(self, numpy, spaces, space):
        self.numpy, self.spaces, self.space = numpy, spaces, space
        self.leaves = list(self.leaves_of(space, ""))
        self.alone = isinstance(space, spaces.Discrete)
        self.count = math.prod(size for leaf in self.leaves for size in leaf.sizes)

        # Refuse what leaves nothing to learn, and what has too many actions.
        if self.count < 2:
            raise EnvError(f"its action space {short(space)} leaves no choice; sac takes 2 actions or more: wrap the environment")
        most, what = (DISCRETE_MAX, "actions") if self.alone else (JOINT_MAX, "joint actions")
        if self.count > most:
            count = f"{self.count:,}" if self.count < 10**15 else f"about 10^{len(str(self.count)) - 1}"
            raise EnvError(f"its action space {short(space)} has {count} {what}; sac takes up to {most:,}: wrap the environment, "
                           "with fewer choices or with numbers (Box)")

        # The last choice changes fastest.
        stride = 1
        for leaf in reversed(self.leaves):
            stride = leaf.place_in(numpy, stride)

    def leaves_of(self, space, place):
        members = members_of_action(self.spaces, space)
        if members is None:
            yield Leaf(self.numpy, self.spaces, space, place)
        for key, member in members or ():
            yield from self.leaves_of(member, f"{place}.{key}" if place else str(key))

    def joined(self, space, values):
        """An action of a space, of the values of its leaves, which it takes from an iterator."""
        members = members_of_action(self.spaces, space)
        if members is None:
            return next(values)
        parts = {key: self.joined(member, values) for key, member in members}
        return parts if isinstance(space, self.spaces.Dict) else tuple(parts.values())

    def actions_of(self, numbers):
        """The actions with these numbers (n, 1), in new arrays."""
        if self.alone:  # the usual case in a third of the time
            return self.space.start + numbers[:, 0].astype(self.leaves[0].dtype)
        numbers = numbers.astype(self.numpy.int64)
        columns = [leaf.values_of(numbers) for leaf in self.leaves]
        if members_of_action(self.spaces, self.space) is None:
            return columns[0]
        return [self.joined(self.space, iter(values)) for values in zip(*columns)]

    def described(self):
        """What the number means, for describe_spaces."""
        part = {"name": "", "offset": 0, "size": 1, "space": type(self.space).__name__, "actions": self.count}
        factors = [{"name": name, "size": size, "start": start} for leaf in self.leaves
                   for name, size, start in zip(leaf.names, leaf.sizes, leaf.starts)]
        if self.alone:
            return {**part, "start": factors[0]["start"]}
        return {**part, "encoding": "row-major: the last factor changes fastest", "factors": factors}
