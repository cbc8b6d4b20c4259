"""sac explain: what it prints about states, recomputed by NumPy from the tensors of the checkpoint; and its errors."""
import json
import os
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import save_file

from support.program import main, one_line, sac, tensors, train

folder = tempfile.TemporaryDirectory(prefix="sac-test-")
TINY = {"train.warmup_steps": 50, "replay.batch": 16, "replay.capacity": 1000, "eval.every": 0}
RUNS = {}


def run_of(algo, **more):
    """A run of a few updates; the same one for the same arguments."""
    key = (algo, *sorted(more.items()))
    if key not in RUNS:
        env = "CartPole-v1" if algo in ("sac-discrete", "soft-q") else "Pendulum-v1"
        RUNS[key] = os.path.join(folder.name, f"run_{len(RUNS)}")
        train(RUNS[key], {**TINY, "algo": algo, "train.steps": 120, **more}, env=env)
    return RUNS[key]


def explained(*arguments):
    return json.loads(sac("explain", *arguments, "--json").stdout)


def network(checkpoint, name, x):
    """A network of the checkpoint in float64."""
    x = numpy.asarray(x, numpy.float64)
    layer = 0
    while f"{name}.layers.{layer}.weight" in checkpoint:
        x = numpy.maximum(checkpoint[f"{name}.layers.{layer}.weight"].astype(float) @ x
                          + checkpoint[f"{name}.layers.{layer}.bias"], 0)
        layer += 1
    return checkpoint[f"{name}.head.weight"].astype(float) @ x + checkpoint[f"{name}.head.bias"]


def log_softmax(x):
    shifted = x - x.max()
    return shifted - numpy.log(numpy.exp(shifted).sum())


def path(name, text=None):
    whole = os.path.join(folder.name, name)
    if text is not None:
        with open(whole, "w", encoding="utf-8") as file:
            file.write(text)
    return whole


def checkpoint_of(run):
    return tensors(os.path.join(run, "seed_1", "checkpoints", "last"))


def check_discrete(algo, **more):
    run = run_of(algo, **more)
    checkpoint, out = checkpoint_of(run), explained(run, "--env-steps", 5)
    alpha = float(numpy.exp(numpy.float64(checkpoint["log_alpha"])))
    assert out["algo"] == algo and out["env"] == "CartPole-v1" and len(out["states"]) == 5, out
    assert abs(out["alpha"] - alpha) <= 1e-12 * alpha, (out["alpha"], alpha)
    assert len({tuple(state["obs"]) for state in out["states"]}) == 5, "the environment was not stepped"
    for state in out["states"]:
        each = [network(checkpoint, f"critic.{k}", state["obs"]) for k in range(int(more.get("network.critics", 2)))]
        q = (numpy.mean if more.get("network.critics_join") == "mean" else numpy.min)(each, axis=0)
        log_boltzmann = log_softmax(q / alpha)
        log_pi = log_boltzmann if algo == "soft-q" else log_softmax(network(checkpoint, "actor", state["obs"]))
        pi = numpy.exp(log_pi)
        wanted = {"q": each, "q_joined": q, "boltzmann": numpy.exp(log_boltzmann), "pi": pi,
                  "log_z": numpy.log(numpy.exp(q / alpha).sum()), "kl": pi @ (log_pi - log_boltzmann),
                  "entropy": -pi @ log_pi, "v": pi @ (q - alpha * log_pi)}
        for name, value in wanted.items():
            assert numpy.allclose(state[name], value, rtol=1e-9, atol=1e-11), (name, state[name], value)
    return out


def test_sac_discrete():
    out = check_discrete("sac-discrete")
    assert any(state["kl"] > 1e-6 for state in out["states"]), out


def test_soft_q():
    out = check_discrete("soft-q", **{"network.hidden": "[]", "network.critics": 3, "network.critics_join": "mean"})
    assert all(state["kl"] == 0 for state in out["states"]), out
    assert not [name for name in checkpoint_of(run_of("soft-q", **{"network.hidden": "[]", "network.critics": 3,
                                                                   "network.critics_join": "mean"}))
                if "actor" in name]


def test_continuous():
    run = run_of("sac")
    checkpoint, out = checkpoint_of(run), explained(run, "--env-steps", 3, "--samples", 20000)
    low, high, alpha = -20, 2, out["alpha"]
    grid, h = numpy.linspace(-1, 1, 4001, retstep=True)
    for state in out["states"]:
        mu, log_std = network(checkpoint, "actor", state["obs"])
        sigma = numpy.exp(numpy.clip(log_std, low, high))
        assert numpy.allclose([state["mean"][0], state["std"][0]], [numpy.tanh(mu), sigma], rtol=1e-9)
        assert abs(state["log_prob_of_mean"]
                   - (-numpy.log(sigma) - 0.5 * numpy.log(2 * numpy.pi) - numpy.log1p(-numpy.tanh(mu) ** 2))) < 1e-5

        # Q at the mean, along the axis, and its integral by the trapezoidal rule.
        def q_of(a):
            return min(network(checkpoint, f"critic.{k}", [*state["obs"], a])[0] for k in range(2))

        axis = state["axes"][0]
        assert len(axis["action"]) == len(axis["q_joined"]) == len(axis["log_pi"]) == 101
        assert numpy.allclose(axis["q_joined"], [q_of(numpy.float32(a)) for a in axis["action"]], rtol=1e-9)
        log_q = numpy.array([q_of(a) for a in grid]) / alpha
        weight = numpy.where(numpy.abs(grid) == 1, h / 2, h)
        log_z = log_q.max() + numpy.log((weight * numpy.exp(log_q - log_q.max())).sum())
        assert abs(state["log_z"] - log_z) < 1e-4 and state["log_z_by"] == "quadrature", (state["log_z"], log_z)
        assert 0 <= state["log_z_error"] < 1e-2 and state["samples"] == 20000

        # Expectations by the trapezoidal rule over the noise; samples are some standard errors away at most.
        eps, step = numpy.linspace(-8, 8, 2001, retstep=True)
        density = numpy.exp(-0.5 * eps**2) / numpy.sqrt(2 * numpy.pi) * step
        u = mu + sigma * eps
        log_pi = (-0.5 * eps**2 - numpy.log(sigma) - 0.5 * numpy.log(2 * numpy.pi)
                  - 2 * (numpy.log(2) - numpy.abs(u) - numpy.log1p(numpy.exp(-2 * numpy.abs(u)))))
        values = numpy.array([q_of(a) for a in numpy.tanh(u)])
        exact = {"entropy": -(density * log_pi).sum(), "v": (density * (values - alpha * log_pi)).sum()}
        exact["kl"] = log_z - exact["v"] / alpha
        for name, value in exact.items():
            error = state[f"{name}_error"]
            assert 0 < error < 0.1 and abs(state[name] - value) <= 5 * error, (name, state[name], value, error)


def test_states_of_files():
    run, states = run_of("sac-discrete"), [[0.1, -0.2, 0.03, 0.4], [0, 0, 0, 0], [1e-3, -2, 3, 1e-7]]
    text = "x,v,angle,w\n" + "".join(",".join(map(str, row)) + "\n" for row in states)
    csv, blanks = path("states.csv", text), path("blanks.txt", "# states\n\n0.1 -0.2\t0.03 0.4\r\n0 0 0 0\n1e-3, -2, 3, 1e-7")
    save_file({"obs": numpy.array(states, numpy.float32)}, path("f32.safetensors"))
    save_file({"observation": numpy.array(states, numpy.float64)}, path("f64.safetensors"))
    of_csv = explained(run, "--states", csv)
    assert numpy.array_equal([state["obs"] for state in of_csv["states"]], numpy.array(states, numpy.float32))
    for other in (blanks, path("f32.safetensors"), path("f64.safetensors")):
        assert explained(run, "--states", other)["states"] == of_csv["states"], other

    # For people, in 80 columns; the checkpoint itself in place of its folder.
    out = sac("explain", os.path.join(run, "seed_1", "checkpoints", "last"), "--states", csv).stdout
    assert out.count("log Z") == 3 and "exp(q/a)/Z" in out and max(map(len, out.splitlines())) <= 80, out
    assert "tanh(mu)" in sac("explain", run_of("sac")).stdout


def test_bad_input():
    run = run_of("sac-discrete")
    for name, text, says in (("short.csv", "1,2,3,4\n1,2,3\n", "short.csv:2: the row has 3 numbers, the first row has 4"),
                             ("long.csv", "1,2,3,4,5\n", "long.csv: a row has 5 numbers, an observation has 4"),
                             ("word.csv", "1,2,3,4\n1,2,x,4\n", "word.csv:2: 'x' is no number"),
                             ("nan.csv", "1,2,3,4\n1,2,nan,4\n", "nan.csv:2: 'nan' is no number"),
                             ("large.csv", "1,2,1e39,4\n", "state 1: number 3 is not finite in float32"),
                             ("empty.csv", "", "empty.csv: the file has no row of numbers"),
                             ("header.csv", "a,b,c,d\n", "header.csv: the file has no row of numbers"),
                             ("binary.csv", "1,2\0,3,4\n", "binary.csv:1: the line has a zero byte")):
        assert says in one_line(sac("explain", run, "--states", path(name, text), code=1).stderr), name
    save_file({"states": numpy.zeros((2, 4), numpy.float32)}, path("name.safetensors"))
    save_file({"obs": numpy.zeros((2, 3), numpy.float32)}, path("width.safetensors"))
    assert "has no tensor 'obs'" in one_line(sac("explain", run, "--states", path("name.safetensors"), code=1).stderr)
    assert "must be (states, 4)" in one_line(sac("explain", run, "--states", path("width.safetensors"), code=1).stderr)
    assert "no such file" in one_line(sac("explain", run, "--states", path("none.csv"), code=1).stderr).lower()
    assert "exclude each other" in one_line(sac("explain", run, "--states", "x", "--env-steps", 3, code=2).stderr)
    policy = os.path.join(run, "seed_1", "policy.safetensors")
    assert "is no checkpoint, and only a checkpoint has critics" in one_line(sac("explain", policy, code=1).stderr)
    assert "nothing.here" in one_line(sac("explain", path("nothing.here"), code=1).stderr)
    assert "--best chooses a checkpoint of a run" in one_line(sac("explain", policy, "--best", code=2).stderr)


def test_pictures():
    plot = [sys.executable, os.path.join(os.environ["SAC_SOURCE"], "scripts", "plot.py"), "--explain"]
    for algo in ("sac", "sac-discrete"):
        file = path(f"{algo}.json", sac("explain", run_of(algo), "--json").stdout)
        result = subprocess.run([*plot, file], capture_output=True, text=True)
        with open(path(f"{algo}.png"), "rb") as picture:
            assert result.returncode == 0 and picture.read(8) == b"\x89PNG\r\n\x1a\n", result.stderr
    for text in ("", "[]", '{"states": []}', '{"states": [{"obs": [1]}], "alpha": 1}', '{"states": 3, "alpha": 1}'):
        result = subprocess.run([*plot, path("bad.json", text)], capture_output=True, text=True)
        assert result.returncode == 1 and result.stderr.startswith("plot.py: ") and result.stderr.count("\n") == 1, result


if __name__ == "__main__":
    main(globals())
