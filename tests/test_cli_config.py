"""sac config and sac info as a user runs them, and the options that train, resume, eval and bench share."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

SAC = os.environ["SAC_PROGRAM"]


def sac(*arguments, env=None, cwd=None):
    result = subprocess.run(["sac", *map(str, arguments)], executable=SAC, text=True, capture_output=True, timeout=60, cwd=cwd,
                            stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    return result.returncode, result.stdout, result.stderr


def well(*arguments, **more):
    code, out, errors = sac(*arguments, **more)
    assert code == 0 and errors == "", (arguments, code, errors)
    return out


def refused(message, *arguments, code=2, **more):
    """Checks: one line on stderr, nothing on stdout, the documented exit code."""
    got, out, errors = sac(*arguments, **more)
    assert got == code, (arguments, got, errors)
    assert out == "", (arguments, out)
    assert errors.startswith("sac: ") and errors.count("\n") == 1 and errors.endswith("\n"), (arguments, errors)
    assert message in errors, (arguments, message, errors)


def test_table():
    table = well("config")
    assert max(map(len, table.splitlines())) <= 80 and " \n" not in table, table
    rows = [" ".join(row.split()) for row in re.split(r"\n(?! )", table.strip())]  # a meaning may take several lines
    assert rows[0] == "key default allowed resume meaning"
    fields = json.loads(well("config", "--json"))
    assert len(fields) == len(rows) - 1
    for field, row in zip(fields, rows[1:]):
        assert row.startswith(field["key"] + " "), row
        assert row.endswith(f"{field['resume']} {field['meaning']}"), row
        assert field["resume"] in ("free", "later", "fixed")
        own = " ".join(well("config", field["key"]).split())
        assert own.startswith(f"{field['key']} meaning {field['meaning']} kind"), own
    by_key = {field["key"]: field for field in fields}
    assert by_key["optim.lr"]["default"] == 3e-4 and by_key["optim.lr"]["allowed"] == "(0, 1]"
    assert by_key["network.hidden"]["default"] == [256, 256]
    assert by_key["alpha.learn"]["default"] is True and by_key["optim.actor_lr"]["default"] == "auto"
    assert by_key["env.options"]["default"] == {} and by_key["seed"]["default"] == 1
    # A section without a key.
    assert {row.split()[0] for row in well("config", "network").splitlines()[1:] if row[0] != " "} == {
        key for key in by_key if key.startswith("network.")}
    text = well("config", "network", "--set", "network.hidden=3")
    assert "network.hidden: [3]                  # from --set\n" in text and "optim" not in text, text


def test_one_key():
    text = well("config", "network.hidden")
    assert "preset   Pendulum-v1: [64, 64]" in text and "value" not in text
    assert "value    [64, 64] (from preset Pendulum-v1)" in well("config", "network.hidden", "--env", "Pendulum-v1")
    assert "value    [3] (from --set)" in well("config", "network.hidden", "--set", "network.hidden=3")
    refused("unknown key 'learning_rate'; nearest is 'optim.lr' ('sac config' lists all)", "config", "learning_rate")


def resolved(*arguments, **more):
    return json.loads(well("config", "--json", *arguments, **more))


def test_precedence():
    with tempfile.TemporaryDirectory() as folder:
        one, two = pathlib.Path(folder) / "one.yaml", pathlib.Path(folder) / "two.yaml"
        one.write_text("env:\n  id: Pendulum-v1\n  options: {g: 9.0}\n\noptim:\n  lr: 0.01\ngamma: 0.9\nseed: 5\n")
        two.write_text("gamma: 0.8\n")
        # Origins, in any order of the arguments.
        for arguments in (("--config", one, "--config", two, "--set", "seed=6", "--set", "env.options.m=2"),
                          ("--set=env.options.m=2", "--set", "seed=6", f"--config={one}", f"--config={two}")):
            values = resolved(*arguments)
            assert values["env.id"]["value"] == "Pendulum-v1" and values["env.id"]["from"].endswith("one.yaml:2")
            assert values["network.hidden"] == {"value": [64, 64], "from": "preset Pendulum-v1"}
            assert values["optim.lr"]["value"] == 0.01 and values["optim.lr"]["from"].endswith("one.yaml:6")
            assert values["gamma"]["value"] == 0.8 and values["gamma"]["from"].endswith("two.yaml:1")
            assert values["seed"] == {"value": 6, "from": "--set"}
            assert values["env.options"]["value"] == {"g": 9.0, "m": 2}
            sources = values["env.options"]["options_from"]
            assert sources["m"] == "--set" and sources["g"].endswith("one.yaml:3"), sources
            assert values["tau"] == {"value": 0.005, "from": "library"}
        values = resolved("--env", "MountainCarContinuous-v0", "--config", one, "--set", "env.id=Pendulum-v1")
        assert values["env.id"] == {"value": "MountainCarContinuous-v0", "from": "--env"}
        assert values["network.hidden"]["from"] == "preset MountainCarContinuous-v0"

        # The output is a file that gives the same configuration.
        text = well("config", "--config", one, "--set", "tau=0.30000000000000004")
        again = pathlib.Path(folder) / "again.yaml"
        again.write_text(text)
        before = resolved("--config", one, "--set", "tau=0.30000000000000004")
        after = resolved("--config", again)
        assert {key: value["value"] for key, value in before.items()} == {key: value["value"] for key, value in after.items()}
        assert after["tau"]["value"] == 0.30000000000000004

        # Options of several sources stand on lines of their own.
        option = ("--config", one, "--set", "env.options.a b=[1, x]")
        text = well("config", *option)
        assert re.search(r'options:\n *"a b": \[1, "x"\] +# from --set\n *"g": 9.0 +# from \S*one.yaml:3\n', text), text
        again.write_text(text)
        assert resolved("--config", again)["env.options"]["value"] == {"a b": [1, "x"], "g": 9.0}
        assert re.search(r"value    g: 9.0 \(from \S+one.yaml:3\)", well("config", "env.options", *option))

        # Messages name the file as it was given.
        bad = pathlib.Path(folder) / "my.yaml"
        bad.write_text("# mine\n\nseed: 1\n\noptim:\n  # fast\n  learning_rate: 1\n")
        refused("sac: my.yaml:7: unknown key 'optim.learning_rate'; nearest is 'optim.lr' ('sac config' lists all)",
                "config", "--config", "my.yaml", cwd=folder)
        bad.write_bytes(b"seed: 1\nout: \xff\n")
        refused("sac: my.yaml:2: ", "config", "--config", "my.yaml", cwd=folder)
        bad.write_text("[" * 100000)
        refused("sac: my.yaml:1: ", "config", "--config", "my.yaml", cwd=folder)
        bad.write_text("a" * (1 << 20) + "aa")
        refused("larger than 1 MiB", "config", "--config", "my.yaml", cwd=folder)
        refused("sac: none.yaml: cannot be opened: No such file", "config", "--config", "none.yaml", cwd=folder)


def test_bad_values():
    refused("sac: optim.lr = 3 (from --set) is outside (0, 1]", "config", "--set", "optim.lr=3")
    refused("seed = -1 (from --set) is outside [0, 2^53]", "config", "--set", "seed=-1")
    refused("seed = 1e400 (from --set) is outside", "config", "--set", "seed=1e400")
    refused("replay.capacity = 100 (from --set) is less than replay.batch = 256 (the default)", "config", "--env",
            "SacPointMass-v0", "--set", "replay.capacity=100")
    refused("no environment 'Pendulm-v1'; nearest is Pendulum-v1", "config", "--env", "Pendulm-v1")
    refused("the value of --env is empty: --env ID", "config", "--env=")
    refused("device = gpu (from --set) is not one of", "config", "--set", "device=gpu")


def test_options():
    refused("unknown option '--jsn'; nearest is '--json'", "config", "--jsn")
    refused("unknown option '-json'; nearest is '--json'", "config", "-json")
    refused("unknown option '--js'", "config", "--js")  # no abbreviations, because a later option could change their meaning
    refused("--env needs a value: --env ID", "config", "--env")
    refused("--env needs a value: --env ID", "config", "--env", "--json")
    refused("--json takes no value", "config", "--json=yes")
    refused("--set takes KEY=VALUE, not 'x'", "config", "--set", "x")
    refused("--set takes KEY=VALUE, not '=3'", "config", "--set", "=3")
    refused("unexpected argument 'b'", "config", "seed", "b")
    refused("unexpected argument '--json'", "config", "seed", "--", "--json")
    refused("\\x1B", "config", "--\x1b[31m")  # printed text cannot control the terminal
    assert well("config", "--", "seed") == well("config", "seed")
    text = well("config", "--help")
    assert text.startswith("Usage: sac config") and "--set KEY=VALUE" in text
    assert well("config", "--env", "nothing", "-h") == text


def test_locale():
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", f"{folder}/de_DE.UTF-8"], capture_output=True)
        env = {"LOCPATH": folder, "LC_ALL": "de_DE.UTF-8"} if made.returncode == 0 else {"LC_ALL": "de_DE.UTF-8"}
        assert well("config", "--set", "gamma=0.5", env=env) == well("config", "--set", "gamma=0.5")


def test_info():
    text = well("info")
    assert text.startswith("sac ")
    facts = json.loads(well("info", "--json"))
    assert text.startswith(f"sac {facts['version']} ")
    algos = next(f["allowed"] for f in json.loads(well("config", "algo", "--json"))).split(" | ")
    assert list(dict.fromkeys(row["algo"] for row in facts["support"])) == algos  # a row for each network and sampler
    assert len({(row["algo"], row["network"], row["replay"]) for row in facts["support"]}) == len(facts["support"]), facts
    for row in facts["support"]:
        assert row["cpu"], row  # the CPU supports all of them
    if not facts["cuda"]:
        assert "CUDA          none: this build of sac has no CUDA" in text
        refused("device = cuda:0 (from --set): this build of sac has no CUDA", "config", "--set", "device=cuda:0", code=1)
        refused("precision = tf32 (from --set) needs a CUDA device", "config", "--set", "precision=tf32")


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
