"""libsac_policy on ARM, under qemu: it gives the same bits as here."""
import pathlib
import platform
import shutil
import sys
import tempfile

from support.policy_only import KINDS, SOURCE, actions, install, trained
from support.program import main

# ctest: timeout=300
ARM = {"aarch64-linux-gnu": "qemu-aarch64", "arm-linux-gnueabihf": "qemu-arm"}


def compare(machines):
    """Builds and runs the library here and for each of the machines, and compares the actions."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        folder = pathlib.Path(path)
        policies = {algo: trained(folder, algo) for algo in KINDS}
        prefix = install(folder)
        here = {algo: actions(folder, prefix, policy) for algo, policy in policies.items()}
        for triple, qemu in machines.items():
            toolchain = f"-DCMAKE_TOOLCHAIN_FILE={SOURCE}/scripts/cmake/{triple}.cmake"
            place = folder / triple
            place.mkdir()
            prefix = install(place, toolchain)
            for algo, policy in policies.items():
                there = actions(place, prefix, policy, qemu, options=[toolchain])
                assert there == here[algo], f"{algo}: {triple} gives other bits than {platform.machine()}:\n{there}\n{here[algo]}"
            print(f"{triple}: the same bits as {platform.machine()}")


def test_arm():
    missing = [name for triple, qemu in ARM.items() for name in (f"{triple}-gcc", qemu) if not shutil.which(name)]
    usable = {triple: qemu for triple, qemu in ARM.items() if f"{triple}-gcc" not in missing and qemu not in missing}
    if usable:
        compare(usable)
    if missing:
        print(f"skipped: no {', '.join(missing)} here (scripts/setup --cross installs them)")
        sys.exit(77)


if __name__ == "__main__":
    main(globals())
