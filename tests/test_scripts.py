"""The scripts that a user starts with: their messages, and that they finish at once on a machine with everything
installed."""
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

SCRIPTS = pathlib.Path(os.environ["SAC_SOURCE"]) / "scripts"


def run(script, *arguments):
    # From another folder, because the scripts must find the repository themselves.
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([str(SCRIPTS / script), *arguments], text=True, capture_output=True, cwd=folder)
    return result.returncode, result.stdout, result.stderr


def copy_of_setup(folder):
    """setup in a folder where nothing is installed yet."""
    scripts = pathlib.Path(folder, "scripts")
    scripts.mkdir()
    for file in (SCRIPTS / "setup", *SCRIPTS.glob("requirements*.txt")):
        shutil.copy(file, scripts)
    return scripts / "setup"


def missing_lists(*arguments):
    """The lists of Python packages that setup would install without a .venv. MuJoCo's is always among them."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run([copy_of_setup(folder), *arguments, "--print"], text=True, capture_output=True)
    assert result.returncode == 1 and result.stderr == "", (result.stdout, result.stderr)
    assert "scripts/requirements-mujoco.txt (into .deps/mujoco)" in result.stdout, result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("Python packages")]
    assert all(line.endswith(".txt (into .venv)") for line in lines), lines
    return [line.split()[2].removeprefix("scripts/requirements").removesuffix(".txt") for line in lines]


def pins(*lists):
    """name: version of each package in scripts/requirements<list>.txt. No package is in two lists."""
    found = {}
    for name in lists:
        for line in (SCRIPTS / f"requirements{name}.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                package, version = line.split(";")[0].split("==")
                assert package.lower() not in found, f"{package} of requirements{name}.txt is pinned elsewhere too"
                found[package.lower()] = version.strip()
    return found


def check_budgets():
    """What scripts/budgets.py reads of a kernel: arrays in local memory count as stack; the system's shared memory
    does not count."""
    sys.path.insert(0, str(SCRIPTS))
    from budgets import Use, check, parse
    lines = ["arch = sm_80", " Function f(int):", " Function k:", "  REG:24 STACK:8 SHARED:1088 LOCAL:4 CONSTANT[0]:360",
             " Function $sin$slow:", "  REG:9 STACK:0 SHARED:0 LOCAL:0 CONSTANT[0]:0",
             "arch = sm_90", " Function k:", "  REG:26 STACK:0 SHARED:1088 LOCAL:0 CONSTANT[0]:536"]
    found = parse(lines)
    assert found == {("k", "sm_80"): Use(24, 1088, 12), ("k", "sm_90"): Use(26, 64, 0)}, found
    wrong = check({"temperature_update": {"sm_90": Use(20, 0, 16)}})
    assert "temperature_update for sm_90 takes 16 bytes of stack; its budget is 0" in wrong, wrong


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
    """The processor time of child processes so far, in seconds. Unlike wall time it does not grow on a busy machine."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def apt_get_log(configured="", **environment):
    """The arguments and variables that apt-get gets from scripts/setup, for an ordinary user with these variables for the
    network. sudo drops them."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "scripts").mkdir()
        (folder / "bin").mkdir()
        for file in (SCRIPTS / "setup", *SCRIPTS.glob("requirements*.txt")):
            shutil.copy(file, folder / "scripts")
        programs = {"id": "echo 1000", "cmake": "exit 1", "apt-config": f"printf '%s' '{configured}'",
                    "sudo": '[ "$1" = -n ] && exit; exec env -i PATH="$PATH" "$@"',
                    "apt-get": f'echo "$@" >>{folder}/log; env >>{folder}/log; exit 1'}
        for name, text in programs.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        kept = {key: value for key, value in os.environ.items()
                if not re.search("proxy$|^APT_CONFIG$|^SSL_CERT|CA_BUNDLE$", key, re.IGNORECASE)}
        subprocess.run([str(folder / "scripts" / "setup"), "--runtime"], capture_output=True, check=False,
                       env={**kept, "PATH": f"{folder}/bin:{kept['PATH']}", **environment})
        return (folder / "log").read_text().splitlines()


def test_network():
    log = apt_get_log()
    assert any(line.startswith("-q install -y") and " cmake" in line for line in log), log
    assert not [line for line in log if "proxy" in line.lower() or "CAInfo" in line], log
    log = apt_get_log(HTTPS_PROXY="http://one:1", http_proxy="http://two:2", SSL_CERT_FILE="/my/certificate.pem",
                    no_proxy="here")
    for line in ("https_proxy=http://one:1", "http_proxy=http://two:2", "no_proxy=here", "SSL_CERT_FILE=/my/certificate.pem",
                 "-q -o Acquire::https::CAInfo=/my/certificate.pem update"):
        assert line in log, (line, log)
    assert "-q update" in apt_get_log("/apt/knows.pem", SSL_CERT_FILE="/my/certificate.pem")
    assert "-q -o Acquire::https::CAInfo=/bundle.pem update" in apt_get_log(REQUESTS_CA_BUNDLE="/bundle.pem")


# Scripts that need packages, and the option of scripts/setup that installs them.
PACKAGES = {"plot.py": "--runtime", "bench_gym.py": "--gym", "traces.py": "--gym", "golden.py": "--golden", "formulas.py": "--test"}
RUNS = SCRIPTS / "curves/HalfCheetah-v5"


def check_packages():
    """Each script restarts itself with .venv's Python if the present one has no packages. Without them there too it
    says so in one line."""
    bare = [sys._base_executable, "-I", "-S"]
    assert subprocess.run([*bare, "-c", "import matplotlib"], capture_output=True).returncode == 1
    users = {file.name for file in SCRIPTS.glob("*.py") if "need(" in file.read_text()} - {"packages.py"}
    assert users == set(PACKAGES), users
    with tempfile.TemporaryDirectory() as folder:
        def run_bare(script, *arguments):
            result = subprocess.run([*bare, script, *arguments], text=True, capture_output=True, cwd=folder)
            return result.returncode, result.stdout + result.stderr

        out = pathlib.Path(folder, "curves.png")
        status, text = run_bare(SCRIPTS / "plot.py", RUNS, "--out", out.name)
        assert status == 0 and out.read_bytes().startswith(b"\x89PNG"), text
        status, text = run_bare(SCRIPTS / "formulas.py", "--check")
        assert status == 0, text
        for script in ("bench_gym.py", "traces.py"):
            status, text = run_bare(SCRIPTS / script, "--help")
            assert status == 0 and "usage: " + script in text, text

        # The same scripts without a .venv, and with one that has no packages.
        copies = pathlib.Path(folder, "scripts")
        copies.mkdir()
        for file in SCRIPTS.glob("*.py"):
            shutil.copy(file, copies)
        for place in ("there is no .venv here", "in .venv"):
            if place == "in .venv":
                subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", folder + "/.venv"], check=True)
            for script, setup in PACKAGES.items():
                status, text = run_bare(copies / script, RUNS)
                assert status == 1 and len(text.splitlines()) == 1, (script, text)
                assert text.startswith(f"scripts/{script}: no ") and place in text, text
                assert text.endswith(f": run scripts/setup {setup}\n"), text
        status, text = run_bare(copies / "plot.py", RUNS, "--text")  # needs no packages
        assert status == 0 and "best" in text, text


def check_mujoco():
    """setup --mujoco installs MuJoCo and nothing else. If pip reaches no registry it says so, with an exit status of
    its own."""
    offline = dict(os.environ, PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0",
                   PIP_DRY_RUN="1")
    with tempfile.TemporaryDirectory() as folder:
        setup, brought = copy_of_setup(folder), pathlib.Path(folder, ".deps/mujoco")

        # A .venv that has pip already, and a list whose packages do not exist.
        python = pathlib.Path(folder, ".venv/bin/python")
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        (setup.parent / "requirements.txt").write_text("no-such-package-of-sac==1\n")

        def run_setup(*arguments, **more):
            result = subprocess.run([setup, *arguments], text=True, capture_output=True, env=dict(offline, **more))
            return result.returncode, result.stdout, result.stderr

        status, text, errors = run_setup("--mujoco")
        assert status == 3 and "pip could not bring MuJoCo (above: why)" in errors.splitlines()[-1], (status, text, errors)
        assert not brought.exists()
        status, text, errors = run_setup("--runtime")
        assert status == 3 and "could not bring the Python packages of scripts/requirements.txt" in errors, (status, errors)

        # The packages, as far as setup looks into them.
        wheels = pathlib.Path(folder, "wheels")
        wheels.mkdir()
        files = {"mujoco_core": ("mujoco/include/mujoco/mujoco.h", "mujoco/libmujoco.so.4.0.0"),
                 "gymnasium": ("gymnasium/envs/mujoco/assets/hopper.xml",)}
        for package, version in pins("-mujoco").items():
            stem = f"{package.replace('-', '_')}-{version}"
            with zipfile.ZipFile(wheels / f"{stem}-py3-none-any.whl", "w") as wheel:
                for file in files[package.replace("-", "_")]:
                    wheel.writestr(file, "")
                wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
                wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                wheel.writestr(f"{stem}.dist-info/licenses/LICENSE", "")
                wheel.writestr(f"{stem}.dist-info/RECORD", "")
        status, text, errors = run_setup("--mujoco", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
        assert status == 0, (status, text, errors)
        for file in ("include/mujoco/mujoco.h", "lib/libmujoco.so.4.0.0", "models/hopper.xml", ".installed"):
            assert (brought / file).exists(), file
        assert run_setup("--mujoco") == (0, "", "")
        assert "scripts/requirements.txt" in run_setup("--runtime", "--print")[1]  # only MuJoCo was installed


def check_documents():
    """README.md is short, and every relative link of the Markdown files leads to a file."""
    root = SCRIPTS.parent
    others = {".git", ".deps", ".venv", "build", "runs"}
    pages = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in others]
        pages += [pathlib.Path(folder, name) for name in names if name.endswith(".md")]
    assert root / "README.md" in pages and root / "src/README.md" in pages, pages
    for page in pages:
        text = re.sub("^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            place = link.split("#")[0]
            if place and not re.match("[a-z]+:", place):
                assert (page.parent / place).exists(), f"{page.relative_to(root)}: {link} leads nowhere"
    lines = len((root / "README.md").read_text().splitlines())
    assert lines < 120, f"README.md has {lines} lines; details belong into the pages it links to"


def counts_of_test():
    """scripts/test in a folder of its own, first with a passing test of the scripts, then with a failing one."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "scripts").mkdir()
        shutil.copy(SCRIPTS / "test", root / "scripts")
        shutil.copytree(SCRIPTS.parent / ".ci", root / ".ci")
        (root / "scripts/setup").write_text("#!/bin/sh\n")
        (root / "scripts/setup").chmod(0o755)
        for bad, status, last in ((False, 0, "1 passed, 0 failed, 0 skipped"), (True, 1, "0 passed, 1 failed, 0 skipped")):
            if bad:
                (root / "scripts/bad").write_text("#!/bin/sh\nif\n")
            result = subprocess.run([str(root / ".ci/run"), "scripts"], text=True, capture_output=True)
            lines = result.stdout.splitlines()
            assert result.returncode == status and lines[-1] == last, (result.stdout, result.stderr)
            assert lines[0].split() == ["scripts", "begins"], lines
            assert ("FAILED: scripts" in result.stderr) == bad, result.stderr


def main():
    test_network()
    check_packages()
    check_mujoco()
    check_documents()
    counts_of_test()
    assert missing_lists("--mujoco") == []
    assert missing_lists("--runtime") == missing_lists("--runtime", "--mujoco") == [""]
    assert missing_lists("--runtime", "--gym") == ["", "-gym"]
    assert missing_lists() == missing_lists("--gym") == missing_lists("--test") == ["", "-gym", "-test"]
    both = pins("", "-gym", "-test"), pins("-mujoco")
    for package, version in both[1].items():
        assert both[0][package] == version, f"{package}: MuJoCo's models and Gymnasium's tasks are of one version"
    # The lists are complete: setup tells pip to install only packages that they name.
    if pathlib.Path(sys.prefix) == SCRIPTS.parent / ".venv":
        result = subprocess.run([sys.executable, "-m", "pip", "check"], text=True, capture_output=True)
        assert result.returncode == 0, result.stdout + result.stderr

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
    check_budgets()

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
