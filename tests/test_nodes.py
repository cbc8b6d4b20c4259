"""The table of nodes in src/cuda/README.md is the one that scripts/nodes.py makes of sac info --algo sac."""
# ctest: label=program,cuda
import json
import os
import pathlib
import subprocess
import sys

from support.program import PROGRAM, sac

SCRIPT = pathlib.Path(os.environ["SAC_SOURCE"], "scripts/nodes.py")


def nodes(*options):
    return subprocess.run([sys.executable, SCRIPT, "--program", PROGRAM, *options], text=True, capture_output=True)


def main():
    checked = nodes("--check")
    if not json.loads(sac("info", "--json").stdout)["cuda"]:
        assert checked.returncode == 2 and "was built without CUDA" in checked.stderr, checked
        print("skipped: this build has no CUDA, and the table is of what runs there")
        sys.exit(77)
    assert checked.returncode == 0, checked.stderr
    table = [line.split("|")[1:-1] for line in nodes().stdout.splitlines()[2:]]
    counts = [int(row[1]) for row in table]
    assert len(table) > 10 and counts[-1] == sum(counts[:-1]) == 34, table
    assert table[-1][6].strip(), table  # the column that is kept


main()
