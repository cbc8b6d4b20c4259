"""The table of functions of sac_gym.so, for tests that call it from this Python."""
import ctypes
import os
import pathlib
import sys

POINTER = ctypes.c_void_p


class Spec(ctypes.Structure):
    _fields_ = [("obs_size", ctypes.c_int32), ("action_size", ctypes.c_int32), ("actions", ctypes.c_int32),
                ("max_episode_steps", ctypes.c_int32), ("low", ctypes.POINTER(ctypes.c_float)),
                ("high", ctypes.POINTER(ctypes.c_float))]


class Api(ctypes.Structure):
    _fields_ = [("abi", ctypes.c_uint32), ("size", ctypes.c_uint32), ("name", ctypes.c_char_p),
                ("create", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(POINTER), ctypes.c_char_p, ctypes.c_int32,
                                            ctypes.c_char_p, ctypes.POINTER(Spec))),
                ("reset", ctypes.CFUNCTYPE(ctypes.c_int, *[POINTER] * 4)),
                ("step", ctypes.CFUNCTYPE(ctypes.c_int, *[POINTER] * 6)),
                ("destroy", ctypes.CFUNCTYPE(None, POINTER)),
                ("error", ctypes.CFUNCTYPE(ctypes.c_char_p, POINTER)), *[(f"state_{k}", POINTER) for k in range(3)],
                ("info_names", ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_char_p), POINTER)),
                ("info", ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER)), ("concurrent", ctypes.c_int32),
                ("describe", ctypes.CFUNCTYPE(ctypes.c_char_p, POINTER))]


def table():
    """The table of functions of sac_gym.so, called from this Python."""
    module = ctypes.CDLL(str(pathlib.Path(os.environ["SAC_BUILD"], "sac_gym.so")))
    text = ctypes.create_string_buffer(1000)
    assert module.sac_gym_start(sys.executable.encode(), text, 1000) == 0, text.value
    module.sac_env_plugin.restype = ctypes.POINTER(Api)
    return module.sac_env_plugin().contents
