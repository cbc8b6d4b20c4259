"""scripts/gpu-test rehearsed against the host execution of CUDA, its parts that need no device, and the bundle."""
# ctest: label=cuda timeout=300
import csv
import json
import os
import pathlib
import sqlite3
import subprocess
import tempfile

SOURCE, BUILD = pathlib.Path(os.environ["SAC_SOURCE"]), os.environ["SAC_BUILD"]
PEER = '''import argparse, json
p = argparse.ArgumentParser()
for name in ("--device", "--obs", "--act", "--hidden", "--batch", "--modes"):
    p.add_argument(name)
p.add_argument("--fp32", action="store_true")
a = p.parse_args()
for mode in a.modes.split(","):
    print(json.dumps(dict(peer="torch " + mode, device=a.device, batch=a.batch, updates_per_second=5.0)))
'''


def run(script, *arguments, **options):
    result = subprocess.run([str(SOURCE / "scripts" / script), *map(str, arguments)], text=True, capture_output=True,
                            timeout=240, **options)
    return result.returncode, result.stdout, result.stderr


def rehearsal(folder):
    (folder / "torch_sac.py").write_text(PEER)
    status, text, errors = run("gpu-test", "--rehearse", "--build", BUILD, "--out", folder / "report", "--peers", folder,
                               "--only", "micro,train,bench,sanitize,profile,peers", "--bundle", folder / "bundle")
    assert status == 0 and errors == "", text + errors
    report = json.loads((folder / "report/report.json").read_text())
    verdicts = {step["step"]: step["verdict"] for step in report["steps"]}
    assert verdicts.pop("sanitize") == "not here" and set(verdicts.values()) == {"passed"} and len(verdicts) == 7, verdicts
    # Seven figures of ours; the peer has no --population: three cases in two modes, and the slow mode of the first.
    rows = list(csv.DictReader((folder / "report/bench.csv").open()))
    assert [row["who"] for row in rows].count("sac") == 6 and len(rows) == 6 + 3 * 2 + 1, rows
    assert all(float(row["value"]) > 0 for row in rows)
    assert len(report["targets"]) == 1 + 6 + 3 and {t["verdict"] for t in report["targets"]} == {"rehearsed"}, report
    assert "temperature update" in (folder / "report/profile.txt").read_text()
    written = (folder / "report/report.txt").read_text()
    assert "asked for" in written and "x torch" in written, written

    # What is wrong is said, in its step, and the other steps go on.
    (folder / "torch_sac.py").write_text(PEER + "raise SystemExit('no such card')")
    status, text, _ = run("gpu-test", "--rehearse", "--build", BUILD, "--out", folder / "report", "--peers", folder,
                          "--only", "peers,micro")
    assert status == 1 and "no such card" in text and "NOT all well" in text, text


def wrong_usage(folder):
    for arguments, message in ((("--only", "tets"), "no step 'tets'"), (("--peers", "/no/such"), "no folder /no/such"),
                               (("--nonsense",), "unrecognized arguments")):
        status, _, errors = run("gpu-test", *arguments)
        assert status == 2 and message in errors, errors
    status, text, _ = run("gpu-test", "--rehearse", "--build", folder / "none", "--out", folder / "report")
    assert status == 1 and "no build in" in text, text
    for script in ("gpu-test", "profile"):
        status, text, _ = run(script, "--help")
        assert status == 0 and "usage: " + script in text, text


def profile(folder):
    """An export of nsys with two stages, three kernels and a gap."""
    base = sqlite3.connect(folder / "p.sqlite")
    base.executescript("""
        create table StringIds(id, value);
        insert into StringIds values (1, 'critic_loss'), (2, 'adam_update'), (3, 'update 100'), (4, 'critic update');
        create table NVTX_EVENTS(start, end, text, textId, globalTid);
        insert into NVTX_EVENTS values (0, 90000, null, 3, 7), (10, 4000, null, 4, 7), (4001, 9000, 'actor update', null, 7);
        create table CUPTI_ACTIVITY_KIND_RUNTIME(start, end, correlationId, globalTid);
        insert into CUPTI_ACTIVITY_KIND_RUNTIME values (20, 25, 1, 7), (30, 35, 2, 7), (4500, 4600, 3, 7);
        create table CUPTI_ACTIVITY_KIND_KERNEL(start, end, correlationId, shortName);
        insert into CUPTI_ACTIVITY_KIND_KERNEL values (3000, 5000, 1, 1), (6000, 9000, 2, 2), (10000, 12500, 3, 2);""")
    base.commit()
    base.close()
    status, text, errors = run("profile", "--sqlite", folder / "p.sqlite", "--updates", 1)
    assert status == 0, errors
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for wanted in ("critic update critic_loss 1.00 2.00 2.00", "actor update adam_update 1.00 2.50 2.50",
                   "critic update 2.00 5.00 3.99",
                   "Of an update: 7.5 us in kernels, 2.0 us between them (median gap 1.00 us, largest 1.0 us)"):
        assert wanted in lines, (wanted, text)
    status, _, errors = run("profile", "--updates", 0)
    assert status == 2 and "from 1 on" in errors, errors


def bundle(folder):
    """A program is built with the bundle's description alone, wherever the folder has been moved, and runs."""
    status, text, errors = run("setup", "--bundle", folder / "made")
    assert status == 0, text + errors
    (folder / "made").rename(folder / "moved")
    where = folder / "moved"
    assert run("../" + os.path.relpath(where / "bin/protoc-c", SOURCE), "--version")[0] == 0
    (folder / "p.c").write_text("#include <yaml.h>\n#include <jansson.h>\n#include <isa-l.h>\n#include <Random123/philox.h>\n"
                                "int main(void) { return json_true() == 0 || yaml_get_version_string() == 0; }\n")
    environment = dict(os.environ, PKG_CONFIG_LIBDIR=str(where / "lib/pkgconfig"))
    flags = subprocess.run([str(where / "bin/pkg-config"), "--cflags", "--libs", "yaml-0.1", "jansson", "libisal"], text=True,
                           capture_output=True, env=environment, check=True).stdout.split()
    assert any(str(where) in os.path.normpath(flag[2:]) for flag in flags if flag.startswith("-L")), flags
    subprocess.run(["cc", str(folder / "p.c"), "-o", str(folder / "p"), *flags], check=True)
    subprocess.run([str(folder / "p")], check=True, env=dict(os.environ, LD_LIBRARY_PATH=str(where / "lib")))


def main():
    for case in (rehearsal, wrong_usage, profile, bundle):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
            case(pathlib.Path(folder))
        print(f"{case.__name__}: passed", flush=True)


if __name__ == "__main__":
    main()
