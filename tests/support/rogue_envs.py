"""Environments that change the process in which they run, as gym:rogue_envs:ID. SAC_TEST_DEED names what Rogue does, and
SAC_TEST_WHEN in which call: create, reset or step (from step 40 on)."""
import os
import random
import resource
import signal
import sys
import time

import gymnasium
import numpy
from gymnasium import spaces

TEXTS = set("abcdefgh")  # in an order that Python draws when it starts
DEED, WHEN = os.environ.get("SAC_TEST_DEED"), os.environ.get("SAC_TEST_WHEN")


class Rogue(gymnasium.Env):
    observation_space = spaces.Box(-10, 10, (3,), numpy.float32)

    def __init__(self, slow=0):
        self.action_space = spaces.Box(-1, 1, (1,), numpy.float32)
        self.slow, self.steps, self.folder = slow, 0, None
        self.act("create")

    def act(self, when):
        if when != WHEN or (when == "step" and self.steps < 40):
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if DEED == "ignore signals":
                signal.signal(number, signal.SIG_IGN)
            if DEED == "handle signals":
                signal.signal(number, signal.default_int_handler)
        if DEED == "print":
            print("from print")
            sys.__stdout__.write("from stdout\n")
            sys.__stdout__.flush()
            os.write(1, b"from descriptor 1\n")
            os.system("echo from a child")
        if DEED == "folder" and not (when == "step" and self.folder):
            assert self.folder in (None, os.getcwd())
            os.makedirs("away", exist_ok=True)
            os.chdir("away")
            self.folder = os.getcwd()
        if DEED == "alarm" and self.steps in (0, 40):
            signal.setitimer(signal.ITIMER_REAL, 0.1, 0.25)
        if DEED == "close descriptors":
            os.closerange(3, int(os.environ.get("SAC_TEST_TO", 256)))
        if DEED == "leave files open":
            resource.setrlimit(resource.RLIMIT_NOFILE, (500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
            try:
                while True:
                    os.open(os.devnull, os.O_RDONLY)
            except OSError:  # the limit of the process
                pass
        if DEED == "_exit":
            os._exit(0)

    def observe(self):
        obs = numpy.zeros(3, numpy.float32)
        if DEED == "random":
            obs[:] = random.random() + numpy.random.random(), ord(next(iter(TEXTS))) - 100, self.action_space.sample()[0]
        return obs

    def close(self):
        if DEED == "sleep at close":
            time.sleep(float(WHEN))
        if DEED == "raise at close":
            raise RuntimeError("the port is gone")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.act("reset")
        return self.observe(), {}

    def step(self, action):
        self.steps += 1
        time.sleep(self.slow) if self.slow else None
        self.act("step")
        return self.observe(), -float(action[0] ** 2), False, False, {}


gymnasium.register("Rogue-v0", Rogue, max_episode_steps=50)
