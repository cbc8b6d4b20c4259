"""Errors of environments in the words of sac: one line that says what is wrong, and a traceback where that helps. Runs in
the names of bridge.py, in sac's process and in worker processes."""
import os
import re
import sys
import traceback


def missing_package(error):
    """The text for a package that an environment or the recorder lacks: Gymnasium's own, and how to install it."""
    in_setup = any(word in str(error).lower() for word in ("box2d", "pygame", "mujoco", "moviepy"))
    return f"{error} (in {sys.executable}{'; scripts/setup --gym installs it into .venv' if in_setup else ''})"


def describe(error):
    """An exception as text: what it says in one line, then the traceback without the frames of these files."""
    return describe_any(error).encode("utf-8", "backslashreplace").decode()  # half of a surrogate pair is no UTF-8


def describe_any(error):
    if isinstance(error, EnvError):
        return str(error)
    gymnasium = sys.modules.get("gymnasium")
    if gymnasium and isinstance(error, gymnasium.error.DependencyNotInstalled):
        return missing_package(error)

    # The frames without these files, and the innermost that is the user's own: of no installed package.
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != "<sac>"]
    packages = tuple({os.path.dirname(os.__file__) + os.sep, *(f"{path}{os.sep}" for path in sys.path if path.endswith("-packages"))})
    users = [frame for frame in own if not frame.filename.startswith((*packages, "<"))]
    last = "".join(traceback.format_exception_only(error)).strip()

    # A wrapper of Gymnasium that cannot take apart what the environment gave it.
    if own and not users and ("to unpack" in last or "cannot unpack" in last) and own[-1].name in ("step", "reset"):
        names = "observation, reward, terminated, truncated, info" if own[-1].name == "step" else "observation, info"
        return f"{own[-1].name}() of the environment did not give ({names}), Gymnasium's interface, unlike gym's of old: {last}"
    text = "Traceback (most recent call last):\n" + "".join(traceback.format_list(own)) + last

    # The exception in one line, before all of it.
    lines = last.splitlines() or [type(error).__name__]
    first = lines[-1 if isinstance(error, SyntaxError) else 0][:300]  # that of a SyntaxError begins with the code
    if users:
        first += f" ({users[-1].filename}, line {users[-1].lineno})"
    return f"{first}\n{text if len(text) <= TEXT_MAX else '...' + text[-TEXT_MAX:]}"


def nearest(gymnasium, name, before):
    """What was probably meant by an id that is not registered. before: the ids that were, before PACKAGE was imported."""
    import difflib

    # The ids of the package: those that it registered now, or whose code is its own.
    package, _, word = name.rpartition(":")
    root = package.partition(".")[0]
    own = [found for found, spec in gymnasium.registry.items() if package and (
        found not in before or str(spec.entry_point).partition(":")[0].partition(".")[0] == root)]
    near = difflib.get_close_matches(word, own, 1, 0.4)
    if near:
        return f"; nearest is gym:{package}:{near[0]}"
    if package:
        return f"; {package} registers {', '.join(sorted(own)[:5])}" if own else f"; {package} registers none"

    # Ids of Gymnasium, also without their version.
    found = difflib.get_close_matches(word, gymnasium.registry, 1, 0.6)
    return f"; nearest is gym:{found[0]}" if found else ""


def lacks_argument(error):
    """Whether an error says that Gymnasium called the constructor of an environment without an argument that it needs."""
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, TypeError) else []
    return bool(frames) and frames[-1].name == "make" and "missing" in str(error)


def reset_seeded(env, seed):
    """env.reset(seed=seed). An error says which arguments reset must take, if it does not take them."""
    try:
        return env.reset(seed=seed)
    except TypeError as error:
        if not re.search(r"reset\(\) got an unexpected keyword argument '(seed|options)'", str(error)):
            raise
        raise Wrong(f"{error}; Gymnasium's interface is reset(self, *, seed=None, options=None)") from None


def end_child(error=None):
    """Ends a process that an environment forked and that came back to sac: only its parent goes on with the run."""
    code = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        tell(describe(error))
    os._exit(code & 255)
