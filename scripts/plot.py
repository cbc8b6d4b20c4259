#!/usr/bin/env python3
"""Draws the learning curves of run folders, one line for each run: the mean over its seeds, and a band. Where a seed
ended or stopped, the line is dashed from there on, and the legend says how many seeds are left.

  scripts/plot.py runs/Pendulum-v1/quickstart
  scripts/plot.py runs/Pendulum-v1/* --metrics alpha,entropy,q_mean --out compare.png
  scripts/plot.py RUN --metrics info/reward_forward    a term of the environment's info
  scripts/plot.py RUN --band std                   the standard deviation over seeds as the band
  scripts/plot.py RUN --text                       the curve as text, without a picture
  scripts/plot.py --explain explained.json         Q and policy at the states of `sac explain --json`
"""
import argparse
import bisect
import csv
import functools
import math
import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import plot_explain
from packages import need

DEFAULT_METRICS = "episode_return,critic_loss,actor_loss,alpha,entropy,q_mean"
BARS = "▁▂▃▄▅▆▇█"
RESAMPLES = 1000
BAND_POINTS = 200  # of a long curve; the band is straight between them
BANDS = {"ci": "band: 95 % interval of the mean, by bootstrap over seeds",
         "std": "band: standard deviation over seeds", "none": ""}


class Unreadable(Exception):
    pass


# --- reading ----------------------------------------------------------------------------------------------------------


def seed_folders(run):
    """The seed folders of a run folder; of a seed folder, itself."""
    run = pathlib.Path(run)
    if not run.is_dir():
        raise Unreadable(f"{run}: no such folder")
    seeds = [folder for folder in run.glob("seed_*") if folder.is_dir()]
    seeds.sort(key=lambda folder: (len(folder.name), folder.name))
    if not seeds and not (run / "evaluations.csv").exists():
        raise Unreadable(f"{run}: no seed_* folder and no evaluations.csv: this is no run folder")
    return seeds or [run]


@functools.cache
def note(text):
    """Says something on standard error, once."""
    print(f"plot.py: {text}", file=sys.stderr)


def whole_lines(file):
    """The lines of a file that end. The last one has no end while it is written, or where its writer was killed."""
    for line in file:
        if not line.endswith("\n"):
            note(f"{file.name}: its last line is cut, and left out: '{line[:60]}'")
            return
        yield line


def read_points(path, name):
    """{step: value} of one column, by step. A value that is empty, or no finite number, is left out, and so is a last
    line that is cut; anything else is an error that names its line."""
    points = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(whole_lines(file))
            names = next(lines, [])
            if not names:
                return {}
            for column in ("step", name):
                if column not in names:
                    raise Unreadable(f"{path}:1: no column '{column}'; it has {', '.join(names)[:300]}")
            at, value_at = names.index("step"), names.index(name)
            for line in filter(None, lines):
                if len(line) != len(names):
                    raise Unreadable(f"{path}:{lines.line_num}: {len(line)} columns, not {len(names)}")
                value = float(line[value_at] or "nan")
                if math.isfinite(value):
                    points[int(line[at])] = value
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: no text") from None
    except csv.Error as error:
        raise Unreadable(f"{path}:{lines.line_num}: {error}") from None
    except ValueError:
        raise Unreadable(f"{path}:{lines.line_num}: no number in '{','.join(line)[:60]}'") from None
    return dict(sorted(points.items()))


def evaluations(run):
    """{step: mean return} for each seed."""
    return [read_points(seed / "evaluations.csv", "mean") for seed in seed_folders(run)]


def metric(run, name):
    return [read_points(seed / "metrics.csv", name) for seed in seed_folders(run)]


# --- statistics -------------------------------------------------------------------------------------------------------


@functools.cache
def resamples(count):
    """Seeds that are drawn with replacement, always the same ones."""
    draw = random.Random(1)
    return [draw.choices(range(count), k=count) for _ in range(RESAMPLES)]


def interval(values):
    """The 95 % interval of the mean, by bootstrap over the seeds."""
    means = sorted(sum([values[i] for i in drawn]) / len(values) for drawn in resamples(len(values)))
    return means[round(0.025 * (RESAMPLES - 1))], means[round(0.975 * (RESAMPLES - 1))]


def spread(values, band):
    """The ends of the band at one step, or None: one seed has none. Two seeds are their own interval."""
    if len(values) < 2 or band == "none":
        return None
    if len(values) == 2 and band == "ci":
        return min(values), max(values)
    if band == "ci":
        return interval(values)
    mean = sum(values) / len(values)
    std = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean - std, mean + std


def combine(curves, band):
    """[(step, mean over the seeds, ends of the band or None, number of seeds)]. A seed that lacks a step between two of
    its own is interpolated there, so that the mean does not jump between seeds that were evaluated at other steps."""
    steps, points = sorted(set().union(*curves)), []
    every = -(-len(steps) // BAND_POINTS)
    known = [list(curve) for curve in curves]
    for i, step in enumerate(steps):
        found = (value_at(curve, own, step) for curve, own in zip(curves, known))
        values = [value for value in found if value is not None]
        sides = spread(values, band) if i % every == 0 or i + 1 == len(steps) else None
        points.append((step, sum(values) / len(values), sides, len(values)))
    return points


def value_at(curve, steps, step):
    """The value of a curve at a step, or None outside of it. steps: its own, in order."""
    if step in curve:
        return curve[step]
    at = bisect.bisect(steps, step)
    if at in (0, len(steps)):
        return None
    low, high = steps[at - 1], steps[at]
    return curve[low] + (curve[high] - curve[low]) * (step - low) / (high - low)


def pieces(points):
    """Parts of the curve with the same number of seeds. Each begins with the last point of the one before, so that the
    line has no gap."""
    parts = []
    for point in points:
        if parts and parts[-1][-1][3] == point[3]:
            parts[-1].append(point)
        else:
            parts.append(parts[-1][-1:] + [point] if parts else [point])
    return parts


def ends(points):
    """Where the number of seeds changes: ["1 beyond 110,000"]."""
    changes = []
    for before, after in zip(points, points[1:]):
        if before[3] != after[3]:
            changes.append(f"{after[3]} beyond {before[0]:,}")
    return changes if len(changes) <= 3 else [*changes[:2], f"... {changes[-1]}"]


def label_of(run, curves, points):
    path, drawn, told = pathlib.Path(os.path.abspath(run)), sum(map(bool, curves)), []
    if len(curves) > 1:
        told = [f"{drawn} of {len(curves)} seeds" if drawn < len(curves) else f"{drawn} seeds"]
        told += [f"{points[0][3]} at first"] if points and points[0][3] < drawn else []
        told += ends(points)
    return f"{path.parent.name}/{path.name}" + (f" ({', '.join(told)})" if told else "")


# --- showing ----------------------------------------------------------------------------------------------------------


def print_curve(curves, band, what, width=60):
    points = combine(curves, band)
    if not points:
        print(f"  {what}: nothing yet")
        return
    means = [point[1] for point in points]
    shown = [means[i * len(means) // width] for i in range(width)] if len(means) > width else means
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    print(f"  {''.join(BARS[round((value - low) * scale)] for value in shown)}  {what}, {points[0][0]} to "
          f"{points[-1][0]} steps")
    last = f"last {means[-1]:.6g}"
    if points[-1][2]:
        last += f" [{points[-1][2][0]:.6g}, {points[-1][2][1]:.6g}]"
    if points[-1][3] < len(curves):
        last += f" of {points[-1][3]} seed{'s' if points[-1][3] > 1 else ''}"
    best = max(range(len(means)), key=means.__getitem__)
    highest = f"best {means[best]:.6g}" if what == "return" else f"highest {means[best]:.6g}"
    print(f"  first {means[0]:.6g}   {highest} at step {points[best][0]}   {last}")


def print_text(run, metrics, band):
    curves = evaluations(run)
    print(label_of(run, curves, combine(curves, "none")))
    print_curve(curves, band, "return")
    for name in metrics:
        print_curve(metric(run, name), band, name)


def draw_curve(axis, run, curves, band):
    """Draws one run. Returns whether there was anything to draw."""
    points = combine(curves, band)
    if not points:
        return False
    color, marker = None, "." if len(points) < 60 else ""
    for part in pieces(points):
        whole = part[-1][3] == len(curves)
        steps, means = [point[0] for point in part], [point[1] for point in part]
        (line,) = axis.plot(steps, means, color=color, marker=marker, linestyle="-" if whole else "--",
                            label=None if color else label_of(run, curves, points))
        color = line.get_color()
    banded = [(step, *sides) for step, _, sides, _ in points if sides]
    if banded:
        axis.fill_between(*zip(*banded), color=color, alpha=0.2, linewidth=0)
    return True


def plotter(out):
    """matplotlib's pyplot. A name that it cannot draw is found before anything is drawn."""
    need("matplotlib", setup="--runtime")
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    formats = sorted(pyplot.figure().canvas.get_supported_filetypes())
    if out.suffix.lower().lstrip(".") not in formats:
        raise Unreadable(f"--out {out}: the name must end with one of .{', .'.join(formats)}")
    return pyplot


def save(figure, out):
    if figure.get_layout_engine() is None:
        figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    print(f"drew {out}")


def draw(runs, metrics, out, band):
    out = pathlib.Path(out)
    pyplot = plotter(out)
    panels = [("evaluation return", evaluations)]
    panels += [(name, lambda run, name=name: metric(run, name)) for name in metrics]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(6 * columns + 1, 4 * rows), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.remove()
    drawn, several = False, False
    for axis, (title, read) in zip(axes.flat, panels):
        here = False
        for run in runs:
            curves = read(run)
            here |= draw_curve(axis, run, curves, band)
            several |= sum(map(bool, curves)) > 1
        if not here:
            axis.text(0.5, 0.5, "no values", ha="center", va="center", transform=axis.transAxes)
        drawn |= here
        axis.set_title(title)
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
    if not drawn:
        raise Unreadable(f"nothing to draw yet: {', '.join(map(str, runs))}: no evaluations"
                         f"{' and no such metrics' if metrics else '; eval.every=0 makes none'}")
    legend = axes.flat[0].legend(title=BANDS[band] if several else None)
    legend.get_title().set_fontsize("small")
    save(figure, out)


def draw_explained(path, out):
    out = pathlib.Path(out)
    save(plot_explain.draw(path, plotter(out)), out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="run folders, or seed folders")
    parser.add_argument("--explain", metavar="FILE", help="draw the output of 'sac explain --json' instead")
    parser.add_argument("--metrics", nargs="?", const=DEFAULT_METRICS, default="", metavar="NAME,...",
                        help=f"also draw these columns of metrics.csv; alone: {DEFAULT_METRICS}")
    parser.add_argument("--band", choices=BANDS, default="ci", help="around the mean of several seeds: ci, the 95 %%"
                        " interval of the mean by bootstrap over seeds (of two: from one to the other; the default);"
                        " std, their standard deviation; none")
    parser.add_argument("--out", metavar="FILE", help="the picture: PNG, PDF or SVG (default: curves.png in the run"
                        " folder, or here where there are several)")
    parser.add_argument("--text", action="store_true", help="print the curves as text instead")
    options = parser.parse_args()
    if options.text and options.out:
        parser.error("--text prints, and --out names a picture: give one of them")
    if bool(options.runs) == bool(options.explain):
        parser.error("give run folders, or --explain FILE")
    if options.explain and (options.text or options.metrics):
        parser.error("--explain takes --out alone")
    sys.stdout.reconfigure(errors="replace")  # a terminal without these characters shows question marks
    metrics = [name for name in options.metrics.split(",") if name]
    try:
        if options.explain:
            draw_explained(options.explain, options.out or pathlib.Path(options.explain).with_suffix(".png"))
        elif options.text:
            for run in options.runs:
                print_text(run, metrics, options.band)
        else:
            single = len(options.runs) == 1
            out = options.out or (pathlib.Path(options.runs[0]) / "curves.png" if single else "curves.png")
            draw(options.runs, metrics, out, options.band)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of --text has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.exit(f"plot.py: {error.filename or options.out}: {error.strerror or error}")
    except (Unreadable, plot_explain.Malformed) as error:
        sys.exit(f"plot.py: {error}")


if __name__ == "__main__":
    main()
