"""An environment for tests of stopping and of the number of instances: its options set how long it takes."""
import os
import time

import gymnasium
import numpy


class Paced(gymnasium.Env):
    """Episodes of `steps` steps (0: endless), each of which takes `seconds`. A line in the file that the environment
    variable MADE names for each instance."""

    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (3,), numpy.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), numpy.float32)

    def __init__(self, steps=20, seconds=0.0, slow_from=0):
        self.steps, self.seconds, self.slow_from, self.all = steps, seconds, slow_from, 0
        if "MADE" in os.environ:
            with open(os.environ["MADE"], "a") as file:
                file.write(f"{os.getpid()}\n")

    def observe(self):
        return self.np_random.standard_normal(3).astype(numpy.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self.observe(), {}

    def step(self, action):
        self.at += 1
        self.all += 1
        if self.all > self.slow_from:
            time.sleep(self.seconds)
        return self.observe(), -float(numpy.square(action).sum()), self.at == self.steps, False, {"x": 1.0}


gymnasium.register("Paced-v0", entry_point=Paced)
