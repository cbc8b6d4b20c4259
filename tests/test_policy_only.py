"""libsac_policy without the rest of sac: it needs a C compiler and libm alone."""
import pathlib
import platform
import subprocess
import tempfile

from support.policy_only import KINDS, SOURCE, actions, blocks, install, policy_source, run, trained
from support.program import main

def test_needs_nothing():
    with tempfile.TemporaryDirectory(prefix="sac policy ") as path:
        folder = pathlib.Path(path)
        policy = trained(folder)
        prefix = install(folder)

        # No other language and no other tool was looked for, and nothing of libsac is installed.
        cache = (folder / "build/CMakeCache.txt").read_text()
        assert "CMAKE_CXX_COMPILER" not in cache and "PKG_CONFIG" not in cache and "PROTOC" not in cache, cache
        installed = sorted(file.name for file in prefix.rglob("*") if file.is_file())
        assert installed == ["LICENSE", "export.h", "libsac_policy.a", "policy.h", "sac-config-version.cmake",
                             "sac-config.cmake", "sac-targets-release.cmake", "sac-targets.cmake", "sac_policy.pc"], installed

        # Both ways to create a policy give the same bits, of modes and of samples.
        for algo in KINDS:
            file = policy if algo == "sac" else trained(folder, algo)
            rows = [line.split() for line in actions(folder, prefix, file).splitlines()]
            assert len(rows) == 200 and all(row[0] == row[1] and row[2] == row[3] for row in rows), (algo, rows)
            modes, samples = ([row[i] for row in rows] for i in (0, 2))
            assert modes != samples, (algo, rows)
            if algo == "sac":
                assert len(set(modes)) > 100 and len(set(samples)) > 100, rows
            else:  # 0, 1 and 2 as floats
                assert set(samples) == {"00000000", "3f800000", "40000000"} and set(modes) <= set(samples), (algo, rows)

        # The page's second program, with pkg-config.
        user = folder / "page"
        policy_source(user, policy)
        (user / "firmware.c").write_text(blocks("c")[1])
        flags = run("pkg-config", "--cflags", "--libs", "sac_policy",
                    PKG_CONFIG_PATH=str(next(prefix.rglob("sac_policy.pc")).parent)).replace("\n", " ")
        run("sh", "-c", f'eval "cc -std=c11 -Wall -Wextra -pedantic -Werror firmware.c policy_file.c {flags} -o firmware"', cwd=user)
        assert abs(float(run(user / "firmware"))) <= 2, "the bound of Pendulum-v1's torque"


def test_refuses_other_arithmetic():
    """Flags with which the bits would differ, or checks for NaN would not work: the compiler says so."""
    source = f"-fsyntax-only -D_GNU_SOURCE -I{SOURCE} -I{SOURCE}/src -I{SOURCE}/include {SOURCE}/src/policy/policy.c"
    flags = {"": "", "-ffast-math": "no -ffast-math", "-ffinite-math-only": "no -ffast-math"}
    if platform.machine() == "x86_64":
        flags["-mfpmath=387"] = "must be rounded to float"
    for flag, says in flags.items():
        result = subprocess.run(f"gcc -std=c11 {flag} {source}", shell=True, text=True, capture_output=True)
        assert (result.returncode != 0) == (says != "") and says in result.stderr, f"{flag}: {result.stderr}"


if __name__ == "__main__":
    main(globals())
