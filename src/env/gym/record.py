"""Videos of episodes, made by Gymnasium's recorder. Runs in the names of bridge.py, whose make and EnvError it uses."""
import os
import sys
import time
import traceback
import warnings


def draw_without_display():
    """Without a display, chooses backends that draw without one, unless the user has chosen."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def drawing_error(error):
    """The error itself, or, when MuJoCo's renderer raised it, an error that says what to do."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if not any(part in file for file in files for part in ("/mujoco/rendering/", "/mujoco_rendering.py", "/OpenGL/")):
        return error
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return EnvError(f"MuJoCo draws no pictures here ({words}): MUJOCO_GL is {os.environ.get('MUJOCO_GL', 'not set')}; "
                   "without a display egl or osmesa will do (Debian, Ubuntu: apt install libegl1, or libosmesa6)")


def gymnasium_options(options):
    """The options of sac's own task as Gymnasium's constructor takes them: with infinity, and ranges as tuples."""
    infinite = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in ("inf", "Infinity", ".inf")}

    def end(value):
        return infinite.get(value, value) if isinstance(value, str) else value

    return {key: tuple(map(end, value)) if isinstance(value, list) else value for key, value in options.items()}


def choose_camera(gymnasium, env, camera):
    """Sets the camera of a MuJoCo task. camera: a name of its model; "auto": the one that follows the body, if the model
    has it; "default": Gymnasium's own, which stays where it is and which a body runs away from."""
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    if not hasattr(renderer, "camera_id"):
        if camera not in ("auto", "default"):
            raise EnvError(f"no camera '{camera}': this environment has no cameras to choose from", True)
        return
    import mujoco

    model = renderer.model
    names = [model.camera(i).name for i in range(model.ncam)]
    wanted = "track" if camera == "auto" else camera
    if wanted in names:
        renderer.camera_id = names.index(wanted)
    elif camera not in ("auto", "default"):
        known = [name for name in names if name]
        raise EnvError(f"no camera '{camera}'; this task has {', '.join(['auto', 'default', *known])}", True)


class Progress:
    """Says on stderr how many pictures there will be, and how many there are: a line that changes on a terminal, or a
    line now and then."""

    def __init__(self, record, limit):
        self.name, self.drawn, self.episodes = record["name"], 0, record["episodes"]
        self.steps = min(filter(None, (limit, record["steps"])), default=0)  # of an episode
        self.most = f" of at most {self.episodes * (self.steps + 1):,}" if self.steps else ""
        self.start = self.shown = 0
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def begin(self):
        """With the first picture, so that an error comes alone. An environment that is made for its sizes alone draws none."""
        self.start = self.shown = time.monotonic()
        many = "s" if self.episodes > 1 else ""
        print(f"sac: recording {self.episodes} episode{many} of {self.name}, a picture for each step"
              f"{self.most.replace(' of', ',')}; this may take long", file=sys.stderr, flush=True)

    def add(self):
        if self.drawn == 0:
            self.begin()
        self.drawn += 1
        now = time.monotonic()
        if now - self.shown < (0.5 if self.live else 10):
            return
        self.shown = now
        speed = self.drawn / (now - self.start)
        print(f"{chr(13) if self.live else ''}sac: {self.name}: {self.drawn:,}{self.most} pictures, {speed:.0f} per second",
              end="\x1b[K" if self.live else "\n", file=sys.stderr, flush=True)

    def clear(self):
        """Removes the line that changes."""
        if self.live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def make_recorded(name, options, record):
    """As make, with Gymnasium's recorder around the environment."""
    draw_without_display()
    options = dict(gymnasium_options(options) if record["ours"] else options, render_mode="rgb_array")
    with warnings.catch_warnings():
        # Gymnasium warns of a missing render_mode, which is an error below, and of a folder that exists already.
        warnings.simplefilter("ignore")
        gymnasium, numpy, env = make_drawing(name, options, record)
        if not {"camera_id", "camera_name"} & options.keys():
            choose_camera(gymnasium, env, record["camera"])
        pictures, recorder = wrappers(gymnasium, numpy, Progress(record, env.spec.max_episode_steps if env.spec else 0))
        env = recorder(pictures(env), record["folder"], episode_trigger=lambda _: True, name_prefix=record["name"])
    return gymnasium, numpy, env


def make_drawing(name, options, record):
    """An environment that draws pictures, or an error that says why it does not."""
    try:
        gymnasium, numpy, env = make(name, options)
    except EnvError as error:
        if record["ours"] and error.config and name not in sys.modules["gymnasium"].registry:
            raise EnvError(f"Gymnasium, whose recorder makes the videos, has no {name}", True) from None
        if "argument 'render_mode'" not in str(error):
            raise
        raise EnvError("it draws no pictures to record: its constructor takes no render_mode") from None
    except Exception as error:
        raise drawing_error(error) from None
    modes = env.metadata.get("render_modes") or ()
    if "rgb_array" not in modes:
        raise EnvError(f"it draws no pictures to record: its render_modes are {list(modes)}, without rgb_array")
    return gymnasium, numpy, env


def wrappers(gymnasium, numpy, progress):
    """Two wrappers: one that checks the pictures, and the recorder. Gymnasium is known only at run time."""

    class Pictures(gymnasium.Wrapper):
        def render(self):
            try:
                picture = self.env.render()
            except Exception as error:
                raise drawing_error(error) from None
            if not isinstance(picture, numpy.ndarray):
                raise EnvError(f"render() gave {type(picture).__name__}, no picture to record")
            progress.add()
            return picture

    class Recorder(gymnasium.wrappers.RecordVideo):
        saved, ended = 0, False

        def step(self, action):
            result = super().step(action)
            self.ended = bool(result[2] or result[3])
            return result

        def start_recording(self, video_name):
            super().start_recording(f"{self.name_prefix}-episode-{self.saved}")

        def stop_recording(self):
            progress.clear()
            if len(self.recorded_frames) < 2:  # an episode that was reset and never stepped
                self.recorded_frames, self.recording = [], False
                return
            try:
                super().stop_recording()
            except OSError as error:
                self.recorded_frames, self.recording = [], False  # close must not try to write it again
                words = " ".join(str(error).split())[-300:]
                raise EnvError(f"the video {self._video_name}.mp4 was not written: {words}") from None
            self.saved += 1

        def close(self):
            steps, name = len(self.recorded_frames) - 1, self._video_name
            left = self.recording and not self.ended and 0 < steps < (progress.steps or steps + 1)
            super().close()
            if left:
                print(f"sac: {name}.mp4 ends after {steps:,} step{'s' if steps > 1 else ''}, where its episode was left",
                      file=sys.stderr, flush=True)

    return Pictures, Recorder
