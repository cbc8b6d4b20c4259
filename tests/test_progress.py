"""What the program shows while an evaluation plays: on a terminal one line that is kept up to date, elsewhere a line every
few seconds."""
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SMALL, main, sac, sets

# ctest: timeout=120 processors=2

PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(pathlib.Path(__file__).parent / "support"), "TERM": "xterm"}
LONG = {"env.options.steps": 0, "env.options.seconds": 0.002, "env.options.slow_from": 600}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def start(out, values, *more, **options):
    command = ["train", "--env", "gym:stop_envs:Paced-v0", "--out", out, *sets(dict(SMALL, **values)), *more]
    return subprocess.Popen([PROGRAM, *map(str, command)], text=True, env=dict(os.environ, **PYTHON), **options)


def read_until(descriptor, pattern, seconds=30):
    """Reads what a terminal shows until it has the pattern."""
    text, end = "", time.monotonic() + seconds
    while not re.search(pattern, text):
        assert time.monotonic() < end, text
        text += os.read(descriptor, 4096).decode()
    return text


def stop(process):
    process.send_signal(signal.SIGTERM)
    try:
        return process.communicate(timeout=30)
    finally:
        process.kill()


def test_evaluation_on_a_terminal():
    """On the thread of the run, and beside it where the run waits for it at its end."""
    beside = ({"cpu.threads": 1, "eval.episodes": 100000}, "Pendulum-v1") if os.cpu_count() > 1 else None
    for values, env in (({"cpu.threads": os.cpu_count(), **LONG}, None), beside)[:1 if beside is None else 2]:
        with folder() as path:
            main_end, end = pty.openpty()
            more = ("--env", env) if env else ()
            process = start(f"{path}/run", values, *more, stdout=end, stderr=subprocess.PIPE)
            os.close(end)
            text = read_until(main_end, r"evaluates: \d+ of (2|100000) episodes, \d{3,} steps")
            shown = [int(number) for number in re.findall(r"\r[^\r\n]*evaluates: [^\r\n]*?(\d+) steps", text)]
            assert shown == sorted(shown), text
            assert not stop(process)[0] and process.returncode == 143
            os.close(main_end)


def test_evaluation_elsewhere():
    with folder() as path:
        process = start(f"{path}/run", {"cpu.threads": os.cpu_count(), **LONG}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        log, begin = pathlib.Path(path, "run/log.txt"), time.monotonic()
        pattern = r"^ 50% step 300/600  evaluates: 0 of 2 episodes, \d+ steps.*$"
        while not (log.exists() and re.search(pattern, log.read_text(), re.M)):
            assert time.monotonic() - begin < 60 and process.poll() is None, "no line"
            time.sleep(0.1)
        text, _ = stop(process)
        lines = re.findall(pattern, text, re.M)
        assert 1 <= len(lines) <= (time.monotonic() - begin) / 5 and "\r" not in text, text
        assert lines[0] in log.read_text()


def test_eval_on_a_terminal():
    with folder() as path:
        sac("train", "--env", "gym:stop_envs:Paced-v0", "--out", f"{path}/run", *sets(dict(SMALL, **{"eval.every": 0})), env=PYTHON)
        main_end, end = pty.openpty()
        command = ["eval", f"{path}/run", "--episodes", "100000", "--json"]
        process = subprocess.Popen([PROGRAM, *command], text=True, stdout=subprocess.PIPE, stderr=end, env=dict(os.environ, **PYTHON))
        os.close(end)
        read_until(main_end, r"\rsac: [1-9]\d* of 100000 episodes, \d+ steps\x1b\[K")
        text = stop(process)[0]
        assert process.returncode == 143 and text.startswith("{\n"), text
        os.close(main_end)


if __name__ == "__main__":
    main(globals())
