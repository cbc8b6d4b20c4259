"""What the numbers of an observation and an action are: their names, places and spaces. Runs in the names of bridge.py.
The text goes into policy.safetensors, for those who program a robot. And the bounds of actions, as floats."""
import json


def plain_space(env):
    """The space of observations before they are flattened."""
    import gymnasium

    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, gymnasium.wrappers.FlattenObservation):
            return env.env.observation_space
        env = env.env
    return None


def parts(space, name, at):
    """The parts of a flattened space, in the order in which Gymnasium flattens it. at: where the first one begins."""
    from gymnasium import spaces

    # A Dict and a Tuple are their members, one after the other.
    members = None
    if isinstance(space, spaces.Dict):
        members = space.spaces.items()
    elif isinstance(space, spaces.Tuple):
        members = enumerate(space.spaces)
    if members is not None:
        found = []
        for key, member in members:
            inner = parts(member, f"{name}.{key}" if name else str(key), at)
            at += sum(part["size"] for part in inner)
            found += inner
        return found

    # Any other space is one part. What its numbers mean follows from its kind.
    part = {"name": name, "offset": at, "size": int(spaces.flatdim(space)), "space": type(space).__name__}
    if isinstance(space, spaces.Box):
        part["shape"] = [int(length) for length in space.shape]
        part["dtype"] = str(space.dtype)
    elif isinstance(space, spaces.Discrete):
        part["encoding"], part["start"] = "one-hot", int(space.start)
    elif isinstance(space, spaces.MultiDiscrete):
        part["encoding"], part["choices"] = "one-hot of each", [int(n) for n in space.nvec.reshape(-1)]
    return [part]


def describe_spaces(env, choices):
    """A JSON object with the parts of observation and action; "" where a space of one's own cannot be described.
    choices: of discrete actions; None for others."""
    try:
        plain = plain_space(env)
        observation = parts(env.observation_space if plain is None else plain, "", 0)
        action = [choices.described()] if choices else parts(env.action_space, "", 0)
        return json.dumps({"observation": observation, "action": action})
    except Exception:
        return ""


def inner_bounds(numpy, low, high):
    """The bounds as floats inside of those that the environment declares, whatever their type: what sac gives is then
    inside, too."""
    with numpy.errstate(over="ignore"):  # a bound that no float holds is refused later
        inner = low.astype("f4"), high.astype("f4")
    wide = numpy.longdouble  # holds every number of the types that are compared
    up, down = (numpy.nextafter(bound, numpy.float32(end)) for bound, end in zip(inner, ("inf", "-inf")))
    inner_low = numpy.where(inner[0].astype(wide) < low.astype(wide), up, inner[0])
    inner_high = numpy.where(inner[1].astype(wide) > high.astype(wide), down, inner[1])

    # Name the bounds that the environment declares where they leave no room for floats.
    for i in numpy.flatnonzero((low < high) & (inner_low >= inner_high))[:1]:
        raise EnvError(f"action {i} is bounded by [{low[i]!r}, {high[i]!r}], with too few floats between them: rescale "
                       "the action in the environment")
    return inner_low, inner_high
