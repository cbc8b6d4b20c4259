"""Environments that change the process they share with sac: signals, descriptors, working folder, umask, locale, float
modes, random generators; and those that end it."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SANITIZED, SMALL, checkpoints, main, one_line, replay, sac, same_runs, sets

# ctest: timeout=300

SOURCE, BUILD = pathlib.Path(os.environ["SAC_SOURCE"]), pathlib.Path(os.environ["SAC_BUILD"])
ROGUE = BUILD / "tests/plugins/rogue.so"
SUPPORT = pathlib.Path(__file__).parent / "support"
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(SUPPORT)}
PYTHON_ROGUE = "gym:rogue_envs:Rogue-v0"
FAILED = 1
SHORT = {"train.steps": 100, "train.warmup_steps": 20, "eval.every": 0}


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def doing(deed, when="create"):
    return dict(PYTHON, SAC_TEST_DEED=deed, SAC_TEST_WHEN=when)


def go(out, deed="nothing", when="create", values=None, *arguments, env=ROGUE, **options):
    """A small run of an environment that does this deed."""
    return sac("train", "--env", env, "--out", out, *sets(dict(SMALL, **(values or {}))), *arguments,
               env=doing(deed, when), **options)


# --- what it prints ---------------------------------------------------------------------------------------------------


def test_only_sac_prints_to_standard_output():
    """What C code prints is on standard error, also where standard output is for a program."""
    with folder() as path:
        run, dry = pathlib.Path(path, "run"), pathlib.Path(path, "dry.yaml")
        for when in ("create", "step"):
            result = go(run / when, "print", when, SHORT, "--quiet")
            assert result.stdout == "" and "from descriptor 1" in result.stderr, result
            result = sac("eval", run / when, "--episodes", 1, "--json", env=doing("print", when))
            assert json.loads(result.stdout) and "from the C library" in result.stderr, result
        json.loads(sac("envs", ROGUE, "--json", env=doing("print")).stdout)
        dry.write_text(sac("train", "--env", ROGUE, "--dry-run", env=doing("print")).stdout)
        sac("config", "--config", dry)
        for workers in (0, 2):
            values = dict(SHORT, **{"env.num_envs": 2, "env.options.sac_workers": workers})
            result = go(run / str(workers), "print", "step", values, "--quiet", env=PYTHON_ROGUE)
            assert result.stdout == "", result
            for word in ("print", "stdout", "descriptor 1", "a child"):
                assert f"from {word}" in result.stderr, (word, result)
        result = go(run / "exit", "print at exit", "create", SHORT)
        assert "goodbye" in result.stderr and "goodbye" not in result.stdout, result


def test_the_program_prints_to_its_own_stream():
    for file in SOURCE.glob("src/cli/*.c"):
        found = re.search(r"(?<!\w)(printf\(|puts\(|putchar\(|stdout\b|STDOUT_FILENO)", file.read_text())
        assert not found or file.name == "out.c", f"{file}: {found.group()} mixes with what environments print; use sac_print"


def test_closed_descriptors():
    """A descriptor 0 to 2 that is closed at the start, or by the environment, becomes no file of the run."""
    for closed in ((0,), (1,), (2,), (0, 1, 2)):
        with folder() as path:
            out = pathlib.Path(path, "run")
            go(out, "print", "step", SHORT, preexec_fn=lambda: [os.close(k) for k in closed])
            intact(out)
    for when in ("create", "reset"):
        with folder() as path:
            go(pathlib.Path(path, "run"), "close", when, SHORT)
            intact(pathlib.Path(path, "run"))


def intact(run):
    """Every file of the run begins as it should."""
    assert (run / "seed_1/metrics.csv").read_text().startswith("step,"), (run / "seed_1/metrics.csv").read_text()[:99]
    assert (run / "log.txt").read_text().startswith("sac "), (run / "log.txt").read_text()[:99]
    sac("resume", run, "--steps", 300, env=PYTHON)


# --- signals ----------------------------------------------------------------------------------------------------------


def until_saved(process, out):
    end = time.monotonic() + 60
    while len(list((out / "seed_1/checkpoints").glob("step_[1-9]*.safetensors"))) == 0:
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.02)


def stops(number, deed, when, values=None, env=ROGUE):
    """The signal stops a run after a checkpoint, whatever the environment does with signals."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(SMALL, **{"train.steps": 10**8, "eval.every": 0}, **(values or {}))
        line = [PROGRAM, "train", "--env", env, "--out", out, "--quiet", *sets(values)]
        process = subprocess.Popen([*map(str, line)], stderr=subprocess.PIPE, text=True,
                                   env=dict(os.environ, **doing(deed, when)))
        try:
            until_saved(process, out)
            time.sleep(0.1)
            process.send_signal(number)
            _, text = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 128 + number, (deed, when, process.returncode, text)
        assert re.fullmatch(r"sac: [^\n]+: stops after this step [^\n]+\n", text), text
        log = (out / "log.txt").read_text()
        step = int(re.search(r"stopped at step (\d+)", log).group(1))
        assert checkpoints(out / "seed_1")[-1] == step, (step, checkpoints(out / "seed_1"))
        return log


def test_signals():
    for when in ("create", "reset", "step"):
        for number, deed in ((signal.SIGTERM, "ignore signals"), (signal.SIGINT, "default signals"),
                             (signal.SIGHUP, "handle signals"), (signal.SIGTERM, "block signals")):
            log = stops(number, deed, when)
            what = "blocked signals" if deed == "block signals" else "signal handlers"
            assert f"rogue.so changed {what} of this process; sac has its own back" in log, log
    for deed, when in (("ignore signals", "reset"), ("block signals", "create"), ("block signals", "step")):
        stops(signal.SIGTERM, deed, when, {"train.overlap": 1, "cpu.threads": 1})
    for deed in ("ignore signals", "block signals"):
        stops(signal.SIGTERM, deed, "load")
    stops(signal.SIGTERM, "ignore signals", "reset", env=PYTHON_ROGUE)
    stops(signal.SIGINT, "handle signals", "create", env=PYTHON_ROGUE)


def test_signals_that_were_blocked_at_the_start():
    with folder() as path:
        out = pathlib.Path(path, "run")
        line = [PROGRAM, "train", "--env", "Pendulum-v1", "--out", out, "--quiet", *sets(dict(SMALL, **{"train.steps": 10**8}))]
        process = subprocess.Popen([*map(str, line)], stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.pthread_sigmask(
            signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR2)))
        try:
            until_saved(process, out)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 143
        finally:
            process.kill()


def test_a_timer_stops_the_run():
    with folder() as path:
        result = go(pathlib.Path(path, "run"), "alarm", "create", {"train.steps": 10**8}, code=128 + signal.SIGALRM)
        assert "stopped at step" in result.stdout, result
    for workers in (0, 2):  # a timer that goes off again and again, and slow steps between
        with folder() as path:
            values = {"train.steps": 10**8, "env.num_envs": 2, "env.options.sac_workers": workers, "env.options.slow": 0.3}
            result = go(pathlib.Path(path, "run"), "alarm", "create", values, env=PYTHON_ROGUE, code=128 + signal.SIGALRM)
            assert "sac: SIGALRM (a timer of the environment?): stops " in result.stderr, result
            assert "stopped at step" in result.stdout, result


def test_descriptors_of_sac_are_closed():
    """Low descriptors are none of sac's. Where all are closed, the run ends with a message, and with what was saved."""
    for workers, when, to in ((0, "create", 256), (0, "step", 256), (2, "step", 256), (0, "step", 10**5), (2, "step", 10**5)):
        with folder() as path:
            out, low = pathlib.Path(path, "run"), to == 256
            values = {"checkpoint.every": 20, "env.num_envs": 2, "env.options.sac_workers": workers,
                      "train.steps": 200 if low else 4000}
            os.environ["SAC_TEST_TO"] = str(to)
            result = go(out, "close descriptors", when, dict(SHORT, **values), env=PYTHON_ROGUE, code=0 if low else FAILED)
            if low:
                assert "done: 200 steps" in result.stdout and result.stderr == "", result
                intact(out)
            else:
                text = one_line(result.stderr)
                assert "closed file descriptors that are not its own" in text, text
                saved = checkpoints(out / "seed_1")[-1]
                assert f"; 'sac resume {out}' continues from the checkpoint of step {saved}" in text, text
                sac("resume", out, "--steps", saved + 10, env=doing("nothing"))
    del os.environ["SAC_TEST_TO"]


def test_no_descriptor_is_left():
    """An environment that leaves files open: the run says which limit it is, and goes on from what was saved."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        result = go(out, "leave files open", "step", dict(SHORT, **{"checkpoint.every": 20}), env=PYTHON_ROGUE, code=FAILED)
        text = one_line(result.stderr)
        assert "Too many open files (raise 'ulimit -n'; an environment may leave files open)" in text, text
        assert text.endswith(f"'sac resume {out}' goes on from step 20"), text
        sac("resume", out, env=doing("nothing"))


def test_a_close_that_takes_long():
    """It is named after some seconds; Ctrl-C then ends the program at once, with everything saved."""
    def start(out, workers):
        values = dict(SMALL, **SHORT, **{"env.num_envs": 2, "env.options.sac_workers": workers})
        line = [PROGRAM, "train", "--env", PYTHON_ROGUE, "--out", out, "--quiet", *sets(values)]
        return subprocess.Popen([*map(str, line)], stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, **doing("sleep at close", "60")))

    with folder() as path:
        outs = {pathlib.Path(path, str(workers)): workers for workers in (0, 2)}
        processes = [start(out, workers) for out, workers in outs.items()]
        try:
            for out, process in zip(outs, processes):
                text = process.stderr.readline()
                while text.startswith("sac: waiting for ") and "close()" not in text:  # a busy machine
                    text = process.stderr.readline()
                assert text == f"sac: waiting for close() of {PYTHON_ROGUE}; Ctrl-C ends at once\n", text
                process.send_signal(signal.SIGINT)
                assert process.wait(10) == 128 + signal.SIGINT
                assert checkpoints(out / "seed_1")[-1] == 100
        finally:
            for process in processes:
                process.kill()

        # an evaluation stops at the first Ctrl-C, and does not end at once
        command = [PROGRAM, "eval", f"{path}/0", "--episodes", "1"]
        result = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ, **doing("sleep at close", "7")))
        assert f"sac: waiting for close() of {PYTHON_ROGUE}\n" in result.stderr and result.returncode == 0, result

        # an error in it is told
        result = go(pathlib.Path(path, "raises"), "raise at close", "", SHORT, env=PYTHON_ROGUE)
        assert result.stderr.count("sac: close() of the environment failed: RuntimeError: the port is gone (") == 1, result


WORKER = """
import pathlib, socket, subprocess, sys, time
names = {"OWN": False, "FILES": {}}
for name in ("bridge", "choices", "errors", "generators", "local", "spaces", "values", "workers"):
    exec(pathlib.Path(sys.argv[1], name + ".py").read_text(), names)
for code, patience in (("time.sleep(60)", 0.2), ("signal.alarm(1), time.sleep(60)", 9), ("os._exit(5)", 9), ("0", 9)):
    worker = names["Worker"].__new__(names["Worker"])
    worker.what, worker.failed, worker.channel = "worker process", False, socket.socketpair()[0]
    worker.process = subprocess.Popen([sys.executable, "-c", f"import os, signal, time; {code}"])
    worker.close(time.monotonic() + patience)
    print(worker.process.returncode)
"""


def test_worker_processes_that_do_not_end_well():
    """One that takes too long for its close() is killed; how it ended is told."""
    result = subprocess.run([sys.executable, "-c", WORKER, SOURCE / "src/env/gym"], capture_output=True, text=True, check=True)
    lines = [re.sub(r"sac: worker process \(process \d+\) ", "", line) for line in result.stderr.splitlines()]
    assert lines == ["was killed: close() took longer than 30 s",
                     "was killed by signal 14 (SIGALRM), a timer of an environment without a handler in close(), or after it",
                     "ended with exit code 5 in close(), or after it"], lines
    assert result.stdout.split() == ["-9", "-14", "5", "0"], result


# --- working folder, umask, locale, float modes -----------------------------------------------------------------------


def test_changes_of_the_process():
    """The files are where and what they are without the change."""
    with folder() as path:
        def twice(out, deed, when):
            go(out, deed, when, {"train.steps": 330}, cwd=path)
            sac("resume", out, "--steps", 600, cwd=path, env=doing(deed, when))

        twice("plain", "nothing", "step")
        for deed, word in (("folder", "the working folder"), ("umask", "the umask"), ("locale", "the locale"), ("floats", None)):
            for when in ("create", "reset", "step"):
                out = f"{deed} {when}"
                twice(out, deed, when)
                same_runs(pathlib.Path(path, "plain/seed_1"), pathlib.Path(path, out, "seed_1"), best=False)
                assert all(file.stat().st_mode & 0o400 for file in pathlib.Path(path, out).rglob("*")), out
                assert word is None or f"changed {word} of" in pathlib.Path(path, out, "log.txt").read_text(), out
        same = sac("eval", "plain", "--episodes", 2, "--json", cwd=path).stdout
        assert sac("eval", "plain", "--episodes", 2, "--json", cwd=path, env=doing("folder", "reset")).stdout == same


def test_a_python_environment_in_a_folder():
    """It stays in the folder that it has chosen, also in worker processes; the run's files do not."""
    for workers in (0, 2):
        with folder() as path:
            values = dict(SHORT, **{"env.num_envs": 2 if workers else 1, "env.options.sac_workers": workers, "eval.every": 50,
                                    "eval.episodes": 1})
            go("run", "folder", "create", values, cwd=path, env=PYTHON_ROGUE)
            assert sorted(os.listdir(path)) == ["away", "run"], os.listdir(path)
            sac("resume", "run", "--steps", 200, cwd=path, env=doing("folder", "reset"))
            assert "config.yaml" in os.listdir(pathlib.Path(path, "run"))


# --- random generators ------------------------------------------------------------------------------------------------


def test_generators_of_the_process():
    """Two runs of one seed are equal, though the environment draws from generators that reset does not seed; evaluations
    do not change the training."""
    for env, workers in ((ROGUE, None), (PYTHON_ROGUE, 0), (PYTHON_ROGUE, 2)):
        with folder() as path:
            values = dict(SHORT, **{"eval.every": 40, "env.num_envs": 2})
            if workers is not None:
                values["env.options.sac_workers"] = workers
            outs = {name: pathlib.Path(path, name) for name in ("one", "two", "other", "none")}
            for name, out in outs.items():
                more = ("--seed", 2) if name == "other" else ("--set", "eval.every=0") if name == "none" else ()
                if name in ("one", "two") or workers == 0:
                    go(out, "random", "step", values, *more, env=env)
            same_runs(outs["one"] / "seed_1", outs["two"] / "seed_1")
            if workers == 0:
                assert replay(outs["one"] / "seed_1") == replay(outs["none"] / "seed_1")
                assert replay(outs["one"] / "seed_1") != replay(outs["other"] / "seed_2")
    with folder() as path:  # slow steps, which would get processes
        values = dict(SHORT, **{"train.steps": 24, "env.num_envs": 4, "train.updates_per_step": 0, "env.options.slow": 0.004})
        result = go(pathlib.Path(path, "run"), "random", "step", values, env=PYTHON_ROGUE)
        assert "gym:rogue_envs:Rogue-v0 draws from the generators of random or numpy.random" in result.stderr, result


# --- environments that end the process --------------------------------------------------------------------------------


def test_ends_are_named():
    """One line names environment, call and step; the log has it too; the run continues from its checkpoint."""
    for deed, when, code, text in (
        ("exit", "step", FAILED, "step 40: {}: step has called exit(5)"),
        ("exit", "load", FAILED, "{}: load has called exit(5)"),
        ("exit", "create", FAILED, "{}: create has called exit(5)"),
        ("quick exit", "step", FAILED, "step 40: {}: step has called quick_exit(3)"),
        ("_Exit", "step", FAILED, "step 40: {}: step has called _Exit(4)"),
        ("_exit", "step", FAILED, "step 40: {}: step has called _exit(0)"),
        *[("crash", "step", -signal.SIGSEGV, "step 40: {}: step: the process ends by SIGSEGV")] * (not SANITIZED),
        ("abort", "step", -signal.SIGABRT, "step 40: {}: step: the process ends by SIGABRT"),
        ("abort", "reset", -signal.SIGABRT, "step 1: {}: reset: the process ends by SIGABRT"),
    ):
        with folder() as path:
            out = pathlib.Path(path, "run")
            result = go(out, deed, when, dict(SHORT, **{"checkpoint.every": 25}), "--quiet", code=code)
            line = one_line(result.stderr)
            assert line.startswith("sac: " + text.format(ROGUE)), line
            if when == "step":
                assert line in (out / "log.txt").read_text() and f"'sac resume {out}'" in line, line
                assert checkpoints(out / "seed_1")[-1] == 25
                sac("resume", out, "--steps", 200)


def test_children_that_exit():
    """A child that an environment has forked ends as usual, and is not taken for the end of this process."""
    for when in ("create", "step"):
        with folder() as path:
            result = go(pathlib.Path(path, "run"), "child", when, SHORT, "--quiet")
            assert not result.stderr, result


def test_os_exit_of_python():
    with folder() as path:
        result = go(pathlib.Path(path, "run"), "_exit", "step", SHORT, "--quiet", env=PYTHON_ROGUE, code=FAILED)
        assert re.match(f"sac: step \\d+: {PYTHON_ROGUE}: step has called _exit\\(0\\); 'sac resume", one_line(result.stderr))


def test_exceptions_of_cpp():
    """An exception that leaves a plugin written in C++ is named, with its text."""
    with folder() as path:
        source, plugin = pathlib.Path(path, "thrower.cpp"), pathlib.Path(path, "thrower.so")
        source.write_text(THROWER)
        subprocess.run(["c++", "-std=c++17", "-shared", "-fPIC", "-I", SOURCE / "include", source, "-o", plugin], check=True)
        result = go(pathlib.Path(path, "run"), env=plugin, values=SHORT, code=-signal.SIGABRT)
        assert "what():  the arm is stuck" in result.stderr, result
        assert f"sac: step 40: {plugin}: step: the process ends by SIGABRT" in result.stderr, result


THROWER = """
#include <sac/env.h>
#include <stdexcept>
static const float low = -1, high = 1;
static int create(void** self, const char*, int32_t, const char*, sac_env_spec* spec) {
  *self = new int(0);
  *spec = {1, 1, 0, 50, &low, &high};
  return 0;
}
static int reset(void*, const uint8_t*, const uint64_t*, float* obs) { return *obs = 0; }
static int step(void* self, const float*, float* obs, float* reward, uint8_t* terminated, uint8_t* truncated) {
  if (++*static_cast<int*>(self) == 40) throw std::runtime_error("the arm is stuck");
  *obs = *reward = *terminated = *truncated = 0;
  return 0;
}
static void destroy(void* self) { delete static_cast<int*>(self); }
extern "C" const sac_env_api* sac_env_plugin() {
  static const sac_env_api api = {SAC_ENV_ABI, sizeof api, "thrower", create, reset, step, destroy};
  return &api;
}
"""


def test_threads_that_end_the_process():
    """exit in a thread of the environment, while sac trains, stops the run after a checkpoint; _exit ends it at once."""
    for deed, code in (("exit of a thread", FAILED), ("_exit of a thread", FAILED), ("abort of a thread", -signal.SIGABRT)):
        with folder() as path:
            out = pathlib.Path(path, "run")
            result = go(out, deed, "step", {"train.steps": 10**8, "checkpoint.every": 1000000, "eval.every": 0}, "--quiet",
                        code=code)
            line = one_line(result.stderr)
            assert re.match(rf"sac: step \d+: {ROGUE}: outside of its calls, the last was \w+: ", line), line
            if code == FAILED:
                assert f"a thread of it has called {deed.split()[0]}(0)" in line, line
                assert checkpoints(out / "seed_1")[-1] > 0 or deed == "_exit of a thread", line

    # a step that waits for this thread never ends, and the process does not wait for it
    with folder() as path:
        out = pathlib.Path(path, "run")
        result = go(out, "exit of a thread that is awaited", "step", dict(SHORT, **{"checkpoint.every": 25}), "--quiet", code=FAILED)
        called, ends = result.stderr.splitlines()
        assert "has called exit(0)" in called and f"{ROGUE}: its step does not end after that" in ends, result.stderr
        assert f"'sac resume {out}'" in ends and checkpoints(out / "seed_1")[-1] == 25


if __name__ == "__main__":
    main(globals())
