"""The committed table of formulas is the one that scripts/formulas.py writes, and so are the polynomials of
kernels/*.h."""
# ctest: label=unit
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])


def formulas(option):
    command = [sys.executable, str(SOURCE / "scripts" / "formulas.py"), option]
    return subprocess.run(command, text=True, capture_output=True)


def main():
    checked = formulas("--check")
    assert checked.returncode == 0, checked.stderr

    printed = formulas("--coefficients")
    assert printed.returncode == 0, printed.stderr
    coefficients = re.findall(r"^  (\S+)f$", printed.stdout, re.MULTILINE)
    assert len(coefficients) == 20, printed.stdout
    source = "".join((SOURCE / "kernels" / name).read_text() for name in ("real.h", "random.h"))
    literals = {float(x) for x in re.findall(r"-?\d[\d.]*(?:e[-+]?\d+)?(?=f\b)", source)}
    missing = [c for c in coefficients if float(c) not in literals]
    assert not missing, f"in neither header: {missing}"


main()
