"""The same seed gives the same bits: with any number of threads, with evaluation or without, alone or in a
population, in one run or resumed. Checkpoints, replay rows and CSV rows are compared, without times."""
import pathlib
import tempfile

from support.program import main, one_line, rows, sac, same_runs, same_tensors, train

# ctest: timeout=300


# The algorithms of discrete actions train on CartPole-v1, the others on Pendulum-v1.
DISCRETE = ("soft-q", "sac-discrete")


def env_of(algo):
    return "CartPole-v1" if algo in DISCRETE else "Pendulum-v1"


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def test_threads():
    for values in ({}, {"algo": "sac-v", "network.hidden": "33", "replay.batch": 31}, {"seeds": 3}, {"train.overlap": 2},
                   {"algo": "soft-q", "network.hidden": "33", "replay.batch": 31, "train.overlap": 2},
                   {"algo": "sac-discrete", "seeds": 3, "network.critics_join": "mean"},
                   {"algo": "soft-q", "network.hidden": "[]", "seeds": 2}):
        with folder() as path:
            one, two = pathlib.Path(path, "1"), pathlib.Path(path, "2")
            for out, threads in ((one, 1), (two, 2)):
                train(out, dict(values, **{"cpu.threads": threads}), env=env_of(values.get("algo")))
            for seed in sorted(one.glob("seed_*")):
                same_runs(seed, two / seed.name)


def test_wide_nets_and_threads():
    with folder() as path:
        values = {"network.hidden": "256,256", "replay.batch": 256, "train.steps": 260}
        for threads in (1, 2):
            train(pathlib.Path(path, str(threads)), dict(values, **{"cpu.threads": threads}))
        same_runs(pathlib.Path(path, "1/seed_1"), pathlib.Path(path, "2/seed_1"))


def test_evaluation_changes_nothing():
    with folder() as path:
        on, off = pathlib.Path(path, "on"), pathlib.Path(path, "off")
        train(on, {"eval.every": 50})
        train(off, {"eval.every": 0})
        ignore = ("run.seconds", "run.best_step", "run.best_return")
        same_tensors(on / "seed_1/checkpoints/last", off / "seed_1/checkpoints/last", ignore)
        same_tensors(on / "seed_1/policy.safetensors", off / "seed_1/policy.safetensors")
        assert rows(on / "seed_1/metrics.csv") == rows(off / "seed_1/metrics.csv")
        assert len(rows(on / "seed_1/evaluations.csv")) > len(rows(off / "seed_1/evaluations.csv"))


def test_population_members_are_single_runs():
    for algo in ("sac", "sac-v", *DISCRETE):
        with folder() as path:
            all_ = pathlib.Path(path, "all")
            train(all_, {"algo": algo, "env.num_envs": 2}, "--seeds", 3, "--seed", 5, env=env_of(algo))
            for seed in (5, 6, 7):
                one = pathlib.Path(path, str(seed))
                train(one, {"algo": algo, "env.num_envs": 2}, "--seed", seed, env=env_of(algo))
                same_runs(all_ / f"seed_{seed}", one / f"seed_{seed}")


def test_seeds_differ():
    with folder() as path:
        train(pathlib.Path(path, "all"), {}, "--seeds", 2)
        try:
            same_runs(pathlib.Path(path, "all/seed_1"), pathlib.Path(path, "all/seed_2"))
        except AssertionError:
            return
        raise AssertionError("two seeds gave the same run")


def test_resumed_is_one_run():
    """train 2n == train n, resume to 2n, on the command line, for steps n at which something is due and at which
    nothing is."""
    for env, n, values in (("Pendulum-v1", 300, {}), ("Pendulum-v1", 271, {}), ("MountainCarContinuous-v0", 299, {}),
                           *[("CartPole-v1", 271, {"algo": algo, "train.overlap": 3}) for algo in DISCRETE]):
        with folder() as path:
            whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
            train(whole, values, "--seeds", 2, env=env)
            train(parts, values, "--seeds", 2, "--steps", n, env=env)
            sac("resume", parts, "--steps", 600)
            for seed in ("seed_1", "seed_2"):
                same_runs(whole / seed, parts / seed, best=n % 300 == 0)
            # resuming a finished run does nothing and undoes nothing
            sac("resume", parts)
            same_runs(whole / "seed_1", parts / "seed_1", best=n % 300 == 0)


def test_threads_may_change_on_resume():
    with folder() as path:
        whole, parts = pathlib.Path(path, "whole"), pathlib.Path(path, "parts")
        train(whole, {"cpu.threads": 1})
        train(parts, {"cpu.threads": 1, "train.steps": 333})
        sac("resume", parts, "--steps", 600, "--set", "cpu.threads=2")
        same_runs(whole / "seed_1", parts / "seed_1", best=False)


if __name__ == "__main__":
    main(globals())
