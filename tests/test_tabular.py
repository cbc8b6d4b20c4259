"""The exact answers of SacTabular-v0 against a solver of its own in NumPy, and what `sac envs --exact` prints."""
import json
import pathlib
import re
import tempfile

import numpy

from support.program import main, one_line, sac, sets

ID = "SacTabular-v0"
MDPS = (
    {},
    {"states": 2, "actions": 2, "branching": 1, "seed": 4},
    {"states": 64, "actions": 8, "branching": 64, "seed": 1, "terminal": 0, "discount": 0.95},
    {"states": 5, "actions": 2, "seed": 3, "terminal": 0, "discount": 0.999},
    {"states": 20, "actions": 3, "branching": 3, "seed": 2, "terminal": 0.5, "discount": 0.9},
    {"states": 13, "actions": 5, "seed": 7, "discount": 0},
)
ALPHAS = (1e-2, 0.1, 1, 10)
TOLERANCE = 1e-10  # relative to the largest value, or to 1


def exact(options, alpha, *arguments, **more):
    values = {f"env.options.{key}": value for key, value in options.items()}
    return sac("envs", ID, "--exact", "--alpha", repr(alpha), *sets(values), *arguments, **more)


def answer(options, alpha, policy=None):
    """The answer as JSON, lists as arrays; with the values of `policy` where one is given."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        arguments = []
        if policy is not None:
            file = pathlib.Path(folder, "pi.csv")
            numpy.savetxt(file, policy, fmt="%.17g", delimiter=",")
            arguments = ["--policy", file]
        found = json.loads(exact(options, alpha, "--json", *arguments).stdout)

    def arrays(values):
        return {key: arrays(value) if isinstance(value, dict) else numpy.array(value) if isinstance(value, list) else value
                for key, value in values.items()}
    return arrays(found)


def near(got, expected, scale=1):
    """Fails for NaN."""
    error = numpy.max(numpy.abs(numpy.subtract(got, expected))) / max(1, scale)
    assert error <= TOLERANCE, error
    return error


def backup(m, v):
    alive = 1 - m["terminal"].astype(float)
    return m["reward"] + m["discount"] * numpy.einsum("san,n->sa", m["transition"], alive * v)


def soft_max(q, alpha):
    top = q.max(axis=1)
    return top + alpha * numpy.log(numpy.exp((q - top[:, None]) / alpha).sum(axis=1))


def evaluate(m, pi, alpha):
    """The soft value of a policy, the solution of V = r_pi + alpha H + discount P_pi V."""
    logs = numpy.log(numpy.where(pi > 0, pi, 1))
    mean = (pi * (m["reward"] - alpha * logs)).sum(axis=1)
    alive = 1 - m["terminal"].astype(float)
    step = numpy.einsum("sa,san->sn", pi, m["transition"]) * alive
    return numpy.linalg.solve(numpy.eye(len(mean)) - m["discount"] * step, mean)


def solve(m, alpha):
    """V* by policy iteration: each policy's linear system is solved directly, so no operator is iterated."""
    v = numpy.zeros(len(m["reward"]))
    for _ in range(200):
        q = backup(m, v)
        pi = numpy.exp((q - soft_max(q, alpha)[:, None]) / alpha)
        new = evaluate(m, pi / pi.sum(axis=1, keepdims=True), alpha)
        if numpy.max(numpy.abs(new - v)) <= 1e-14 * max(1, numpy.max(numpy.abs(new))):
            break
        v = new
    return new


def test_best_values():
    worst = 0
    for options in MDPS:
        for alpha in ALPHAS:
            m = answer(options, alpha)
            states, actions = m["q"].shape
            assert m["alpha"] == alpha and m["discount"] == options.get("discount", 0.99)
            assert (states, actions) == (options.get("states", 10), options.get("actions", 4)), m["q"].shape
            assert m["transition"].shape == (states, actions, states) and m["terminal"].dtype == bool
            near(m["transition"].sum(axis=2), 1)
            near(m["start"], ~m["terminal"] / (~m["terminal"]).sum())

            v = solve(m, alpha)
            q, scale = backup(m, v), numpy.max(numpy.abs(v))
            worst = max(worst, near(m["v"], v, scale), near(m["q"], q, scale), near(m["j"], m["start"] @ v, scale))
            near(m["pi"].sum(axis=1), 1)
            near(m["v"], soft_max(m["q"], alpha), scale)
            pi = numpy.exp((m["q"] - soft_max(m["q"], alpha)[:, None]) / alpha)
            near(m["pi"], pi, scale / alpha)  # a difference of Q is divided by alpha
    print(f"largest error relative to the values: {worst:.2g}")


def test_values_of_a_policy():
    draw = numpy.random.default_rng(0)
    worst = 0
    for options in MDPS:
        for alpha in ALPHAS:
            m = answer(options, alpha)
            states, actions = m["q"].shape
            some = draw.dirichlet(numpy.ones(actions), states)
            some[::2, 0] = 0  # an action that is never taken
            some /= some.sum(axis=1, keepdims=True)
            one = numpy.eye(actions)[draw.integers(actions, size=states)]
            for pi in (some, one, m["pi"], numpy.full((states, actions), 1 / actions)):
                found = answer(options, alpha, pi)["policy"]
                v = evaluate(m, pi, alpha)
                scale = max(numpy.max(numpy.abs(v)), numpy.max(numpy.abs(m["v"])))
                worst = max(worst, near(found["v"], v, scale), near(found["q"], backup(m, v), scale))
                near(found["pi"], pi)
                near(found["j"], m["start"] @ v, scale)
                near(found["regret"], m["j"] - m["start"] @ v, scale)
                assert found["regret"] >= -TOLERANCE * max(1, scale)
                assert pi is m["pi"] or (found["v"] <= m["v"] + TOLERANCE * scale).all()
            assert abs(answer(options, alpha, m["pi"])["policy"]["regret"]) <= TOLERANCE * max(1, scale)
    print(f"largest error relative to the values: {worst:.2g}")


def test_text():
    text = exact({}, 0.5).stdout
    m = answer({}, 0.5)
    assert text.startswith(f"{ID}: 10 states, 4 actions, discount 0.99, alpha 0.5\n\nJ* = "), text
    assert abs(float(re.search(r"J\* = (\S+):", text)[1]) - m["j"]) < 1e-6
    first = re.search(r"^ +0 +(.*)$", text, re.M)[1].split()
    near(numpy.array(first, float).round(2), numpy.array([m["v"][0], *m["q"][0]]).round(2))
    assert re.search(r"^state +V\* +Q\*\(0\) ", text, re.M) and re.search(r"^state +pi\*\(0\) ", text, re.M), text
    assert len(re.findall(r"^ +9  terminal$", text, re.M)) == 2, text

    # the widest table, with a policy
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        file = pathlib.Path(folder, "pi.csv")
        numpy.savetxt(file, numpy.full((64, 8), 0.125), delimiter=" ")
        text = exact({"states": 64, "actions": 8, "terminal": 0, "discount": 0.999}, 1000, "--policy", file).stdout
    assert max(map(len, text.splitlines())) <= 80 and not re.search(r"[ \t]$", text, re.M), text
    assert "The given policy: J = " in text and "regret J* - J = " in text, text

    # options change the sizes that are listed
    text = sac("envs", ID, "--set", "env.options.states=33", "--set", "env.options.actions=7").stdout
    assert re.search(r"^  observation +33$", text, re.M) and "7 discrete" in text, text
    (one,) = json.loads(sac("envs", ID, "--json", "--set", "env.options={observation: features, features: 5}").stdout)
    assert (one["obs_size"], one["actions"], one["options"]["states"]) == (5, 4, 10), one
    assert {"--exact", "--alpha", "--policy"} <= set(sac("envs", "--help").stdout.split())


def test_bad_input():
    def refused(says, *arguments, code=2):
        line = one_line(sac("envs", *arguments, code=code).stderr)
        assert says in line, f"'{says}' is not in: {line}"

    asked = (ID, "--exact", "--alpha", 1)
    refused("Pendulum-v1 has no exact answer; environments that have one: SacTabular-v0", "Pendulum-v1", "--exact", "--alpha", 1)
    refused("gym:CartPole-v1 has no exact answer", "gym:CartPole-v1", "--exact", "--alpha", 1)
    refused("no environment 'SacTabula-v0'; nearest is SacTabular-v0", "SacTabula-v0", "--exact", "--alpha", 1)
    refused("--exact needs an ID: SacTabular-v0", "--exact", "--alpha", 1)
    refused("--exact needs --alpha X", ID, "--exact")
    refused("--alpha goes with --exact", ID, "--alpha", 1)
    refused("--policy goes with --exact", ID, "--policy", "pi.csv")
    for alpha in ("0", "-1", "1e-9", "1e9"):
        refused(f"--alpha = {alpha} is outside [1e-06, 1000]", ID, "--exact", "--alpha", alpha)
    refused("--alpha = nan is not a number", ID, "--exact", "--alpha", "nan")
    refused("--set takes env.options here, not 'gamma'", *asked, "--set", "gamma=0.9")
    refused("--set needs an ID", "--set", "env.options.states=3")
    for option, says in (("states=1", "a whole number in [2, 64] as 'states'"), ("states=65", "in [2, 64] as 'states'"),
                         ("states=2.5", "in [2, 64] as 'states', not 2.5"), ("actions=1", "in [2, 8] as 'actions'"),
                         ("actions=9", "in [2, 8] as 'actions'"), ("seed=-1", "in [0, 1e+09] as 'seed'"),
                         ("branching=0", "in [1, 64] as 'branching'"), ("reward_noise=-1", "in [0, 1000] as 'reward_noise'"),
                         ("terminal=1", "in [0, 0.9] as 'terminal'"), ("discount=1", "in [0, 0.999] as 'discount'"),
                         ("observation=onehot", "one of \"one-hot|features\" as 'observation'"),
                         ("features=65", "in [1, 64] as 'features'"), ("state=3", "nearest is 'states'")):
        refused(says, *asked, "--set", f"env.options.{option}")
        refused(says, ID, "--set", f"env.options.{option}")

    # files
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        file = pathlib.Path(folder, "pi.csv")
        row = "0.25,0.25,0.25,0.25\n"
        for text, says in (("", "no row of numbers"), (row * 9, "9 rows of 4 numbers; the policy needs 10 rows, one for each state, of 4"),
                           ("0.5 0.5\n" * 10, "10 rows of 2 numbers"), (row * 11, "11 rows of 4 numbers"),
                           ("0.2,0.2,0.2,0.2,0.2\n" * 10, "10 rows of 5 numbers"), (row * 9 + "0.25,0.25,0.25\n", "pi.csv:10: the row has 3 numbers"),
                           (row * 9 + "0.25,0.25,0.25,0.2\n", "the probabilities of state 9 sum to 0.95, not 1"),
                           (row + "-0.25,0.75,0.25,0.25\n" + row * 8, "state 1, action 0: -0.25 is not a probability"),
                           ("a,b,c,d\na,b,c,d\n" + row * 10, "pi.csv:2: 'a' is no number"),
                           (row * 9 + "nan,1,0,0\n", "pi.csv:10: 'nan' is no number")):
            file.write_text(text)
            refused(says, *asked, "--policy", file, code=1)
        refused("No such file", *asked, "--policy", file.with_name("none.csv"), code=1)


if __name__ == "__main__":
    main(globals())
