#!/usr/bin/env python3
"""Writes tests/golden/formulas.h: the correct results of the formulas in kernels/*.h, from mpmath with 50 digits.

  scripts/formulas.py                 writes the table
  scripts/formulas.py --check         exits 1 if the committed table differs from the one that this script writes
  scripts/formulas.py --coefficients  prints the polynomials of kernels/real.h and kernels/random.h

The definitions are independent of the C code: 1 - tanh^2 is 1/cosh^2, and gradients are numerical derivatives with 50
digits, except that of the action, which is 1/cosh^2 because it would need 8700 digits at |u| = 1e4. Inputs are floats,
so that the float and the double formulas get the same numbers. Needs mpmath (pip install mpmath).
"""
import argparse
import itertools
import pathlib
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import need

need("mpmath", setup="--test")
from mpmath import chebyfit, cos, cosh, diff, exp, expm1, log, log1p, mp, mpf, nstr, pi, sin, sqrt, tanh

mp.dps = 50
TABLE = pathlib.Path(__file__).resolve().parent.parent / "tests/golden/formulas.h"


def as_float(x):
    """The float nearest to x, exactly."""
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def literal(x):
    """A double literal. Numbers below the smallest double are 0, as in C."""
    if abs(x) < mpf("5e-324"):
        return "0"
    return nstr(mpf(x), 18, min_fixed=-4, max_fixed=6)


def braced(row):
    return "{" + ", ".join(braced(x) if isinstance(x, list) else literal(x) for x in row) + "}"


class Table:
    def __init__(self):
        self.out = []

    def add(self, name, what, fields, rows):
        self.out.append(f"/* {what} */")
        self.out.append("static const struct {")
        self.out.append(f"  double {', '.join(fields)};")
        self.out.append(f"}} golden_{name}[] = {{")
        self.out += [f"    {braced(row)}," for row in rows]
        self.out.append("};\n")

    def text(self):
        head = (
            "/* Made by scripts/formulas.py with mpmath at 50 digits; do not edit. Inputs are floats, exactly. */\n"
            "/* clang-format off */\n"
            "#ifndef TESTS_GOLDEN_FORMULAS_H\n#define TESTS_GOLDEN_FORMULAS_H\n\n"
        )
        return head + "\n".join(self.out) + "\n#endif\n"


# --- squash -----------------------------------------------------------------------------------------------------------

# From the smallest numbers, over the points where the code changes branches (e = exp(-2|u|) = sqrt(2) - 1 at |u| =
# 0.4407), where float's tanh becomes 1 (9.01), and where exp leaves float (43.3, 51.9) and double (372.6), to 1e4.
U = [0, 1e-30, 1e-12, 1e-8, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.34, 0.35, 0.4, 0.44, 0.4406, 0.4407, 0.4408,
     0.45, 0.5, 0.5493, 0.55, 0.6931, 0.75, 0.9, 1, 1.25, 1.5, 2, 2.5, 3, 3.8, 4, 5, 6, 7, 8, 8.5, 9, 9.01, 9.5, 10, 12, 15,
     17, 18.7, 20, 25, 30, 40, 43, 43.3, 44, 50, 52, 60, 87, 88, 89, 100, 150, 350, 372, 373, 500, 1e3, 3e3, 1e4]


def log_slope(u):
    return -2 * log(cosh(u))


def tanh_rows():
    for size in U:
        for u in sorted({as_float(size), as_float(-size)}):
            yield u, tanh(u), cosh(u) ** -2, log_slope(u)


MEANS = [-1e4, -500, -20, -9, -1, -0.01, 0, 0.5, 3, 9.5, 100, 1e4]
LOG_STDS = [-20, -15, -10, -5, -2, -1, 0, 0.5, 1, 1.5, 2]
NOISES = [-6.5, -3, -1, -0.1, 0, 0.3, 2, 5]


def log_prob(mean, log_std, eps):
    u = mean + exp(log_std) * eps
    return -eps * eps / 2 - log_std - log(2 * pi) / 2 - log_slope(u)


def action(mean, log_std, eps):
    return tanh(mean + exp(log_std) * eps)


def squash_rows():
    points = [tuple(map(as_float, p)) for p in itertools.product(MEANS, LOG_STDS, NOISES)]
    for m, l, e in points[::5]:
        yield (m, l, e, action(m, l, e), log_prob(m, l, e),
               diff(lambda x: log_prob(x, l, e), m), diff(lambda x: log_prob(m, x, e), l),
               cosh(m + exp(l) * e) ** -2, cosh(m + exp(l) * e) ** -2 * exp(l) * e)


# --- elementary functions of kernels/real.h ---------------------------------------------------------------------------

def exp_rows():
    for x in [0, 1e-8, 1e-4, 0.01, 0.1, 0.3465, 0.3466, 0.35, 0.5, 0.6931, 0.7, 1, 1.04, 2, 5, 10, 20, 30, 50, 80, 86, 86.5]:
        x = as_float(x)
        yield -x, exp(-x), -expm1(-x)
        if x:
            yield x, exp(x), -expm1(x)
    for x in [87, 88, 88.5, 88.7]:
        x = as_float(x)
        yield x, exp(x), -expm1(x)


def log1p_rows():
    low, high = sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1
    for i in range(41):
        f = as_float(low + (high - low) * i / 40)
        if low <= f <= high:
            yield f, log1p(f)
    for x in [1e-30, 1e-10, 1e-6, 1e-3]:
        for f in as_float(x), as_float(-x):
            yield f, log1p(f)


# --- random -----------------------------------------------------------------------------------------------------------

WORDS = [0, 1, 2, 3, 255, 65536, 0x00800000, 0x12345678, 0x1fffffff, 0x20000000, 0x20000001, 0x3fffffff, 0x40000000,
         0x5a827999, 0x5fffffff, 0x60000000, 0x7fffffff, 0x80000000, 0x9e3779b9, 0xa0000000, 0xb504f333, 0xbffffffd,
         0xbfffffff, 0xc0000000, 0xc0000001, 0xdeadbeef, 0xdfffffff, 0xe0000000, 0xfffffe00, 0xfffffffd, 0xffffffff]


def normal_rows():
    for i, radius_word in enumerate(WORDS):
        for angle_word in WORDS if i % 6 == 0 else WORDS[i % 5::5]:
            u = (mpf(radius_word >> 1) + mpf(1) / 2) / 2 ** 31
            turns = (mpf(angle_word) + mpf(1) / 2) / 2 ** 32
            radius = sqrt(-2 * log(u))
            yield radius_word, angle_word, radius * cos(2 * pi * turns), radius * sin(2 * pi * turns)


# --- adam -------------------------------------------------------------------------------------------------------------

def adam_rows():
    cases = itertools.product([1, 2, 10, 1000, 10 ** 6, 10 ** 9], [1e-8, 1e-3], [(0.9, 0.999), (0.5, 0.99)],
                              [(0.3, 0, 0, 0), (0.3, 1e-3, 0, 0), (-2, -5, 0.5, 4), (1, 1e-12, -1e-12, 1e-24),
                               (100, 1e3, -200, 1e5), (0, 0.25, 0.25, 0.0625)])
    for t, eps, (beta1, beta2), (w, g, m, v) in cases:
        lr, beta1, beta2, eps = (mpf(float(x)) for x in (3e-4, beta1, beta2, eps))  # doubles, as sac_adam_begin takes
        w, g, m, v = map(as_float, (w, g, m, v))
        first = beta1 * m + (1 - beta1) * g
        second = beta2 * v + (1 - beta2) * g * g
        move = lr * (first / (1 - beta1 ** t)) / (sqrt(second / (1 - beta2 ** t)) + eps)
        yield t, beta1, beta2, eps, w, g, m, v, w - move, first, second, move


# --- discrete ---------------------------------------------------------------------------------------------------------

ROWS = [
    (1, [0, 0, 0, 0, 0]),
    (1, [1, 2, 3, 4, 5]),
    (0.2, [-1, 0.5, 0.25, 3, 2.875]),
    (0.01, [1, 1.5, 1.25, -1, 1.5]),
    (10, [-3, 4, 0.5, 2, -8]),
    (0.5, [1e4, 1e4 - 1, 1e4 - 2, 0, -1e4]),
    (1, [-1e4, -1e4, -1e4 - 0.5, -1e4 - 3, -1e4 - 30]),
    (2, [300, -300, 299.5, 0, 100]),
    (1e-3, [0.001, 0.002, 0.0015, 0.0005, 0.00175]),
    (1e-4, [1e4, 9999.999, 9999.998, 0, -1e4]),
    (1e-4, [-1e4, -9999.999, -9999.5, -9999.999, -9999.998]),
    (1e-4, [-1e4, -1e4, -1e4, -1e4, -1e4]),
    (1e4, [1e4, -1e4, 1e4, 5e3, 0]),
    (1, [0, -25, -40, -60, -80]),
    (1, [0, -99, -99.5, -150, -1000]),
]

# Logits of an actor; the last two saturate, and the policy is nearly deterministic.
LOGITS = [[0.5, -1, 0.25, 2, 0], [10, -10, -9, 0, -25], [-20, 5, 30, -30, 4.5]]


@mp.workdps(120)  # 50 digits after 1 + exp(-100)
def discrete_row(alpha, q):
    reference = [mpf(x) for x in ("0.5", "-1", "0.25", "2", "0")]
    shift = log(sum(exp(x) for x in reference))
    alpha, q = as_float(alpha), [as_float(x) for x in q]
    z = sum(exp(x / alpha) for x in q)
    log_p = [x / alpha - log(z) for x in q]
    entropy = -sum(exp(l) * l for l in log_p)
    kl = sum(exp(r - shift) * (r - shift - l) for r, l in zip(reference, log_p))
    return alpha, q, alpha * log(z), entropy, kl, log_p


@mp.workdps(120)
def actor_row(alpha, q, logits):
    """J = sum_a p_a (alpha log p_a - Q_a) and its gradient with respect to the logits."""
    alpha, q, logits = as_float(alpha), [as_float(x) for x in q], [as_float(x) for x in logits]

    def loss(*x):
        log_z = log(sum(exp(y) for y in x))
        return sum(exp(y - log_z) * (alpha * (y - log_z) - value) for y, value in zip(x, q))

    partials = [diff(loss, tuple(logits), tuple(int(i == j) for j in range(5))) for i in range(5)]
    return alpha, logits, q, loss(*logits), partials


def make_table():
    t = Table()
    t.add("tanh", "tanh u, its slope 1/cosh^2 u, log(1 - tanh^2 u)", ["u", "action", "slope", "log_slope"], tanh_rows())
    t.add("squash", "[squash] and [squash.grad]",
          ["mean", "log_std", "eps", "action", "log_prob", "log_prob_by_mean", "log_prob_by_log_std", "action_by_mean",
           "action_by_log_std"], squash_rows())
    t.add("exp", "exp x and 1 - exp x", ["x", "exp", "complement"], exp_rows())
    t.add("log1p", "log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]", ["f", "log1p"], log1p_rows())
    t.add("normal", "[normal] Box-Muller", ["radius_word", "angle_word", "z0", "z1"], normal_rows())
    t.add("adam", "[adam] one step with lr 3e-4",
          ["t", "beta1", "beta2", "eps", "weight", "gradient", "m", "v", "new_weight", "new_m", "new_v", "move"], adam_rows())
    t.add("discrete",
          "Boltzmann policy of q: alpha log Z, entropy, KL(softmax(0.5, -1, 0.25, 2, 0) || that policy), log p",
          ["alpha", "q[5]", "value", "entropy", "kl", "log_p[5]"], [discrete_row(*row) for row in ROWS])
    actors = [actor_row(*row, logits) for row in ROWS for logits in LOGITS]
    t.add("discrete_actor", "[sac-discrete] J_pi of logits and its gradient with respect to them",
          ["alpha", "logits[5]", "q[5]", "loss", "gradient[5]"], actors)
    return t.text()


def print_coefficients():
    """Near-minimax polynomials (interpolation at Chebyshev nodes), the highest power first, rounded to float."""
    half = log(2) / 2
    near = lambda x, limit: limit if abs(x) < mpf(10) ** -12 else None
    fits = [
        ("exp: (expm1(r) - r)/r^2", lambda r: near(r, mpf(1) / 2) or (expm1(r) - r) / r ** 2, -half, half, 5),
        ("log1p: (log1p(f) - f + f^2/2)/f^3", lambda f: near(f, mpf(1) / 3) or (log1p(f) - f + f * f / 2) / f ** 3,
         sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, 9),
        ("sin: (sin(y)/y - 1)/y^2, in y^2", lambda z: near(z, -mpf(1) / 6) or (sin(sqrt(z)) / sqrt(z) - 1) / z,
         mpf(0), (pi / 4) ** 2, 3),
        ("cos: (cos(y) - 1 + y^2/2)/y^4, in y^2", lambda z: near(z, mpf(1) / 24) or (cos(sqrt(z)) - 1 + z / 2) / z ** 2,
         mpf(0), (pi / 4) ** 2, 3),
    ]
    for what, function, low, high, terms in fits:
        coefficients, error = chebyfit(function, [low, high], terms, error=True)
        print(f"{what}, error {nstr(error, 2)}")
        for c in coefficients:
            print(f"  {float(as_float(c)):.9g}f")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed table")
    parser.add_argument("--coefficients", action="store_true", help="print the polynomials")
    arguments = parser.parse_args()
    if arguments.coefficients:
        print_coefficients()
    elif arguments.check:
        if not TABLE.is_file() or TABLE.read_text() != make_table():
            sys.exit(f"{TABLE} is not what this script makes: run scripts/formulas.py")
    else:
        TABLE.write_text(make_table())


if __name__ == "__main__":
    main()
