#!/usr/bin/env python3
"""Checks in the disassembly, against tests/cuda_loads.csv, how many loads of a kernel are in flight at the same time.
Needs no device. A store that may be to the same memory, a return or a branch makes the compiler delay loads, and each
delayed load costs a full memory latency.

  scripts/loads.py                      the kernels of build/release, which must be built
  scripts/loads.py --build build/cuda   those of another build
  scripts/loads.py --objects A.o B.o    those of object files
  scripts/loads.py --write              writes a new table; look at the difference before a commit

It counts the global loads (LDG) since the last wait, in the order of the instructions, from the kernel's entry on and
past every branch that may fall through. A wait is the first instruction that reads or overwrites the result of such a load.
After an unconditional branch or return the count starts at zero. The largest count is that of the kernel; the table has
the smallest count that is allowed for each architecture.
Exit status: 0 all counts are large enough, 1 too few, or a kernel that is not in the table, 2 usage, no CUDA build or
no cuobjdump."""
import argparse
import collections
import concurrent.futures
import csv
import os
import pathlib
import re
import sys

import budgets

ROOT = budgets.ROOT
TABLE = ROOT / "tests/cuda_loads.csv"
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:(@!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;")
STORES = ("ST", "RED", "ATOM", "BAR", "BRA", "EXIT", "CALL", "RET", "WARPSYNC", "MEMBAR", "CCTL")


def registers(text, wide):
    """Numbers of the registers that an operand names. wide: the number of registers that start with it."""
    for match in re.finditer(r"(?<![\w])R(\d+)(\.64)?", text):
        yield from range(int(match[1]), int(match[1]) + (2 if match[2] else wide))


def count(lines):
    """The largest number of loads that are in flight at once."""
    pending, loads, most = set(), 0, 0
    for line in lines:
        match = INSTRUCTION.match(line)
        if not match:
            continue
        predicate, name, operands = match.groups()
        base, parts = name.split(".")[0], operands.split(",", 1)
        writes_first = not base.startswith(STORES) and re.match(r"\s*R\d", parts[0])
        read = set(registers(parts[1] if writes_first and len(parts) > 1 else "" if writes_first else operands, 1))
        wide = 4 if ".128" in name else 2 if ".64" in name or base.startswith("D") else 1
        written = set(registers(parts[0], wide)) if writes_first else set()
        if pending & (read | written):
            pending, loads = set(), 0
        if base == "LDG":
            pending |= written
            loads += 1
            most = max(most, loads)
        if base in ("BRA", "EXIT", "RET", "JMP") and not predicate and "P" not in operands.split("`")[0]:
            pending, loads = set(), 0
    return most


def disassemble(path, environment):
    """{(mangled kernel, architecture): lines}"""
    found, architecture, current = collections.defaultdict(list), "", None
    for line in budgets.cuobjdump(path, environment, "-sass"):
        if match := re.match(r"\s*(?:code for|arch =)\s+(sm_\w+)", line):
            architecture, current = match[1], None
        elif match := re.match(r"\s*Function : (\S+)", line):
            current = found[(match[1], architecture)]
        elif current is not None:
            current.append(line)
    return found


def measure(objects):
    """{kernel: {architecture: loads}}"""
    environment = budgets.tool_environment()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        texts = list(pool.map(lambda path: disassemble(path, environment), objects))
    kernels = budgets.by_kernel({key: count(lines) for key, lines in text.items()} for text in texts)
    if not kernels:
        sys.exit("scripts/loads.py: no kernels in " + " ".join(map(str, objects)))
    return kernels


def check(kernels, whole):
    """The differences, one in each line. whole: these are all kernels."""
    with open(TABLE, newline="", encoding="utf-8") as file:
        least = {row.pop("kernel"): row for row in csv.DictReader(file)}
    wrong = [f"{name} is in {TABLE.relative_to(ROOT)} and in no kernel file: remove its line" for name in least
             if whole and name not in kernels]
    for name, by_architecture in sorted(kernels.items()):
        for architecture, loads in sorted(by_architecture.items()):
            wanted = least.get(name, {}).get(architecture)
            if not wanted:
                wrong.append(f"{name} for {architecture} has no number in {TABLE.relative_to(ROOT)}; it has {loads}")
            elif not loads >= int(wanted):
                wrong.append(f"{name} for {architecture} has {loads} loads under way at most; they should be {wanted}: is "
                             "one behind a store, a return or a branch?")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="default: build/release")
    parser.add_argument("--objects", nargs="+", metavar="FILE", help="object files instead of a build's")
    parser.add_argument("--write", action="store_true", help="write the table from what is measured")
    options = parser.parse_args()
    kernels = measure(options.objects or budgets.objects_of(pathlib.Path(options.build).resolve()))
    architectures = sorted({name for by_architecture in kernels.values() for name in by_architecture},
                           key=lambda name: int(name[3:]))
    width = max(map(len, kernels))
    print(f"{'kernel':{width}}" + "".join(f"{name:>8}" for name in architectures))
    for name, by_architecture in sorted(kernels.items()):
        print(f"{name:{width}}" + "".join(f"{by_architecture.get(a, '-'):>8}" for a in architectures))
    if options.write:
        with open(TABLE, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("kernel", *architectures))
            table.writerows((name, *(kernels[name].get(a, "") for a in architectures)) for name in sorted(kernels))
    wrong = check(kernels, not options.objects)
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print(f"= {len(kernels)} kernels have their loads under way together on {', '.join(architectures)}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
