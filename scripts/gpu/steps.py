"""The steps of scripts/gpu-test, the most useful first. Each returns a line for the report, or raises Failed or
Absent."""
import concurrent.futures
import csv
import json
import os
import re
import shutil
import signal
import statistics
import struct
import sys
import time
import xml.etree.ElementTree

from gpu.cases import (CASES, FP32, PEER_FACTOR, PENDULUM_TARGET, RETURN_TARGET, TF32, TINY, TINY_RUN, options_of, sets)
from gpu.session import Absent, Failed

CMAKE_OLDEST = (3, 25)
AGENTS = 10
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
# Test programs that take too long under a tool of compute-sanitizer: a representative case, and the tools.
SANITIZED_CASE = {"test_cuda_env": ("time_limit", TOOLS), "test_cuda_act": ("blocks_change_nothing", ("racecheck",))}


# --- the machine and the build ----------------------------------------------------------------------------------------

def step_machine(s):
    version = re.search(r"(\d+)\.(\d+)", s.run(["cmake", "--version"], "machine", 20) if s.which("cmake") else "")
    if not s.options.rehearse:
        if not version:
            raise Failed("there is no CMake")
        if tuple(map(int, version.groups())) < CMAKE_OLDEST:
            raise Failed(f"CMake {version[0]} is too old, 3.25 is needed (python3 -m pip install cmake brings a newer one)")
    s.machine["cmake"] = version[0] if version else None
    for command in (["nvcc", "--version"], ["nvidia-smi"], [os.environ.get("CC", "cc"), "--version"], ["uname", "-a"], ["lscpu"]):
        if s.which(command[0]):
            s.run([s.which(command[0]), *command[1:]], "machine", 30, check=False)
    for name in ("nvcc", "nsys", "ncu", "compute-sanitizer"):
        s.machine[name] = s.which(name)
    s.machine["cublas"] = s.cublas
    if s.which("nvidia-smi") and not s.options.rehearse:
        fields = "name,compute_cap,driver_version,memory.total,clocks.max.sm"
        lines = s.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], "machine", 30).strip().splitlines()
        s.machine["device"], s.machine["capability"], s.machine["driver"] = [word.strip() for word in lines[0].split(",")[:3]]
    s.machine["cores"] = len(os.sched_getaffinity(0))
    s.machine["date"] = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    return ", ".join(f"{key} {value}" for key, value in s.machine.items() if value) + (", bundle" if s.bundle else "")


def step_build(s):
    if s.options.rehearse:
        if not s.sac.exists():
            raise Failed(f"no build in {s.build}: cmake --preset cuda-host && cmake --build --preset cuda-host")
        return f"{s.build}, built before"
    architecture = s.machine.get("capability", "").replace(".", "")
    nvcc = s.which("nvcc")
    ninja = bool(s.which("ninja"))
    s.run(["cmake", "-S", s.root, "-B", s.build, "-G", "Ninja" if ninja else "Unix Makefiles", "-DCMAKE_BUILD_TYPE=Release",
           "-DSAC_CUDA=ON", "-DSAC_TESTS=ON", "-DSAC_WERROR=OFF", *([f"-DCMAKE_CUDA_COMPILER={nvcc}"] if nvcc else []),
           *([f"-DCMAKE_CUDA_ARCHITECTURES={architecture}-real"] if architecture else [])], "build", 60)
    tests = sorted(path.stem for path in s.root.glob("tests/test_cuda_*.c*") if not path.stem.startswith("test_cuda_host"))
    s.run(["cmake", "--build", s.build, "--parallel", str(os.cpu_count() or 2), "--target", "sac_program", "sac_micro", *tests],
          "build", 240)
    found = json.loads(s.run([s.sac, "info", "--json"], "build", 60))
    if not found["cuda_devices"]:
        raise Failed("sac finds no device: " + found.get("cuda_none", ""))
    s.machine["graph_nodes"] = found["graph_nodes"]
    s.run([s.sac, "info"], "build", 60)
    return f"for {architecture or 'the default architectures'}; {found['cuda_devices'][0]}; graph nodes {found['graph_nodes']}"


def has_mujoco(s):
    return s.run([s.sac, "envs", "HalfCheetah-v5"], "machine", 30, check=False)[0] == 0


# --- is it right? -----------------------------------------------------------------------------------------------------

def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]
            for name, entry in header.items() if name != "run.seconds"}


def same_bits(s, env, values):
    """Two runs of the same seeds end with the same bits: policy, checkpoint, and the replay in it."""
    folders = [s.out / "runs" / name for name in ("first", "second")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        s.run([s.sac, "train", "--env", env, "--device", "cuda", "--seed", 1, "--out", folder, *sets(values)], "golden", 60)
    differ = []
    for seed in sorted(path.name for path in folders[0].glob("seed_*")):
        for name in ("policy.safetensors", "checkpoints/last"):
            first, second = (tensors((folder / seed / name).resolve()) for folder in folders)
            if not first or first != second:
                differ.append(f"{seed}/{name}")
        first, second = ({path.name: path.read_bytes() for path in (folder / seed / "replay").iterdir()} for folder in folders)
        if not first or first != second:
            differ.append(f"{seed}/replay")
    if differ:
        raise Failed(f"{env}: two runs of one seed differ in " + ", ".join(differ))


def step_golden(s):
    """Golden updates of another framework, and the same bits from two runs with one seed."""
    files = sorted((s.root / "tests/golden/updates").glob("*.safetensors"))
    files = files[:2] if s.options.rehearse else files
    code, out, errors = s.run([s.sac, "verify", *files, "--device", "cuda", "--json"], "golden", 90, check=False)
    results = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    wrong = [os.path.basename(result["file"]) for result in results if not result["ok"]]
    if code or wrong or len(results) != len(files):
        raise Failed(f"golden updates: {', '.join(wrong) or errors.strip()[-200:] or 'not all were read'}")
    shares = [row["share"] for result in results for row in result["rows"] if row["share"] is not None]
    # Environments on the device; and on the host, several for each agent, with acting next to the updates.
    small = {**TINY_RUN, "train.steps": 100} if s.options.rehearse else {"train.steps": 3000, "eval.every": 0}
    same_bits(s, "Pendulum-v1", small)
    said = "two runs of a seed: the same bits"
    if has_mujoco(s):
        same_bits(s, "InvertedPendulum-v5", {**small, "env.num_envs": 8, "train.overlap": 8, "seeds": 2})
        said += ", with train.overlap too"
    return f"{len(files)} golden updates, worst {100 * max(shares):.0f} % of what is allowed; {said}"


def step_tests(s):
    jobs = str(1 if s.options.rehearse else min(8, os.cpu_count() or 2))
    only = ["-R", "^micro$"] if s.options.rehearse else []
    junit = s.out / "tests.xml"
    junit.unlink(missing_ok=True)
    code, _, _ = s.run(["ctest", "--test-dir", s.build, "-L", "cuda", "--output-on-failure", "-j", jobs, "--timeout", "150",
                          "--output-junit", junit, *only], "tests", 240, check=False)
    cases = list(xml.etree.ElementTree.parse(junit).getroot().iter("testcase")) if junit.exists() else []
    if not cases:
        raise Failed("ctest ran no test")
    skipped = [case.get("name") for case in cases if case.find("skipped") is not None]
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    if code or failed:
        raise Failed(f"{len(failed)} of {len(cases)} failed: {', '.join(failed)}")
    # With a device no test in C may be skipped. A skipped test in Python says what it needs.
    wrong = [name for name in skipped if not (s.root / f"tests/{name}.py").exists()]
    if wrong:
        raise Failed(f"skipped, though there is a device: {', '.join(wrong)}")
    return f"{len(cases) - len(skipped)} passed" + (f"; skipped: {', '.join(skipped)}" if skipped else "")


# --- how fast is it? --------------------------------------------------------------------------------------------------

def step_bench(s):
    said, problems = [], []
    for case in CASES:
        value = None
        try:
            stages = ["--stages"] if case.stages else []
            line = s.run([s.sac, "bench", case.kind, "--device", "cuda", "--json", *stages, *options_of(case, s.options.rehearse)],
                         "bench", 60)
            result = json.loads(line)
            value = result["microseconds"] if case.unit == "us" else result["updates_per_second"]
            s.row(case.name, "sac", result, value, case.unit)
            s.machine.setdefault("bench", {})[case.name] = result
            said.append(f"{case.name} {value:.0f} {case.unit}" if value > 100 else f"{case.name} {value:.1f} {case.unit}")
        except (Failed, ValueError, KeyError) as error:
            problems.append(f"{case.name}: {error}")
        s.target(case.name, value, case.target, case.unit, case.unit == "us")
    if problems:
        raise Failed("; ".join(problems + said))
    return "; ".join(said)


def step_micro(s):
    out = s.run([s.build / "tests/sac_micro", *(["--tiny"] if s.options.rehearse else [])], "micro", 60)
    parts = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    s.machine["micro"] = parts
    return ", ".join(f"{part['micro']} {part.get('microseconds', part.get('gigabytes_per_second', part.get('teraflops')))}"
                     for part in parts if part["micro"] not in ("device", "product") and "skipped" not in part)


def find_mean(result):
    """The mean return in the output of sac eval --json."""
    for key in ("mean", "mean_return", "return"):
        if isinstance(result.get(key), (int, float)):
            return result[key]
    for value in result.values():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and (found := find_mean(part)) is not None:
                return found
    return None


def step_train(s):
    """Trains Pendulum-v1 to its return, as a user does; and measures the time of a short run, with the whole
    process."""
    folder = s.out / "runs/pendulum"
    shutil.rmtree(folder, ignore_errors=True)
    small = {**TINY_RUN, "train.steps": 100} if s.options.rehearse else {}
    s.run([s.sac, "train", "--env", "Pendulum-v1", "--device", "cuda", "--seed", 1, "--out", folder, *sets(small)], "train", 60)
    episodes = 2 if s.options.rehearse else 100
    value = find_mean(json.loads(s.run([s.sac, "eval", folder, "--episodes", episodes, "--json"], "train", 60)))
    s.target("Pendulum-v1, return over 100 episodes", value, RETURN_TARGET, "")
    steps = 60 if s.options.rehearse else 10000
    values = {"network.hidden": "64,64", "replay.batch": 100, "train.warmup_steps": 100, "train.steps": steps + 100,
              "eval.every": 0, "checkpoint.every": 0, **(TINY_RUN if s.options.rehearse else {})}
    times = []
    for turn in range(1 if s.options.rehearse else 3):
        out = s.out / "runs" / f"timed_{turn}"
        shutil.rmtree(out, ignore_errors=True)
        start = time.monotonic()
        s.run([s.sac, "train", "--env", "Pendulum-v1", "--device", "cuda", "--quiet", "--out", out, *sets(values)], "train", 60)
        times.append(time.monotonic() - start)
    seconds = statistics.median(times)
    name = "Pendulum-v1, 2x64, 10,000 steps and updates, whole process"
    s.row(name, "sac", {"device": "cuda:0", "precision": "fp32", "hidden": [64, 64], "batch": 100}, seconds, "s")
    s.target(name, seconds, PENDULUM_TARGET, "s", lower=True)
    if value is None or not (s.options.rehearse or value > RETURN_TARGET):
        raise Failed(f"Pendulum-v1: a return of {value} over {episodes} episodes; better than {RETURN_TARGET} is asked for")
    return f"Pendulum-v1: {value:.1f} over {episodes} episodes; 10,000 steps and updates, whole process {seconds:.2f} s"


# --- many agents on a real task ---------------------------------------------------------------------------------------

def step_agents(s):
    """The loop of ten agents on HalfCheetah-v5, stage by stage; and that of one agent, for comparison."""
    if not has_mujoco(s):
        raise Absent("MuJoCo (scripts/setup --mujoco, before the bundle is carried)")
    tiny = ["--hidden", "8,8", "--batch", 8, "--seconds", 0.001, "--repeats", 1, "--warmup", 0] if s.options.rehearse else []
    said = []
    for agents in (2,) if s.options.rehearse else (1, AGENTS):
        for overlap in (0, 1):
            command = [s.sac, "bench", "train", "--env", "HalfCheetah-v5", "--device", "cuda", "--population", agents, "--json",
                       "--stages", *TF32, "--set", f"train.overlap={overlap}", *(tiny or ["--warmup", 0.5, "--seconds", 1])]
            result = json.loads(s.run(command, "agents", 60))
            name = f"HalfCheetah-v5, {agents} agent{'s' * (agents > 1)}, overlap {overlap}"
            s.row(name, "sac", result, result["steps_per_second"], "agent-steps/s")
            s.machine.setdefault("bench", {})[name] = result
            said.append(f"{agents} x overlap {overlap}: {result['steps_per_second']:.0f} agent-steps/s, "
                        f"{result['microseconds']:.0f} us per step")
    return "; ".join(said)


def step_curve(s):
    """Ten seeds of a task in one run, for as long as there is time: the learning curve."""
    env = s.options.curve_env
    if not has_mujoco(s):
        raise Absent("MuJoCo (scripts/setup --mujoco, before the bundle is carried)")
    folder = s.out / "runs" / env
    shutil.rmtree(folder, ignore_errors=True)
    values = {"precision": "tf32", "train.overlap": 1, "eval.every": 25000, "eval.episodes": 5, "checkpoint.every": 0,
              "log.every": 5000}
    if s.options.rehearse:
        values.update(TINY_RUN, **{"train.steps": 120, "eval.every": 60, "eval.episodes": 1})
    values.update(word.split("=", 1) for word in s.options.curve_set)
    start = time.monotonic()
    s.run([s.sac, "train", "--env", env, "--device", "cuda", "--seeds", 2 if s.options.rehearse else AGENTS, "--out", folder,
           *sets(values)], "curve", s.options.curve_seconds, stop=signal.SIGINT)
    seconds = time.monotonic() - start
    returns, last = {}, 0
    for path in sorted(folder.glob("seed_*/evaluations.csv")):
        for row in csv.DictReader(path.open()):
            returns.setdefault(int(row["step"]), []).append(float(row["mean"]))
    for path in folder.glob("seed_*/metrics.csv"):
        for row in csv.DictReader(path.open()):
            last = max(last, int(row["step"]))
    s.machine.setdefault("curve", {})[env] = {str(step): values for step, values in sorted(returns.items())}
    if not returns:
        raise Failed(f"no evaluation after {seconds:.0f} s, at step {last}")
    said = [f"{step // 1000}k {statistics.mean(values):.0f} +- {statistics.pstdev(values):.0f}"
            for step, values in sorted(returns.items())]
    return f"{env}: {len(returns[min(returns)])} agents, {last} steps each in {seconds:.0f} s: {', '.join(said)}"


# --- where the time goes, and what others make of it ------------------------------------------------------------------

def step_profile(s):
    tiny = ["--", *TINY, "--batch", 8, "--rows", 100, "--seconds", 0.001, "--repeats", 1, "--warmup", 0]
    command = [sys.executable, s.root / "scripts/profile", "--program", s.sac, "--out", s.out]
    if s.options.rehearse:
        out = s.run([*command, "--events", *tiny], "profile", 60)
    else:
        out = s.run([*command, *(["--ncu"] if s.which("ncu") else []), "--", *TF32], "profile", 120)
    (s.out / "profile.txt").write_text(out)
    tools = [tool for tool in ("nsys", "ncu") if s.which(tool) and not s.options.rehearse]
    return "by " + (" and ".join(tools) or "the device's events (nsys and ncu: not here)") + ": profile.txt"


def peer_words(s, case, text, modes):
    """The command line of a peer for a case, from the options in its help; None if it cannot run the case."""
    options = options_of(case, s.options.rehearse) if s.options.rehearse else case.options
    given = {options[i]: str(options[i + 1]) for i in range(0, len(options), 2)}
    words = [word for key in ("--obs", "--act", "--hidden", "--batch") for word in (key, given[key])]
    population = given.get("--population", "1")
    if "--population" in text:
        words += ["--population", population]
    elif population != "1":
        return None
    words += ["--fp32"] if "fp32" in case.name and "--fp32" in text else []
    words += ["--seconds", "2"] if "--seconds" in text else []
    return words + (["--modes", modes] if "--modes" in text else [])


def peer_jobs(s, scripts, problems):
    """(script, case, words) of every figure. Peers that take a minute to compile come last, with the first case
    only."""
    jobs, slow = [], []
    for script in scripts:
        code, text, errors = s.run([s.options.python, script, "--help"], "peers", 60, check=False)
        if code:
            problems.append(f"{script.name}: {(errors.strip().splitlines() or ['no message'])[-1]}")
            continue
        cases = [case for case in CASES if case.peers]
        jobs += [(script, case, peer_words(s, case, text, "eager,graph")) for case in cases]
        if "--modes" in text:
            slow.append((script, cases[0], peer_words(s, cases[0], text, "compile+graph")))
    return [job for job in jobs + slow if job[2] is not None]


def step_peers(s):
    folder = s.options.peers
    if not folder:
        raise Absent("peers (--peers DIR)")
    scripts = [folder / name for name in ("torch_sac.py", "jax_sac.py") if (folder / name).exists()]
    if not scripts:
        raise Failed(f"no torch_sac.py or jax_sac.py in {folder}")
    problems = []
    for script, case, words in peer_jobs(s, scripts, problems):
        try:
            out = s.run([s.options.python, script, "--device", "cpu" if s.options.rehearse else "cuda", *words], "peers", 120)
        except Failed as error:
            problems.append(f"{script.name}, {case.name}: {error}")
            continue
        for line in out.splitlines():
            result = json.loads(line) if line.startswith("{") else {}
            if "updates_per_second" in result:
                s.row(case.name, result.get("peer", script.stem), result, result["updates_per_second"], case.unit)
            elif "error" in result:
                problems.append(f"{result.get('peer')}, {case.name}: {result['error']}")
        s.write()
    for case in (case for case in CASES if case.peers):
        ours = next((row["value"] for row in s.rows if row["case"] == case.name and row["who"] == "sac"), None)
        theirs = [row for row in s.rows if row["case"] == case.name and row["who"] != "sac"]
        if theirs and ours:
            best = max(theirs, key=lambda row: row["value"])
            s.target(f"{case.name}: times the fastest peer", ours / best["value"], PEER_FACTOR if case in CASES[:2] else 1.0,
                     f"x {best['who']}")
    if problems:
        raise Failed("; ".join(problems))
    return f"{sum(row['who'] != 'sac' for row in s.rows)} figures of {len(scripts)} peers"


# --- compute-sanitizer ------------------------------------------------------------------------------------------------

def step_sanitize(s):
    program = s.which("compute-sanitizer")
    if s.options.rehearse or not program:
        raise Absent("compute-sanitizer" if not s.options.rehearse else "a device for compute-sanitizer")
    kernels = [path.stem for path in sorted(s.root.glob("tests/test_cuda_*.c")) if "cuda_case.h" in path.read_text()]

    def one(job):
        tool, test = job
        environment = {"CK_FORK": "no"}
        case, tools = SANITIZED_CASE.get(test, ("", ()))
        if tool in tools:
            environment["CK_RUN_CASE"] = case
        try:
            code, out, errors = s.run([program, "--tool", tool, "--error-exitcode", 99, s.build / "tests" / test],
                                      f"sanitize-{tool}-{test}", 90, check=False, environment=environment)
        except Failed:
            return tool, test, None, ""
        return tool, test, code, out + errors

    # memcheck and racecheck first: they find errors that the other two do not.
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 2)) as pool:
        results = list(pool.map(one, [(tool, test) for tool in TOOLS for test in kernels]))
    if all("Device not supported" in out for *_, out in results):
        raise Absent("a device that compute-sanitizer supports")
    late = [f"{tool} of {test}" for tool, test, code, _ in results if code is None]
    wrong = [f"{tool} of {test}" for tool, test, code, _ in results if code not in (0, None)]
    if wrong:
        raise Failed("found something: " + ", ".join(wrong) + (f"; took too long: {', '.join(late)}" if late else ""))
    if late:
        raise Failed("took too long: " + ", ".join(late))
    return f"{len(TOOLS)} tools on {len(kernels)} test programs: nothing found"


STEPS = {"machine": step_machine, "build": step_build, "golden": step_golden, "bench": step_bench, "micro": step_micro,
         "train": step_train, "agents": step_agents, "tests": step_tests, "curve": step_curve, "profile": step_profile,
         "peers": step_peers, "sanitize": step_sanitize}
