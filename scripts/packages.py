"""Packages for the scripts. A script that needs some can be started with any Python, and restarts with .venv's if
necessary."""
import importlib
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV = str(ROOT / ".venv/bin/python")


def lacks(module):
    try:
        importlib.import_module(module)
        return False
    except ImportError:
        return True


def need(*modules, setup):
    """Checks that `modules` can be imported. If this Python does not have all of them, the script is restarted with
    .venv's Python. If that does not have them either, it ends and names the option `setup` of scripts/setup that
    installs them."""
    missing = [module for module in modules if lacks(module)]
    if not missing:
        return
    if sys.executable != VENV and os.access(VENV, os.X_OK):
        os.execv(VENV, [VENV, *sys.argv])
    where = ".venv" if sys.executable == VENV else f"{sys.executable}, and there is no .venv here"
    sys.exit(f"scripts/{os.path.basename(sys.argv[0])}: no {', '.join(missing)} in {where}: run scripts/setup {setup}")


def no_log_of_mujoco():
    """Prints MuJoCo's warnings to stderr. Without this, MuJoCo writes them to a file in the working folder."""
    import mujoco

    mujoco.set_mju_user_warning(lambda text: print(f"MuJoCo warns: {text}", file=sys.stderr))
