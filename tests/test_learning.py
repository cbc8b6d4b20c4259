"""Training works: on Pendulum-v1 the return over 100 episodes is better than -200 (the optimum is about -150), for
three seeds with sac and two with sac-v; on Acrobot-v1, with discrete actions, better than -130 for three seeds (a random
agent has -500, the best some -75). All seeds of an algorithm run in one process."""
import json
import pathlib
import tempfile

from support.program import main, sac

# ctest: label=learning timeout=900 processors=2


def learn(algo, seeds, *arguments, env="Pendulum-v1", at_least=-200):
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        out = pathlib.Path(path, "run")
        sac("train", "--env", env, "--seeds", seeds, "--out", out, "--set", f"algo={algo}", *arguments, timeout=900)
        result = json.loads(sac("eval", out, "--episodes", 100, "--json").stdout)
        means = [policy["mean"] for policy in result["policies"]]
        print(f"{algo}: {', '.join(f'{mean:.1f}' for mean in means)}")
        assert len(means) == seeds
        for mean in means:
            assert mean > at_least, means


def test_sac():
    learn("sac", 3)


def test_sac_v():
    learn("sac-v", 2, "--steps", 15000)  # slower, because its critics learn from a value network that learns from them


def test_sac_discrete():
    learn("sac-discrete", 3, "--steps", 30000, env="Acrobot-v1", at_least=-130)


def test_soft_q():
    learn("soft-q", 3, "--steps", 30000, env="Acrobot-v1", at_least=-130)


if __name__ == "__main__":
    main(globals())
