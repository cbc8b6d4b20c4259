"""The Python packages safetensors and tensorboard read what sac writes, and sac reads what safetensors writes."""
import os
import subprocess
import sys
import tempfile

import numpy
import safetensors
from safetensors.numpy import load_file, save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

folder = tempfile.TemporaryDirectory(prefix="sac-test-")

contents = {
    "flags": numpy.array([1, 0, 255, 7, 9], numpy.uint8),
    "a.weight": numpy.array([[1, -2, 3.5], [1e-30, 0, -0.0]], numpy.float32),
    "doubles": numpy.array([0.1, -1e300, 5e-324]),
    "signed": numpy.array([-(2**63), 42], numpy.int64),
    "scalar": numpy.array(1, numpy.float32),
    "unsigned": numpy.array([[2**64 - 1, 3]], numpy.uint64),
    "empty": numpy.zeros((0, 4), numpy.float32),
    'name "x"\\\né': numpy.array([1, 0], numpy.uint8),
}
metadata = {"format": "test", "text": 'line 1\nline "2"\t\\ € 🎲'}


def path(name):
    return os.path.join(folder.name, name)


def case(program, name):
    """Runs one case of a C test, which reads and writes in this folder."""
    environment = dict(os.environ, SAC_READBACK=folder.name, CK_RUN_CASE=name)
    subprocess.run([os.path.join(os.environ["SAC_BUILD"], "tests", program)], env=environment, check=True)


def equal(ours, theirs):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, (ours, theirs)
    assert ours.tobytes() == theirs.tobytes(), (ours, theirs)


def crc32c(data):
    """Bit by bit, as the polynomial defines it."""
    crc = 2**32 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 2**32 - 1


def test_safetensors():
    save_file(contents, path("theirs.safetensors"), metadata)
    save_file({"half": numpy.zeros(3, numpy.float16)}, path("half.safetensors"))
    case("test_safetensors", "readback")
    ours = load_file(path("ours.safetensors"))
    assert set(ours) == set(contents), set(ours)
    for name, value in contents.items():
        equal(ours[name], value)
    with safetensors.safe_open(path("ours.safetensors"), "numpy") as file:
        said = file.metadata()
    checksum = said.pop("crc32c")
    assert said.pop("checksum") == "crc32c", said
    assert said == metadata, said
    with open(path("ours.safetensors"), "rb") as file:
        data = file.read()
    assert checksum == f"{crc32c(data.replace(checksum.encode(), b'0' * 8)):08x}", checksum


def test_checkpoint():
    case("test_checkpoint", "readback")
    tensors = load_file(path("seed_3/checkpoints/last"))
    shapes = {name: value.shape for name, value in tensors.items()}
    assert shapes["actor.layers.0.weight"] == (8, 3) and shapes["adam_m/actor.head.bias"] == (4,), shapes
    assert shapes["critic_target.1.layers.1.weight"] == (5, 8) and shapes["log_alpha"] == (), shapes
    assert tensors["counters"].tolist() == [50, 2, 0] and tensors["seed"] == 3, tensors["counters"]
    assert tensors["env.state"].dtype == numpy.float64 and tensors["run.odd"].tolist() == list(range(50, 57))
    policy = load_file(path("seed_3/policy.safetensors"))
    assert set(policy) == {name for name in tensors if name.startswith(("actor.", "action."))}, set(policy)
    for name, value in policy.items():
        equal(value, tensors[name])
    with safetensors.safe_open(path("seed_3/policy.safetensors"), "numpy") as file:
        said = file.metadata()
    assert said["format"] == "sac-policy-1" and said["hidden"] == "8,5" and said["log_std_min"] == "-20", said
    # no more than that: a policy of continuous actions is readable to versions that know no others
    assert set(said) - {"crc32c", "checksum", "spaces"} == {"format", "version", "env", "env.options", "obs", "act", "hidden",
                                                            "log_std_min", "log_std_max"}, said
    rows = numpy.fromfile(path("seed_3/replay/rows_0.bin"), numpy.uint8)
    assert rows[:8].tobytes() == b"sacrows1" and rows[8:16].view(numpy.uint64)[0] * 4 * 50 + 64 == rows.size


def test_tensorboard():
    case("test_metrics", "readback")
    events = EventAccumulator(path("seed_1"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    with open(path("seed_1/metrics.csv")) as file:
        columns = file.readline().strip().split(",")[1:]
        rows = [line.strip().split(",") for line in file]
    assert len(tags) == len(columns) - 1 + 2, tags  # episode_return is always NaN there; two tags of eval/
    for tag in ("train/updates", "loss/critic", "policy/alpha", "seconds/act", "info/speed"):
        steps = [event.step for event in events.Scalars(tag)]
        # the row at the step of the checkpoint stays, the resume removed later ones
        assert steps == [1000, 2000, 2500] == [int(row[0]) for row in rows], (tag, steps)
    for event, row in zip(events.Scalars("loss/critic"), rows):
        assert event.value == numpy.float32(row[1 + columns.index("critic_loss")]), (event, row)
    assert columns[-1] == "info/speed" and [event.value for event in events.Scalars("info/speed")] == [125, 250, 312.5]
    assert [event.step for event in events.Scalars("eval/episode_return")] == [1000]
    assert events.Scalars("eval/episode_return")[0].value == -0.5
    assert abs(events.Scalars("eval/episode_length")[0].value - 139) < 1e-4


tests = [value for name, value in list(globals().items()) if name.startswith("test_")]
for test in tests:
    test()
print(f"{len(tests)} tests passed")
