"""Videos of evaluation episodes: sac eval --record-video, through Gymnasium's recorder. The videos are read back, the
returns equal those of episodes without a recorder, and missing packages are reported in one line.

ctest: timeout=300
"""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from support.program import PROGRAM, SMALL, main, one_line, sac, sets

FAILED, USAGE = 1, 2
SUPPORT = pathlib.Path(__file__).parent / "support"
PYTHON = {"SAC_PYTHON": sys.executable, "PYTHONPATH": str(SUPPORT)}
SHORT = {"train.steps": 300, "eval.every": 0}
BUILD = pathlib.Path(os.environ["SAC_BUILD"])


def folder():
    return tempfile.TemporaryDirectory(prefix="sac-test-")


def train(out, env, options="{}", *arguments, code=0):
    values = dict(SMALL, **SHORT, **{"env.options": options})
    return sac("train", "--env", env, "--out", out, *sets(values), *arguments, env=PYTHON, code=code)


def evaluate(target, *arguments, **options):
    result = sac("eval", target, "--json", *arguments, env=PYTHON, **options)
    said = r"(sac: recording \d+ episodes? of \S+, a picture for each step, at most [\d,]+; this may take long\n)*"
    assert re.fullmatch(said if "--record-video" in arguments else "", result.stderr), result.stderr
    return json.loads(result.stdout)["policies"]


def check_video(path, steps):
    """A picture before the first step and one after each step; one may be missing because times in the file are
    rounded. The pictures are not all the same."""
    import imageio.v3

    frames = imageio.v3.imread(path, plugin="FFMPEG")
    assert frames.ndim == 4 and min(frames.shape[1:3]) >= 100 and frames.shape[3] == 3, frames.shape
    assert len(frames) > 1 and abs(len(frames) - (steps + 1)) <= 1, f"{path}: {len(frames)} pictures of {steps} steps"
    assert abs(frames[0].astype(int) - frames[-1]).max() > 30, f"{path}: nothing moves"


def test_gymnasium():
    with folder() as path:
        out, videos = pathlib.Path(path, "run"), pathlib.Path(path, "new/videos")
        train(out, "gym:Pendulum-v1", "{g: 9.81, sac_workers: 0, max_episode_steps: 60}")
        [plain] = evaluate(out, "--episodes", 3)
        [recorded] = evaluate(out, "--record-video", videos)  # three by default
        assert recorded["returns"] == plain["returns"], (recorded, plain)
        assert recorded["lengths"] == plain["lengths"] == [60, 60, 60] and "videos" not in plain
        assert recorded["videos"] == [f"{videos}/seed_1-episode-{i}.mp4" for i in range(3)]
        assert sorted(map(str, videos.iterdir())) == recorded["videos"]
        for video in recorded["videos"]:
            check_video(video, 60)

        # a second time, into the same folder, with the policy file, which also knows the options
        policy = out / "seed_1/policy.safetensors"
        [recorded] = evaluate(policy, "--episodes", 1, "--record-video", videos)
        assert recorded["returns"] == evaluate(policy, "--episodes", 1)[0]["returns"]
        assert abs(recorded["returns"][0] - plain["returns"][0]) < 1, "g of the run, not Gymnasium's own"
        assert recorded["videos"] == [f"{videos}/policy-episode-0.mp4"]
        check_video(recorded["videos"][0], 60)
        # an episode that is cut: its pictures are counted, and nothing is left
        cut = sac("eval", policy, "--episodes", 2, "--max-steps", 20, "--record-video", videos, env=PYTHON)
        assert "at most 42;" in cut.stderr and "left" not in cut.stderr, cut.stderr
        check_video(videos / "policy-episode-1.mp4", 20)
        # as text: the return and the file of each episode
        said = sac("eval", policy, "--episodes", 1, "--record-video", videos, env=PYTHON).stdout
        assert f"  {recorded['returns'][0]:.2f} in {videos}/policy-episode-0.mp4\n" in said, said


def test_left():
    """A video of an episode that was left says where it ends."""
    with folder() as path:
        out, videos = pathlib.Path(path, "run"), pathlib.Path(path, "videos")
        train(out, "gym:Pendulum-v1", "{max_episode_steps: 100000}")
        with subprocess.Popen([PROGRAM, "eval", out, "--record-video", videos], env=dict(os.environ, **PYTHON), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            while "sac: recording 3 episodes of seed_1" not in (line := process.stderr.readline()):
                assert line.startswith("sac: waiting for "), line
            time.sleep(2)  # some pictures
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130 and "stopped: 0 of 3 episodes have ended" in said, said
        [steps] = re.findall(r"^sac: seed_1-episode-0.mp4 ends after ([\d,]+) steps?, where its episode was left$", said, re.M)
        check_video(videos / "seed_1-episode-0.mp4", int(steps.replace(",", "")))


def test_built_in():
    with folder() as path:
        out, videos = pathlib.Path(path, "run"), pathlib.Path(path, "videos")
        train(out, "Pendulum-v1", "{g: 9.81}", "--seeds", 2)
        both = evaluate(out, "--episodes", 1, "--record-video", videos)  # of 200 steps, which no option shortens
        for seed, recorded in enumerate(both, 1):
            assert recorded["videos"] == [f"{videos}/seed_{seed}-episode-0.mp4"]
            as_gym = evaluate(out / f"seed_{seed}", "--env", "gym:Pendulum-v1", "--episodes", 1)[0]
            assert recorded["returns"] == as_gym["returns"], (recorded, as_gym)
            check_video(recorded["videos"][0], 200)
        assert len(list(videos.iterdir())) == 2


def test_discrete_actions():
    """The most probable actions, of a built-in task and of one in Python."""
    with folder() as path:
        out, videos = pathlib.Path(path, "run"), pathlib.Path(path, "videos")
        for algo, env in (("sac-discrete", "CartPole-v1"), ("soft-q", "gym:CartPole-v1")):
            train(out, env, "{}", "--set", f"algo={algo}")
            [recorded] = evaluate(out, "--episodes", 2, "--record-video", videos)
            [plain] = evaluate(out, "--env", "gym:CartPole-v1", "--episodes", 2)
            assert recorded["returns"] == plain["returns"] == [float(steps) for steps in recorded["lengths"]], recorded
            for video, steps in zip(recorded["videos"], recorded["lengths"]):
                check_video(video, steps)
            shutil.rmtree(out)


def test_mujoco():
    """With options that only sac's task has: infinity, and the number of threads."""
    with folder() as path:
        out, videos = pathlib.Path(path, "run"), pathlib.Path(path, "videos")
        options = '{"healthy_z_range": [1.2, "inf"], "healthy_angle_range": ["-inf", 0.1], "threads": 1}'
        made = train(out, "Hopper-v5", options, code=None)
        if made.returncode != 0:
            assert "MuJoCo" in one_line(made.stderr)
            print("no MuJoCo here")
            return
        result = sac("eval", out, "--json", "--episodes", 1, "--record-video", videos, env=PYTHON, code=None)
        if result.returncode != 0:
            assert "MuJoCo draws no pictures here" in one_line(result.stderr) and "MUJOCO_GL is " in result.stderr
            print(f"MuJoCo draws nothing here: {result.stderr}")
            return
        recorded = json.loads(result.stdout)["policies"][0]
        check_video(recorded["videos"][0], recorded["lengths"][0])
        refused(USAGE, out, "no camera 'nose'; this task has auto, default, track", arguments=("--camera", "nose"))


def test_camera_follows_the_body():
    """The view does not change when the body is far away: the middle of the picture shows it, and not the floor alone."""
    script = """
import sys
names = {"OWN": 0, "__name__": "sac_gym"}
for file in ("bridge", "workers", "record"):
    exec(open(f"{sys.argv[1]}/src/env/gym/{file}.py").read(), names)
names["draw_without_display"]()
import gymnasium
env = gymnasium.make("HalfCheetah-v5", render_mode="rgb_array")
env.reset(seed=0)
names["choose_camera"](gymnasium, env, "auto")
near, (q, v) = env.render().astype(int), (env.unwrapped.data.qpos.copy(), env.unwrapped.data.qvel.copy())
q[0] += 40
env.unwrapped.set_state(q, v)
far = env.render().astype(int)
brown = lambda picture: ((picture[..., 0] > picture[..., 2] + 30) & (picture.max(-1) > 60)).sum()
print(brown(near), brown(far))
"""
    shown = subprocess.run([sys.executable, "-c", script, os.environ["SAC_SOURCE"]], text=True, capture_output=True,
                           timeout=100, cwd=tempfile.gettempdir())
    if shown.returncode != 0:
        print(f"MuJoCo draws nothing here: {shown.stderr[-300:]}")
        return
    near, far = map(int, shown.stdout.split()[-2:])
    assert near > 1000 and abs(far - near) < 0.2 * near, f"{near} and {far} pixels of the body"


# --- what goes wrong --------------------------------------------------------------------------------------------------


def refused(code, target, *texts, arguments=(), more=None):
    with folder() as path:
        videos = pathlib.Path(path, "videos")
        result = sac("eval", target, "--record-video", videos, *arguments, env=dict(PYTHON, **(more or {})), code=code)
        line = one_line(result.stderr)
        for text in texts:
            assert text in line, f"'{text}' is not in: {line}"
        assert result.stdout == "" and not list(videos.glob("*")), result.stdout


def without(path, package):
    """Environment variables for a Python without this package."""
    pathlib.Path(path, f"{package}.py").write_text(f"raise ImportError('no {package}')\n")
    return {"PYTHONPATH": f"{path}:{SUPPORT}"}


def test_errors():
    with folder() as path:
        out = pathlib.Path(path, "run")
        train(out, "Pendulum-v1")
        for package, words in (("moviepy", "MoviePy is not installed"), ("pygame", "pygame is not installed")):
            with folder() as lacking:
                refused(FAILED, out, words, f"(in {sys.executable}; scripts/setup --gym installs it into .venv)",
                        more=without(lacking, package))
        refused(FAILED, out, "no Python found for gym: environments: /no/such", "scripts/setup --gym",
                more={"SAC_PYTHON": "/no/such"})
        plugin = next(pathlib.Path(os.environ["SAC_BUILD"], "tests/plugins").glob("libquadrotor.so"))
        refused(FAILED, out, f"{plugin} draws no pictures", "gym:ID", arguments=("--env", plugin))
        refused(USAGE, out, "./libown.so: No such file or directory", arguments=("--env", "./libown.so"))
        refused(USAGE, out, "Gymnasium, whose recorder makes the videos, has no SacPointMass-v0",
                arguments=("--env", "SacPointMass-v0"))
        refused(USAGE, out, "no camera 'nose': this environment has no cameras", arguments=("--camera", "nose"))
        refused(USAGE, out, "--record-video records every episode: at most 100 of --episodes, not 101",
                arguments=("--episodes", 101))
        file = pathlib.Path(path, "file")
        file.write_text("")
        line = one_line(sac("eval", out, "--record-video", file / "videos", env=PYTHON, code=FAILED).stderr)
        assert f"{file}" in line, line
        line = one_line(sac("eval", out, "--record-video", "", env=PYTHON, code=USAGE).stderr)
        assert "the value of --record-video is empty" in line, line


def test_environments_that_draw_nothing():
    with folder() as path:
        for name, words in (("Plain", "its constructor takes no render_mode"),
                            ("Texts", "its render_modes are ['ansi'], without rgb_array"),
                            ("Liar", "render() gave str, no picture to record")):
            out = pathlib.Path(path, name)
            train(out, f"gym:gym_envs:{name}-v0", "{truncate: 50}")
            refused(FAILED, out, words)


def test_mujoco_without_means_to_draw():
    with folder() as path:
        out = pathlib.Path(path, "run")
        made = train(out, "InvertedPendulum-v5", code=None)
        if made.returncode == 0:
            refused(FAILED, out, "MuJoCo draws no pictures here", "MUJOCO_GL is nothing", "apt install libegl1",
                    more={"MUJOCO_GL": "nothing"})


def test_training_without_box2d():
    """Gymnasium's own message, and sac's if scripts/setup helps."""
    with folder() as path:
        result = sac("train", "--env", "gym:LunarLander-v3", "--set", "env.options.continuous=true", "--out",
                     pathlib.Path(path, "run"), env=dict(PYTHON, **without(path, "Box2D")), code=FAILED)
        line = one_line(result.stderr)
        assert "Box2D is not installed" in line and "scripts/setup --gym installs it into .venv" in line, line


if __name__ == "__main__":
    if not importlib.util.find_spec("moviepy"):
        print("skipped: Python has no moviepy (scripts/setup --test brings it)")
        sys.exit(77)
    if not (BUILD / "sac_gym.so").exists():
        print("skipped: sac_gym.so is not built, Python's headers are missing")
        sys.exit(77)
    main(globals())
