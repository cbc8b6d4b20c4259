"""The declarations of src/env/mujoco agree with MuJoCo's headers, and scripts/mujoco_abi.py finds each field, value
and function that does not."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["SAC_SOURCE"])
LAYOUT, ABI = "env/mujoco/layout.h", "env/mujoco/abi.h"
FIELD = re.compile(r"^  X\((\w+), ([\w.]+), ([\w*\[\] ]+), (\d+)\)", re.M)
VALUE = re.compile(r"^  X\((\w+), (\d+)\)", re.M)
FUNCTION = re.compile(r"^  X\(([\w* ]+), (mjb?_\w+|mju_\w+), \((.*)\)\) *(?=\\?$)", re.M)
WRONG = re.compile(r"error: .*?\"((?:offset|type|value|size) of [\w.]+|version)\"")
OTHER_TYPE = {"int64_t": "int32_t", "double*": "float*", "double": "float", "int": "long", "_Bool": "char",
              "char[1024]": "char[1023]"}


def check(changed=None, *, file=LAYOUT):
    """The script's exit status and the differences it reports, when `file` of sac's headers is changed."""
    with tempfile.TemporaryDirectory(prefix="sac-test-") as folder:
        for name in (LAYOUT, ABI):
            text = (SOURCE / "src" / name).read_text()
            copy = pathlib.Path(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(changed(text) if changed and name == file else text)
        result = subprocess.run([sys.executable, SOURCE / "scripts/mujoco_abi.py", "--check", "--source", folder], text=True,
                                capture_output=True)
    return result.returncode, set(WRONG.findall(result.stderr)), result


def main():
    layout, abi = ((SOURCE / "src" / name).read_text() for name in (LAYOUT, ABI))
    lists = {"MODEL": "mjModel", "DATA": "mjData", "BATCH_CONFIG": "mjBatchConfig", "LOG_CONFIG": "mjLogConfig"}
    fields = [f"{struct}.{row[0]}" for name, struct in lists.items()
              for row in FIELD.findall(layout.split(f"#define SAC_MUJOCO_{name}(X)")[1].split("\n\n")[0])]
    values = [name for name, _ in VALUE.findall(layout)]
    functions = [name for _, name, _ in FUNCTION.findall(abi)]
    assert len(fields) == len(set(fields)) > 20 and len(values) == 3 and len(functions) > 20, (fields, values, functions)
    called = set(re.findall(r"mj->(mj\w+)|library->(mj\w+)\(", "".join(
        file.read_text() for file in (SOURCE / "src/env/mujoco").glob("*.c"))))
    assert {a or b for a, b in called} == set(functions), "functions that are declared and not called, or not seen here"

    status, wrong, result = check()
    assert status == 0 and not wrong, result

    # All declarations of one kind are changed at once; each must be named.
    def seen(what, changed, file=LAYOUT):
        status, wrong, result = check(changed, file=file)
        assert status == 1 and wrong == set(what), (set(what) ^ wrong, result.stderr[-2000:])

    seen([f"offset of {name}" for name in fields],
         lambda text: FIELD.sub(lambda m: f"  X({m[1]}, {m[2]}, {m[3]}, {int(m[4]) + 1})", text))
    seen([f"type of {name}" for name in fields],
         lambda text: FIELD.sub(lambda m: f"  X({m[1]}, {m[2]}, {OTHER_TYPE[m[3]]}, {m[4]})", text))
    seen([f"value of {name}" for name in values], lambda text: VALUE.sub(lambda m: f"  X({m[1]}, {int(m[2]) + 1})", text))
    seen(["size of mjBatchConfig", "size of mjLogConfig"], lambda text: re.sub(r"(_SIZE \d+)", r"\g<1>1", text))
    seen(["version"], lambda text: re.sub(r"(_VERSION \d+)", r"\g<1>1", text))
    of_functions = [f"type of {name}" for name in functions]
    seen(of_functions, lambda text: FUNCTION.sub(r"  X(struct other*, \2, (\3)) ", text), ABI)
    seen(of_functions, lambda text: FUNCTION.sub(
        lambda m: f"  X({m[1]}, {m[2]}, ({'int more' if m[3] == 'void' else m[3] + ', int more'})) ", text), ABI)

    # The file of another release is refused, even if every row of it agrees.
    status, wrong, result = check(lambda text: text.replace("do not edit", "edit"))
    assert status == 1 and "is not what this script makes" in result.stderr, result
    result = subprocess.run([sys.executable, SOURCE / "scripts/mujoco_abi.py", "--include", "/no/such"], text=True,
                            capture_output=True)
    assert result.returncode == 2 and "scripts/setup --mujoco brings it" in result.stderr, result
    print(f"{len(fields)} fields, {len(values)} values, {len(functions)} functions: as MuJoCo's headers say")


if __name__ == "__main__":
    if not (SOURCE / ".deps/mujoco/include/mujoco/mujoco.h").exists():
        print("skipped: MuJoCo's headers are not here (scripts/setup --mujoco brings them)")
        sys.exit(77)
    main()
