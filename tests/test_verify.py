"""sac verify as a user runs it: good files, files that must fail, and invalid files."""
import json
import os
import struct
import subprocess
import sys
import tempfile

source, program = os.environ["SAC_SOURCE"], os.environ["SAC_PROGRAM"]
updates = os.path.join(source, "tests", "golden", "updates")
good = os.path.join(updates, "sac-odd.safetensors")
good_v = os.path.join(updates, "sac-v.safetensors")
good_discrete = os.path.join(updates, "sac-discrete-alpha-bounds.safetensors")
good_soft_q = os.path.join(updates, "soft-q-odd.safetensors")
failures = []


def check(what, condition, detail=""):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}: {detail}")


def verify(*arguments):
    return subprocess.run([program, "verify", *arguments], capture_output=True, text=True, timeout=120)


def read(path):
    """A safetensors file as (header, data), without the package, because the tests change every part of it."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        return json.loads(file.read(size)), bytearray(file.read())


def write(folder, header, data, name="broken.safetensors"):
    path = os.path.join(folder, name)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    return path


def must_fail(what, path, *says):
    """Exit 1 and one line on stderr that starts with `sac: ` and names the file; no crash."""
    run = verify(path)
    check(what, run.returncode == 1, f"exit {run.returncode}: {run.stderr}")
    lines = run.stderr.strip().splitlines()
    check(what + ": one line", len(lines) == 1 and lines[0].startswith("sac: "), run.stderr)
    for text in (os.path.basename(path), *says):
        check(what + f": says '{text}'", text in run.stderr, run.stderr)
    check(what + ": names the file once", run.stderr.count(path) == 1, run.stderr)


def with_config(folder, change, file=good):
    header, data = read(file)
    config = json.loads(header["__metadata__"]["config"])
    change(config)
    header["__metadata__"]["config"] = json.dumps(config)
    return write(folder, header, data)


def good_files():
    run = verify(good, good_v)
    check("good files", run.returncode == 0, run.stdout + run.stderr)
    check("table names tensors", "after/critic.1.layers.0.weight" in run.stdout and "metrics/entropy" in run.stdout)
    check("table tells the kind", run.stdout.count("golden update") == 2, run.stdout)
    check("nothing on stderr", run.stderr == "", run.stderr)
    run = verify(good, "--json", "--device", "cpu", "--set", "cpu.threads=1")
    check("json", run.returncode == 0, run.stderr)
    report = json.loads(run.stdout)
    check("json: ok", report["ok"] and report["error"] is None and report["kind"] == "golden update", run.stdout)
    rows = {row["name"]: row for row in report["rows"]}
    check("json: rows", all(row["ok"] and 0 <= row["share"] <= 1 for row in rows.values()))
    check("json: counts", rows["after/actor.head.weight"]["count"] == 6 * 13 and rows["metrics/alpha"]["count"] == 4)


def wrong_numbers(folder):
    header, data = read(good)
    for name, scale in (("after/actor.head.weight", 1.002), ("after/critic_target.0.head.bias", 1.002),
                        ("metrics/critic_loss", 1.0005), ("after/adam_m/critic.0.head.weight", 1.0005),
                        ("after/log_alpha", 1.0001), ("minibatch/reward", 1.01), ("noise/next_action", 1.01)):
        begin = header[name]["data_offsets"][0]
        changed = bytearray(data)
        value = struct.unpack_from("<f", data, begin)[0]
        struct.pack_into("<f", changed, begin, value * scale)
        path = write(folder, header, changed)
        run = verify(path)
        check(f"{name} off", run.returncode == 1 and "BEYOND" in run.stdout, run.stdout)
        run = verify(path, "--json")
        report = json.loads(run.stdout)
        beyond = [row["name"] for row in report["rows"] if not row["ok"]]
        check(f"{name} off, json", run.returncode == 1 and not report["ok"] and beyond, run.stdout)
        if name.startswith(("after/", "metrics/")):
            check(f"{name} off, alone", beyond == [name], beyond)
        struct.pack_into("<f", changed, begin, float("nan"))
        run = verify(write(folder, header, changed), "--json")
        check(f"{name} NaN", run.returncode == 1, run.stdout)
        json.loads(run.stdout.replace("NaN", "?"))  # JSON has no NaN
    run = verify(good, write(folder, header, changed), good_v)
    check("a bad file among good ones", run.returncode == 1 and run.stdout.count("within") == 2, run.stdout)


def wrong_settings(folder):
    """A wrong hyperparameter gives a wrong update: each one matters, and the comparison detects it."""
    for key, value in (("gamma", 0.98), ("tau", 0.006), ("lr", 3.1e-4), ("reward_scale", 1.01), ("alpha", "fixed"),
                       ("target_entropy", -2.9), ("algo", "sac-v")):
        path = with_config(folder, lambda config: config.update({key: value}))
        check(f"{key} = {value}", verify(path).returncode == 1)


def damaged_files(folder):
    header, data = read(good)
    with open(good, "rb") as file:
        whole = file.read()

    def damaged(what, content, *says):
        path = os.path.join(folder, "damaged.safetensors")
        with open(path, "wb") as file:
            file.write(content)
        must_fail(what, path, *says)

    damaged("empty", b"")
    damaged("cut in the length", whole[:5])
    damaged("cut in the header", whole[:200])
    damaged("cut in the data", whole[:-1])
    damaged("one byte more", whole + b"x")
    damaged("huge header", struct.pack("<Q", 2**63) + whole[8:])
    damaged("text", b"this is no safetensors file at all, it is a line of text\n" * 9)
    must_fail("missing", os.path.join(folder, "missing.safetensors"))
    must_fail("a folder", folder)

    def changed(what, change, *says):
        copy = json.loads(json.dumps(header))
        change(copy)
        must_fail(what, write(folder, copy, data), *says)

    changed("no metadata", lambda h: h.pop("__metadata__"), "config")
    changed("other metadata", lambda h: h.update(__metadata__={"format": "pt"}), "config")
    changed("config not JSON", lambda h: h["__metadata__"].update(config="{algo: sac"), "JSON")
    changed("config a list", lambda h: h["__metadata__"].update(config="[1, 2]"), "JSON object")
    changed("config empty", lambda h: h["__metadata__"].update(config=""), "JSON")
    changed("config twice", lambda h: h["__metadata__"].update(config='{"algo": "sac", "algo": "sac-v"}'), "JSON")
    changed("config deep", lambda h: h["__metadata__"].update(config="[" * 100000), "JSON")
    changed("no fields", lambda h: h["__metadata__"].update(config="{}"), "algo")
    # names: changed so that the data is still covered
    for name in ("before/actor.head.bias", "after/log_alpha", "minibatch/obs", "noise/next_action", "metrics/alpha"):
        changed(f"no {name}", lambda h, name=name: h.update({"other/tensor": h.pop(name)}), name)
    changed("unknown tensor", lambda h: h.update({"after/actor.tail.bias": h.pop("after/adam_v/actor.head.bias")}),
            "after/actor.tail.bias")
    changed("transposed", lambda h: h["before/actor.head.weight"].update(shape=[13, 6]), "before/actor.head.weight")
    changed("one dimension", lambda h: h["after/actor.head.weight"].update(shape=[78]), "after/actor.head.weight")
    changed("other type", lambda h: h["minibatch/reward"].update(dtype="I32"))
    changed("batch of another size", lambda h: h["minibatch/obs"].update(shape=[31, 4, 5]), "minibatch/obs")
    struct.pack_into("<f", data, header["before/actor.head.bias"]["data_offsets"][0], float("nan"))
    must_fail("NaN weight", write(folder, header, data), "before/", "actor.head.bias")


def hostile_settings(folder):
    cases = [("algo", "ppo", "algo"), ("algo", 3, "algo"), ("obs", 0, "obs"), ("obs", -5, "obs"), ("obs", 1e9, "obs"),
             ("obs", 65536, "before/actor.layers.0.weight"), ("act", 2.5, "act"), ("act", 65536, None),
             ("hidden", [], "actor.head.weight"), ("hidden", {}, "hidden"),
             ("hidden", [0], "hidden"), ("hidden", [65536] * 16, None), ("hidden", [1] * 17, "hidden"),
             ("hidden", "16,16", "hidden"), ("hidden", [2**40], "hidden"), ("batch", 0, "batch"),
             ("batch", 1048576, None), ("batch", 10**18, "batch"), ("updates", 0, "updates"),
             ("updates", 10**12, "updates"), ("updates", 5, "minibatch/obs"), ("critics", 0, "critics"),
             ("critics", 17, "critics"), ("critics", 3, "critic.2"), ("gamma", 1.5, "gamma"),
             ("gamma", None, "gamma"), ("tau", 0, "tau"), ("lr", -1, "lr"), ("lr", True, "lr"),
             ("alpha", "maybe", "alpha"), ("alpha", 0.2, "alpha"), ("target_entropy", "much", "target_entropy"),
             ("log_std_min", 3, "log_std"), ("reward_scale", "x", "reward_scale")]  # fmt: skip
    for key, value, says in cases:
        path = with_config(folder, lambda config: config.update({key: value}))
        must_fail(f"{key} = {value}"[:60], path, *([says] if says else []))
    for key in json.loads(read(good)[0]["__metadata__"]["config"]):
        path = with_config(folder, lambda config: config.pop(key))
        must_fail(f"no {key}", path, f"'{key}'")


def discrete_files(folder):
    """Discrete actions: other fields and metrics than those of continuous ones, and an action is a number."""
    run = verify(good_discrete, good_soft_q, "--json")
    check("discrete files", run.returncode == 0, run.stdout + run.stderr)
    reports = [json.loads(line) for line in run.stdout.splitlines()]
    rows = [{row["name"]: row["count"] for row in report["rows"]} for report in reports]
    for name in ("metrics/soft_value", "metrics/log_z", "metrics/kl"):
        check(f"{name} is compared", all(name in row for row in rows), rows)
    check("soft-q has no actor", not [name for name in rows[1] if "actor" in name], rows[1])
    check("a row of the head for each action", rows[1]["after/critic.1.head.weight"] == 18 * 13, rows[1])

    # each setting matters
    for change in ({"gamma": 0.98}, {"reward_scale": 1.01}, {"target_entropy": 0.2}, {"critics_join": "mean"},
                   {"alpha_min": 0.4}, {"alpha_min": 0.3, "alpha_max": 0.485}, {"alpha": "fixed"}):
        run = verify(with_config(folder, lambda config: config.update(change), good_discrete))
        check(f"discrete: {change}", run.returncode == 1 and "BEYOND" in run.stdout, run.stdout + run.stderr)
    run = verify(with_config(folder, lambda config: config.pop("alpha_min"), good_discrete))
    check("a bound that is left out", run.returncode == 1 and "BEYOND" in run.stdout, run.stdout + run.stderr)
    run = verify(with_config(folder, lambda config: config.pop("alpha_max"), good_discrete), "--set", "alpha.max=0.45")
    check("a file without a bound has none", run.returncode == 0, run.stdout + run.stderr)

    # the fields
    for key, value, says in (("critics_join", "max", "network.critics_join"), ("critics_join", 1, "'critics_join'"),
                             ("alpha_min", "low", "'alpha_min'"), ("alpha_min", 0, "alpha.min"),
                             ("alpha_max", -1, "alpha.max"), ("alpha_max", 0.1, "alpha.min"),
                             ("act", 1, "1 discrete action"), ("act", 3, "before/actor.head.weight"),
                             ("algo", "soft-q", "actor.head.bias"), ("algo", "sac", "'log_std_min'")):
        path = with_config(folder, lambda config: config.update({key: value}), good_discrete)
        must_fail(f"discrete: {key} = {value}", path, says)
    must_fail("no critics_join", with_config(folder, lambda c: c.pop("critics_join"), good_discrete), "'critics_join'")

    # the actions
    header, data = read(good_discrete)
    begin = header["minibatch/action"]["data_offsets"][0]
    for row, value in ((0, 2), (3, -1), (7, 0.5), (9, float("nan")), (11, float("inf")), (59, 1e30)):
        changed = bytearray(data)
        struct.pack_into("<f", changed, begin + 4 * row, value)
        must_fail(f"action {value}", write(folder, header, changed), "minibatch/action of update", str(row // 10),
                  f"row {row % 10} is", "not a number from 0 to 1")
    struct.pack_into("<f", data, begin, 1 - struct.unpack_from("<f", data, begin)[0])
    run = verify(write(folder, header, data))
    check("another action", run.returncode == 1 and "BEYOND" in run.stdout, run.stdout + run.stderr)

    # the tensors: none may be missing, and noise is not read
    header, data = read(good_discrete)
    for name in ("minibatch/action", "metrics/soft_value", "metrics/log_z", "metrics/kl", "metrics/actor_loss"):
        copy = json.loads(json.dumps(header))
        copy["other/tensor"] = copy.pop(name)
        must_fail(f"discrete: no {name}", write(folder, copy, data), f"'{name}'")
    copy = json.loads(json.dumps(header))
    copy["minibatch/action"]["shape"] = [6, 10]
    must_fail("actions without a last dimension", write(folder, copy, data), "minibatch/action")
    header["noise/action"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    run = verify(write(folder, header, data + struct.pack("<f", float("nan"))))
    check("noise of discrete actions is not read", run.returncode == 0, run.stdout + run.stderr)


def usage():
    for arguments in ((), ("--no-such-option", good), (good, "--device", "tpu"), (good, "--set", "gama=1")):
        run = verify(*arguments)
        check(f"usage: {arguments}", run.returncode == 2, f"exit {run.returncode}: {run.stderr}")
        check(f"usage: {arguments}: text", run.stderr.startswith("sac: "), run.stderr)
    run = verify("--help")
    check("help", run.returncode == 0 and "FILE" in run.stdout and "Exit codes" in run.stdout, run.stdout)


def main():
    with tempfile.TemporaryDirectory() as folder:
        good_files()
        wrong_numbers(folder)
        wrong_settings(folder)
        damaged_files(folder)
        hostile_settings(folder)
        discrete_files(folder)
        usage()
    print(f"{len(failures)} failed" if failures else "all well")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
