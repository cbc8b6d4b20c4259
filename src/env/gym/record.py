"""Videos of what is played: Gymnasium's own recorder. Runs in the names of bridge.py, behind it, whose make and Refused
it uses."""
import os
import sys
import traceback
import warnings


def without_display():
    """What draws without a display, where there is none and the user says nothing else."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")


def undrawn(error):
    """The error, or, where it is of what MuJoCo draws with, what to do about it."""
    files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    if not any(part in file for file in files for part in ("/mujoco/rendering/", "/mujoco_rendering.py", "/OpenGL/")):
        return error
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return Refused(f"MuJoCo draws no pictures here ({words}): MUJOCO_GL is {os.environ.get('MUJOCO_GL', 'not set')}; "
                   "without a display egl or osmesa will do (Debian, Ubuntu: apt install libegl1, or libosmesa6)")


def translated(options):
    """Options of sac's own task of that id as Gymnasium's constructor takes them: JSON has no infinity."""
    infinite = {sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in ("inf", "Infinity", ".inf")}

    def end(value):
        return infinite.get(value, value) if isinstance(value, str) else value

    return {key: tuple(map(end, value)) if isinstance(value, list) else value for key, value in options.items()}


def make_recorded(name, options, record):
    """The same as make, with Gymnasium's own recorder around the environment."""
    without_display()
    options = dict(translated(options) if record["ours"] else options, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a render_mode that there is not: said below; of a folder that is there
        try:
            gymnasium, numpy, env = make(name, options)
        except Refused as error:
            if record["ours"] and error.config and name not in sys.modules["gymnasium"].registry:
                raise Refused(f"Gymnasium, whose recorder makes the videos, has no {name}", True) from None
            if "argument 'render_mode'" not in str(error):
                raise
            raise Refused("it draws no pictures to record: its constructor takes no render_mode") from None
        except Exception as error:
            raise undrawn(error) from None
        modes = env.metadata.get("render_modes") or ()
        if "rgb_array" not in modes:
            raise Refused(f"it draws no pictures to record: its render_modes are {list(modes)}, without rgb_array")

        class Pictures(gymnasium.Wrapper):
            def render(self):
                try:
                    picture = self.env.render()
                except Exception as error:
                    raise undrawn(error) from None
                if not isinstance(picture, numpy.ndarray):
                    raise Refused(f"render() gave {type(picture).__name__}, no picture to record")
                return picture

        class Recorder(gymnasium.wrappers.RecordVideo):
            saved = 0

            def start_recording(self, video_name):
                super().start_recording(f"{self.name_prefix}-episode-{self.saved}")

            def stop_recording(self):
                if len(self.recorded_frames) < 2:  # the start of an episode that nobody plays
                    self.recorded_frames, self.recording = [], False
                    return
                try:
                    super().stop_recording()
                except OSError as error:
                    self.recorded_frames, self.recording = [], False  # not once more when it is closed
                    words = " ".join(str(error).split())[-300:]
                    raise Refused(f"the video {self._video_name}.mp4 was not written: {words}") from None
                self.saved += 1

        env = Recorder(Pictures(env), record["folder"], episode_trigger=lambda _: True, name_prefix=record["name"])
    return gymnasium, numpy, env
