"""Gymnasium's environments for sac: what src/env/gym/module.c calls, in sac's process and in worker processes.

A function gives None when all is well, or the text of what went wrong. The arrays of N environments lie in one block of
memory, in the order of `layout`; the module writes mask, seed and action there and reads the others."""
import functools
import json
import math
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

RECORD = "sac_record"    # SAC_GYM_RECORD of gym.h; what it does is in record.py
WORKERS_FROM = 4         # environments: below, worker processes are not even thought of
WORKERS_COST = 100e-6    # seconds that a step's way to worker processes and back takes on a machine that has other work
WORKER_COST = 30e-6      # and for each of them
TIMED_STEPS, TIMED_SECONDS = 25, 0.2  # what is spent on finding out how long a step of an environment takes
TEXT_MAX = 2800          # of a traceback: sac's messages are short
INFO_MAX, INFO_NAME_MAX = 32, 63  # terms of info and letters of their names: SAC_ENV_INFO_* of sac/env.h
FLOAT_MAX = (2 - 2**-23) * 2.0**127


class Refused(Exception):
    """What is said to the user in one line. config: the id or an option is wrong, the user's mistake."""

    def __init__(self, text, config=False):
        super().__init__(text)
        self.config = config


def lacking(error):
    """A package that an environment or the recorder asks for: Gymnasium's own words, and what brings it."""
    ours = any(word in str(error).lower() for word in ("box2d", "pygame", "mujoco", "moviepy"))
    return f"{error} (in {sys.executable}{'; scripts/setup --gym installs it into .venv' if ours else ''})"


def describe(error):
    """An exception as text: the user's own traceback, without what lies above it here."""
    if isinstance(error, Refused):
        return str(error)
    gymnasium = sys.modules.get("gymnasium")
    if gymnasium and isinstance(error, gymnasium.error.DependencyNotInstalled):
        return lacking(error)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != "<sac>"]
    last = "".join(traceback.format_exception_only(error)).strip()
    text = "Traceback (most recent call last):\n" + "".join(traceback.format_list(own)) + last
    first = last.splitlines()[-1][:300] if last else type(error).__name__
    return f"{first}\n{text if len(text) <= TEXT_MAX else '...' + text[-TEXT_MAX:]}"


class MuJoCoLog:
    """MuJoCo writes what it warns of into a file of the working folder, the user's, unless somebody else takes it. Here
    it goes to stderr alone, from the moment that an environment imports MuJoCo."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "mujoco":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not cls)
        spec = next(filter(None, others), None)
        if spec and spec.loader:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                if hasattr(module, "set_mju_user_warning"):
                    module.set_mju_user_warning(functools.lru_cache(64)(cls.say))  # once what is said again and again

            spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def say(text):
        print(f"MuJoCo warns: {text}", file=sys.stderr)


# --- one process's environments ---------------------------------------------------------------------------------------


def nearest(gymnasium, name):
    import difflib

    found = difflib.get_close_matches(name.rpartition(":")[2], gymnasium.registry, 1, 0.5)
    return f"; nearest is gym:{found[0]}" if found else ""


def make(name, options):
    """gymnasium.make, its errors as words for the user."""
    try:
        import gymnasium
        import numpy
    except ImportError as error:
        if error.name not in ("gymnasium", "numpy"):
            raise
        raise Refused(f"{sys.executable} has no {error.name}: {sys.executable} -m pip install gymnasium, or set "
                      "SAC_PYTHON to a Python that has it (scripts/setup --gym installs it into .venv)") from None
    try:
        return gymnasium, numpy, gymnasium.make(name, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled:
        raise  # for describe
    except gymnasium.error.UnregisteredEnv as error:
        raise Refused(f"no Gymnasium environment '{name}'{nearest(gymnasium, name)} ({error})", True) from None
    except gymnasium.error.Error as error:
        raise Refused(f"gym:{name}: {error}", True) from None
    except ModuleNotFoundError as error:
        # gymnasium's own words for a package that is not there; what the package itself misses is the package's to say
        cause, package = error.__cause__ or error, name.partition(":")[0]
        missing = getattr(cause, "name", None) or ""
        if ":" in name and missing and (package == missing or package.startswith(f"{missing}.")):
            raise Refused(f"gym:{name}: no package '{missing}' in {sys.executable} or the current folder", True) from None
        raise cause from None
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise Refused(f"gym:{name}: env.options: {str(error).splitlines()[0][:300]}", True) from None
        raise


def count(space):
    size = 1
    for length in space.shape:
        size *= int(length)
    return size


class Spaces:
    """Sizes, and the way between sac's rows of floats and an environment's own values."""

    def __init__(self, name, options, record=None):
        gymnasium, self.numpy, self.env = make_recorded(name, options, record) if record else make(name, options)
        spaces = gymnasium.spaces
        if not isinstance(self.env.observation_space, spaces.Box):
            plain = self.env.observation_space
            self.env = gymnasium.wrappers.FlattenObservation(self.env)
            if not isinstance(self.env.observation_space, spaces.Box):
                raise Refused(f"observations of {plain} have no fixed size")
        action = self.env.action_space
        self.obs_size, self.actions = count(self.env.observation_space), 0
        self.low = self.high = None
        if isinstance(action, spaces.Discrete):
            self.action_size, self.actions, self.start = 1, int(action.n), int(action.start)
        elif isinstance(action, spaces.Box):
            self.action_size, self.shape, self.dtype = count(action), action.shape, action.dtype
            self.low, self.high = action.low.reshape(-1), action.high.reshape(-1)
            self.whole = not self.numpy.issubdtype(self.dtype, self.numpy.floating)
        else:
            raise Refused(f"it takes actions of {action}; sac gives numbers (Box) or one choice (Discrete): wrap the "
                          "environment")
        numpy, spec = self.numpy, self.env.spec
        self.numbers = (float, int, numpy.floating, numpy.integer, numpy.bool_)
        self.limit = int(spec.max_episode_steps or 0) if spec else 0

    def actions_of(self, rows):
        """Actions (n, A) as sac has them, each as the environment takes it. Arrays of their own: it may keep them."""
        if self.actions:
            return self.start + rows[:, 0].astype(self.numpy.int64)
        if self.whole:
            rows = self.numpy.rint(rows)
        rows = rows.astype(self.dtype)
        return rows.reshape((len(rows), *self.shape)) if self.shape else [row.reshape(()) for row in rows]

    def observe(self, value, row):
        value = self.numpy.asarray(value)
        if value.size != row.size:
            raise Refused(f"an observation has shape {value.shape}, {value.size} numbers; the space of observations "
                          f"has {row.size}")
        row[:] = value.reshape(-1)

    def is_number(self, value):
        return isinstance(value, self.numbers) or (
            isinstance(value, self.numpy.ndarray) and value.ndim == 0 and value.dtype.kind in "biuf")

    def tell(self, info, terms, row):
        """Terms of info; NaN for one that is not there, is no number, or none that a float can hold."""
        get = info.get if isinstance(info, dict) else {}.get
        row[:] = [value if self.is_number(value) and abs(value) <= FLOAT_MAX else math.nan
                  for value in map(get, terms)]

    def close(self):
        try:
            self.env.close()
        except Exception:
            pass

    def step_seconds(self):
        """Of a step with random actions, the median. One that fails is endless: whoever steps it next will say why."""
        times, end = [], time.perf_counter() + TIMED_SECONDS
        try:
            self.env.reset(seed=0)
            while len(times) < TIMED_STEPS and (not times or time.perf_counter() < end):
                action = self.env.action_space.sample()
                start = time.perf_counter()
                _, _, terminated, truncated, _ = self.env.step(action)
                times.append(time.perf_counter() - start)
                if terminated or truncated:
                    self.env.reset()
        except BaseException:
            return float("inf")
        return sorted(times)[len(times) // 2]


def parts(result, function, size, names):
    if not isinstance(result, tuple) or len(result) != size:
        what = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise Refused(f"{function}() gave {what}, not ({names}): Gymnasium's interface, unlike gym's of old, has these")
    return result


def layout(n, obs, action):
    """Offsets of seed, obs, action, reward, low, high, mask, terminated, truncated, info; then the size of all. Info
    has room for as many terms as there may be: which there are, the environments say once they are there."""
    at, offsets = 0, []
    for size in (8 * n, 4 * n * obs, 4 * n * action, 4 * n, 4 * action, 4 * action, n, n, n, 4 * n * INFO_MAX):
        offsets.append(at)
        at += -(-size // 8) * 8
    return (*offsets, at)


def terms_of(one):
    """The names of the numbers in the info of a step, sorted. Gymnasium does not declare them: they are those of the
    first step of an environment that is made for this alone, as one that has been stepped might not begin as a new one
    does. What goes wrong with it will go wrong again, where it is said."""
    try:
        parts(one.env.reset(seed=0), "reset", 2, "")
        action = one.numpy.zeros(one.action_size, one.numpy.float32)
        if not one.actions:
            action = action.clip(one.low, one.high)
        info = parts(one.env.step(one.actions_of(action[None])[0]), "step", 5, "")[4]
        names = sorted(name for name, value in info.items() if isinstance(name, str) and name.isascii()
                       and name.isidentifier() and len(name) <= INFO_NAME_MAX and one.is_number(value))
    except (Exception, SystemExit):
        names = []
    return names[:INFO_MAX]


class Local:
    """Environments first to last - 1 of the block, stepped here."""

    def __init__(self, name, options, first, last, spaces=None):
        self.all, self.first, self.terms = [spaces] if spaces else [], first, []
        try:
            while len(self.all) < last - first:
                self.all.append(Spaces(name, options))
        except BaseException:
            self.close()
            raise

    def bind(self, block, n):
        numpy, one = self.all[0].numpy, self.all[0]
        at = layout(n, one.obs_size, one.action_size)

        def array(k, dtype, *shape):
            return numpy.frombuffer(block, dtype, n * (shape[1] if shape[1:] else 1), at[k]).reshape(shape)

        self.seed = array(0, numpy.uint64, n)
        self.obs = array(1, numpy.float32, n, one.obs_size)
        self.action = array(2, numpy.float32, n, one.action_size)
        self.mask = array(6, numpy.uint8, n)
        # A memoryview takes a number in half the time that an array does, which has the clearer words for what is none.
        self.reward, *self.ends = array(3, numpy.float32, n), *(memoryview(array(k, numpy.uint8, n)) for k in (7, 8))
        # Views and methods that every step needs are made once: making them costs as much as the step of a small task.
        last = self.first + len(self.all)
        self.actions = self.action[self.first:last]
        self.rows = [(i, one.env.step, one.observe, self.obs[i]) for i, one in enumerate(self.all, self.first)]
        self.info = numpy.frombuffer(block, numpy.float32, n * INFO_MAX, at[9])

    def tell(self, terms):
        """From now on, the numbers of these names in info."""
        self.terms, n = terms, len(self.mask)
        self.info = self.info[: n * len(terms)].reshape(n, len(terms))

    def reset(self):
        mask = self.mask.tobytes()
        for i, one in enumerate(self.all, self.first):
            if mask[i]:
                # 31 bits: what every generator of random numbers takes as a seed
                result = one.env.reset(seed=int(self.seed[i]) >> 33)
                one.observe(parts(result, "reset", 2, "observation, info")[0], self.obs[i])

    def step(self):
        reward, (terminated, truncated) = self.reward, self.ends
        terms, tell = self.terms, self.all[0].tell
        array, shape = self.all[0].numpy.ndarray, self.rows[0][3].shape
        for (i, step, observe, row), action in zip(self.rows, self.all[0].actions_of(self.actions)):
            result = step(action)
            if type(result) is not tuple or len(result) != 5:
                result = parts(result, "step", 5, "observation, reward, terminated, truncated, info")
            obs, reward[i], end, cut, info = result
            if type(obs) is array and obs.shape == shape:  # most: what observe() does more would change nothing
                row[:] = obs
            else:
                observe(obs, row)
            terminated[i], truncated[i] = bool(end), bool(cut)
            if terms:
                tell(info, terms, self.info[i])

    def close(self):
        for one in self.all:
            one.close()


# --- worker processes -------------------------------------------------------------------------------------------------


def receive(channel, size):
    data = b""
    while len(data) < size:
        part = channel.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def send(channel, data):
    while data:
        data = data[channel.send(data, socket.MSG_NOSIGNAL):]


class Worker:
    """A process with some of the environments. It gets a letter for each call and gives back a text: empty, what went
    wrong, or at first the terms of info; the numbers lie in memory that both see. It ends when its channel does: with
    sac, however that ends."""

    START = "import socket, sys; c = socket.socket(fileno=int(sys.argv[1])); n = int(sys.argv[2]); s = b''\n" \
            "while len(s) < n: s += c.recv(n - len(s)) or sys.exit()\n" \
            "g = {'OWN': 0, '__name__': 'sac_gym'}; exec(compile(s, '<sac>', 'exec'), g); g['work'](c)"

    def __init__(self, name, options, first, last, memory, n):
        self.what = f"worker process of environments {first} to {last - 1}"
        self.first, self.last = first, last
        source = SOURCE.encode()
        self.channel, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.START, str(theirs.fileno()), str(len(source))],
                pass_fds=(theirs.fileno(), memory), stdin=subprocess.DEVNULL, stdout=2, start_new_session=True)
        setting = json.dumps([name, options, first, last, memory, n, sys.path]).encode()
        self.tell(source + len(setting).to_bytes(4, "little") + setting)

    def tell(self, data):
        try:
            send(self.channel, data)
        except OSError:
            self.died()

    def answer(self):
        try:
            size = int.from_bytes(receive(self.channel, 4), "little")
            text = receive(self.channel, size) if size else b""
        except (OSError, EOFError):
            self.died()
        config, said = json.loads(text) if text else (None, None)
        if config is not None:
            raise Told(config, said)
        return said

    def died(self):
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = None
        how = "closed its channel" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code} ({signal.Signals(-code).name})"
        raise Refused(f"{self.what} (process {self.process.pid}) {how}") from None

    def close(self):
        self.channel.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Told(Refused):
    """What an environment in a worker raised."""

    def __init__(self, config, text):
        super().__init__(text, config)


class Workers:
    def __init__(self, name, options, count, memory, n, mask):
        self.all, self.mask = [], mask
        try:
            for k in range(count):
                self.all.append(Worker(name, options, k * n // count, (k + 1) * n // count, memory, n))
            self.terms = [worker.answer() for worker in self.all][0]
            terms = json.dumps(self.terms).encode()
            self.call(b"i" + len(terms).to_bytes(4, "little") + terms, self.all)
        except BaseException:
            self.close()
            raise

    def call(self, data, workers):
        for worker in workers:
            worker.tell(data)
        first = None
        for worker in workers:  # all of them, so that none is left with an answer to an earlier call
            try:
                worker.answer()
            except Refused as error:
                first = first or error
        if first:
            raise first

    def reset(self):
        self.call(b"r", [worker for worker in self.all if any(self.mask[worker.first:worker.last])])

    def step(self):
        self.call(b"s", self.all)

    def close(self):
        for worker in self.all:
            worker.channel.close()  # all first: they end side by side
        for worker in self.all:
            worker.close()


def work(channel):
    """A worker's life."""

    def attempt(function, *arguments):
        data, well = b"", False
        try:
            said = function(*arguments)
            data, well = b"" if said is None else json.dumps([None, said]).encode(), True
        except BaseException as error:
            data = json.dumps([getattr(error, "config", False) is True, describe(error)]).encode()
        send(channel, len(data).to_bytes(4, "little") + data)
        return well

    sys.meta_path.insert(0, MuJoCoLog)
    try:
        size = int.from_bytes(receive(channel, 4), "little")
        name, options, first, last, memory, n, sys.path[:] = json.loads(receive(channel, size))
        local = None

        def begin():
            nonlocal local
            terms = None
            if first == 0:
                one = Spaces(name, options)
                terms = terms_of(one)
                one.close()
            local = Local(name, options, first, last)
            local.bind(mmap.mmap(memory, 0), n)
            return terms

        going = attempt(begin)
        while going:
            letter = receive(channel, 1)
            if letter == b"i":
                attempt(local.tell, json.loads(receive(channel, int.from_bytes(receive(channel, 4), "little"))))
            else:
                attempt(local.reset if letter == b"r" else local.step)
    except (EOFError, OSError):
        pass
    if local:
        local.close()


# --- what the module calls --------------------------------------------------------------------------------------------


class Envs:
    def __init__(self, all):
        self.all = all

    def guarded(self, function):
        try:
            function()
        except BaseException as error:  # sys.exit() of an environment, too
            return describe(error)
        return None

    def reset(self):
        return self.guarded(self.all.reset)

    def step(self):
        return self.guarded(self.all.step)

    def close(self):
        return self.guarded(self.all.close)


def worker_count(n, options):
    """As asked for by the option sac_workers (0: none); None where nothing was."""
    asked = options.pop("sac_workers", None)
    if asked is not None and (not isinstance(asked, int) or isinstance(asked, bool) or not 0 <= asked <= 1024):
        raise Refused(f"env.options.sac_workers = {asked} is no number of processes: 0 to 1024", True)
    return min(n, asked) if asked is not None else None if n >= WORKERS_FROM else 0


def quickest_count(n, seconds):
    """How many worker processes step n environments soonest, if a step of one takes so long. No result depends on it."""
    def cost(count):
        return seconds * -(-n // count) + WORKERS_COST + WORKER_COST * count if count else seconds * n

    cores = len(os.sched_getaffinity(0))
    return min((0, *range(2, min(n, cores) + 1)), key=cost) if seconds < float("inf") else min(n, cores)


def open_envs(name, n, options):
    options = json.loads(options)
    record = options.pop(RECORD, None)
    if record and n > 1:
        raise Refused(f"env.options.{RECORD} is for one environment: 'sac eval --record-video' sets it", True)
    count = 0 if record else worker_count(n, options)
    one = Spaces(name, options, record)
    if count is None:
        count = quickest_count(n, one.step_seconds())
    at = layout(n, one.obs_size, one.action_size)
    if count:
        memory = os.memfd_create("sac_gym")
        try:
            os.ftruncate(memory, at[-1])
            block = mmap.mmap(memory, at[-1])
            one.close()
            envs = Workers(name, options, count, memory, n, memoryview(block)[at[6]:at[6] + n])
        finally:
            os.close(memory)
    else:
        block = mmap.mmap(-1, at[-1])
        terms = []
        if not record:  # a recorder would record it; what is recorded has no metrics
            terms = terms_of(one)
            one.close()
        envs = Local(name, options, 0, n, one if record else None)
        envs.bind(block, n)
        envs.tell(terms)
    if not one.actions:
        for k, values in ((4, one.low), (5, one.high)):
            one.numpy.frombuffer(block, "f4", one.action_size, at[k])[:] = values
    return Envs(envs), (one.obs_size, one.action_size, one.actions, one.limit, block, at[:10], envs.terms)


def create(name, n, options):
    """(Envs, what module.c wants to know) or (whether it is the user's mistake, text)."""
    try:
        return open_envs(name[4:], n, options)
    except BaseException as error:
        return getattr(error, "config", False) is True, describe(error)


if OWN:  # set by the module, as SOURCE is, which is this text
    sys.meta_path.insert(0, MuJoCoLog)
    # What environments print must not get between what sac prints.
    sys.stdout = sys.stderr
    if not getattr(sys, "argv", None):
        sys.argv = [""]
    if "" not in sys.path and not sys.flags.safe_path:
        sys.path.insert(0, "")  # environments in the current folder, as with python -c
