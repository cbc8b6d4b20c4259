"""The scripts a user starts with: what they say, and that a machine where everything is there is told so at once."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(os.environ["SAC_SOURCE"]) / "scripts"


def run(script, *arguments):
    # From another folder: the scripts find the repository by themselves.
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([str(SCRIPTS / script), *arguments], text=True, capture_output=True, cwd=folder)
    return result.returncode, result.stdout, result.stderr


def missing_lists(*arguments):
    """The lists of Python packages that setup would install where there is no .venv yet."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = pathlib.Path(folder, "scripts")
        scripts.mkdir()
        for file in (SCRIPTS / "setup", *SCRIPTS.glob("requirements*.txt")):
            shutil.copy(file, scripts)
        result = subprocess.run([str(scripts / "setup"), *arguments, "--print"], text=True, capture_output=True)
    assert result.returncode == 1 and result.stderr == "", (result.stdout, result.stderr)
    lines = [line for line in result.stdout.splitlines() if line.startswith("Python packages")]
    assert all(line.endswith(".txt (into .venv)") for line in lines), lines
    return [line.split()[2].removeprefix("scripts/requirements").removesuffix(".txt") for line in lines]


def pins(*lists):
    """name: version of each package in scripts/requirements<list>.txt; none stands in two."""
    found = {}
    for name in lists:
        for line in (SCRIPTS / f"requirements{name}.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                package, version = line.split(";")[0].split("==")
                assert package.lower() not in found, f"{package} of requirements{name}.txt is pinned elsewhere too"
                found[package.lower()] = version.strip()
    return found


def check_loads():
    """What scripts/loads.py counts, on a few lines of a disassembly."""
    sys.path.insert(0, str(SCRIPTS))
    from loads import count
    lines = ["LDG.E R0, desc[UR6][R2.64]", "LDG.E.64 R4, desc[UR6][R2.64+0x8]", "@!P0 LDG.E R6, desc[UR6][R2.64]"]

    def number(extra):
        return count(f"        /*{16 * i:04x}*/                   {line} ;" for i, line in enumerate([*lines, *extra]))

    together, read = "LDG.E R8, desc[UR6][R2.64]", "FADD R9, R9, R6"
    assert number([together]) == 4
    assert number([read, together, together]) == 3, "one is waited for"
    assert number(["STG.E desc[UR6][R10.64], R5", together]) == 3, "the second half of 64 bits is waited for"
    assert number(["MOV R0, R9", together]) == 3, "what a load brings is overwritten"
    assert number(["@P0 EXIT", together]) == 4 and number(["EXIT", together]) == 3


def used():
    """Seconds of processor time of what has run so far: a busy machine does not lengthen them."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def told_apt(configured="", **told):
    """What apt-get is told by scripts/setup of an ordinary user whose environment tells of the network: sudo drops that."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "scripts").mkdir()
        (folder / "bin").mkdir()
        for file in (SCRIPTS / "setup", *SCRIPTS.glob("requirements*.txt")):
            shutil.copy(file, folder / "scripts")
        programs = {"id": "echo 1000", "cmake": "exit 1", "apt-config": f"printf '%s' '{configured}'",
                    "sudo": '[ "$1" = -n ] && exit; exec env -i PATH="$PATH" "$@"',
                    "apt-get": f'echo "$@" >>{folder}/told; env >>{folder}/told; exit 1'}
        for name, text in programs.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        kept = {key: value for key, value in os.environ.items()
                if not re.search("proxy$|^APT_CONFIG$|^SSL_CERT|CA_BUNDLE$", key, re.IGNORECASE)}
        subprocess.run([str(folder / "scripts" / "setup"), "--runtime"], capture_output=True, check=False,
                       env={**kept, "PATH": f"{folder}/bin:{kept['PATH']}", **told})
        return (folder / "told").read_text().splitlines()


def test_network():
    told = told_apt()
    assert any(line.startswith("-q install -y") and " cmake" in line for line in told), told
    assert not [line for line in told if "proxy" in line.lower() or "CAInfo" in line], told
    told = told_apt(HTTPS_PROXY="http://one:1", http_proxy="http://two:2", SSL_CERT_FILE="/my/certificate.pem",
                    no_proxy="here")
    for line in ("https_proxy=http://one:1", "http_proxy=http://two:2", "no_proxy=here", "SSL_CERT_FILE=/my/certificate.pem",
                 "-q -o Acquire::https::CAInfo=/my/certificate.pem update"):
        assert line in told, (line, told)
    assert "-q update" in told_apt("/apt/knows.pem", SSL_CERT_FILE="/my/certificate.pem")
    assert "-q -o Acquire::https::CAInfo=/bundle.pem update" in told_apt(REQUESTS_CA_BUNDLE="/bundle.pem")


def main():
    test_network()
    assert missing_lists("--runtime") == [""]
    assert missing_lists("--runtime", "--gym") == ["", "-gym"]
    assert missing_lists() == missing_lists("--gym") == missing_lists("--test") == ["", "-gym", "-test"]
    both = pins("", "-gym", "-test"), pins("-mujoco")
    for package, version in both[1].items():
        assert both[0][package] == version, f"{package}: MuJoCo's models and Gymnasium's tasks are of one version"

    for script in ("setup", "quickstart", "test", "test-bare"):
        status, text, _ = run(script, "--help")
        assert status == 0 and "Usage: scripts/" + script in text, (script, text)
        status, text, errors = run(script, "--no-such-option")
        assert status == 2, (script, status, text, errors)

    status, _, errors = run("setup", "--bundle")
    assert status == 2 and "--bundle takes a folder" in errors, errors
    status, text, _ = run("budgets.py", "--help")
    assert status == 0 and "cuda_budgets.csv" in text, text
    status, _, errors = run("budgets.py", "--build", "/no/such")
    assert status == 1 and "no build in /no/such" in errors, errors
    status, text, _ = run("loads.py", "--help")
    assert status == 0 and "cuda_loads.csv" in text, text
    check_loads()

    begin = used()
    status, text, errors = run("setup", "--print")
    assert status == 0 and text == "nothing is missing\n", text + errors
    status, text, errors = run("setup")
    assert status == 0 and text == "", text + errors
    assert used() - begin < 5, "two runs with nothing to do take under a second of processor time"

    status, _, errors = run("bench", "--program", "/no/such/sac")
    assert status == 1 and "no program /no/such/sac" in errors, errors
    status, _, errors = run("bench", "--shape", "17,6,256")
    assert status == 2 and "a shape is OBS,ACT" in errors, errors
    print("scripts say what they do")


if __name__ == "__main__":
    main()
