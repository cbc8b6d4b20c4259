#!/usr/bin/env python3
"""Checks the resources of each kernel against tests/cuda_budgets.csv, without a device: registers of a thread, static
shared memory of a block and stack of a thread. Every architecture of the build is checked.

  scripts/budgets.py                      the kernels of build/release, which must be built
  scripts/budgets.py --build build/cuda   those of another build
  scripts/budgets.py --write              writes a new table, with some room; look at the difference before a commit

cuobjdump reads the numbers from the object files. The build itself checks that no registers spill (ptxas -warn-spills,
scripts/cmake/cuda.cmake).
Exit status: 0 within the budgets, 1 beyond them, or a kernel that is not in the table, 2 usage, no CUDA build or no
cuobjdump."""
import argparse
import collections
import csv
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/cuda_budgets.csv"
FIELDS = ("kernel", "registers", "shared_bytes", "stack_bytes")
# Of shared memory. From compute capability 9.0 on, a kernel that uses shared memory has the system's part included.
SYSTEM_SHARED = 1024
Use = collections.namedtuple("Use", "registers shared stack")


def tool_environment():
    """The environment variables with the folders of cuobjdump and of nvdisasm, which cuobjdump calls."""
    found = [pathlib.Path(tool).parent for tool in (shutil.which("cuobjdump"), shutil.which("nvcc")) if tool]
    found += sorted(ROOT.glob(".venv/lib/python*/site-packages/nvidia/cu*/bin"))
    found += [pathlib.Path("/usr/local/cuda/bin"), pathlib.Path("/opt/cuda/bin")]
    if not any((folder / "cuobjdump").exists() for folder in found):
        print(f"{sys.argv[0]}: no cuobjdump: scripts/setup --test installs it", file=sys.stderr)
        sys.exit(2)
    return {**os.environ, "PATH": os.pathsep.join([*map(str, found), os.environ.get("PATH", "")])}


def cuobjdump(path, environment, what):
    """The lines that cuobjdump prints about an object file."""
    result = subprocess.run(["cuobjdump", what, str(path)], text=True, capture_output=True, env=environment)
    if result.returncode:
        sys.exit(f"{sys.argv[0]}: {path}: {result.stderr or result.stdout}")
    return result.stdout.splitlines()


def objects_of(build):
    """The object files of the kernels, from a build's list of commands."""
    commands = build / "compile_commands.json"
    if not commands.exists():
        sys.exit(f"no build in {build}: cmake --preset release && cmake --build --preset release")
    found = []
    for entry in json.loads(commands.read_text()):
        command = shlex.split(entry["command"])
        if pathlib.Path(entry["file"]).match("kernels/*.cu") and "--generate-code" in entry["command"]:
            found.append(pathlib.Path(entry["directory"], command[command.index("-o") + 1]))
    if not found:
        print(f"{build} was built without nvcc", file=sys.stderr)
        sys.exit(2)
    for path in found:
        if not path.exists():
            sys.exit(f"{path} is not built")
    return found


def demangle(names):
    result = subprocess.run(["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True)
    plain = [line.replace("(anonymous namespace)::", "").replace("void ", "") for line in result.stdout.splitlines()]
    return {name: re.sub(r"\(.*", "", text) for name, text in zip(names, plain)}


def by_kernel(files):
    """{kernel: {architecture: value}} from {(mangled kernel, architecture): value} of each file."""
    kernels = collections.defaultdict(dict)
    for found in files:
        names = demangle(sorted({name for name, _ in found}))
        for (name, architecture), value in found.items():
            kernels[names[name]][architecture] = value
    return dict(kernels)


def parse(lines):
    """{(mangled kernel, architecture): Use}"""
    found, architecture, current = {}, "", None
    for line in lines:
        if match := re.match(r"arch = (sm_\w+)", line):
            architecture, current = match[1], None
        elif match := re.match(r" *Function (.+):$", line):
            current = (match[1], architecture) if match[1].isidentifier() else None
        elif current and (match := re.match(r" *REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line)):
            registers, stack, shared, local = map(int, match.groups())
            if shared >= SYSTEM_SHARED and int(re.sub(r"\D", "", architecture)) >= 90:
                shared -= SYSTEM_SHARED
            found[current] = Use(registers, shared, stack + local)
    return found


def measure(build):
    """{kernel: {architecture: Use}}"""
    objects, environment = objects_of(build), tool_environment()
    return by_kernel(parse(cuobjdump(path, environment, "--dump-resource-usage")) for path in objects)


def with_room(uses):
    """The limits of a kernel, from its largest use. Registers: at least four more, rounded up to a multiple of 8, as
    the device allocates them. Shared memory and stack: exactly as used."""
    registers = max(use.registers for use in uses.values())
    return ((registers + 4 + 7) // 8 * 8, max(use.shared for use in uses.values()), max(use.stack for use in uses.values()))


def write(kernels):
    with open(TABLE, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(FIELDS)
        for name in sorted(kernels):
            table.writerow((name, *with_room(kernels[name])))


def check(kernels):
    """The differences, one in each line."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        budgets = {row["kernel"]: row for row in csv.DictReader(file)}
    wrong = [f"{name} is in {TABLE.relative_to(ROOT)} and in no kernel file: remove its line" for name in budgets
             if name not in kernels]
    for name, uses in sorted(kernels.items()):
        if name not in budgets:
            line = ",".join(map(str, (name, *with_room(uses))))
            wrong.append(f"{name} has no budget; if it should take this much, add to {TABLE.relative_to(ROOT)}: {line}")
        for architecture, use in sorted(uses.items()):
            if name not in budgets:
                continue
            for what, taken, field in (("registers", use.registers, "registers"),
                                       ("bytes of shared memory", use.shared, "shared_bytes"),
                                       ("bytes of stack", use.stack, "stack_bytes")):
                if taken > int(budgets[name][field]):
                    wrong.append(f"{name} for {architecture} takes {taken} {what}; its budget is {budgets[name][field]}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="default: build/release")
    parser.add_argument("--write", action="store_true", help="write the table from what is measured")
    options = parser.parse_args()
    kernels = measure(pathlib.Path(options.build).resolve())
    width = max(map(len, kernels))
    print(f"{'kernel':{width}}  {'for':8}{'registers':>9}{'shared':>8}{'stack':>7}")
    for name, uses in sorted(kernels.items()):
        for architecture, use in sorted(uses.items()):
            print(f"{name:{width}}  {architecture:8}{use.registers:9}{use.shared:8}{use.stack:7}")
    if options.write:
        write(kernels)
    wrong = check(kernels)
    for line in wrong:
        print(line, file=sys.stderr)
    most = max(kernels, key=lambda name: max(use.registers for use in kernels[name].values()))
    if not wrong:
        print(f"= {len(kernels)} kernels within their budgets on {', '.join(sorted(next(iter(kernels.values()))))}; most "
              f"registers: {most}, {max(use.registers for use in kernels[most].values())}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
