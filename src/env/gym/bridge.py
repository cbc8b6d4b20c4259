"""Gymnasium's environments for sac: what src/env/gym/module.c calls. workers.py steps environments in other processes,
which run this file too; record.py records videos.

Functions that module.c calls return None for success, or the text of an error; step may return new names of info. The arrays of N environments lie in one
block of memory (see `layout`): the module writes mask, seed and action there and reads the others."""
import array
import json
import mmap
import os
import re
import sys
import traceback
import warnings

RECORD = "sac_record"    # SAC_GYM_RECORD of gym.h; what it does is in record.py
TEXT_MAX = 2800          # characters of a traceback: sac's messages are short
WARNINGS_MAX = 10        # of one line of code that are shown: some come with each step
WARNED = {}              # how many there were, by file and line
CHILD = False            # whether this process was forked by an environment
START = None             # the folder in which each environment is made: some change it for those that come after


class EnvError(Exception):
    """An error that the user is told in one line. config: the id or an option is wrong, which is the user's mistake."""

    def __init__(self, text, config=False):
        super().__init__(text)
        self.config = config


def show_warning(message, category, filename, lineno, file=None, line=None):
    """A warning of Python code as one line on stderr, without the colours that Gymnasium puts into it. Those of one line
    of code are shown a few times."""
    if filename == "<sac>":  # a number that no float holds: sac checks all numbers itself
        return
    count = WARNED[filename, lineno] = WARNED.get((filename, lineno), 0) + 1
    if count > WARNINGS_MAX:
        return

    # As one line.
    words = re.sub(r"\x1b\[[0-9;]*m", "", str(message)).removeprefix("WARN: ")
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
    print(f"sac: warning of {os.path.basename(filename)}:{lineno}: {words[:500]}"
          + (" (further warnings of this line are not shown)" if count == WARNINGS_MAX else ""), file=sys.stderr)


class MuJoCoLog:
    """Sends MuJoCo's warnings to stderr. Otherwise MuJoCo writes them to a file in the user's current folder. It takes
    effect when an environment imports MuJoCo: this class is an import finder."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "mujoco":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not cls)
        spec = next(filter(None, others), None)

        # Import MuJoCo as the next finder does, then set its handler of warnings.
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                if hasattr(module, "set_mju_user_warning"):
                    module.set_mju_user_warning(cls.warn)

            spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def warn(text):
        say(f"MuJoCo warns: {text.partition(' Time = ')[0]}")  # without the time, so that each is shown once


# --- the environments of one process ----------------------------------------------------------------------------------


def import_gymnasium():
    try:
        import gymnasium
        import numpy
    except ImportError as error:
        if error.name not in ("gymnasium", "numpy"):
            raise
        raise EnvError(f"{sys.executable} has no {error.name}: {sys.executable} -m pip install gymnasium, or set "
                       "SAC_PYTHON to a Python that has it (scripts/setup --gym installs it into .venv)") from None
    return gymnasium, numpy


def make(name, options):
    """gymnasium.make. Its errors become texts for the user."""
    gymnasium, numpy = import_gymnasium()
    before = set(gymnasium.registry)
    try:
        return gymnasium, numpy, gymnasium.make(name, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled:
        raise  # describe() has a text for it
    except gymnasium.error.UnregisteredEnv as error:
        raise EnvError(f"no Gymnasium environment '{name}'{nearest(gymnasium, name, before)} ({error})", True) from None
    except gymnasium.error.Error as error:
        raise EnvError(f"gym:{name}: {error}", True) from None
    except ModuleNotFoundError as error:
        # Gymnasium wraps the error of a PACKAGE:ID whose package is missing. A package that imports something missing
        # raises an error of its own, which is shown as it is.
        cause, package = error.__cause__ or error, name.partition(":")[0]
        missing = getattr(cause, "name", None) or ""
        if ":" in name and missing and (package == missing or package.startswith(f"{missing}.")):
            raise EnvError(f"gym:{name}: no package '{missing}' in {sys.executable} or the current folder",
                           True) from None
        raise cause from None
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise EnvError(f"gym:{name}: env.options: {str(error).splitlines()[0][:300]}", True) from None
        if lacks_argument(error.__cause__):
            text = str(error.__cause__).splitlines()[0][:300]
            raise EnvError(f"gym:{name}: {text}: set it as env.options.NAME=VALUE", True) from None
        raise


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
        spaces = gymnasium.spaces

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

        # Actions are numbers or one choice.
        action, self.actions = self.env.action_space, 0
        self.low = self.high = None
        if isinstance(action, spaces.Discrete):
            self.action_size, self.actions, self.start = 1, int(action.n), int(action.start)
        elif isinstance(action, spaces.Box):
            self.action_size, self.shape, self.dtype = count(action), action.shape, action.dtype
            self.low, self.high = action.low.reshape(-1), action.high.reshape(-1)
            self.whole = not self.numpy.issubdtype(self.dtype, self.numpy.floating)
        else:
            raise EnvError(f"it takes actions of {action}; sac gives numbers (Box) or one choice (Discrete): wrap the "
                           "environment")

        spec = self.env.spec
        self.limit = int(spec.max_episode_steps or 0) if spec else 0

    def actions_of(self, rows):
        """sac's actions (n, A), each as the environment takes it, in new arrays: the environment may keep them."""
        if self.actions:
            return self.start + rows[:, 0].astype(self.numpy.int64)
        if self.whole:
            rows = self.numpy.rint(rows)
        try:
            rows = rows.astype(self.dtype)
        except FloatingPointError:  # after numpy.seterr(all="raise")
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

    def close(self):
        try:
            self.env.close()
        except BaseException:  # also sys.exit()
            pass


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


class Local:
    """The environments `first` to `last` - 1 of the block, stepped in this process."""

    def __init__(self, name, options, first, last, spaces=None):
        self.all, self.first = [spaces] if spaces else [], first
        try:
            while len(self.all) < last - first:
                self.all.append(Spaces(name, options))
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
                    result = reset_seeded(one.env, int(self.seeds[i]) >> 33)
                    one.observe(check_tuple(result, "reset", 2, "observation, info")[0], self.obs[i])
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
        numbers = self.numbers
        i = self.first
        try:
            for (i, step, observe, row, parts), action in zip(self.rows, self.all[0].actions_of(self.actions)):
                result = step(action)
                if type(result) is not tuple or len(result) != 5:
                    result = check_tuple(result, "step", 5, "observation, reward, terminated, truncated, info")
                obs, value, end, cut, info = result

                # Most values have the kind that Gymnasium asks for, and need no conversion.
                if type(obs) is array and obs.shape == shape and (obs.dtype is dtype or obs.dtype.kind in "fiub"):
                    try:
                        row[:] = obs
                    except FloatingPointError:  # after numpy.seterr(all="raise")
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


# --- what module.c calls ----------------------------------------------------------------------------------------------


class Envs:
    """Environments that are stepped by `all`, here or in worker processes. Errors are returned as text."""

    def __init__(self, all):
        self.all = all

    def guarded(self, function):
        """What the function returns: None, or the names of the terms of info when there are new ones."""
        try:
            result = function()
        except BaseException as error:  # also sys.exit() of an environment
            return self.failed(error)
        if CHILD:
            end_child()
        return result

    def failed(self, error):
        if CHILD:
            end_child(error)
        return describe(error)

    def reset(self):
        return self.guarded(self.all.reset)

    def step(self):  # as guarded does, without the time of one more call
        try:
            result = self.all.step()
        except BaseException as error:
            return self.failed(error)
        if CHILD:
            end_child()
        return result

    def seed(self, seed):
        return self.guarded(lambda: self.all.seed(seed))

    def close(self):
        return self.guarded(self.all.close)


def open_workers(name, n, options, count):
    """n environments in `count` worker processes, their block and their sizes."""
    memory = os.memfd_create("sac_gym")
    try:
        envs = Workers(name, options, count, memory, n)
        try:
            at = layout(n, *envs.sizes[:2])
            os.ftruncate(memory, at[-1])
            block = mmap.mmap(memory, at[-1])
            envs.bind(memoryview(block)[at[6]:at[6] + n])
        except BaseException:
            envs.close()
            raise
        return envs, block, envs.sizes
    finally:
        os.close(memory)


def open_local(name, n, options, record):
    """n environments in this process, their block and their sizes."""
    seed_generators(SEED, library=False)
    envs = Local(name, options, 0, n, Spaces(name, options, record) if record else None)
    one = envs.all[0]
    envs.seed_spaces(SEED)
    block = mmap.mmap(-1, layout(n, one.obs_size, one.action_size)[-1])
    envs.bind(block, n)
    return envs, block, sizes_of(one)


def measured_count(name, n, options):
    """The number of worker processes for n environments, by the time that a step takes. An environment is made for this
    alone, as results must not depend on how many steps the measurement makes."""
    drawn, one = draws_of_all(), Spaces(name, options)
    count = fastest_count(n, step_seconds(one))
    one.close()
    if count and draws_of_all() != drawn:  # results would depend on the time that a step takes
        print(f"gym:{name} draws from the generators of random or numpy.random, which environments of one process "
              "share; so it gets no worker processes unless env.options.sac_workers says how many", file=sys.stderr)
        return 0
    return count


def sizes_of(one):
    """What all environments of an instance have in common, for JSON: the numbers of observations, of actions and of
    discrete actions, the time limit, the bounds (None: discrete), and the description of the spaces."""
    bounds = None if one.actions else [values.tolist() for values in inner_bounds(one.numpy, one.low, one.high)]
    return one.obs_size, one.action_size, one.actions, one.limit, bounds, describe_spaces(one.env)


def open_envs(name, n, options):
    """n environments of Gymnasium's id `name`; what `create` returns for them."""
    options = json.loads(options)
    record = options.pop(RECORD, None)
    if record and n > 1:
        raise EnvError(f"env.options.{RECORD} is for one environment: 'sac eval --record-video' sets it", True)

    # Where they are stepped: as the options say, or as it is fastest.
    count = 0 if record else worker_count(n, options)
    import_gymnasium()  # with NumPy, whose generator is seeded too
    seed_generators(SEED, library=False)
    if count is None:
        count = measured_count(name, n, options)
    envs, block, sizes = open_workers(name, n, options, count) if count else open_local(name, n, options, record)

    # Write the bounds of actions to the block.
    obs_size, action_size, actions, limit, bounds, spaces = sizes
    at = layout(n, obs_size, action_size)
    for k, values in enumerate(bounds or (), 4):
        memoryview(block)[at[k]:at[k] + 4 * action_size].cast("f")[:] = array.array("f", values)
    opened = Envs(envs)
    opened.spaces = spaces
    return opened, (obs_size, action_size, actions, limit, block, at[:10])


def note_fork():
    """Called in each process that Python code forks."""
    global CHILD
    CHILD = True


def working_folder():
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return None


def create(name, n, options):
    """(Envs, its sizes, block and offsets), or (whether the configuration is wrong, text)."""
    global START
    START = working_folder()
    try:
        opened = open_envs(name[4:], n, options)
        if CHILD:
            end_child()
        return opened
    except BaseException as error:
        if CHILD:
            end_child(error)
        return getattr(error, "config", False) is True, describe(error)


os.register_at_fork(after_in_child=note_fork)
if OWN:  # module.c sets it when the interpreter is sac's own
    sys.meta_path.insert(0, MuJoCoLog)
    warnings.showwarning = show_warning
    sys.stdout = sys.stderr  # what environments print must not mix with sac's output
    if not getattr(sys, "argv", None):
        sys.argv = [""]
    if "" not in sys.path and not sys.flags.safe_path:
        sys.path.insert(0, working_folder() or "")  # packages in the current folder, as with python -c
