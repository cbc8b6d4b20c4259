#!/usr/bin/env python3
"""Makes the table of an update's nodes in src/cuda/README.md from the list that `sac info --algo sac --json` prints.

  scripts/nodes.py                                   prints the table
  scripts/nodes.py --program build/cuda-host/sac     by another program; it must be built with the CUDA backend
  scripts/nodes.py --write                           writes it into src/cuda/README.md
  scripts/nodes.py --check                           compares it with the one there

The sizes are those of `sac info --algo`: observation 17, action 6, 2x256, batch 256. The last column is not made here:
what a line of the table there says is kept with its stage and launch.
Exit status: 0 well, 1 the committed table is another one, 2 usage, no program, or one without CUDA."""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "src/cuda/README.md"
BEGIN, END = "<!-- made by scripts/nodes.py -->\n", "<!-- end -->\n"
HEAD = ["stage", "nodes", "launch", "MFLOP", "MB", "us at the bound, fp32 / TF32 / bytes", "us expected"]
# An H100: flops per second of products in fp32 and TF32, and bytes per second of the second-level cache.
FP32, TF32, BYTES = 67e12, 400e12, 5e12


def algorithm(program):
    """The algorithm as the program prints it."""
    try:
        printed = subprocess.run([program, "info", "--algo", "sac", "--json"], text=True, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"scripts/nodes.py: {program}: {getattr(error, 'stderr', '') or error}", file=sys.stderr)
        sys.exit(2)
    algo = json.loads(printed.stdout)
    if "cuda" not in algo["operations"][0]["runs_as"]:
        print(f"scripts/nodes.py: {program} was built without CUDA; --program build/cuda-host/sac", file=sys.stderr)
        sys.exit(2)
    return algo


def words(operation):
    """"critic (s, a)", "soft target", "critic_target": what tells a launch from others of the same name."""
    if operation["kind"] == "rows":
        return operation["rows"]
    return " ".join(operation[key] for key in ("networks", "place") if key in operation)


def launch_name(group):
    """"`critic_loss`: soft target, square loss". Kernels, whose names have an underscore, stand in backquotes."""
    name = re.sub(r"\b\w+_\w+\b", lambda kernel: f"`{kernel[0]}`", group[0]["runs_as"]["cuda"]["name"])
    return name if group[0]["kind"] == "temperature" else f"{name}: {', '.join(map(words, group))}"


def number(value, digits):
    return f"{value:.{digits}f}" if value else ""


def bound(flops, moved):
    """Microseconds at each bound."""
    if not flops and not moved:
        return ""
    parts = [1e6 * flops / FP32, 1e6 * flops / TF32, 1e6 * moved / BYTES]
    return " / ".join(f"{us:.1f}" if us else "-" for us in parts)


def lines(algo):
    """Rows of the table, without the last column."""
    rows = [["replay sample", "1", "`replay_sample`", "", "", ""]]
    groups = {}
    for operation in algo["operations"]:
        groups.setdefault(operation["runs_as"]["cuda"]["first"], []).append(operation)
    total = [0, 0]
    for group in groups.values():
        flops, moved = (sum(operation[key] for operation in group) for key in ("flops", "bytes"))
        total = [total[0] + flops, total[1] + moved]
        rows.append([group[0]["stage"], str(sum(operation["launches"] for operation in group)), launch_name(group),
                     number(1e-6 * flops, 0), number(1e-6 * moved, 1), bound(flops, moved)])
    nodes = sum(int(row[1]) for row in rows)
    assert nodes == algo["launches"], (nodes, algo["launches"])
    return [*rows, ["all", str(nodes), "", number(1e-6 * total[0], 0), number(1e-6 * total[1], 0), bound(*total)]]


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def committed():
    """The table of the page: its text, and the last column by stage and launch."""
    text = PAGE.read_text()
    table = text[text.index(BEGIN) + len(BEGIN):text.index(END)]
    expected, stage = {}, ""
    for row in map(cells, table.splitlines()[2:]):
        stage = row[0] or stage
        expected[stage, row[2]] = row[-1]
    return table, expected


def table(rows, expected):
    text = [HEAD, ["---"] * len(HEAD)]
    for i, row in enumerate(rows):
        again = i > 0 and rows[i - 1][0] == row[0]
        text.append(["" if again else row[0], *row[1:], expected.get((row[0], row[2]), "")])
    return "".join(f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") + "\n" if row[0] != "---"
                   else "|" + "|".join(row) + "|\n" for row in text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/sac"))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    there, expected = committed()
    made = table(lines(algorithm(arguments.program)), expected)
    if arguments.write:
        PAGE.write_text(PAGE.read_text().replace(BEGIN + there, BEGIN + made))
    elif not arguments.check:
        print(made, end="")
    elif made != there:
        sys.exit(f"the table of {PAGE.relative_to(ROOT)} is not the one that scripts/nodes.py makes: run it with --write")


if __name__ == "__main__":
    main()
