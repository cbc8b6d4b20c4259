"""MuJoCo's tasks against the installed Gymnasium: the same start and actions give the same episode, to the bit of a
float, also the terms of info; resets have the same distributions; a run resumes exactly.

ctest: timeout=600
"""
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import numpy

from support.program import PROGRAM, SANITIZED, SMALL, main, one_line, rows, sac, same_runs, sets, train

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])
BROUGHT = SOURCE / ".deps/mujoco"  # by scripts/setup --mujoco

# Task, policy of scripts/traces.py, options, number of episodes (one if none ends before 1,000 steps). "wide": actions
# are float64 in Gymnasium.
FROM_LOW = "exclude_current_positions_from_observation=false"
CASES = [
    ("InvertedPendulum-v5", "random", [], 5),
    ("InvertedPendulum-v5", "beyond", ["reset_noise_scale=0.1", "frame_skip=1"], 3),
    ("InvertedDoublePendulum-v5", "random", [], 10),
    ("InvertedDoublePendulum-v5", "beyond", ["healthy_reward=3", "reset_noise_scale=0.2", "frame_skip=1"], 10),
    ("Reacher-v5", "random", [], 10),
    ("Reacher-v5", "beyond", ["reward_dist_weight=2", "reward_control_weight=0.3", "frame_skip=4"], 5),
    ("Pusher-v5", "random", [], 10),
    ("Pusher-v5", "beyond", ["reward_near_weight=2", "reward_dist_weight=0.3", "reward_control_weight=0.7",
                             "frame_skip=2"], 5),
    ("Swimmer-v5", "random", [], 1),
    ("Swimmer-v5", "beyond", ["forward_reward_weight=3", "ctrl_cost_weight=0.2", "reset_noise_scale=0.5", FROM_LOW,
                              "frame_skip=2"], 1),
    ("Hopper-v5", "random", [], 5),
    ("Hopper-v5", "beyond", ["terminate_when_unhealthy=false"], 1),
    ("Hopper-v5", "random", ['healthy_z_range=[0.5, "inf"]', "healthy_angle_range=[-0.5, 0.5]",
                             "healthy_state_range=[-3, 3]", FROM_LOW, "forward_reward_weight=2.5",
                             "ctrl_cost_weight=0.3", "healthy_reward=0.2", "frame_skip=2"], 3),
    ("Walker2d-v5", "random", [], 5),
    ("Walker2d-v5", "beyond", ["terminate_when_unhealthy=false"], 1),
    ("Walker2d-v5", "random", ["healthy_z_range=[0.5, 1.3]", "healthy_angle_range=[-0.5, 0.7]", FROM_LOW,
                               "forward_reward_weight=2.5", "ctrl_cost_weight=0.3", "healthy_reward=0.2",
                               "xml_file=walker2d.xml", "reset_noise_scale=0.02", "frame_skip=3"], 3),
    ("HalfCheetah-v5", "random", [], 2),
    ("HalfCheetah-v5", "beyond", ["forward_reward_weight=0.7", "ctrl_cost_weight=0.3", "frame_skip=3", FROM_LOW], 1),
    ("HalfCheetah-v5", "random", ["wide"], 1),
    ("Reacher-v5", "beyond", ["wide"], 2),
    ("Humanoid-v5", "random", ["wide"], 2),
    ("Ant-v5", "random", [], 5),
    ("Ant-v5", "beyond", ["terminate_when_unhealthy=false", "main_body=front_right_leg"], 1),
    ("Ant-v5", "random", ["forward_reward_weight=2", "ctrl_cost_weight=0.1", "contact_cost_weight=0.01", "main_body=3",
                          "healthy_reward=0.3", "healthy_z_range=[0.3, 0.9]", 'contact_force_range=["-inf", 20]',
                          "frame_skip=3", FROM_LOW], 3),
    ("Ant-v5", "random", ["include_cfrc_ext_in_observation=false"], 2),
    ("Humanoid-v5", "random", [], 5),
    ("Humanoid-v5", "beyond", ["terminate_when_unhealthy=false"], 1),
    ("Humanoid-v5", "random", ["forward_reward_weight=2", "ctrl_cost_weight=0.3", "contact_cost_weight=1e-4",
                               "contact_cost_range=[0.5, 3]", "healthy_reward=0.3", "healthy_z_range=[0.5, 3]",
                               "reset_noise_scale=0.1", "include_cvel_in_observation=false", FROM_LOW], 3),
    ("Humanoid-v5", "random", ["include_cinert_in_observation=false", "include_qfrc_actuator_in_observation=false",
                               "include_cfrc_ext_in_observation=false"], 2),
    ("HumanoidStandup-v5", "random", [], 1),
    ("HumanoidStandup-v5", "beyond", ["uph_cost_weight=2", "ctrl_cost_weight=0.3", "impact_cost_weight=1e-4",
                                      "impact_cost_range=[1, 5]", FROM_LOW, "frame_skip=3",
                                      "include_qfrc_actuator_in_observation=false"], 1),
]

TASKS = list(dict.fromkeys(task for task, *_ in CASES))


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def gymnasiums(task):
    import gymnasium
    here = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        os.chdir(folder)  # MuJoCo writes warnings about a model to a file in the working folder
        env = gymnasium.make(task, disable_env_checker=True)
        os.chdir(here)
    return env


def terms(task):
    """The names of single numbers in the info of Gymnasium's step. The tendons of Humanoid are arrays."""
    env = gymnasiums(task)
    env.reset(seed=1)
    info = env.step(env.action_space.sample())[4]
    return {f"info/{name}" for name, value in info.items() if numpy.ndim(value) == 0}


def record(folder):
    """The episodes of the cases, from one run of scripts/traces.py: starting Python for each takes longer than the
    episodes."""
    sys.path.insert(0, str(SOURCE / "scripts"))
    import traces
    here = os.getcwd()
    os.chdir(folder)  # MuJoCo writes warnings about a model to a file in the working folder
    for k, (task, policy, options, count) in enumerate(CASES):
        chosen = dict(traces.option(option) for option in options if option != "wide")
        for i in range(1 if SANITIZED else count):
            traces.write(pathlib.Path(folder), task, policy, chosen, 7000 + 100 * k + i, "wide" in options)
    os.chdir(here)


def test_episodes_are_gymnasiums():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        record(folder)
        files = sorted(pathlib.Path(folder).glob("*.safetensors"))
        result = subprocess.run([PROGRAM, "verify", "--json", *files], text=True, capture_output=True)
        reports = [json.loads(line) for line in result.stdout.splitlines()]
        assert len(reports) == len(files) and not result.stderr, result.stderr
        seen, compared = {}, {}
        for report in reports:
            name = pathlib.Path(report["file"]).name
            task = name.split("_")[0]
            steps = report["rows"][1]["count"]
            worst = max(row["absolute"] for row in report["rows"])
            seen.setdefault(task, []).append((steps, worst))
            compared.setdefault(task, set()).add(frozenset(row["name"].split()[0] for row in report["rows"]))
            # A short episode with float64 actions may agree with float actions; otherwise they cause the difference.
            rounded = "_wide_" in name and "float64" not in report["rows"][0]["name"]
            assert report["ok"] and (worst <= 1e-9 or rounded), f"{name}: {report}"
        for task, episodes in seen.items():
            print(f"{task}: {len(episodes)} episodes, {sum(steps for steps, _ in episodes)} steps, worst difference "
                  f"{max(worst for _, worst in episodes):.2g}")
            every = {"observation", "reward", "terminated", "truncated"} | terms(task)
            assert compared[task] == {frozenset(every)}, (task, compared[task], every)
        assert list(seen) == sorted(TASKS)


def ours(task, count):
    """Observations after `count` resets: the first transitions of that many environments, from the rows of the
    replay."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        out = pathlib.Path(folder, "run")
        train(out, {"env.num_envs": count, "train.steps": count, "train.warmup_steps": count, "train.updates_per_step": 0,
                    "replay.capacity": count, "eval.every": 0, "checkpoint.every": 0, "log.every": count}, env=task)
        raw = pathlib.Path(out, "seed_1/replay/rows_0.bin").read_bytes()
        floats = int.from_bytes(raw[8:12], "little")
        table = numpy.frombuffer(raw, numpy.float32, offset=64).reshape(-1, floats)
        return table[:count]


def theirs(task, count):
    env = gymnasiums(task)
    return numpy.array([env.reset(seed=seed)[0] for seed in range(count)], numpy.float32)


def distance(a, b):
    """Kolmogorov-Smirnov: the largest difference of the two empirical distribution functions."""
    both = numpy.sort(numpy.concatenate((a, b)))
    below = lambda x: numpy.searchsorted(numpy.sort(x), both, side="right") / len(x)
    return numpy.abs(below(a) - below(b)).max()


def test_resets_are_distributed_as_gymnasiums():
    count = 400 if SANITIZED else 2000
    allowed = 2.69 * (2 / count) ** 0.5  # equal distributions exceed it once in a million
    for task in TASKS:
        expected = theirs(task, count)
        got = ours(task, count)[:, : expected.shape[1]]
        worst = 0
        for j in range(expected.shape[1]):
            a, b = got[:, j], expected[:, j]
            if numpy.ptp(b) == 0:  # a constant
                assert numpy.ptp(a) == 0 and a[0] == b[0], f"{task}: observation {j} is {a[:3]}, not always {b[0]}"
                continue
            worst = max(worst, distance(a, b))
        print(f"{task}: worst distance of {expected.shape[1]} columns {worst:.3f}, allowed {allowed:.3f}")
        assert worst <= allowed, task
        # Independent noise is independent: no two columns are the same numbers.
        with numpy.errstate(invalid="ignore"):
            related = numpy.abs(numpy.corrcoef(got.T) - numpy.corrcoef(expected.T))
        assert numpy.nanmax(related) < 7 / count**0.5, f"{task}: columns are related as Gymnasium's are not"


def test_runs_resume_exactly():
    for task in ("HalfCheetah-v5",) if SANITIZED else ("HalfCheetah-v5", "Hopper-v5", "Ant-v5"):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
            whole, parts = pathlib.Path(folder, "whole"), pathlib.Path(folder, "parts")
            values = {"env.num_envs": 2, "train.overlap": 3 if task == "Ant-v5" else 0}
            train(whole, values, env=task)
            train(parts, dict(values, **{"train.steps": 300, "cpu.threads": 1}), env=task)
            sac("resume", parts, "--steps", 600)
            same_runs(whole / "seed_1", parts / "seed_1", best=False)
            policy = "seed_1/policy.safetensors"  # has no option for threads
            assert (whole / policy).read_bytes() == (parts / policy).read_bytes(), task


def test_what_is_missing_is_said():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        copy = pathlib.Path(folder, "sac")
        copy.write_bytes(pathlib.Path(PROGRAM).read_bytes())
        copy.chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if key != "SAC_MUJOCO"}
        result = subprocess.run([copy, "train", "--env", "HalfCheetah-v5"], cwd=folder, env=environment, text=True,
                                capture_output=True)
        assert result.returncode == 2, result
        assert one_line(result.stderr) == (
            "sac: MuJoCo not found (looked in SAC_MUJOCO, .deps/mujoco, .venv): run scripts/setup --mujoco in a clone of sac, "
            "or python3 -m venv .venv && .venv/bin/pip install mujoco-core==4.0.0 gymnasium"), result.stderr
        wrong = subprocess.run([copy, "train", "--env", "HalfCheetah-v5"], cwd=folder, text=True, capture_output=True,
                               env=dict(environment, SAC_MUJOCO="/no/such"))
        assert "SAC_MUJOCO=/no/such: no MuJoCo is in this folder" in one_line(wrong.stderr), wrong.stderr
        listed = subprocess.run([copy, "envs"], cwd=folder, env=environment, text=True, capture_output=True)
        assert listed.returncode == 0 and "Pendulum-v1" in listed.stdout
        assert "MuJoCo not found" in " ".join(listed.stdout.split()), listed.stdout
        assert all(task in listed.stdout for task in TASKS), listed.stdout
        if not BROUGHT.exists():
            return
        # The environment variable comes first, wherever the program is.
        show = [copy, "envs", "HalfCheetah-v5"]
        subprocess.run(show, cwd=folder, env=dict(environment, SAC_MUJOCO=BROUGHT), check=True, capture_output=True)
        # The same program finds what scripts/setup --mujoco installs.
        assert subprocess.run(show, cwd=folder, env=environment, capture_output=True).returncode == 2
        pathlib.Path(folder, ".deps").mkdir()
        pathlib.Path(folder, ".deps/mujoco").symlink_to(BROUGHT)
        subprocess.run(show, cwd=folder, env=environment, check=True, capture_output=True)


def library(folder, source, *flags):
    """A folder for SAC_MUJOCO, with a library compiled from `source` and the models."""
    root = pathlib.Path(folder, "mujoco")
    (root / "lib").mkdir(parents=True)
    (root / "models").symlink_to(BROUGHT / "models")
    subprocess.run([*shlex.split(os.environ.get("CC", "cc")), "-x", "c", "-", "-shared", "-fPIC", "-o",
                    root / "lib/libmujoco.so.4", *flags], input=source, text=True, check=True)
    return root


def test_another_library_is_refused():
    if not BROUGHT.exists():
        return
    real = [f"-L{BROUGHT / 'lib'}", f"-Wl,-rpath,{BROUGHT / 'lib'}", "-Wl,--no-as-needed", "-l:libmujoco.so.4.0.0"]
    expanded = "const void* mjb_expanded(void* b, const char* n, int* size, int* bytes) { *size = 9; *bytes = %d; return 0; }"
    for source, flags, words in (
            ("int mj_version(void) { return 3003002; }", [], "is MuJoCo 3.3.2; sac needs 4.0.0: scripts/setup --mujoco brings it"),
            ("int mj_version(void) { return 337; }", [], "is MuJoCo 3.3.7; sac needs 4.0.0"),
            ("int mj_version(void) { return 4000001; }", real, "is MuJoCo 4.0.1; sac needs 4.0.0"),
            ("int mj_version(void) { return 4000000; }", [], "has no mj_loadXML; sac needs MuJoCo 4.0.0"),
            ("int other;", [], "has no mj_version; sac needs MuJoCo 4.0.0"),
            # the right version, but with float numbers; other sizes
            (expanded % 4, real,
             "was built in another way than MuJoCo's releases (qpos0 has 9 numbers of 4 bytes, not 9 of 8)"),
            (expanded % 8, real, "(body_mass has 9 numbers of 8 bytes, not 8 of 8)"),
            ("int other;", real, None)):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
            root = library(folder, source, *flags)
            result = sac("bench", "env", "--env", "HalfCheetah-v5", "--seconds", 0.01, "--repeats", 1, code=None,
                         env={"SAC_MUJOCO": str(root)}, cwd=folder)
            if words:
                assert result.returncode in (1, 2) and words in one_line(result.stderr), (source, result)
            else:
                assert result.returncode == 0, result
            if not words or "sac needs" in words:  # the version is checked before anything is created; the tasks are still listed
                assert "HalfCheetah-v5" in sac("envs", env={"SAC_MUJOCO": str(root)}).stdout


def test_an_unstable_simulation_is_told_of_and_leaves_no_file():
    """A time step with which the cheetah becomes unstable: MuJoCo warns, resets it and goes on. Its warning must not
    go to a file in the working folder."""
    if not BROUGHT.exists():
        return
    model = (BROUGHT / "models/half_cheetah.xml").read_text()
    values = dict(SMALL, **{"env.options.xml_file": "./model.xml", "env.num_envs": 2})
    for timestep, unstable in ((0.01, False), (1, True)):
        with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
            pathlib.Path(folder, "model.xml").write_text(re.sub(r'timestep="[^"]*"', f'timestep="{timestep}"', model))
            result = sac("train", "--env", "HalfCheetah-v5", "--out", "run", *sets(values), cwd=folder, code=3 if unstable else 0)
            assert sorted(os.listdir(folder)) == ["model.xml", "run"], os.listdir(folder)
            log = pathlib.Path(folder, "run/log.txt").read_text()
            warned = re.findall(r"warning: MuJoCo(?:, [0-9]+ times so far, the last)?: .* The simulation is unstable", log)
            assert bool(warned) == unstable and len(warned) <= 600 / 100, log
            assert ("unstable" in result.stderr) == unstable and "deprecated" not in result.stderr + log, result



def test_bench_beside_the_bare_loop():
    """Both loops run, for one simulation and for several. The ratio is not checked, as the machine may be busy."""
    for n in (1, 3):
        case = json.loads(sac("bench", "env", "--env", "HalfCheetah-v5", "--bare", "--envs", n, "--seconds", 0.01, "--warmup",
                              0.01, "--repeats", 3, "--device", "cpu", "--json").stdout)
        assert case["steps_per_second"] > 0 and case["bare_steps_per_second"] > 0, case
        assert 0.2 < case["ratio"] < 5 and case["ratio_min"] <= case["ratio"] <= case["ratio_max"], case


def test_an_unknown_option_names_the_nearest():
    result = sac("train", "--env", "HalfCheetah-v5", "--set", "env.options.ctrl_cost_wieght=1", "--dry-run", code=2)
    assert "nearest is 'ctrl_cost_weight'" in one_line(result.stderr), result.stderr


def test_an_unstable_simulation_is_counted_and_ends_the_run():
    """With steps of 0.2 s the cheetah flies apart, and MuJoCo resets it inside mj_step."""
    model = BROUGHT / "models/half_cheetah.xml"
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        text, steps = re.subn('timestep="[0-9.]+"', 'timestep="0.2"', model.read_text())
        assert steps == 1
        pathlib.Path(path, "model.xml").write_text(text)
        result = sac("train", "--env", "HalfCheetah-v5", "--out", "run", *sets(dict(SMALL, **{
            "env.options.xml_file": "./model.xml", "eval.every": 0, "log.every": 20, "train.steps": 2000})), cwd=path, code=3)
        assert "the simulation of environment 0 is unstable: MuJoCo reset it in 101 of" in result.stderr, result.stderr
        assert 2 <= result.stderr.count("sac: MuJoCo") <= 3, result.stderr  # the first ones, 10 and 100
        header, *table = rows(pathlib.Path(path, "run/seed_1/metrics.csv"))
        share = [float(row[header.index("info/simulation_resets")] or "nan") for row in table]
        assert 0 < max(share) <= 1, share
        assert sorted(os.listdir(path)) == ["model.xml", "run"]


def test_no_log_file_is_in_the_working_folder():
    """The last test: no run before it, of sac or of Gymnasium, wrote MuJoCo's warnings to a file here."""
    log = pathlib.Path("MUJOCO_LOG.TXT").resolve()
    assert not log.exists(), f"{log}: a test wrote it, or an older run; delete it and run the test again"


if __name__ == "__main__":
    if sac("envs", "HalfCheetah-v5", code=None).returncode != 0:
        skip("MuJoCo is not here (scripts/setup --mujoco brings it)")
    try:
        import mujoco  # noqa: F401
    except ImportError:
        skip("the Python package mujoco is not here (scripts/setup --test brings it)")
    main(globals())
