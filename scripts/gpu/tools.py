"""Finds the CUDA programs and libraries of a machine that are outside the paths of the shell and the loader."""
import ctypes
import glob
import os
import pathlib
import shutil
import sys

# Folders of programs: the toolkit's, those of Nsight Compute, and those of PyPI's packages.
PROGRAM_FOLDERS = ("/usr/local/cuda*/bin", "/opt/cuda*/bin", "/usr/local/cuda*/nsight-compute*", "/opt/nvidia/nsight-compute/*",
                   "/usr/local/cuda*/compute-sanitizer", "/usr/local/cuda*/extras/compute-sanitizer", "/opt/nvidia/nsight-systems/*/bin")
LIBRARY_FOLDERS = ("/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib", "/opt/cuda*/lib64", "/usr/lib/*-linux-gnu")


def site_packages(below):
    """Folders of NVIDIA's Python packages, for this Python and for the `python3` of the path."""
    roots = [path for path in sys.path if path.endswith("-packages")]
    python = shutil.which("python3")
    if python:
        roots += glob.glob(str(pathlib.Path(python).absolute().parent.parent / "lib/python3*/*-packages"))
    return [folder for root in dict.fromkeys(roots) for folder in sorted(glob.glob(f"{root}/nvidia/*/{below}"))]


def find_program(name, path=None):
    """The path of a program: from PATH, next to nvcc, or from the folders above; None if there is none."""
    found = shutil.which(name, path=path)
    if found:
        return found
    nvcc = shutil.which("nvcc", path=path)
    folders = [os.path.dirname(os.path.realpath(nvcc))] if nvcc else []
    folders += [folder for pattern in PROGRAM_FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]
    return next((found for folder in folders + site_packages("bin") if (found := shutil.which(name, path=folder))), None)


def find_cublas():
    """("", name) if the loader finds cuBLAS itself; (folder, file) if it needs the folder; ("", "") without cuBLAS.
    The newest file comes first, wherever it is. A build opens only the version of its own toolkit."""
    nvcc = find_program("nvcc")
    folders = [f"{os.path.dirname(os.path.dirname(os.path.realpath(nvcc)))}/{lib}" for lib in ("lib64", "lib")] if nvcc else []
    folders += [folder for pattern in LIBRARY_FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]
    for name in ("libcublas.so.13", "libcublas.so.12"):
        try:
            ctypes.CDLL(name)
            return "", name
        except OSError:
            pass
        for folder in folders + site_packages("lib"):
            if os.path.exists(f"{folder}/{name}"):
                return folder, f"{folder}/{name}"
    return "", ""
