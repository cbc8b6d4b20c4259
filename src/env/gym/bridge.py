"""Gymnasium's environments for sac: what src/env/gym/module.c calls. local.py steps environments in this process,
workers.py in others, which run this file too; record.py records videos.

Functions that module.c calls return None for success, or the text of an error; step may return new names of info. The
arrays of N environments lie in one block of memory (`layout` in local.py): the module writes mask, seed and action there
and reads the others."""
import array
import json
import mmap
import os
import re
import sys
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


def tell(text):
    """Writes a line to standard error, whatever an environment has made of sys.stderr."""
    try:
        if sys.stderr:
            sys.stderr.flush()
    except Exception:
        pass
    try:
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


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
    tell(f"sac: warning of {os.path.basename(filename)}:{lineno}: {words[:500]}"
         + (" (further warnings of this line are not shown)" if count == WARNINGS_MAX else ""))


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


# --- making one -------------------------------------------------------------------------------------------------------


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

    def beyond(self):
        return self.guarded(self.all.beyond)

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
    try:
        one = envs.all[0]
        envs.seed_spaces(SEED)
        block = mmap.mmap(-1, layout(n, one.obs_size, one.action_size)[-1])
        envs.bind(block, n)
        return envs, block, sizes_of(one)
    except BaseException:
        envs.close()
        raise


def measured_count(name, n, options):
    """The number of worker processes for n environments, by the time that a step takes. An environment is made for this
    alone, as results must not depend on how many steps the measurement makes."""
    drawn, one = draws_of_all(), Spaces(name, options)
    try:
        count = fastest_count(n, step_seconds(one))
    finally:
        one.close()
    if count and draws_of_all() != drawn:  # results would depend on the time that a step takes
        tell(f"gym:{name} draws from the generators of random or numpy.random, which environments of one process "
             "share; so it gets no worker processes unless env.options.sac_workers says how many")
        return 0
    return count


def sizes_of(one):
    """What all environments of an instance have in common, for JSON: the numbers of observations, of actions and of
    discrete actions, the time limit, the bounds (None: discrete), and the description of the spaces."""
    bounds = None if one.actions else [values.tolist() for values in inner_bounds(one.numpy, one.low, one.high)]
    return one.obs_size, one.action_size, one.actions, one.limit, bounds, describe_spaces(one.env, one.choices)


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
