"""The cases that are measured, and their target figures."""
import collections

# peers: other implementations are measured too; stages: the time of each stage is measured too.
Case = collections.namedtuple("Case", "name kind options target unit peers stages")
SHAPE = ["--obs", 17, "--act", 6, "--hidden", "256,256"]
TINY = ["--obs", 3, "--act", 1, "--hidden", "8,8"]
TF32, FP32 = ["--set", "precision=tf32"], ["--set", "precision=fp32"]
UPDATES, AGENTS = "updates/s", "agent-updates/s"
CASES = (
    Case("one agent, tf32", "update", [*SHAPE, "--batch", 256, *TF32], 7400, UPDATES, True, True),
    Case("one agent, fp32", "update", [*SHAPE, "--batch", 256, *FP32], 5900, UPDATES, True, True),
    Case("population 10, tf32", "update", [*SHAPE, "--batch", 256, "--population", 10, *TF32], 35000, AGENTS, False, True),
    Case("population 64, tf32", "update", [*SHAPE, "--batch", 256, "--population", 64, *TF32], 58000, AGENTS, True, True),
    Case("2x1024, batch 8192, tf32", "update", ["--obs", 17, "--act", 6, "--hidden", "1024,1024", "--batch", 8192, *TF32], 500,
         UPDATES, True, True),
    Case("2x64, batch 100, fp32", "update", ["--obs", 3, "--act", 1, "--hidden", "64,64", "--batch", 100, *FP32], 7000, UPDATES,
         False, False),
    Case("act, one observation", "act", SHAPE, 11, "us", False, False),
    Case("act, ten agents", "act", [*SHAPE, "--population", 10], 12.5, "us", False, False),
)
PENDULUM_TARGET, RETURN_TARGET, PEER_FACTOR = 1.5, -200.0, 3.0
TINY_RUN = {"network.hidden": "8,8", "replay.batch": 8, "replay.capacity": 500, "train.warmup_steps": 50, "eval.every": 0}


def options_of(case, rehearse):
    """The case's options of sac bench; in a rehearsal with tiny networks and for a very short time."""
    if not rehearse:
        return [*case.options, "--warmup", 0.4, "--seconds", 0.3, "--repeats", 7]
    learning = ["--batch", 8, "--rows", 100] if case.kind == "update" else []
    tiny = [*TINY, *learning, "--population", 2 if "--population" in case.options else 1, "--seconds", 0.001, "--repeats", 1,
            "--warmup", 0, "--set", "replay.capacity=1000"]
    return [*tiny, *case.options[case.options.index("--set"):]] if "--set" in case.options else tiny


def sets(values):
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
