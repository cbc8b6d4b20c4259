"""What the scripts that need packages share: each runs with any Python, and goes on with .venv's where that has them."""
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
    """Makes sure that `modules` can be imported: where this Python has not all of them, the script begins anew with
    .venv's. Without them there too it ends, and says which `setup` of scripts/setup brings them."""
    missing = [module for module in modules if lacks(module)]
    if not missing:
        return
    if sys.executable != VENV and os.access(VENV, os.X_OK):
        os.execv(VENV, [VENV, *sys.argv])
    where = ".venv" if sys.executable == VENV else f"{sys.executable}, and there is no .venv here"
    sys.exit(f"scripts/{os.path.basename(sys.argv[0])}: no {', '.join(missing)} in {where}: run scripts/setup {setup}")


def no_log_of_mujoco():
    """MuJoCo writes what it warns of into a file of the working folder, unless somebody takes it: to stderr with it."""
    import mujoco

    mujoco.set_mju_user_warning(lambda text: print(f"MuJoCo warns: {text}", file=sys.stderr))
