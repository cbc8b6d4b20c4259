"""sac eval --sample: actions are drawn from the policy, repeatably; and evaluations of discrete actions."""
import json
import pathlib
import tempfile

from support.program import main, sac, train

# ctest: timeout=300

# Environment, keys of the run, and how far a policy file's returns may be from its checkpoint's: actions of a Pendulum
# differ by rounding, and actions of a CartPole are whole.
RUNS = {
    "sac": ("Pendulum-v1", {}, 1e-2),
    "sac-v": ("Pendulum-v1", {"network.hidden": "[]"}, 1e-2),
    "soft-q": ("CartPole-v1", {"network.critics_join": "mean"}, 0),
    "sac-discrete": ("CartPole-v1", {"network.hidden": "[]", "eval.num_envs": 3}, 0),
}
FEW = {"train.steps": 300, "eval.every": 300}


def played(target, *arguments):
    """The returns of the episodes of each policy, and the whole answer."""
    answer = json.loads(sac("eval", target, "--episodes", 10, "--json", *arguments).stdout)
    return [policy["returns"] for policy in answer["policies"]], answer


def near(ours, theirs, part):
    return all(abs(a - b) <= part * abs(b) for a, b in zip(ours, theirs, strict=True))


def run(path, algo):
    env, values, part = RUNS[algo]
    out = pathlib.Path(path, algo)
    train(out, dict(FEW, algo=algo, **values), "--seeds", 2, env=env)
    return out, part


def test_sample():
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        for algo in RUNS:
            out, part = run(path, algo)
            mode, answer = played(out)
            assert answer["sample"] is False and played(out)[0] == mode, algo

            # Drawn actions give other episodes, and the same command the same ones. The seed is that of actions, too.
            sampled, answer = played(out, "--sample")
            assert answer["sample"] is True and played(out, "--sample")[0] == sampled, algo
            assert all(ours != theirs for ours, theirs in zip(sampled, mode)), (algo, sampled, mode)
            assert sampled[0] != sampled[1], (algo, sampled)
            assert played(out, "--sample", "--seed", 1)[0] != sampled, algo

            # A policy file plays the same episodes as its checkpoint: the actions have the same noise.
            for k, policy in enumerate(("seed_1", "seed_2")):
                file = out / policy / "policy.safetensors"
                assert near(played(file)[0][0], mode[k], part), (algo, played(file)[0][0], mode[k])
                assert near(played(file, "--sample")[0][0], sampled[k], part), (algo, sampled[k])

            # The text says it.
            text, drawn = (sac("eval", out, "--episodes", 2, *words).stdout for words in ((), ("--sample",)))
            assert "sampled" not in text and drawn.count(", actions sampled\n") == 2, (text, drawn)


def test_number_of_environments():
    """The noise is that of an episode and its step, so the returns do not depend on how many play at once."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        returns = {}
        for num_envs in (0, 1, 3):
            for algo in ("sac", "soft-q"):
                env, _, _ = RUNS[algo]
                out = pathlib.Path(path, f"{algo}{num_envs}")
                train(out, dict(FEW, algo=algo, **{"eval.num_envs": num_envs}), env=env)
                returns.setdefault(algo, []).append(played(out, "--sample")[0])
        for algo, (first, *others) in returns.items():
            assert all(other == first for other in others), (algo, returns[algo])
            assert len(set(first[0])) > 3, first


def test_sampled_policy():
    """Before any update soft-q's policy is near uniform, and its mode prefers one side: the pole falls sooner."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        out = pathlib.Path(path, "run")
        train(out, {"algo": "soft-q", "train.steps": 1, "train.warmup_steps": 1, "train.updates_per_step": 0,
                    "alpha.initial": 1},
              env="CartPole-v1")
        modes, samples = (json.loads(sac("eval", out, "--json", *words).stdout)["all"]["mean"]
                          for words in ((), ("--sample",)))
        assert modes < 15 < samples < 35, (modes, samples)  # a uniform policy reaches 22


def test_init():
    """A run starts from a policy file of its kind, and plays as it did."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        for algo in ("soft-q", "sac-discrete"):
            out, _ = run(path, algo)
            _, values, _ = RUNS[algo]
            again = pathlib.Path(path, algo + "-again")
            result = train(again, dict({"algo": algo, "train.steps": 1, "train.warmup_steps": 1, "train.updates_per_step": 0,
                                        "alpha.learn": "true"}, **values), "--init", out / "seed_1/policy.safetensors", env="CartPole-v1")
            taken = {"soft-q": "critics, temperature\n", "sac-discrete": "actor\n"}[algo]
            assert f"(CartPole-v1): {taken}" in result.stdout, result.stdout
            for words in ((), ("--sample",)):
                assert played(again, *words)[0][0] == played(out, *words)[0][0], (algo, words)


if __name__ == "__main__":
    main(globals())
