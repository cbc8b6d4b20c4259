"""Builds libsac_policy alone, installs it, and runs a program with it, for this machine and for others."""
import os
import pathlib
import re
import subprocess

from support.program import train

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])
README = SOURCE / "src/policy/README.md"

# Prints the bits of the modes and samples for 200 observations: of a copy of the weights, and of the constant in place.
PROGRAM = r"""
#include <sac/policy.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char policy_file[];
extern const size_t policy_file_size;

int main(void) {
  static _Alignas(16) unsigned char copied[1 << 20], in_place[1 << 14];
  sac_policy* policy[2];
  int32_t size, one, actions;
  if (sac_policy_create(&policy[0], policy_file, policy_file_size, copied, sizeof copied) != SAC_POLICY_OK) return 1;
  if (sac_policy_create_in_place(&policy[1], policy_file, policy_file_size, in_place, sizeof in_place) != SAC_POLICY_OK)
    return 2;
  sac_policy_sizes(policy[0], &size, &one);
  sac_policy_describe(policy[0], NULL, &actions);
  if (size > 8 || one != 1) return 3;

  /* also values at the ends of the range of float, and below it */
  const float scales[] = {1, 1, 1, 1e-39f, 1e-44f, 1e20f};
  uint32_t random = 1;
  for (int k = 0; k < 200; k++) {
    float obs[8], noise[1], action[1];
    for (int i = 0; i < size; i++) {
      random = random * 1664525u + 1013904223u;
      obs[i] = (float)(random >> 8) / 16777216.0f * 16.0f - 8.0f;
      obs[i] *= scales[k % 6];
    }
    random = random * 1664525u + 1013904223u;
    noise[0] = ((float)(random >> 8) + 0.5f) / 16777216.0f;
    if (actions == 0) noise[0] = noise[0] * 6 - 3;
    for (int p = 0; p < 4; p++) {
      uint32_t bits;
      if (p < 2) sac_policy_act(policy[p], obs, action);
      else sac_policy_sample(policy[p - 2], obs, noise, action);
      memcpy(&bits, action, sizeof bits);
      printf(p < 3 ? "%08x " : "%08x\n", (unsigned)bits);
    }
  }
  return 0;
}
"""
CMAKE_LISTS = """
cmake_minimum_required(VERSION 3.25)
project(robot C)
find_package(sac REQUIRED CONFIG)
add_executable(robot robot.c policy_file.c)
target_link_libraries(robot PRIVATE sac::policy)
target_link_options(robot PRIVATE -static)
"""


# A run of each kind of policy. With three actions, so that those of the extreme observations are not all equal.
KINDS = {"sac": ("Pendulum-v1", {}), "sac-discrete": ("Acrobot-v1", {}), "soft-q": ("Acrobot-v1", {"network.critics": 3})}


def trained(folder, algo="sac"):
    """A policy file of a short run."""
    out = pathlib.Path(folder, algo)
    env, values = KINDS[algo]
    train(out, dict({"network.hidden": "64,33", "algo": algo}, **values), env=env)
    return out / "seed_1/policy.safetensors"


def run(*command, cwd=None, **environment):
    result = subprocess.run([str(part) for part in command], cwd=cwd, env={**os.environ, **environment}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, f"{' '.join(map(str, command))} failed ({result.returncode}):\n{result.stdout}"
    return result.stdout


def blocks(language):
    """The programs of the policy's page."""
    return re.findall(f"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)


def policy_source(folder, policy):
    """Makes policy_file.c of a policy file, as the page says."""
    folder.mkdir(exist_ok=True)
    (folder / "policy.safetensors").write_bytes(pathlib.Path(policy).read_bytes())
    run("sh", "-c", blocks("sh")[0], cwd=folder)


def install(folder, *options):
    """Builds and installs the library alone; the prefix. Looking for a package would be an error."""
    build, prefix = folder / "build", folder / "prefix"
    hidden = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("Threads", "PkgConfig", "Python3", "CUDAToolkit")]
    run("cmake", "-G", "Ninja", "-S", SOURCE, "-B", build, "-DSAC_POLICY_ONLY=ON", "-DSAC_WERROR=ON", *hidden, *options)
    run("cmake", "--build", build)
    run("cmake", "--install", build, "--prefix", prefix)
    return prefix


def actions(folder, prefix, policy, *launcher, options=()):
    """What PROGRAM prints with the policy, built with find_package against the prefix."""
    user = folder / f"user-{pathlib.Path(policy).parent.parent.name}"
    policy_source(user, policy)
    (user / "robot.c").write_text(PROGRAM)
    (user / "CMakeLists.txt").write_text(CMAKE_LISTS)
    run("cmake", "-G", "Ninja", "-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={prefix}", *options)
    run("cmake", "--build", user / "build")
    return run(*launcher, user / "build/robot")
