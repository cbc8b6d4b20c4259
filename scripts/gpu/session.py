"""One session on a machine with a device: runs commands within a budget and keeps the report on the disk up to date,
so that a session that is stopped leaves what was done."""
import csv
import io
import json
import os
import pathlib
import shlex
import signal
import subprocess
import tarfile
import time

from gpu.tools import find_cublas, find_program

# The word for each verdict. FAILED and a missed target decide the exit status.
PASSED, FAILED, ABSENT = "passed", "FAILED", "not here"
ARCHIVE_BYTES = 15 << 20
FIELDS = ["case", "who", "device", "precision", "obs", "act", "hidden", "batch", "population", "value", "unit"]


class Absent(Exception):
    """Something that a step needs is not on this machine."""


class Failed(Exception):
    """A check failed."""


def kill_group(process):
    """Ends a command with all processes that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def number(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Session:
    def __init__(self, options, root):
        self.options, self.root, self.out = options, root, options.out
        self.begin = time.monotonic()
        self.steps, self.rows, self.targets, self.machine = [], [], [], {}
        self.running = set()
        self.environment = dict(os.environ)
        self.bundle = options.bundle.resolve() if options.bundle.is_dir() else None
        if self.bundle:
            self.use_bundle()
        self.cublas_folder, self.cublas = find_cublas()
        if self.cublas_folder:
            self.add("LD_LIBRARY_PATH", self.cublas_folder)
        self.build = pathlib.Path(options.build or (root / ("build/cuda-host" if options.rehearse else "build/gpu")))
        self.sac = self.build / "sac"

    def add(self, name, path, first=False):
        old = self.environment.get(name, "")
        parts = [str(path), old] if first else [old, str(path)]
        self.environment[name] = os.pathsep.join(part for part in parts if part)

    def use_bundle(self):
        """Appended to the system's paths, except for the description of the libraries."""
        self.add("PATH", self.bundle / "bin")
        self.add("PKG_CONFIG_PATH", self.bundle / "lib/pkgconfig", first=True)
        self.add("LD_LIBRARY_PATH", self.bundle / "lib")
        self.add("CMAKE_PREFIX_PATH", self.bundle)
        self.add("CPATH", self.bundle / "include")
        if (self.bundle / "mujoco").is_dir():
            self.environment.setdefault("SAC_MUJOCO", str(self.bundle / "mujoco"))

    def which(self, name):
        return find_program(name, self.environment["PATH"])

    def left(self):
        return self.options.budget - (time.monotonic() - self.begin)

    def run(self, command, log, limit, check=True, stop=None, environment=None):
        """Runs a command and returns its standard output. It may take `limit` seconds, but not longer than the
        budget. Its output goes directly to a file of the step, so that it is kept in any case. stop: a signal that
        ends the command at the limit and lets it finish, which is not a failure; without it the limit is a failure,
        and kills the command with all that it started. check=False: returns (exit code, output, errors)."""
        limit = min(limit, self.left())
        if limit < 1:
            raise Failed("no time was left")
        command = [str(word) for word in command]
        start = time.monotonic()
        path = self.out / "logs" / f"{log}.txt"
        errors_path = self.out / "logs" / f".{log}-{os.urandom(4).hex()}.errors"
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"$ {shlex.join(command)}\n")
        with open(path, "ab") as out, open(errors_path, "wb") as errors:
            begin = out.tell()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, start_new_session=True,
                                       env=dict(self.environment, **(environment or {})))
            self.running.add(process)
            late = False
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                late = True
                if stop:
                    process.send_signal(stop)
                    try:
                        process.wait(20)
                    except subprocess.TimeoutExpired:
                        pass
                code = process.poll()
            finally:
                kill_group(process)
                self.running.discard(process)
        said = path.read_bytes()[begin:].decode(errors="replace")
        wrong = errors_path.read_bytes().decode(errors="replace")
        errors_path.unlink()
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{wrong}[{'stopped' if late else f'exit {code}'} after {time.monotonic() - start:.1f} s]\n\n")
        name = os.path.basename(command[0])
        if late and not (stop and code is not None):
            raise Failed(f"{name} took longer than {limit:.0f} s")
        if check and code and not late:
            last = ((wrong.strip() or said.strip()).splitlines() or ["no message"])[-1]
            raise Failed(f"{name}: exit {code}: {last[:200]}")
        return said if check else (code, said, wrong)

    def kill(self):
        for process in list(self.running):
            kill_group(process)

    def target(self, name, value, target, unit, lower=False):
        """Compares a figure with its target: at least `target`, or at most if `lower`."""
        good = value is not None and (value <= target if lower else value >= target)
        verdict = "rehearsed" if self.options.rehearse else "not measured" if value is None else "met" if good else "MISSED"
        self.targets = [other for other in self.targets if other["name"] != name]
        self.targets.append({"name": name, "value": value, "target": target, "unit": unit, "at_most": lower,
                             "verdict": verdict})

    def row(self, case, who, result, value, unit):
        """A line of bench.csv. `result` is the JSON object that the program or a peer printed."""
        hidden = result.get("hidden") or []
        row = {key: result.get(key, "") for key in FIELDS[2:]}
        row.update(case=case, who=who, value=value, unit=unit, hidden="x".join(map(str, hidden)))
        self.rows = [other for other in self.rows if (other["case"], other["who"]) != (case, who)] + [row]

    def bad(self):
        return (any(step["verdict"] == FAILED for step in self.steps) or
                any(target["verdict"] in ("MISSED", "not measured") for target in self.targets))

    def text(self):
        lines = [f"{step['step']:10}{step['verdict']:10}{step['seconds']:6.1f} s  {step['note']}" for step in self.steps]
        return "\n".join(lines) + "\n" + self.tables()

    def tables(self):
        lines = []
        if self.targets:
            width = max(len(target["name"]) for target in self.targets)
            lines += ["", f"{'target':{width}}  {'asked for':>14}{'measured':>12}  "]
            for target in self.targets:
                asked = ("<= " if target["at_most"] else ">= ") + number(target["target"])
                lines.append(f"{target['name']:{width}}  {asked:>14}{number(target['value']):>12}  {target['unit']:16}"
                             f"{target['verdict']}")
        if self.rows:
            lines += ["", "measured (bench.csv):"]
            lines += [f"  {row['case']:60}{row['who']:36}{number(row['value']):>12} {row['unit']}" for row in self.rows]
        return "".join(line + "\n" for line in lines)

    def write(self):
        """Writes the report, the tables and the archive of the present state, each complete or not at all. Files
        that cannot be written do not end the session."""
        try:
            self.write_all()
        except OSError as error:
            print(f"the report could not be written: {error}", flush=True)

    def write_all(self):
        def put(name, data):
            part = self.out / f".{name}.part"
            part.write_bytes(data if isinstance(data, bytes) else data.encode())
            part.replace(self.out / name)
        table = io.StringIO()
        writer = csv.DictWriter(table, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        put("report.txt", self.text())
        put("bench.csv", table.getvalue())
        put("report.json", json.dumps(
            {"rehearsal": self.options.rehearse, "status": int(self.bad()), "seconds": round(time.monotonic() - self.begin, 1),
             "machine": self.machine, "steps": self.steps, "targets": self.targets, "bench": self.rows}, indent=1) + "\n")
        self.archive()

    def archive(self):
        """The most useful files, small ones first, in one archive of at most 16 MiB."""
        skip = (".part", ".bin", ".safetensors", ".sqlite", ".nsys-rep")
        files = [path for path in self.out.rglob("*") if path.is_file() and not path.is_symlink()
                 and not path.name.endswith(skip) and not path.name.startswith("events.")]
        target = pathlib.Path(self.options.archive)
        part = target.with_name("." + target.name + ".part")
        taken = 0
        with tarfile.open(part, "w:gz") as tar:
            for path in sorted(files, key=lambda path: path.stat().st_size):
                taken += path.stat().st_size
                if taken > ARCHIVE_BYTES:
                    break
                tar.add(path, path.relative_to(self.out))
        part.replace(target)

    def load(self):
        """Reads the report of an earlier session. Steps that passed there are not repeated."""
        path = self.out / "report.json"
        if not path.exists():
            return
        report = json.loads(path.read_text())
        if report["rehearsal"] != self.options.rehearse:
            raise Failed(f"{path} is of {'a rehearsal' if report['rehearsal'] else 'a device'}: take another --out")
        self.steps = [step for step in report["steps"] if step["verdict"] == PASSED]
        self.rows, self.targets, self.machine = report["bench"], report["targets"], report["machine"]
