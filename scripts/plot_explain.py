"""The picture of `sac explain --json`: Q, the policy and exp(q/alpha)/Z of each state. plot.py --explain draws it."""
import json
import math

STATES_MAX = 12  # rows of the picture
ACTIONS_MAX = 40  # bars of a row; the most probable actions


class Malformed(Exception):
    pass


def read(path):
    """The object that `sac explain --json` has printed."""
    try:
        with open(path, encoding="utf-8") as file:
            explained = json.load(file)
        states = explained["states"]
        explained["alpha"] + sum(len(state["obs"]) for state in states)
        if not states:
            raise Malformed(f"{path}: it has no states")
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed(f"{path}: not what 'sac explain --json' prints ({type(error).__name__}: {error})") from None
    return explained


def title_of(number, state):
    obs = state["obs"]
    if len(obs) > 2 and sorted(obs)[-2:] == [0, 1]:
        return f"state {number}: number {obs.index(1)} of {len(obs)} is 1, the others 0"
    return f"state {number}: ({', '.join(f'{x:.3g}' for x in obs[:4])}{', ...' if len(obs) > 4 else ''})"


def draw_discrete(q_axis, pi_axis, state, alpha):
    """Over the actions: Q of every critic and the joined one, as points; pi beside exp(q/alpha)/Z, as bars."""
    count = len(state["pi"])
    shown = range(count)
    if count > ACTIONS_MAX:
        shown = sorted(sorted(shown, key=lambda a: -state["pi"][a])[:ACTIONS_MAX])
    places, names = list(range(len(shown))), [str(a) for a in shown]

    critics = state["q"]
    width = 0.8 / len(critics)
    for k, values in enumerate(critics):
        offset = (k - (len(critics) - 1) / 2) * width
        q_axis.plot([place + offset for place in places], [values[a] for a in shown], "o", label=f"Q_{k}")
    for n, (place, a) in enumerate(zip(places, shown)):
        q_axis.plot([place - 0.45, place + 0.45], [state["q_joined"][a]] * 2, color="black", linewidth=1.5,
                    label=None if n else "q")

    pi_axis.bar([place - 0.2 for place in places], [state["pi"][a] for a in shown], 0.4, label="pi")
    pi_axis.bar([place + 0.2 for place in places], [state["boltzmann"][a] for a in shown], 0.4,
                label="exp(q/alpha)/Z")
    pi_axis.set_ylim(0, 1.05 * max(state["pi"] + state["boltzmann"]))
    pi_axis.set_title(f"KL {state['kl']:.3g}, entropy {state['entropy']:.3g} nats, V {state['v']:.5g}", fontsize="small")
    for axis in (q_axis, pi_axis):
        axis.set_xticks(places, names, fontsize="small" if len(places) < 20 else 5,
                        rotation=90 if max(map(len, names)) > 2 and len(places) >= 20 else 0)
        axis.set_xlabel("action" if count <= ACTIONS_MAX else f"the {ACTIONS_MAX} most probable of {count} actions")


def draw_continuous(q_axis, pi_axis, state, alpha):
    """q along the axis of each action, and pi beside exp(q/alpha)/Z there, as densities."""
    for i, axis in enumerate(state["axes"]):
        points = [(a, q) for a, q in zip(axis["action"], axis["q_joined"]) if q is not None]
        q_axis.plot(*zip(*points), label=f"action {i}" if len(state["axes"]) > 1 else "q")
    q_axis.set_xlabel("action" if len(state["axes"]) == 1 else "action; the others at the mean")

    single = len(state["axes"]) == 1
    for i, axis in enumerate(state["axes"]):
        # At -1 and 1 the density of the policy is 0 or has no number.
        inside = [(a, math.exp(log_pi)) for a, log_pi in zip(axis["action"], axis["log_pi"]) if log_pi is not None]
        boltzmann = [(a, math.exp(q / alpha - state["log_z"])) for a, q in zip(axis["action"], axis["q_joined"])]
        (line,) = pi_axis.plot(*zip(*inside), label="pi" if single else f"pi, action {i}")
        pi_axis.plot(*zip(*boltzmann), linestyle="-" if single else "--", color=None if single else line.get_color(),
                     label="exp(q/alpha)/Z" if single or i == 0 else None)
    pi_axis.set_xlabel("action" if single else "action; the others at the mean")
    pi_axis.set_ylabel("density" if single else "joint density")
    pi_axis.set_title(f"KL {state['kl']:.3g}, entropy {state['entropy']:.3g} nats, V {state['v']:.5g}", fontsize="small")


def draw(path, pyplot):
    """The figure of a file."""
    explained = read(path)
    states, alpha = explained["states"][:STATES_MAX], explained["alpha"]
    figure, axes = pyplot.subplots(len(states), 2, figsize=(12, 3.2 * len(states) + 0.6), squeeze=False,
                                   layout="constrained")
    for number, (state, (q_axis, pi_axis)) in enumerate(zip(states, axes), 1):
        try:
            (draw_discrete if "pi" in state else draw_continuous)(q_axis, pi_axis, state, alpha)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"{path}: state {number} lacks what a picture needs "
                            f"({type(error).__name__}: {error})") from None
        q_axis.set_title(title_of(number, state), fontsize="small")
        q_axis.set_ylabel("Q")
        for axis in (q_axis, pi_axis):
            axis.grid(alpha=0.3)
            if number == 1:
                axis.legend(fontsize="small")
    more = len(explained["states"]) - len(states)
    figure.suptitle(f"{explained.get('algo', '')} on {explained.get('env', '')}, alpha {alpha:.4g}"
                    + (f" (the first {STATES_MAX} states; {more} more)" if more > 0 else ""))
    return figure
