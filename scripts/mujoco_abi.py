#!/usr/bin/env python3
"""Writes src/env/mujoco/layout.h from MuJoCo's headers: the offsets of the fields that sac reads, and values
of constants.

  scripts/mujoco_abi.py                    from .deps/mujoco/include (scripts/setup --mujoco installs it)
  scripts/mujoco_abi.py --check            writes nothing; checks the file and src/env/mujoco/abi.h against the headers
  scripts/mujoco_abi.py --include FOLDER   from the headers of another release

For a new version of MuJoCo: change its number in scripts/requirements-mujoco.txt, run scripts/setup --mujoco and this
script, and build. A new field that a task reads is a line of MODEL or DATA below.
Exit status: 0 well, 1 they differ, 2 usage or no headers.
"""
import argparse
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "src/env/mujoco/layout.h"
REALS = "double*"

# Struct: {name of the field in sac, the same as MuJoCo's unless given: type}
MODEL = {"nq": "int64_t", "nv": "int64_t", "nu": "int64_t", "nbody": "int64_t", "nsite": "int64_t",
         "timestep=opt.timestep": "double", "qpos0": REALS, "body_mass": REALS, "actuator_ctrlrange": REALS}
DATA = dict.fromkeys(["qpos", "qvel", "ctrl", "xpos", "xipos", "site_xpos", "cinert", "cvel", "qfrc_actuator",
                      "qfrc_constraint", "cfrc_ext"], REALS) | {
    f"{name}=warning[mjWARN_{name.upper().replace('_', '')}].number": "int" for name in ("bad_qpos", "bad_qvel", "bad_qacc")}
BATCH_CONFIG = {"nthread": "int", "persistent": "_Bool"}
LOG_CONFIG = {"logto_console": "_Bool", "logto_file": "_Bool", "logfile": "char[1024]", "topics": "int"}
STRUCTS = {"MODEL": ("mjModel", MODEL), "DATA": ("mjData", DATA), "BATCH_CONFIG": ("mjBatchConfig", BATCH_CONFIG),
           "LOG_CONFIG": ("mjLogConfig", LOG_CONFIG)}
WHOLE = ("BATCH_CONFIG", "LOG_CONFIG")  # declared with all members, because their size counts
CONSTANTS = ("mjOBJ_BODY", "mjSTATE_CTRL", "mjSTAGE_NONE")

INCLUDES = "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include <mujoco/mjbatch.h>\n#include <mujoco/mujoco.h>\n"

# Assertions that compare layout.h and abi.h with MuJoCo's declarations.
CHECK = INCLUDES + """#include "env/mujoco/abi.h"
#define HOLDS(of, name, field, type, offset)                                                              \\
  _Static_assert(offsetof(of, field) == (offset), "offset of " #of "." #name);                             \\
  _Static_assert(__builtin_types_compatible_p(__typeof__(((of*)0)->field), __typeof__(type)), "type of " #of "." #name);
#define CONSTANT(name, value) _Static_assert(name == (value), "value of " #name);
#define FUNCTION(result, name, parameters) \\
  _Static_assert(__builtin_types_compatible_p(__typeof__(name), result parameters), "type of " #name);
SAC_MUJOCO_CONSTANTS(CONSTANT)
SAC_MUJOCO_FUNCTIONS(FUNCTION)
_Static_assert(mjVERSION_HEADER == SAC_MUJOCO_VERSION, "version");
_Static_assert(__builtin_types_compatible_p(__typeof__(mju_user_warning), void (*)(const char*)), "type of mju_user_warning");
_Static_assert(__builtin_types_compatible_p(mjfBatchFunc, void (*)(const mjModel*, mjData*, int, void*)), "type of mjfBatchFunc");
"""
for LIST, (STRUCT, FIELDS) in STRUCTS.items():
    CHECK += f"#define OF_{LIST}(name, field, type, offset) HOLDS({STRUCT}, name, field, type, offset)\n"
    CHECK += f"SAC_MUJOCO_{LIST}(OF_{LIST})\n"
for LIST in WHOLE:
    CHECK += f'_Static_assert(sizeof({STRUCTS[LIST][0]}) == SAC_MUJOCO_{LIST}_SIZE, "size of {STRUCTS[LIST][0]}");\n'


def fail(text, status=1):
    print(f"scripts/mujoco_abi.py: {text}", file=sys.stderr)
    sys.exit(status)


def compile_c(text, include, *more):
    """The compiler's exit status and output. `text` includes MuJoCo's headers, and sac's headers in `more`."""
    command = [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11", "-x", "c", "-", f"-I{include}", *more]
    try:
        result = subprocess.run(command, input=text, text=True, capture_output=True)
    except FileNotFoundError:
        fail(f"no C compiler '{command[0]}' (scripts/setup installs one)", 2)
    return result.returncode, result.stderr


def rows(fields):
    for name, kind in fields.items():
        name, _, field = name.partition("=")
        yield name, field or name, kind


def layout(include):
    """The text of layout.h, which a program with these headers prints."""
    prints = []
    for list_name, (struct, fields) in STRUCTS.items():
        prints.append((f"/* {struct} */\n#define SAC_MUJOCO_{list_name}(X)", None))
        for name, field, kind in rows(fields):
            prints.append((f" \\\n  X({name}, {field}, {kind}, %lld)", f"offsetof({struct}, {field})"))
        prints.append(("\n", None))
        if list_name in WHOLE:
            prints.append((f"#define SAC_MUJOCO_{list_name}_SIZE %lld\n", f"sizeof({struct})"))
        prints.append(("\n", None))
    prints.append(("/* Values: X(name, value) */\n#define SAC_MUJOCO_CONSTANTS(X)", None))
    prints += [(f" \\\n  X({name}, %lld)", name) for name in CONSTANTS]
    prints.append(("\n\n#define SAC_MUJOCO_VERSION %lld\n", "mjVERSION_HEADER"))
    text = INCLUDES + "int main(void) {\n"
    for words, value in prints:
        quoted = '"' + words.replace("\\", "\\\\").replace("\n", "\\n") + '"'
        text += f"  printf({quoted}{f', (long long)({value})' if value else ''});\n"
    text += "  return 0;\n}\n"
    with tempfile.TemporaryDirectory(prefix="sac-abi-") as folder:
        program = pathlib.Path(folder, "layout")
        status, words = compile_c(text, include, "-o", str(program))
        if status:
            fail(f"these headers lack what sac reads:\n{words}")
        lists = subprocess.run([str(program)], text=True, capture_output=True, check=True).stdout
    return ("/* Made by scripts/mujoco_abi.py from MuJoCo's headers; do not edit. What abi.h takes from it, for this one version.\n"
            " * Fields: X(name in sac, name in MuJoCo, type, offset in bytes). */\n"
            "#ifndef SAC_ENV_MUJOCO_LAYOUT_H\n#define SAC_ENV_MUJOCO_LAYOUT_H\n\n/* clang-format off */\n"
            f"{lists}/* clang-format on */\n\n#endif\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--include", default=str(ROOT / ".deps/mujoco/include"), metavar="FOLDER",
                        help="that holds mujoco/mujoco.h; default: .deps/mujoco/include")
    parser.add_argument("--source", default=str(ROOT / "src"), metavar="FOLDER", help="that holds env/mujoco; default: src")
    options = parser.parse_args()
    if not pathlib.Path(options.include, "mujoco/mujoco.h").exists():
        fail(f"no mujoco/mujoco.h in {options.include}: scripts/setup --mujoco brings it", 2)
    text, file = layout(options.include), pathlib.Path(options.source, "env/mujoco", FILE.name)
    if not options.check:
        file.write_text(text)
        print(f"wrote {file}")
        return
    clang = compile_c("#ifndef __clang__\n#error\n#endif\n", options.include, "-fsyntax-only")[0] == 0
    every = ["-ferror-limit=0"] if clang else []  # each error of gcc names its cause
    status, words = compile_c(CHECK, options.include, f"-I{options.source}", "-fsyntax-only", *every)
    if status:
        fail(f"{file.parent} is not what {options.include} says:\n{words}")
    if file.read_text() != text:
        fail(f"{file} is not what this script makes: run scripts/mujoco_abi.py")
    print(f"{file}, {file.parent / 'abi.h'}: as MuJoCo's headers say")


if __name__ == "__main__":
    main()
