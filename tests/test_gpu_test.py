"""scripts/gpu-test against the host execution of CUDA, its parts that need no device, and the bundle."""
# ctest: label=cuda timeout=300
import csv
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import tarfile
import tempfile
import time

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


def report_of(folder):
    report = json.loads((folder / "report.json").read_text())
    return report, {step["step"]: step["verdict"] for step in report["steps"]}


def rehearsal(folder):
    (folder / "torch_sac.py").write_text(PEER)
    command = ("gpu-test", "--rehearse", "--build", BUILD, "--out", folder / "report", "--peers", folder, "--bundle",
               folder / "bundle")
    status, text, errors = run(*command, "--only", "golden,bench,micro,train,agents,curve,sanitize,profile")
    assert status == 0 and errors == "", text + errors
    report, verdicts = report_of(folder / "report")
    mujoco = [verdicts.pop("agents"), verdicts.pop("curve")]
    assert mujoco in (["passed"] * 2, ["not here"] * 2), mujoco
    assert verdicts.pop("sanitize") == "not here" and set(verdicts.values()) == {"passed"} and len(verdicts) == 7, verdicts
    assert len(report["targets"]) == 8 + 2 and {t["verdict"] for t in report["targets"]} == {"rehearsed"}, report
    assert "temperature update" in (folder / "report/profile.txt").read_text()

    # The peers are measured later, and compared with the earlier results. A peer without --population has three cases
    # in two modes, and the first case in the slow mode.
    status, text, errors = run(*command, "--only", "peers,bench", "--resume")
    assert status == 0 and errors == "" and "bench " not in text.split("\n\n")[0], text + errors
    report, verdicts = report_of(folder / "report")
    assert verdicts["peers"] == verdicts["bench"] == "passed" and len(report["targets"]) == 8 + 2 + 3, report
    rows = list(csv.DictReader((folder / "report/bench.csv").open()))
    ours = [row["who"] for row in rows].count("sac")
    assert ours == 8 + 1 + (2 if mujoco[0] == "passed" else 0) and len(rows) == ours + 3 * 2 + 1, rows
    assert all(float(row["value"]) > 0 for row in rows)
    written = (folder / "report/report.txt").read_text()
    assert "asked for" in written and "x torch" in written, written
    with tarfile.open(folder / "report.tar.gz") as archive:
        assert {"report.txt", "report.json", "bench.csv", "logs/golden.txt", "logs/peers.txt"} <= set(archive.getnames())

    # A failure is reported in its step, and the other steps go on.
    (folder / "torch_sac.py").write_text(PEER + "raise SystemExit('no such card')")
    status, text, _ = run(*command, "--only", "peers,micro")
    assert status == 1 and "no such card" in text and "NOT all well" in text, text
    assert report_of(folder / "report")[1] == {"machine": "passed", "build": "passed", "micro": "passed", "peers": "FAILED"}


def stopped(folder):
    """When it is stopped at any time, the finished results are there, and no process that it started is left."""
    (folder / "torch_sac.py").write_text("import os, time\nopen(os.environ['STARTED'], 'w').write(str(os.getpid()))\n"
                                         "os.system('sleep 77')\ntime.sleep(77)\n")
    out, started = folder / "report", folder / "started"
    command = [str(SOURCE / "scripts/gpu-test"), "--rehearse", "--build", BUILD, "--out", str(out), "--peers", str(folder),
               "--only", "micro,peers", "--archive", str(folder / "all.tar.gz")]

    def begin(*more):
        started.unlink(missing_ok=True)
        process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True,
                                   env=dict(os.environ, STARTED=str(started)))
        until = time.monotonic() + 120
        while not (started.exists() and started.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        return process, int(started.read_text())

    def gone(group):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        return False

    for number, code in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        process, peer = begin()
        process.send_signal(number)
        text = process.communicate(timeout=60)[0]
        assert process.returncode == code, (process.returncode, text)
        report, verdicts = report_of(out)
        assert verdicts["micro"] == "passed" and (folder / "all.tar.gz").exists(), report
        if number == signal.SIGTERM:
            assert verdicts["-"] == "FAILED" and "stopped by signal 15" in (out / "report.txt").read_text(), report
            assert gone(peer), "the peer goes on"
        else:  # no process was left to end it
            os.killpg(peer, signal.SIGKILL)

    # A step that takes too long is ended with all processes that it started, and the budget ends the session.
    process, peer = begin("--budget", "6")
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 1 and "took longer than" in text and gone(peer), text


def wrong_usage(folder):
    for arguments, message in ((("--only", "tets"), "no step 'tets'"), (("--peers", "/no/such"), "no folder /no/such"),
                               (("--nonsense",), "unrecognized arguments"),
                               (("--budget", "0"), "--budget takes seconds")):
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
    """A program can be built with the bundle alone, after its folder was moved, and runs."""
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
    for case in (rehearsal, stopped, wrong_usage, profile, bundle):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
            case(pathlib.Path(folder))
        print(f"{case.__name__}: passed", flush=True)


if __name__ == "__main__":
    main()
