"""The environments of one process, stepped one after another. Runs in the names of bridge.py, in sac's process and in
worker processes."""
import os
import traceback


def count(space):
    """The numbers in a value of a Box."""
    size = 1
    for length in space.shape:
        size *= int(length)
    return size


class Spaces:
    """An environment, the sizes of its spaces, and the conversion between its values and sac's rows of floats."""

    def __init__(self, name, options, record=None):
        if START:
            os.chdir(START)
        gymnasium, self.numpy, self.env = make_recorded(name, options, record) if record else make(name, options)
        try:
            self.take_spaces(gymnasium.spaces)
        except BaseException:
            self.close()
            raise

    def take_spaces(self, spaces):
        # Observations are one array of numbers, or can be flattened to one.
        self.obs_space, self.flatten, flat = self.env.observation_space, None, self.env.observation_space
        if not isinstance(flat, spaces.Space):
            raise EnvError(f"observation_space is {shown(flat)}, no space of Gymnasium: the constructor of the "
                           "environment must set it")
        if not isinstance(flat, spaces.Box):
            self.flatten, flat = spaces.flatten, spaces.flatten_space(flat)
            if not isinstance(flat, spaces.Box):
                raise EnvError(f"observations of {self.obs_space} have no fixed size: wrap the environment")
        self.obs_size, self.obs_dtype, self.members = count(flat), flat.dtype, ()
        if self.flatten:
            self.members = members_of(spaces, self.obs_space)

        # Actions are numbers or choices.
        action, self.actions, self.choices = self.env.action_space, 0, None
        self.low = self.high = None
        if isinstance(action, spaces.Box):
            self.action_size, self.shape, self.dtype = count(action), action.shape, action.dtype
            self.low, self.high = action.low.reshape(-1), action.high.reshape(-1)
            self.whole = not self.numpy.issubdtype(self.dtype, self.numpy.floating)
        else:
            self.choices = Choices(self.numpy, spaces, action)
            self.action_size, self.actions = 1, self.choices.count

        spec = self.env.spec
        self.limit = int(spec.max_episode_steps or 0) if spec else 0

    def actions_of(self, rows):
        """sac's actions (n, A), each as the environment takes it, in new arrays: the environment may keep them."""
        if self.choices:
            return self.choices.actions_of(rows)
        if self.whole:
            rows = self.numpy.rint(rows)
        try:
            rows = rows.astype(self.dtype)
        except (FloatingPointError, RuntimeWarning):  # after numpy.seterr(all="raise"), or with warnings as errors
            with self.numpy.errstate(all="ignore"):
                rows = rows.astype(self.dtype)
        return rows.reshape((len(rows), *self.shape)) if self.shape else [row.reshape(()) for row in rows]

    def parts_of(self, row):
        """(key, type of its numbers, shape, place in the row) of each member of a Dict of Boxes."""
        return [(key, box.dtype, box.shape, row[place].reshape(box.shape)) for key, box, place in self.members]

    def observe(self, value, row):
        """Writes an observation to its row."""
        if self.flatten:
            try:
                value = self.flatten(self.obs_space, value)
            except Exception as error:
                words = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
                raise Wrong(f"an observation, {shown(value)}, does not fit {self.obs_space}: {words}") from None
        value = array_of(self.numpy, value, "an observation")
        if value.size != row.size:
            raise Wrong(f"an observation has shape {value.shape}, {value.size} numbers; the space of observations "
                        f"has {row.size}")
        with self.numpy.errstate(all="ignore"):  # what no float holds becomes infinite or 0
            row[:] = value.reshape(-1)

    def beyond(self, value, row):
        """Names a number of an observation that no float of its row holds; None if there is none."""
        wide = self.numpy.zeros(row.shape, self.numpy.longdouble)
        self.observe(value, wide)
        lost = self.numpy.flatnonzero(self.numpy.isfinite(wide) & ~self.numpy.isfinite(row))
        return beyond(wide[lost[0]], f"observation {lost[0]}") if len(lost) else None

    def close(self):
        """Closes it. An error does no harm to what was learnt, and is only told."""
        try:
            self.env.close()
        except BaseException as error:  # also sys.exit()
            if CHILD:
                end_child(error)
            say(f"close() of the environment failed: {describe(error).splitlines()[0]}")


def check_tuple(result, function, size, names):
    """The result of an environment's function, which must be a tuple or list of `size` members."""
    if not isinstance(result, (tuple, list)) or len(result) != size:
        what = f"a {type(result).__name__} of {len(result)}" if isinstance(result, (tuple, list)) else (
            "None" if result is None else type(result).__name__)
        raise Wrong(f"{function}() gave {what}, not ({names}): Gymnasium's interface, unlike gym's of old, has these")
    return result


def layout(n, obs, action):
    """The offsets of seed, obs, action, reward, low, high, mask, terminated, truncated and info in the block, and its
    size. Info has room for INFO_MAX terms, whose names become known when steps give them."""
    at, offsets = 0, []
    for size in (8 * n, 4 * n * obs, 4 * n * action, 4 * n, 4 * action, 4 * action, n, n, n, 4 * n * INFO_MAX):
        offsets.append(at)
        at += -(-size // 8) * 8
    return (*offsets, at)


def check_equal(numbered):
    """Refuses environments that differ, of (number, sizes_of) each: sac gives all of them actions within the bounds of
    the first."""
    first, wanted = numbered[0]
    for i, sizes in numbered[1:]:
        if sizes != wanted:
            k = next(k for k, one in enumerate(sizes) if one != wanted[k])
            what = ("sizes of observations", "sizes of actions", "numbers of actions", "time limits", "bounds of actions",
                    "spaces")[k]
            raise EnvError(f"environments {first} and {i} have different {what}"
                           + (f", {wanted[k]} and {sizes[k]}" if k < 5 else ""))


class Local:
    """The environments `first` to `last` - 1 of the block, stepped in this process."""

    def __init__(self, name, options, first, last, spaces=None):
        self.all, self.first = [spaces] if spaces else [], first
        try:
            while len(self.all) < last - first:
                self.all.append(Spaces(name, options))
            check_equal([(i, sizes_of(one)) for i, one in enumerate(self.all, first)])
        except BaseException:
            self.close()
            raise

    def bind(self, block, n):
        """Makes the arrays of the block, which holds n environments."""
        numpy, one = self.all[0].numpy, self.all[0]
        at = layout(n, one.obs_size, one.action_size)

        def array(k, dtype, *shape):
            return numpy.frombuffer(block, dtype, n * (shape[1] if shape[1:] else 1), at[k]).reshape(shape)

        self.seeds = array(0, numpy.uint64, n)
        self.obs = array(1, numpy.float32, n, one.obs_size)
        self.action = array(2, numpy.float32, n, one.action_size)
        self.mask = array(6, numpy.uint8, n)

        # Writing one number to a memoryview takes half the time of an array.
        self.reward, *self.ends = memoryview(array(3, numpy.float32, n)), *(
            memoryview(array(k, numpy.uint8, n)) for k in (7, 8))
        self.names, self.info = Names(), Info(memoryview(numpy.frombuffer(block, numpy.float32, n * INFO_MAX, at[9])), numpy)
        self.info.memory[:] = memoryview(bytearray(bytes(BLANK) * n)).cast("f")

        self.numbers = {float, numpy.float64, numpy.float32}
        self.given = [()] * n  # what the last step or reset of each environment gave: observation and reward first

        # Views and methods that every step needs: making them takes as long as the step of a small task.
        last = self.first + len(self.all)
        self.actions = self.action[self.first:last]
        self.rows = [(i, one.env.step, one.observe, self.obs[i], one.parts_of(self.obs[i]))
                     for i, one in enumerate(self.all, self.first)]

    def wrong(self, wrong, i, function):
        """The error for a value of environment i that sac cannot take."""
        return EnvError(f"{wrong} (environment {i}{origin(self.all[i - self.first].env, function)})")

    def reset(self):
        mask = self.mask.tobytes()
        for i, one in enumerate(self.all, self.first):
            if mask[i]:
                # 31 bits: a seed that every generator of random numbers takes.
                try:
                    result = check_tuple(reset_seeded(one.env, int(self.seeds[i]) >> 33), "reset", 2, "observation, info")
                    self.given[i] = result[:1]
                    one.observe(result[0], self.obs[i])
                except Wrong as wrong:
                    raise self.wrong(wrong, i, "reset") from None

    def step(self):
        """Steps all. Returns the names of the terms of info when there are new ones."""
        self.step_all()
        if self.info.fresh and self.names.add(self.info.take_fresh()):
            self.info.set_columns(self.names.at.items())
            return self.names.names
        return None

    def step_all(self):
        reward, (terminated, truncated) = self.reward, self.ends
        write_info, filled = self.info.write, self.info.filled
        array, shape, dtype = self.all[0].numpy.ndarray, self.rows[0][3].shape, self.all[0].obs_dtype
        numbers, given = self.numbers, self.given
        i = self.first
        try:
            for (i, step, observe, row, parts), action in zip(self.rows, self.all[0].actions_of(self.actions)):
                result = step(action)
                if type(result) is not tuple or len(result) != 5:
                    result = check_tuple(result, "step", 5, "observation, reward, terminated, truncated, info")
                obs, value, end, cut, info = given[i] = result

                # Most values have the kind that Gymnasium asks for, and need no conversion.
                if type(obs) is array and obs.shape == shape and (obs.dtype is dtype or obs.dtype.kind in "fiub"):
                    try:
                        row[:] = obs
                    except (FloatingPointError, RuntimeWarning):  # after numpy.seterr(all="raise"), or with warnings as errors
                        observe(obs, row)
                elif not parts or not write_parts(array, obs, parts):
                    observe(obs, row)
                reward[i] = value if type(value) in numbers else number_of(value, "reward")
                terminated[i] = end if type(end) is bool else truth_of(end, "terminated")
                truncated[i] = cut if type(cut) is bool else truth_of(cut, "truncated")
                if type(info) is not dict:
                    info = check_info(info)
                if info or filled[i]:
                    write_info(i, info)
        except Wrong as wrong:
            raise self.wrong(wrong, i, "step") from None

    def beyond(self):
        """Names a number of the last step that no float32 holds, which has become infinite. Returns None if there is none."""
        for i, (one, given) in enumerate(zip(self.all, self.given[self.first:]), self.first):
            function = "step" if given[1:] else "reset"
            wrong = given and (one.beyond(given[0], self.obs[i]) or given[1:] and beyond(given[1], "reward"))
            if wrong:
                return str(self.wrong(wrong, i, function))
        return None

    def seed(self, seed):
        """Seeds the generators of this process, and the spaces of its environments."""
        seed_generators(seed, library=False)
        self.seed_spaces(seed)

    def seed_spaces(self, seed):
        for i, one in enumerate(self.all, self.first):
            seed_spaces(one.env, mixed(seed, i))

    def close(self):
        for one in self.all:
            one.close()
