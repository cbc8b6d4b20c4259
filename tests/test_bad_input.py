"""Bad input: each case gives one clear line on stderr and the documented exit code, and no data is lost."""
import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from support.program import PROGRAM, SMALL, checkpoints, main, one_line, sac, same_runs, same_tensors, sets, tensors, train

# ctest: timeout=300

FAILED, USAGE, NUMERIC = 1, 2, 3


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def refused(arguments, code, *texts, **options):
    """The program fails with one line that contains the texts."""
    result = sac(*arguments, code=code, **options)
    line = one_line(result.stderr)
    for text in texts:
        assert text in line, f"'{text}' is not in: {line}"
    return line


# --- configuration ----------------------------------------------------------------------------------------------------


def test_settings():
    with folder() as path:
        out = pathlib.Path(path, "run")
        for setting, texts in {
            "optim.learning_rate=1": ("unknown key 'optim.learning_rate'", "nearest is 'optim.lr'", "sac config"),
            "optim.lr=3": ("optim.lr = 3 (from --set) is outside (0, 1]",),
            "optim.lr=fast": ("optim.lr", "not a number"),
            "optim.lr=nan": ("optim.lr",),
            "optim.lr=": ("optim.lr",),
            "replay.batch=-1": ("replay.batch = -1", "outside"),
            "replay.batch=1.5": ("replay.batch", "1.5"),
            "replay.capacity=1e18": ("replay.capacity", "outside"),
            "replay.capacity=10": ("replay.capacity = 10", "replay.batch"),
            "network.hidden=0": ("network.hidden",),
            "network.hidden=-4": ("network.hidden",),
            "network.hidden=" + ",".join(["8"] * 17): ("network.hidden",),
            "network.critics=17": ("network.critics = 17", "[1, 16]"),
            "algo=ddpg": ("algo = ddpg", "sac"),
            "env.options={g: 1e400}": ("env.options",),
            "env.options={gg: 1}": ("env.options", "gg"),
            "seed=-1": ("seed = -1",),
            "nonsense": ("KEY=VALUE",),
        }.items():
            refused(["train", "--env", "Pendulum-v1", "--out", out, "--set", setting], USAGE, *texts)
        assert not out.exists()


def test_command_line():
    for arguments, texts in (
        (["train", "--sede", 3], ("unknown option '--sede'", "nearest is '--seed'")),
        (["train", "--seed"], ("--seed needs a value",)),
        (["train", "extra"], ("unexpected argument 'extra'",)),
        (["resume"], ("too few arguments",)),
        (["eval", "a", "--episodes", 0], ("--episodes", "[1, 100000]")),
    ):
        refused(arguments, USAGE, *texts)


def test_environments():
    with folder() as path:
        out = ["--out", pathlib.Path(path, "run")]
        refused(["train", "--env", "Pendulum-v2", *out], USAGE, "no environment 'Pendulum-v2'", "nearest is Pendulum-v1",
                "gym:Pendulum-v2")
        refused(["train", "--env", "CartPole-v1", "--set", "algo=sac", *out], USAGE, "CartPole-v1 has 2 discrete actions",
                "algo 'sac' needs continuous ones: --set algo=sac-discrete")
        for algo in ("soft-q", "sac-discrete"):
            refused(["train", "--env", "Pendulum-v1", "--set", f"algo={algo}", *out], USAGE,
                    f"Pendulum-v1 has continuous actions; algo '{algo}' needs discrete ones: --set algo=sac")
        assert not out[1].exists()


def test_yaml():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh"))
    with folder() as path:
        file = pathlib.Path(path, "my.yaml")
        for text, texts in (
            ("env:\n  id: Pendulum-v1\n\n\n\n\noptim.learning_rate: 1\n", (":7: ", "optim.learning_rate", "optim.lr")),
            (bomb, (":1: ",)),
            ("seed: 1\nseed: 2\n", (":2: ", "seed")),
            ("seed: !!python/object 1\n", (":1: ",)),
            ("seed: [\n", ("my.yaml",)),
            ("[" * 100000, ("my.yaml",)),
            ("optim:\n" + "".join("  " * i + "a:\n" for i in range(1, 30)), ("my.yaml",)),
            ("x" * (1 << 21), ("my.yaml",)),
            ("seed: \xff\xfe\n", ("my.yaml",)),
            ("seed: 1\0\n", ("my.yaml",)),
        ):
            file.write_bytes(text.encode("latin-1"))
            refused(["train", "--config", file, "--out", f"{path}/run"], USAGE, *texts)
        refused(["train", "--config", f"{path}/none.yaml"], USAGE, "none.yaml")
        refused(["train", "--config", path], USAGE, path)
        assert not pathlib.Path(path, "run").exists()


def test_memory():
    with folder() as path:
        out = pathlib.Path(path, "run")
        start = ["train", "--env", "Pendulum-v1", "--out", out]
        line = refused([*start, "--set", "replay.capacity=1e12"], FAILED, "needs 48.0 TB", "replay.capacity <= ", "fits")
        fits = int(line.split("replay.capacity <= ")[1].split()[0])
        assert 10000 <= fits < 10**12 and fits % 10000 == 0
        refused([*start, "--set", "replay.capacity=9007199254740992"], FAILED, "needs")
        refused([*start, "--set", "network.hidden=65536,65536,65536"], FAILED, "network.hidden")
        refused([*start, "--seeds", 4096, "--set", "network.hidden=4096,4096"], FAILED, "seeds")
        assert not out.exists()


def test_decimal_commas():
    """Numbers have decimal points in every locale."""
    env = {"LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    result = sac("train", "--env", "Pendulum-v1", "--set", "optim.lr=0.0005", "--dry-run", env=env)
    assert "lr: 0.0005 " in result.stdout
    refused(["train", "--set", "optim.lr=0,0005", "--dry-run"], USAGE, "optim.lr = 0,0005", env=env)


# --- folders and disks ------------------------------------------------------------------------------------------------


def test_folders():
    with folder() as path:
        file = pathlib.Path(path, "file")
        file.write_text("something else")
        refused(["train", "--env", "Pendulum-v1", "--out", file], FAILED, str(file))
        refused(["train", "--env", "Pendulum-v1", "--out", file / "run"], FAILED, str(file))
        refused(["train", "--env", "Pendulum-v1", "--out", "/proc/run"], FAILED, "/proc/run")
        refused(["train", "--env", "Pendulum-v1", "--out", f"{path}/{'x' * 300}"], FAILED, "name too long")
        assert file.read_text() == "something else"
        for command in ("resume", "eval"):
            refused([command, f"{path}/none"], FAILED, f"{path}/none")
        refused(["resume", file], FAILED, "not a run folder")
        refused(["resume", path], FAILED, "holds no run")
        if os.getuid() != 0:  # root may write everywhere
            os.chmod(path, 0o500)
            refused(["train", "--env", "Pendulum-v1", "--out", f"{path}/run"], FAILED, "ermission denied")
            os.chmod(path, 0o700)


def test_two_runs_in_one_folder():
    with folder() as path:
        out = pathlib.Path(path, "run")
        values = dict(SMALL, **{"train.steps": 10000000, "eval.every": 0, "checkpoint.every": 100})
        first = subprocess.Popen([PROGRAM, "train", "--env", "Pendulum-v1", "--quiet", "--out", str(out),
                                  *map(str, sets(values))])
        try:
            end = time.monotonic() + 30
            while not (out / "config.yaml").exists():
                assert time.monotonic() < end
                time.sleep(0.01)
            for arguments in (["resume", out], ["train", "--env", "Pendulum-v1", "--out", out]):
                refused(arguments, FAILED, "in use", f"process {first.pid}")
            assert first.poll() is None
        finally:
            first.send_signal(signal.SIGINT)
        assert first.wait(timeout=30) == 130
        step = checkpoints(out / "seed_1")[-1]
        sac("resume", out, "--steps", max(step, SMALL["train.warmup_steps"]) + 10)


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_too_many_agents_for_the_file_limit():
    with folder() as path:
        out = pathlib.Path(path, "run")
        refused(["train", "--env", "Pendulum-v1", "--seeds", 50, "--out", out, *sets(SMALL)], FAILED, "lower seeds",
                "ulimit -n", preexec_fn=few_files)
        assert not out.exists()


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))


def test_disk_full_by_limit():
    """A limit on file size stands for a full disk: the checkpoint cannot be written, the CSV files still can."""
    with folder() as path:
        whole, out = pathlib.Path(path, "whole"), pathlib.Path(path, "run")
        train(whole)
        train(out, {"train.steps": 250})
        kept = checkpoints(out / "seed_1")
        line = refused(["resume", out, "--steps", 600, "--quiet"], FAILED, "checkpoint of step 300", "File too large",
                       preexec_fn=small_files)
        assert line
        assert checkpoints(out / "seed_1") == kept
        sac("resume", out, "--steps", 600)
        same_runs(whole / "seed_1", out / "seed_1", best=False)


def test_disk_full_goes_on():
    with folder() as path:
        whole, out = pathlib.Path(path, "whole"), pathlib.Path(path, "run")
        train(whole, {"eval.every": 0})
        train(out, {"train.steps": 250, "eval.every": 0})
        kept = checkpoints(out / "seed_1")
        result = sac("resume", out, "--steps", 600, "--quiet", "--set", "checkpoint.on_error=continue", code=FAILED,
                     preexec_fn=small_files)
        lines = result.stderr.splitlines()
        assert [line[: len("sac: checkpoint of step 300")] for line in lines] == [
            f"sac: checkpoint of step {step}" for step in (300, 450, 600)], result.stderr
        assert all("the run goes on" in line for line in lines[:2]) and "the run goes on" not in lines[2], lines
        assert f"policy.safetensors in {out}/seed_1 is of this step" in lines[2] and f"'sac resume {out}' goes on from step 250" in lines[2]
        assert checkpoints(out / "seed_1") == kept

        # the policy of the last step is there, and an older checkpoint does not play unsaid
        same_tensors(whole / "seed_1/policy.safetensors", out / "seed_1/policy.safetensors")
        result = sac("eval", out, "--episodes", 1)
        assert "step_250 plays" in one_line(result.stderr) and "reached step 600" in result.stderr
        result = sac("resume", out)
        assert "reached step 600; its steps after 250 were not saved" in result.stdout
        same_runs(whole / "seed_1", out / "seed_1")


def test_disk_really_full():
    """The same on a file system of 300 kB, if this machine allows to mount one."""
    with folder() as path:
        disk = pathlib.Path(path, "disk")
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            print("test_disk_really_full: skipped, no mount here")
            return
        try:
            out = disk / "run"
            train(out, {"train.steps": 250, "checkpoint.keep": 1})
            kept = checkpoints(out / "seed_1")
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            (disk / "ballast").write_bytes(b"x" * max(free - 8192, 0))
            result = sac("resume", out, "--steps", 600, "--quiet", code=FAILED)
            assert "No space left" in one_line(result.stderr)
            assert checkpoints(out / "seed_1") == kept
            (disk / "ballast").unlink()
            sac("resume", out, "--steps", 600)
            # and a run that cannot start
            (disk / "ballast").write_bytes(b"x" * (os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
            result = train(disk / "second", code=FAILED)
            assert "No space left" in result.stderr.splitlines()[-1], result.stderr
        finally:
            subprocess.run(["umount", str(disk)], check=True)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def parts(data):
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def whole(header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def unsealed(data):
    """The file without its checksum, which would not fit after a change: its two entries get other names."""
    return data.replace(b'"crc32c":', b'"crc32-":', 1).replace(b'"checksum":', b'"checksu-":', 1)


def damage(data):
    """(description, damaged file) for a good checkpoint."""
    header, body = parts(data)
    name = "critic.0.layers.0.weight"
    begin, _ = header[name]["data_offsets"]

    def flipped(at):
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    # Nothing but the checksum notices these.
    yield "one bit of a weight", flipped(len(data) - len(body) + header["actor.head.weight"]["data_offsets"][0])
    yield "one bit of the configuration", flipped(data.index(b"gamma: 0.") + len("gamma: 0."))
    yield "one bit of the checksum", flipped(data.index(header["__metadata__"]["crc32c"].encode()))
    yield "one bit of its name", flipped(data.index(b"crc32c"))
    yield "one bit of its promise", flipped(data.index(b'"checksum"') + 1)

    # The others get as far as they can, without a checksum.
    del header["__metadata__"]["crc32c"], header["__metadata__"]["checksum"]
    data = whole(header, body)

    def changed(**fields):
        return {**header, name: {**header[name], **fields}}

    yield "empty", b""
    yield "7 bytes", data[:7]
    yield "cut in the header", data[:100]
    yield "cut in the data", data[: len(data) * 2 // 3]
    yield "one byte less", data[:-1]
    yield "one byte more", data + b"x"
    yield "no magic", b"\x89PNG\r\n\x1a\n" + data[8:]
    yield "huge header", struct.pack("<Q", 1 << 62) + data[8:]
    yield "header of the file's size", struct.pack("<Q", len(data)) + data[8:]
    yield "no JSON", data[:8] + b"#" * (len(data) - len(body) - 8) + body
    yield "overlapping offsets", whole(changed(data_offsets=[begin - 64, begin - 64 + header[name]["data_offsets"][1] - begin]), body)
    yield "offsets beyond the file", whole(changed(data_offsets=[len(body), 2 * len(body)]), body)
    yield "offsets backwards", whole(changed(data_offsets=header[name]["data_offsets"][::-1]), body)
    yield "shape of another size", whole(changed(shape=[1 << 40, 1 << 40]), body)
    yield "negative shape", whole(changed(shape=[-16, -4]), body)
    yield "another dtype", whole(changed(dtype="F64"), body)
    yield "critic missing", whole({key: value for key, value in header.items() if key != name}, body)
    yield "NaN in a critic", whole(header, body[:begin] + struct.pack("<f", float("nan")) + body[begin + 4 :])
    yield "no metadata", whole({key: value for key, value in header.items() if key != "__metadata__"}, body)
    yield "deep JSON", whole(header, body)[:8] + b"[" * (len(data) - len(body) - 8) + body


def test_damaged_checkpoint():
    """resume and eval fail with one line. With an older good checkpoint, resume uses that one."""
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out)
        steps = checkpoints(out / "seed_1")
        assert len(steps) == 2
        last = out / f"seed_1/checkpoints/step_{steps[1]}.safetensors"
        good = last.read_bytes()
        for what, data in damage(good):
            last.write_bytes(data)
            line = one_line(sac("eval", out, "--episodes", 1, code=FAILED).stderr)
            assert len(line) < 1000, (what, line)
            # an actor can be loaded from a file with bad critics, or without the name of its environment
            if "critic" not in what and what != "no metadata":
                one_line(train(pathlib.Path(path, "new"), {}, "--init", last, code=FAILED).stderr)
                assert not pathlib.Path(path, "new").exists(), what
        # one of each kind through a resume, which moves the damaged file aside
        for what, data in damage(good):
            copy = pathlib.Path(path, "copy")
            shutil.copytree(out, copy, symlinks=True)
            (copy / last.relative_to(out)).write_bytes(data)
            result = sac("resume", copy, "--quiet")
            line = one_line(result.stderr)
            assert line.startswith("sac: last checkpoint ") and line.endswith(f"using step_{steps[0]}"), (what, line)
            same_tensors_again(out, copy, last, good)
            shutil.rmtree(copy)
        # and without any good one
        for step in steps:
            (out / f"seed_1/checkpoints/step_{step}.safetensors").write_bytes(good[:1000])
        refused(["resume", out], FAILED, "no checkpoint loads", "cut short")


def same_tensors_again(out, copy, last, good):
    """After training again from the older checkpoint, the damaged one is written again, with the same content."""
    last.write_bytes(good)
    ours, theirs = tensors(last), tensors(copy / last.relative_to(out))
    for name, value in ours.items():
        assert name == "run.seconds" or value.tobytes() == theirs[name].tobytes(), name


def test_damaged_replay():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out)
        (rows,) = (out / "seed_1/replay").iterdir()
        rows.write_bytes(rows.read_bytes()[: rows.stat().st_size // 2])
        refused(["resume", out, "--steps", 700], FAILED, "no checkpoint loads", "cut short", f"'sac eval {out}'")
        sac("eval", out, "--episodes", 1)
        rows.unlink()
        refused(["resume", out, "--steps", 700], FAILED, "no checkpoint loads", rows.name)


def test_damaged_config():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out)
        config = out / "config.yaml"
        good = config.read_text()
        config.write_text(good.replace("tau: 0.005", "tau: 2"))
        refused(["resume", out], USAGE, "config.yaml", "tau")
        config.write_text(good.replace("capacity: 2000", "capacity: 3000"))
        refused(["resume", out], USAGE, "replay.capacity")
        config.write_text("nonsense")
        refused(["resume", out], USAGE, "config.yaml")
        config.write_text(good)
        for key, value in (("network.hidden", "8"), ("algo", "sac-v"), ("seed", 2), ("env.id", "MountainCarContinuous-v0")):
            refused(["resume", out, "--set", f"{key}={value}"], USAGE, key)
        sac("resume", out, "--steps", 601)


def test_wrong_policy_file():
    with folder() as path:
        out, other = pathlib.Path(path, "run"), pathlib.Path(path, "other")
        train(out)
        train(other, env="MountainCarContinuous-v0")
        policy = other / "seed_1/policy.safetensors"
        refused(["eval", policy, "--env", "Pendulum-v1"], FAILED, "observations")
        refused(["train", "--env", "Pendulum-v1", *sets(SMALL), "--out", f"{path}/new", "--init", policy], FAILED,
                "is of MountainCarContinuous-v0: 2 observations and 1 action; Pendulum-v1 has 3 and 1")
        train(pathlib.Path(path, "deep"), {"network.hidden": "16,16,16", "train.steps": 300})
        refused(["train", "--env", "Pendulum-v1", *sets(dict(SMALL, **{"network.hidden": "16,16"})), "--out", f"{path}/new",
                 "--init", f"{path}/deep/seed_1/policy.safetensors"], FAILED, "16,16,16", "network.hidden")
        refused(["eval", "/etc/passwd"], FAILED, "/etc/passwd")
        whole = policy.read_bytes()
        policy.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        refused(["eval", policy], FAILED, "policy.safetensors: damaged: its checksum is ", "metadata 'crc32c' says ")
        policy.write_bytes(unsealed(whole).replace(b"sac-policy-1", b"sac-policy-9"))
        refused(["eval", policy], FAILED, "sac-policy-9", "sac-policy-1")
        policy.write_bytes(whole[:-4])
        refused(["eval", policy], FAILED, "cut short")


def test_other_kind_of_policy():
    """A policy of other actions or of another kind is refused, as a file and as a run."""
    with folder() as path:
        run = {}
        for algo, env in (("sac", "Pendulum-v1"), ("soft-q", "CartPole-v1"), ("sac-discrete", "CartPole-v1")):
            run[algo] = pathlib.Path(path, algo)
            train(run[algo], {"algo": algo, "train.steps": 300}, env=env)
        file = {algo: out / "seed_1/policy.safetensors" for algo, out in run.items()}

        # eval: of the other kind, or of other numbers
        for algo in ("soft-q", "sac-discrete"):
            refused(["eval", file[algo], "--env", "Pendulum-v1"], FAILED, "is a policy of discrete actions; Pendulum-v1 has continuous ones")
            refused(["eval", file[algo], "--env", "Acrobot-v1"], FAILED, "takes 4 observations and gives 2 actions; Acrobot-v1 has 6 and 3")
            refused(["eval", run[algo], "--env", "Pendulum-v1"], FAILED, f"is of algo '{algo}', for discrete actions; Pendulum-v1 has continuous")
            refused(["eval", run[algo], "--env", "Acrobot-v1"], FAILED, "Acrobot-v1, which has 6 observations and 3 actions")
        refused(["eval", file["sac"], "--env", "CartPole-v1"], FAILED, "is a policy of continuous actions; CartPole-v1 has discrete ones")
        refused(["eval", run["sac"], "--env", "CartPole-v1", "--sample"], FAILED, "is of algo 'sac', for continuous actions; CartPole-v1 has discrete")

        # --init: of other actions, or without the networks that act
        def start(algo, env, init, *texts):
            refused(["train", "--env", env, *sets(dict(SMALL, algo=algo)), "--out", f"{path}/new", "--init", init], FAILED, *texts)

        for algo in ("soft-q", "sac-discrete"):
            start(algo, "CartPole-v1", file["sac"], "is of Pendulum-v1, with continuous actions; CartPole-v1 has 2 discrete ones")
            start("sac", "Pendulum-v1", file[algo], "is of CartPole-v1, with 2 discrete actions; Pendulum-v1 has continuous ones")
            start(algo, "Acrobot-v1", file[algo], "is of CartPole-v1, with 2 discrete actions; Acrobot-v1 has 3 discrete ones")
        for init in (run["soft-q"], file["soft-q"]):
            start("sac-discrete", "CartPole-v1", init, "has no actor, and algo 'sac-discrete' starts from one", "init.parts=critics")
        start("soft-q", "CartPole-v1", file["sac-discrete"], "has an actor alone, and algo 'soft-q' has none", "--set algo=sac-discrete")

        # damaged, and of a later version
        for algo in ("soft-q", "sac-discrete"):
            whole = file[algo].read_bytes()
            file[algo].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            refused(["eval", file[algo]], FAILED, "policy.safetensors: damaged: its checksum is ", "metadata 'crc32c' says ")
            file[algo].write_bytes(unsealed(whole).replace(b"sac-policy-2", b"sac-policy-9"))
            refused(["eval", file[algo]], FAILED, "sac-policy-9", "sac-policy-1", "sac-policy-2")
            file[algo].write_bytes(unsealed(whole).replace(b'"policy":"', b'"polity":"'))
            refused(["eval", file[algo]], FAILED, "is neither a policy nor a checkpoint")


# --- values that are not finite ---------------------------------------------------------------------------------------


def explode(checkpoint):
    """Makes a critic's weight finite and far too large."""
    data = unsealed(checkpoint.read_bytes())
    header, body = parts(data)
    begin, _ = header["critic.0.head.bias"]["data_offsets"]
    checkpoint.write_bytes(data[: len(data) - len(body)] + body[:begin] + struct.pack("<f", 3e38) + body[begin + 4 :])


def test_not_finite():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, {"train.steps": 400})
        explode(out / "seed_1/checkpoints/step_400.safetensors")
        line = refused(["resume", out, "--steps", 600, "--quiet"], NUMERIC, "step 401: ", "gradient ", "NaN",
                       "good state: ", "step_400.safetensors", f"'sac resume {out} --set optim.lr=", "from step 400")
        assert "step 401" in (out / "seed_1/failed.txt").read_text(), line
        assert checkpoints(out / "seed_1")[-1] == 400


def test_not_finite_in_a_population():
    """The other agents go on, and are the same as without the failed one. The exit code reports the failure."""
    with folder() as path:
        out, alone = pathlib.Path(path, "run"), pathlib.Path(path, "alone")
        train(out, {"train.steps": 400}, "--seeds", 3)
        explode(out / "seed_2/checkpoints/step_400.safetensors")
        result = sac("resume", out, "--steps", 600, code=NUMERIC)
        assert "1 of 3 agents stopped" in one_line(result.stderr) and "seed 2 stops" in result.stdout
        assert checkpoints(out / "seed_2")[-1] == 400 and checkpoints(out / "seed_3")[-1] == 600
        train(alone, {"train.steps": 400}, "--seed", 3)
        sac("resume", alone, "--steps", 600)
        same_runs(alone / "seed_3", out / "seed_3")
        sac("eval", out / "seed_3", "--episodes", 1)


if __name__ == "__main__":
    main(globals())
