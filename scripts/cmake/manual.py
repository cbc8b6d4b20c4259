"""Writes the manual pages, sac.1 and sac-COMMAND.1, from the help texts of the program.

    python3 scripts/cmake/manual.py build/release/sac FOLDER

`sac --help` lists the commands; `sac COMMAND --help` is the text of a page. Blocks of such a text are separated by empty
lines. "Usage:", "Options:", "Commands:", "Examples:", "Exit codes:" and "Exit status:" begin sections. Indented lines of
two columns are a list. Any other block is a paragraph of the description. The pages hold no date, so the same text
gives the same bytes.
"""
import itertools
import pathlib
import re
import subprocess
import sys

SECTIONS = {"Options:": "OPTIONS", "Commands:": "COMMANDS", "Examples:": "EXAMPLES"}
ORDER = ("DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "EXAMPLES")
ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
ENTRY = re.compile(r"  (\S.*?) {2,}(\S.*)")  # an indented line of two columns


def text_of(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def escaped(line):
    """A line of text as roff, escaped so that no character is a request or is printed as another."""
    line = "".join(ESCAPES.get(letter, letter) for letter in line)
    return "\\&" + line if line.startswith(".") else line


def blocks(text):
    return [block.splitlines() for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))]


def entries(lines):
    """A list of two columns as requests. A line with deeper indentation continues the entry above it."""
    found = []
    for line in lines:
        if match := ENTRY.fullmatch(line):
            found += [".TP", ".B " + escaped(match[1]), escaped(match[2])]
        else:
            found.append(escaped(line.strip()))
    return found


def content(lines):
    """One block as requests: a paragraph, a list, an example, or several of these."""
    found = []
    for indented, run in itertools.groupby(lines, key=lambda line: line.startswith("  ")):
        run = list(run)
        if indented and ENTRY.fullmatch(run[0]):
            found += entries(run)
        elif indented:
            found += [".PP", ".EX", *map(escaped, run), ".EE"]
        else:
            found += [".PP", *map(escaped, run)]
    return found


def page(name, summary, text, version, also):
    sections = {title: [] for title in ORDER}
    usage = ""
    for lines in blocks(text):
        first = lines[0]
        if first.startswith("Usage: "):
            usage = first[len("Usage: "):]
        elif first in SECTIONS:
            section = SECTIONS[first]
            sections[section] += content(lines[1:]) if section == "EXAMPLES" else entries(lines[1:])
        elif match := re.match(r"Exit (?:codes|status): *", first):
            sections["EXIT STATUS"] += content([lines[0][match.end():], *lines[1:]])
        else:
            sections["DESCRIPTION"] += content(lines)
    command, _, arguments = usage.partition(name.replace("-", " "))
    assert command == "" and usage, f"the help text of {name} begins with no 'Usage: {name.replace('-', ' ')}'"
    lines = [f'.TH {escaped(name.upper())} 1 "" "{escaped(version)}" "sac manual"', ".nh", ".ad l",
             ".SH NAME", f"{escaped(name)} \\- {escaped(summary)}",
             ".SH SYNOPSIS", f".B {escaped(name.replace('-', ' '))}"]
    lines += [escaped(arguments.strip())] if arguments.strip() else []
    for title in ORDER:
        # The text follows a heading directly, because a .PP after a heading has no effect.
        body = sections[title][1:] if sections[title][:1] == [".PP"] else sections[title]
        lines += [f".SH {title}", *body] if body else []
    pages = [f".BR {escaped(other)} (1)" for other in also if other != name]
    return "\n".join([*lines, ".SH SEE ALSO", " ,\n".join(pages)]) + "\n"


def main():
    program, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    text, version = text_of(program, "--help"), text_of(program, "--version").strip()
    listed = next(lines[1:] for lines in blocks(text) if lines[0] == "Commands:")
    commands = {}
    for line in listed:
        match = ENTRY.fullmatch(line)
        commands[match[1].split()[0]] = match[2]
    names = ["sac", *(f"sac-{command}" for command in commands)]

    # The page of a command that does not exist any more is deleted.
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.1"):
        old.unlink()
    (folder / "sac.1").write_text(page("sac", "train Soft Actor-Critic agents", text, version, names))
    for command, summary in commands.items():
        own = text_of(program, command, "--help")
        (folder / f"sac-{command}.1").write_text(page(f"sac-{command}", summary, own, version, names))


if __name__ == "__main__":
    main()
