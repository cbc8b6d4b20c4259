#!/usr/bin/env python3
"""Draws the learning curves of run folders, one line for each run: the mean over its seeds, and a band of one standard
deviation (of the seeds; with one seed, of the episodes of an evaluation).

  scripts/plot.py runs/Pendulum-v1/quickstart
  scripts/plot.py runs/Pendulum-v1/* --metrics alpha,entropy,q_mean --out compare.png
  scripts/plot.py RUN --metrics info/reward_forward    a term of the environment's info
  scripts/plot.py RUN --text                       the curve as text, without a picture
"""
import argparse
import csv
import math
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import need

DEFAULT_METRICS = "episode_return,critic_loss,actor_loss,alpha,entropy,q_mean"
BARS = "▁▂▃▄▅▆▇█"


class Unreadable(Exception):
    pass


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


def read_rows(path):
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def evaluations(run):
    """[{step: (mean, std of the episodes)}] for each seed."""
    curves = []
    for seed in seed_folders(run):
        rows = read_rows(seed / "evaluations.csv")
        curve = {int(number(row["step"])): (number(row["mean"]), number(row["std"])) for row in rows}
        curves.append({step: point for step, point in curve.items() if math.isfinite(point[0])})
    return curves


def metric(run, name):
    curves = []
    for seed in seed_folders(run):
        rows = read_rows(seed / "metrics.csv")
        if rows and name not in rows[0]:
            raise Unreadable(f"{seed}/metrics.csv has no '{name}'; it has {', '.join(rows[0])}")
        points = {int(number(row["step"])): (number(row[name]), 0.0) for row in rows}
        curves.append({step: point for step, point in points.items() if math.isfinite(point[0])})
    return curves


def combine(curves):
    """Steps, mean over the seeds, and half width of the band. Where some seeds lack a step, the others are used."""
    steps = sorted(set().union(*curves))
    means, bands = [], []
    for step in steps:
        points = [curve[step] for curve in curves if step in curve]
        mean = sum(point[0] for point in points) / len(points)
        if len(points) > 1:
            band = math.sqrt(sum((point[0] - mean) ** 2 for point in points) / (len(points) - 1))
        else:
            band = points[0][1] if math.isfinite(points[0][1]) else 0.0
        means.append(mean)
        bands.append(band)
    return steps, means, bands


def label_of(run, curves):
    path = pathlib.Path(os.path.abspath(run))
    return f"{path.parent.name}/{path.name}" + (f" ({len(curves)} seeds)" if len(curves) > 1 else "")


def print_text(run, width=60):
    curves = evaluations(run)
    steps, means, bands = combine(curves)
    print(label_of(run, curves))
    if not steps:
        print("  no evaluation yet")
        return
    shown = [means[i * len(means) // width] for i in range(width)] if len(means) > width else means
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    best = max(range(len(means)), key=means.__getitem__)
    print(f"  {''.join(BARS[round((value - low) * scale)] for value in shown)}  return, {steps[0]} to {steps[-1]} steps")
    print(f"  first {means[0]:.1f}   best {means[best]:.1f} at step {steps[best]}   last {means[-1]:.1f} +- {bands[-1]:.1f}")


def draw(runs, metrics, out):
    need("matplotlib", setup="--runtime")
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [("evaluation return", evaluations)]
    panels += [(name, lambda run, name=name: metric(run, name)) for name in metrics]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(6 * columns + 1, 4 * rows), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.remove()
    for axis, (title, read) in zip(axes.flat, panels):
        for run in runs:
            curves = read(run)
            steps, means, bands = combine(curves)
            (line,) = axis.plot(steps, means, label=label_of(run, curves), marker="." if len(steps) < 60 else "")
            if any(bands):
                low = [mean - band for mean, band in zip(means, bands)]
                high = [mean + band for mean, band in zip(means, bands)]
                axis.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.set_title(title)
        axis.set_xlabel("steps")
        axis.grid(alpha=0.3)
    axes.flat[0].legend()
    figure.tight_layout()
    figure.savefig(out, dpi=120)
    print(f"drew {out}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, or seed folders")
    parser.add_argument("--metrics", nargs="?", const=DEFAULT_METRICS, default="", metavar="NAME,...",
                        help=f"also draw these columns of metrics.csv; alone: {DEFAULT_METRICS}")
    parser.add_argument("--out", metavar="FILE", help="the picture: PNG, PDF or SVG (default: curves.png in the run"
                        " folder, or here where there are several)")
    parser.add_argument("--text", action="store_true", help="print the curves as text instead")
    options = parser.parse_args()
    sys.stdout.reconfigure(errors="replace")  # a terminal without these characters shows question marks
    try:
        if options.text:
            for run in options.runs:
                print_text(run)
        else:
            single = len(options.runs) == 1
            out = options.out or (pathlib.Path(options.runs[0]) / "curves.png" if single else "curves.png")
            draw(options.runs, [name for name in options.metrics.split(",") if name], out)
    except (Unreadable, KeyError, OSError) as error:
        what = f"a CSV lacks the column {error}" if isinstance(error, KeyError) else error
        sys.exit(f"plot.py: {what}")


if __name__ == "__main__":
    main()
