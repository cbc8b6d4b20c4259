"""The built-in tasks against the installed Gymnasium: new episodes, through `sac verify`.

ctest: timeout=300
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])
PROGRAM = os.environ["SAC_PROGRAM"]
FEWER = "SAC_SANITIZED" in os.environ

# env, policy, options, number of episodes, whether actions are float64 in Gymnasium
CASES = [
    ("Pendulum-v1", "random", [], 10, False),
    ("Pendulum-v1", "swing", [], 10, False),
    ("Pendulum-v1", "beyond", ["g=3.7"], 5, False),
    ("Pendulum-v1", "random", [], 5, True),
    ("MountainCarContinuous-v0", "random", [], 5, False),
    ("MountainCarContinuous-v0", "swing", [], 10, False),
    ("MountainCarContinuous-v0", "beyond", [], 3, False),
    ("MountainCarContinuous-v0", "swing", ["goal_velocity=0.07"], 3, False),
    ("MountainCarContinuous-v0", "random", [], 3, True),
    ("CartPole-v1", "random", [], 20, False),
    ("CartPole-v1", "swing", [], 3, False),
    ("CartPole-v1", "random", ["sutton_barto_reward=true"], 5, False),
    ("Acrobot-v1", "random", [], 10, False),
    ("Acrobot-v1", "swing", [], 10, False),
    ("Acrobot-v1", "swing", ["book_or_nips=nips"], 5, False),
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, str(SOURCE / "scripts"))
        import traces  # in this process, because starting Python for each case takes longer than the case
        for k, (env, policy, options, count, wide) in enumerate(CASES):
            for i in range(1 if FEWER else count):
                traces.write(pathlib.Path(folder), env, policy, dict(map(traces.option, options)), 9000 + 100 * k + i, wide)
        files = sorted(pathlib.Path(folder).glob("*.safetensors"))
        result = subprocess.run([PROGRAM, "verify", "--json", *files], text=True, capture_output=True)
        reports = [json.loads(line) for line in result.stdout.splitlines()]
        worst, bad = {}, 0
        for report in reports:
            name = pathlib.Path(report["file"]).name
            env = name.split("_")[0] + (" (float64 actions)" if "_wide_" in name else "")
            for row in report["rows"]:
                worst[env] = max(worst.get(env, 0), row["absolute"])
            if not report["ok"]:
                bad += 1
                print(json.dumps(report))
        for env, error in worst.items():
            print(f"{env}: worst absolute error {error:.2g}")
        print(f"{len(files)} episodes, {bad} beyond tolerance, exit status {result.returncode}")
        if result.stderr:
            print(result.stderr)
        # A changed episode must be detected: the last byte of `observation` holds the sign of its last number.
        spoilt = bytearray(files[0].read_bytes())
        size = int.from_bytes(spoilt[:8], "little")
        spoilt[8 + size + json.loads(spoilt[8 : 8 + size])["observation"]["data_offsets"][1] - 1] ^= 0x80
        files[0].write_bytes(spoilt)
        seen = subprocess.run([PROGRAM, "verify", files[0]], capture_output=True).returncode
        print(f"a spoilt one: exit status {seen}")
        complete = len(reports) == len(files) and len(worst) == 6
        return 0 if complete and bad == 0 and result.returncode == 0 and seen == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
