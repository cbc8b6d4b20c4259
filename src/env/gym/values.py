"""What environments give, as sac takes it: observations, rewards, ends of episodes and info. A value of another kind is
an error that names it. Runs in the names of bridge.py, in sac's process and in worker processes."""
import inspect
import math
import os
import re
import sys

INFO_MAX, INFO_NAME_MAX = 32, 63  # terms of info and letters of their names: SAC_ENV_INFO_* of sac/env.h
FLOAT_MAX = (2 - 2**-23) * 2.0**127
BLANK = memoryview(bytearray(b"\0\0\xc0\x7f" * INFO_MAX)).cast("f")  # NaN: a step without this term
TERMS_MAX = 1000         # terms that are known: names that change with each step would take memory without end
NEW, NONE = -1, -2       # terms that are seen for the first time, and those without a column
SAID = set()             # lines that are shown already
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def say(text):
    """Shows a line for the user, once in a process, without control characters."""
    text = CONTROL.sub(" ", text)
    if text not in SAID:
        SAID.add(text)
        tell(f"sac: {text}")


class Wrong(EnvError):
    """A value that sac cannot take. Whoever catches it adds which environment gave it."""


def origin(env, function):
    """Where the outermost class that is not Gymnasium's own defines this function: ", Arm.step in arm.py, line 7"."""
    while env is not None:
        kind = next((one for one in type(env).__mro__ if function in vars(one)), object)
        if not kind.__module__.startswith("gymnasium.") and kind is not object:
            try:
                code = inspect.unwrap(vars(kind)[function]).__code__
            except AttributeError:  # written in C, for example
                return ""
            return f", {kind.__name__}.{function} in {code.co_filename}, line {code.co_firstlineno}"
        env = vars(env).get("env") if hasattr(env, "__dict__") else None
    return ""


def shown(value):
    """A value for a message, in one short line."""
    try:
        text = CONTROL.sub(" ", repr(value))
    except Exception:
        text = "a value"
    return (text if len(text) <= 60 else text[:57] + "...") + ("" if value is None else f" ({type(value).__name__})")


def single(value, what):
    """The only member of an array, list or tuple, also of nested ones; any other value as it is."""
    while isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise Wrong(f"{what} is a {type(value).__name__} of {len(value)}, not one number")
        value = value[0]
    shape = getattr(value, "shape", None)
    if shape is None or not hasattr(value, "item"):
        return value
    if math.prod(shape) != 1:
        raise Wrong(f"{what} has shape {tuple(shape)}, not one number")
    one = value.item()  # of NumPy, PyTorch, JAX: a value of Python, but for a longdouble
    again = isinstance(one, (list, tuple)) or hasattr(one, "item") and type(one) is not type(value)
    return single(one, what) if again else one


def number_of(value, what):
    """A number as a float, whatever holds it."""
    one = single(value, what)
    if not hasattr(type(one), "__float__"):
        raise Wrong(f"{what} is {shown(value)}, not a number")
    try:
        return float(one)
    except OverflowError:
        return math.inf if one > 0 else -math.inf
    except (TypeError, ValueError):
        raise Wrong(f"{what} is {shown(value)}, not a number") from None


def beyond(value, what):
    """Says that a number is finite and no float32 holds it; None for other numbers."""
    one = single(value, what)
    try:
        if math.isfinite(one) and abs(one) <= FLOAT_MAX or not math.isfinite(one) and not abs(one) < math.inf:
            return None
        text = f"{one:.6g}"
    except OverflowError:  # an integer that no float64 holds either
        text = shown(one)
    except TypeError:
        return None
    return f"{what} is {text}, beyond the range of float32, {FLOAT_MAX:.2g}"


def truth_of(value, what):
    """True or False, whatever holds it: a bool, or a number."""
    one = single(value, what)
    if isinstance(one, bool):
        return one
    one = number_of(one, what)
    if math.isnan(one):
        raise Wrong(f"{what} is NaN, not True or False")
    return one != 0


def array_of(numpy, value, what):
    """An array of numbers, of any shape."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()  # a tensor of PyTorch, which may be on a device
    try:
        array = numpy.asarray(value)
    except Exception as error:
        raise Wrong(f"{what} is no array of numbers: {str(error).splitlines()[0] if str(error) else shown(value)}") from None
    if array.dtype.kind in "biuf":
        return array
    if array.ndim == 0:
        raise Wrong(f"{what} is {shown(value)}, not an array of numbers")
    if array.dtype.kind != "O":
        raise Wrong(f"{what} is an array of {array.dtype}, not of numbers")
    return numpy.array([number_of(one, f"{what}[{k}]") for k, one in enumerate(array.reshape(-1))]).reshape(array.shape)


def members_of(spaces, space):
    """(key, space, place) of a Dict whose members are Boxes, in the order in which Gymnasium flattens it; () for other
    spaces, and for large integers, which Gymnasium rounds twice."""
    if not isinstance(space, spaces.Dict):
        return ()
    members, at = [], 0
    for key, box in space.spaces.items():
        if not isinstance(box, spaces.Box) or not (box.dtype.kind == "f" or box.dtype.kind in "biu" and box.dtype.itemsize <= 4):
            return ()
        members.append((key, box, slice(at, at + math.prod(box.shape))))
        at += math.prod(box.shape)
    return members


def write_parts(array, value, parts):
    """Writes a dict of arrays to their places. Returns False, with the row unfinished, for values of another kind."""
    if type(value) is not dict:
        return False
    for key, dtype, shape, place in parts:
        part = value.get(key)
        if type(part) is not array or part.dtype is not dtype or part.shape != shape:
            return False
        try:
            place[...] = part
        except FloatingPointError:  # after numpy.seterr(all="raise")
            return False
    return True


def check_info(info):
    if info is not None and not hasattr(info, "items"):
        raise Wrong(f"info is {shown(info)}, not a dict")
    return info


# --- terms of info ----------------------------------------------------------------------------------------------------


def text_of(key):
    """A term for messages: its name, or OUTER/INNER for a number in a dict."""
    return key if isinstance(key, str) else "/".join(key)


class Names:
    """The columns of all terms of info that were seen so far, for all environments of an instance."""

    def __init__(self):
        self.names, self.at, self.full = [], {}, False

    def add(self, keys):
        """Takes new terms, and says which have no column or one of another name. Returns whether there are new columns."""
        count = len(self.names)
        for key in sorted({key for key in keys if key not in self.at}, key=text_of):
            self.at[key] = self.place(key)
        return len(self.names) > count

    def place(self, key):
        text = text_of(key)
        column = re.sub("[^A-Za-z0-9_]", "_", text)[:INFO_NAME_MAX]
        column = f"_{column}"[:INFO_NAME_MAX] if column[:1].isdigit() else column
        if not column:
            return NONE
        if column in self.names:
            say(f"info: '{text}' has no column, because another term has the name '{column}'")
            return NONE
        if len(self.names) == INFO_MAX:
            if not self.full:
                say(f"info: there are columns for {INFO_MAX} terms; '{text}' and those that come after it have none")
            self.full = True
            return NONE
        if column != text:
            say(f"info: '{text}' is the column info/{column}")
        self.names.append(column)
        return len(self.names) - 1


class Info:
    """Writes the terms of info of the environments of one process. memory: floats (N, INFO_MAX)."""

    def __init__(self, memory, numpy):
        self.memory, self.at, self.fresh, self.last = memory, {}, [], {}
        self.filled = [False] * (len(memory) // INFO_MAX)  # whether the row of an environment may have terms
        self.plain = {float, int, bool, numpy.float64, numpy.float32, numpy.bool_, numpy.int64, numpy.int32}
        self.array, self.numbers = numpy.ndarray, (float, int, numpy.floating, numpy.integer, numpy.bool_)

    def number(self, value):
        """A number, or None. Arrays of one number are numbers; texts, other arrays and the like are no terms."""
        if type(value) in self.plain:
            return value
        if isinstance(value, self.array):
            return value.item() if value.size == 1 and value.dtype.kind in "biuf" else None
        return value if isinstance(value, self.numbers) else None

    def put(self, base, key, value):
        """Writes a term. One that is no number, or too large for a float, is left out."""
        value = self.number(value)
        if value is None:
            return
        k = self.at.get(key, NEW)
        if k >= 0:
            if -FLOAT_MAX <= value <= FLOAT_MAX:
                self.memory[base + k] = value
        elif k == NEW and len(self.at) < TERMS_MAX:
            self.at[key] = NONE
            if all(isinstance(part, str) for part in (key if isinstance(key, tuple) else (key,))):
                self.fresh.append(key)

    def write(self, i, info):
        """Writes the terms of a step of environment i."""
        base, memory, at, plain = i * INFO_MAX, self.memory, self.at, self.plain
        memory[base:base + INFO_MAX] = BLANK
        self.last[i], self.filled[i] = info, bool(info)
        for key, value in info.items() if info else ():
            if type(value) in plain and (k := at.get(key, NEW)) >= 0:
                if -FLOAT_MAX <= value <= FLOAT_MAX:
                    memory[base + k] = value
            elif isinstance(value, dict):
                for inner, number in value.items():
                    self.put(base, (key, inner), number)
            else:
                self.put(base, key, value)

    def take_fresh(self):
        """The terms that were seen for the first time."""
        fresh, self.fresh = self.fresh, []
        return fresh

    def set_columns(self, columns):
        """Takes the columns of all terms, [term, column] each, and writes the last step again."""
        self.at.update((tuple(key) if isinstance(key, list) else key, k) for key, k in columns)
        for i, info in list(self.last.items()):
            self.write(i, info)
