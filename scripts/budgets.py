#!/usr/bin/env python3
"""Checks what each kernel takes of a multiprocessor against tests/cuda_budgets.csv, without a device: registers a
thread, static shared memory and stack a block, and that nothing spills. Every architecture of the build is checked.

  scripts/budgets.py                      the kernels of build/release
  scripts/budgets.py --build build/cuda   those of another build
  scripts/budgets.py --write              writes the table anew, with some room; look at the difference before a commit

The numbers are the compiler's own (--resource-usage): each file is compiled once more, when its object has changed.
Exit status: 0 within the budgets, 1 beyond them, or a kernel that the table has not, 2 usage or no CUDA build."""
import argparse
import collections
import concurrent.futures
import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests/cuda_budgets.csv"
FIELDS = ("kernel", "registers", "shared_bytes", "stack_bytes")
Use = collections.namedtuple("Use", "registers shared stack spills")


def report_of(entry, folder):
    """The compiler's report of one file, from the last run where the object is no newer."""
    command = shlex.split(entry["command"])
    at = command.index("-o")
    object_file = pathlib.Path(entry["directory"], command[at + 1])
    report = folder / (pathlib.Path(entry["file"]).stem + ".txt")
    if report.exists() and object_file.exists() and report.stat().st_mtime > object_file.stat().st_mtime:
        return report.read_text()
    with tempfile.TemporaryDirectory(prefix="sac-budgets-") as scratch:
        command[at + 1] = os.path.join(scratch, "object.o")
        result = subprocess.run([*command, "--resource-usage"], cwd=entry["directory"], text=True, capture_output=True)
    if result.returncode:
        sys.exit(f"scripts/budgets.py: {entry['file']} does not compile:\n{result.stderr}")
    report.write_text(result.stdout + result.stderr)
    return report.read_text()


def demangle(names):
    result = subprocess.run(["c++filt"], input="\n".join(names), text=True, capture_output=True, check=True)
    plain = [line.replace("(anonymous namespace)::", "").replace("void ", "") for line in result.stdout.splitlines()]
    return {name: re.sub(r"\(.*", "", text) for name, text in zip(names, plain)}


def parse(report):
    """{(mangled kernel, architecture): Use}"""
    found, current = {}, None
    for line in report.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)' for '(sm_\w+)'", line):
            current = match.groups()
            found[current] = Use(0, 0, 0, 0)
        elif current and (match := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill", line)):
            stack, stores, loads = map(int, match.groups())
            use = found[current]
            found[current] = use._replace(stack=max(use.stack, stack), spills=use.spills + stores + loads)
        elif current and (match := re.search(r"Used (\d+) registers", line)):
            shared = re.search(r"(\d+) bytes smem", line)
            deep = re.search(r"(\d+) bytes cumulative stack", line)
            use = found[current]
            found[current] = use._replace(registers=int(match[1]), shared=int(shared[1]) if shared else 0,
                                          stack=max(use.stack, int(deep[1]) if deep else 0))
    return found


def cuda_entries(build):
    """The kernels' files in a build's list of commands."""
    commands = build / "compile_commands.json"
    if not commands.exists():
        sys.exit(f"no build in {build}: cmake --preset release && cmake --build --preset release")
    entries = [entry for entry in json.loads(commands.read_text())
               if pathlib.Path(entry["file"]).parent.name == "kernels" and entry["file"].endswith(".cu")
               and "--generate-code" in entry["command"]]
    if not entries:
        print(f"{build} was built without nvcc", file=sys.stderr)
        sys.exit(2)
    return entries


def measure(build):
    """{kernel: {architecture: Use}}"""
    entries = cuda_entries(build)
    folder = build / "budgets"
    folder.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        reports = list(pool.map(lambda entry: report_of(entry, folder), entries))
    kernels = collections.defaultdict(dict)
    for report in reports:
        found = parse(report)
        names = demangle(sorted({name for name, _ in found}))
        for (name, architecture), use in found.items():
            kernels[names[name]][architecture] = use
    return dict(kernels)


def with_room(uses):
    """A line of the table: registers in steps of their allocation, at least four free; shared memory and stack exact."""
    registers = max(use.registers for use in uses.values())
    return ((registers + 4 + 7) // 8 * 8, max(use.shared for use in uses.values()), max(use.stack for use in uses.values()))


def write(kernels):
    with open(TABLE, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(FIELDS)
        for name in sorted(kernels):
            table.writerow((name, *with_room(kernels[name])))


def check(kernels):
    """What is wrong, a line each."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        budgets = {row["kernel"]: row for row in csv.DictReader(file)}
    wrong = [f"{name} is in {TABLE.relative_to(ROOT)} and in no kernel file: remove its line" for name in budgets
             if name not in kernels]
    for name, uses in sorted(kernels.items()):
        if name not in budgets:
            line = ",".join(map(str, (name, *with_room(uses))))
            wrong.append(f"{name} has no budget; if it should take this much, add to {TABLE.relative_to(ROOT)}: {line}")
        for architecture, use in sorted(uses.items()):
            if use.spills:
                wrong.append(f"{name} for {architecture} spills {use.spills} bytes of registers")
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
    print(f"{'kernel':{width}}  {'for':8}{'registers':>9}{'shared':>8}{'stack':>7}{'spills':>8}")
    for name, uses in sorted(kernels.items()):
        for architecture, use in sorted(uses.items()):
            print(f"{name:{width}}  {architecture:8}{use.registers:9}{use.shared:8}{use.stack:7}{use.spills:8}")
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
