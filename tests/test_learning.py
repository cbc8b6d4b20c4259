"""Training works: on Pendulum-v1 the return over 100 episodes is better than -200 (the optimum is about -150), for
three seeds with sac and two with sac-v; on CartPole-v1 it is better than 400 (the optimum is 500), for two seeds with
each algorithm of discrete actions. All seeds of an algorithm run in one process, with the preset of the environment."""
import json
import pathlib
import tempfile

from support.program import main, sac

# ctest: label=learning timeout=900 processors=2


def learn(env, algo, seeds, least, *arguments):
    with tempfile.TemporaryDirectory(prefix="sac-test-") as path:
        out = pathlib.Path(path, "run")
        sac("train", "--env", env, "--seeds", seeds, "--out", out, "--set", f"algo={algo}", *arguments, timeout=900)
        result = json.loads(sac("eval", out, "--episodes", 100, "--json").stdout)
        means = [policy["mean"] for policy in result["policies"]]
        print(f"{env}, {algo}: {', '.join(f'{mean:.1f}' for mean in means)}")
        assert len(means) == seeds
        for mean in means:
            assert mean > least, means


def test_sac():
    learn("Pendulum-v1", "sac", 3, -200)


def test_sac_v():
    # slower, because its critics learn from a value network that learns from them
    learn("Pendulum-v1", "sac-v", 2, -200, "--steps", 15000)


def test_sac_discrete():
    learn("CartPole-v1", "sac-discrete", 2, 400, "--steps", 22000)


def test_soft_q():
    learn("CartPole-v1", "soft-q", 2, 400, "--steps", 22000)


if __name__ == "__main__":
    main(globals())
