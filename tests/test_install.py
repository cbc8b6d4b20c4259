"""Installs sac into an empty prefix, moves it, and builds a user's program against it with find_package and with
pkg-config. Then the policy library alone, with libm only, and the manual pages."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

source, build = pathlib.Path(os.environ["SAC_SOURCE"]), pathlib.Path(os.environ["SAC_BUILD"])

CONSUMER = r"""
#include <sac/sac.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  sac_config* config = NULL;
  if (sac_config_create(&config) != SAC_OK) return puts(sac_last_error()), 1;
  sac_config_destroy(config);
  puts(sac_version());
  return strcmp(sac_version(), SAC_VERSION) != 0;
}
"""
CMAKE_LISTS = """
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(sac 0.1 REQUIRED CONFIG)
add_executable(consumer consumer.c)
target_link_libraries(consumer PRIVATE sac::sac)
add_executable(program program.c)
target_link_libraries(program PRIVATE sac::sac)
add_executable(robot robot.c)
target_link_libraries(robot PRIVATE sac::policy)
"""


def run(*command, cwd=None, **environment):
    result = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed ({result.returncode}):\n{result.stdout}")
    return result.stdout


def example(page):
    """The C program in a page of the repository."""
    return re.search("^```c\n(.*?)^```", (source / page).read_text(), re.M | re.S)[1]


def rendered(page):
    """The text of a manual page, by the first formatter on this machine, which must not warn; "" without one."""
    formatters = {"mandoc": [["mandoc", "-T", "lint", "-W", "warning", page], ["mandoc", "-T", "utf8", "-O", "width=200", page]],
                  "groff": [["groff", "-man", "-Tutf8", "-ww", "-rLL=200n", "-rHY=0", page]]}
    text = ""
    for command in next((formatters[name] for name in formatters if shutil.which(name)), []):
        result = subprocess.run(command, text=True, capture_output=True)
        # The pages have no date, so that the same text gives the same bytes.
        warnings = result.stderr + (result.stdout if "lint" in command else "")
        warnings = [line for line in warnings.splitlines() if "missing date" not in line]
        assert not warnings, f"{page.name}: {warnings}"
        text = result.stdout
    return re.sub("\x1b\\[[0-9;]*m|.\b", "", text)  # without the characters that make it bold


def check_manual(prefix):
    """Every command has a page, which has each line of its --help."""
    sac, folder = prefix / "bin" / "sac", prefix / "share" / "man" / "man1"
    listed = re.search("\nCommands:\n(.*?)\n\n", run(sac, "--help"), re.S)[1]
    pages = {"sac": ["--help"]}
    pages.update({f"sac-{command}": [command, "--help"] for command in re.findall(r"^  (\w+)", listed, re.M)})
    assert {file.name for file in folder.iterdir()} == {f"{page}.1" for page in pages}, sorted(folder.iterdir())
    for page, arguments in pages.items():
        file = folder / f"{page}.1"
        text = file.read_text()
        for escape, letter in {"\\&": "", "\\-": "-", "\\(aq": "'", "\\(dq": '"'}.items():
            text = text.replace(escape, letter)
        lines = [line for line in run(sac, *arguments).splitlines() if not re.match(r"Usage: |\w+:$", line)]
        for words in filter(None, (" ".join(text.split()), " ".join(rendered(file).split()))):
            for line in lines:
                for part in re.split(" {2,}", re.sub(r"^Exit (codes|status): ", "", line.strip())):
                    assert part in words, f"{page}.1 lacks: {part}"


def main():
    with tempfile.TemporaryDirectory(prefix="sac install ") as folder:  # with a space, as users' folders may have
        folder = pathlib.Path(folder)
        run("cmake", "--install", build, "--prefix", folder / "first")
        prefix = shutil.move(folder / "first", folder / "moved")
        library_dir = next(prefix.glob("lib*/**/libsac.so")).parent

        # Installed files must not need or name the build tree.
        for file in prefix.rglob("*"):
            if file.is_file() and not file.is_symlink():
                assert str(source).encode() not in file.read_bytes(), f"{file} names the source tree"
        dynamic = run("readelf", "-d", prefix / "bin" / "sac", library_dir / "libsac.so")
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, dynamic
        assert re.search(r"SONAME.*\[libsac\.so\.(0\.\d+|[1-9]\d*)\]", dynamic), dynamic
        assert re.fullmatch(r"sac (\d+\.){2}\d+", run(prefix / "bin" / "sac", "--version").splitlines()[0])

        if not os.environ.get("SAC_SANITIZED"):
            check_manual(prefix)

        # The program finds its module after the move.
        if list(prefix.rglob("sac_gym.so")):
            run(prefix / "bin" / "sac", "train", "--env", "gym:Pendulum-v1", "--dry-run", SAC_PYTHON=sys.executable)

        # Only declarations of the headers are visible.
        visible = re.findall(r" [TDBRVW] (\w+)", run("nm", "-D", "--defined-only", library_dir / "libsac.so"))
        declared = "".join(header.read_text() for header in (prefix / "include" / "sac").glob("*.h"))
        strangers = [name for name in visible if not re.search(rf"\b{name}\b", declared)]
        assert visible and not strangers, f"libsac.so also shows {strangers}"
        missing = [name for name in re.findall(r"^SAC_API[^;(]*?(\w+)\(", declared, re.M) if name not in visible]
        assert not missing, f"declared and not in libsac.so: {missing}"

        user = folder / "user"
        user.mkdir()
        (user / "consumer.c").write_text(CONSUMER)
        (user / "program.c").write_text(example("include/sac/README.md"))
        (user / "robot.c").write_text(example("src/policy/README.md"))
        (user / "CMakeLists.txt").write_text(CMAKE_LISTS)
        run("cmake", "-G", "Ninja", "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
        run("cmake", "--build", user / "build")
        run(user / "build" / "consumer")
        assert "runs/mine" in run(user / "build" / "program", cwd=user)
        policy = user / "runs/mine/seed_1/policy.safetensors"
        assert abs(float(run(user / "build" / "robot", policy))) <= 2, "the bound of Pendulum-v1's torque"

        packages = {"PKG_CONFIG_PATH": str(library_dir / "pkgconfig"), "LD_LIBRARY_PATH": str(library_dir)}
        script = 'cc -std=c11 {0}.c -o {0} $(pkg-config --cflags --libs {1}) && ./{0} {2}'
        # pkg-config escapes the space, and eval reads it
        for program, package, arguments in (("consumer", "sac", ""), ("robot", "sac_policy", policy.relative_to(user))):
            run("sh", "-c", "eval \"" + script.format(program, package, arguments) + "\"", cwd=user, **packages)
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", user / "robot"))
        assert set(needed) <= {"libc.so.6", "libm.so.6"}, f"libsac_policy.a pulled in {needed}"
    print("installed, moved, found both ways")


if __name__ == "__main__":
    main()
