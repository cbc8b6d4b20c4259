#!/usr/bin/env python3
"""Writes golden updates: the correct results of one or more SAC updates, from PyTorch's autograd in float64.

    scripts/golden.py --suite tests/golden/updates       all committed files
    scripts/golden.py out.safetensors --algo sac-v --obs 17 --act 6 --hidden 256,256 --batch 256 --updates 5

`sac verify FILE...` runs such files; src/verify/verify.h describes the format. Everything here follows the
equations of the papers (arXiv 1812.05905 for `sac`, 1801.01290 for `sac-v`) and shares no code with the library.
Inputs are drawn in float32, so they are exact for a float program; the arithmetic is float64; results are rounded to
float32 at the end. A file also holds Adam's moments after the updates: Adam's first step from zero is
lr * sign(gradient), so weights alone would not show a gradient of the wrong size.

Needs PyTorch (CPU is enough): scripts/setup --golden.
"""
import argparse
import json
import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from packages import need

BETAS, ADAM_EPS = (0.9, 0.999), 1e-8


class Network:
    """A multilayer perceptron with ReLU, as a dict of named float64 leaves: layers.I.weight (out, in), ..., head."""

    def __init__(self, generator, name, sizes):
        self.name, self.parameters = name, {}
        for i, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:])):
            layer = "head" if i == len(sizes) - 2 else f"layers.{i}"
            bound = 1 / math.sqrt(fan_in)
            for kind, shape in (("weight", (fan_out, fan_in)), ("bias", (fan_out,))):
                draw = generator.uniform(-bound, bound, shape).astype(np.float32)
                self.parameters[f"{layer}.{kind}"] = torch.tensor(draw, dtype=torch.float64, requires_grad=True)

    def __call__(self, x):
        layers = len(self.parameters) // 2
        for i in range(layers - 1):
            x = F.relu(F.linear(x, self.parameters[f"layers.{i}.weight"], self.parameters[f"layers.{i}.bias"]))
        return F.linear(x, self.parameters["head.weight"], self.parameters["head.bias"])

    def leaves(self):
        return list(self.parameters.values())

    def target(self, name):
        copy = Network.__new__(Network)
        copy.name = name
        copy.parameters = {key: value.detach().clone() for key, value in self.parameters.items()}
        return copy

    def follow(self, source, tau):
        for key, value in self.parameters.items():
            value.copy_(tau * source.parameters[key].detach() + (1 - tau) * value)


def policy(actor, obs, noise, config):
    """A reparameterised sample and its log-probability: a = tanh(u), u = mean + sigma * noise."""
    mean, log_std = actor(obs).chunk(2, dim=-1)
    log_std = log_std.clamp(config["log_std_min"], config["log_std_max"])
    u = mean + log_std.exp() * noise
    log_slope = 2 * (math.log(2) - u - torch.logaddexp(torch.zeros_like(u), -2 * u))  # log(1 - tanh(u)^2)
    log_prob = (-0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi) - log_slope).sum(-1)
    return torch.tanh(u), log_prob


class Learner:
    """What the algorithms share. A subclass is an algorithm: its value networks and targets, and one update."""

    next_action = True  # whether an update samples an action at s'

    def __init__(self, config, generator, options):
        self.config = config
        obs, act, hidden = config["obs"], config["act"], config["hidden"]
        self.actor = Network(generator, "actor", [obs, *hidden, 2 * act])
        self.critics = [Network(generator, f"critic.{k}", [obs + act, *hidden, 1]) for k in range(config["critics"])]
        self.values = self.make_values(generator)
        with torch.no_grad():
            bias = self.actor.parameters["head.bias"]
            bias[:act] += float(np.float32(options.mean_bias)) * torch.tensor([(-1.0) ** i for i in range(act)])
            bias[act:] += float(np.float32(options.log_std_bias))
            bias.copy_(bias.float().double())
        self.log_alpha = torch.tensor(float(np.float32(options.log_alpha)), dtype=torch.float64, requires_grad=True)
        self.targets = self.make_targets()
        for target in self.targets:  # targets that differ from their networks, as in a run
            for value in target.parameters.values():
                lag = generator.normal(0, 0.02, tuple(value.shape))
                value.copy_((value + torch.tensor(lag)).float().double())
        self.optimizers = {
            network.name: torch.optim.Adam(network.leaves(), lr=config["lr"], betas=BETAS, eps=ADAM_EPS)
            for network in [self.actor, *self.critics, *self.values]
        }
        self.optimizers["log_alpha"] = torch.optim.Adam([self.log_alpha], lr=config["lr"], betas=BETAS, eps=ADAM_EPS)

    def make_values(self, generator):
        """The value networks: none, unless the algorithm has one."""
        return []

    def make_targets(self):
        """The target networks, in the order of the networks that they follow."""
        raise NotImplementedError

    def update(self, batch):
        """One update; returns its metrics."""
        raise NotImplementedError

    def trained(self):
        """name -> leaf, for everything that Adam updates."""
        networks = [self.actor, *self.critics, *self.values]
        named = {f"{n.name}.{key}": value for n in networks for key, value in n.parameters.items()}
        return named | {"log_alpha": self.log_alpha}

    def tensors(self):
        targets = {f"{n.name}.{key}": value for n in self.targets for key, value in n.parameters.items()}
        return {name: value.detach().clone() for name, value in (self.trained() | targets).items()}

    def moments(self):
        """adam_m/NAME and adam_v/NAME; zero for leaves without an optimiser step (a fixed alpha)."""
        result = {}
        for optimizer in self.optimizers.values():
            for leaf, state in optimizer.state.items():
                name = next(name for name, value in self.trained().items() if value is leaf)
                result[f"adam_m/{name}"], result[f"adam_v/{name}"] = state["exp_avg"], state["exp_avg_sq"]
        return result

    def step(self, network, gradients):
        """Adam's step of a network, or of log alpha."""
        optimizer = self.optimizers[network.name if isinstance(network, Network) else "log_alpha"]
        leaves = network.leaves() if isinstance(network, Network) else [network]
        for leaf, gradient in zip(leaves, gradients):
            leaf.grad = gradient
        optimizer.step()

    def step_critics(self, critic_gradients):
        for critic, gradients in zip(self.critics, critic_gradients):
            self.step(critic, gradients)

    def q(self, networks, obs, action):
        return torch.stack([network(torch.cat([obs, action], -1)).squeeze(-1) for network in networks])

    def smallest_q(self, networks, obs, action):
        return self.q(networks, obs, action).min(dim=0).values

    def critic_pass(self, batch, next_value):
        """The critics' loss towards y = reward + gamma next_value, and its gradients."""
        config = self.config
        y = batch["reward"] * config["reward_scale"] + config["gamma"] * (1 - batch["terminated"]) * next_value
        loss = (0.5 * (self.q(self.critics, batch["obs"], batch["action"]) - y) ** 2).mean(-1).sum()
        return loss, [torch.autograd.grad(loss, critic.leaves(), retain_graph=True) for critic in self.critics]

    def actor_pass(self, batch, alpha):
        """min_k Q_k(s, a~), log pi(a~|s), the actor's loss and its gradients."""
        action, log_prob = policy(self.actor, batch["obs"], batch["noise"], self.config)
        smallest = self.smallest_q(self.critics, batch["obs"], action)
        loss = (alpha * log_prob - smallest).mean()
        return smallest, log_prob, loss, torch.autograd.grad(loss, self.actor.leaves(), retain_graph=True)

    def step_temperature(self, log_prob):
        """The temperature's loss; its step, if alpha is learned."""
        loss = (-self.log_alpha * (log_prob.detach() + self.config["target_entropy"])).mean()
        if self.config["alpha"] == "auto":
            self.step(self.log_alpha, torch.autograd.grad(loss, [self.log_alpha]))
        return loss

    def follow(self, sources):
        """Polyak averaging of the targets."""
        with torch.no_grad():
            for target, source in zip(self.targets, sources):
                target.follow(source, self.config["tau"])


class Sac(Learner):
    """arXiv 1812.05905: target critics; the actor learns through the updated critics."""

    def make_targets(self):
        return [critic.target(f"critic_target.{k}") for k, critic in enumerate(self.critics)]

    def update(self, batch):
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            next_action, next_log_prob = policy(self.actor, batch["next_obs"], batch["next_action"], self.config)
            next_value = self.smallest_q(self.targets, batch["next_obs"], next_action) - alpha * next_log_prob
        critic_loss, critic_gradients = self.critic_pass(batch, next_value)
        self.step_critics(critic_gradients)
        _, log_prob, actor_loss, actor_gradients = self.actor_pass(batch, alpha)
        self.step(self.actor, actor_gradients)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.critics)
        return {"alpha": alpha, "critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": -log_prob.mean(),
                "alpha_loss": alpha_loss}  # fmt: skip


class SacV(Learner):
    """arXiv 1801.01290: a value network; all gradients at the parameters before the update."""

    next_action = False

    def make_values(self, generator):
        return [Network(generator, "value", [self.config["obs"], *self.config["hidden"], 1])]

    def make_targets(self):
        return [self.values[0].target("value_target")]

    def update(self, batch):
        alpha, value = self.log_alpha.detach().exp(), self.values[0]
        with torch.no_grad():
            next_value = self.targets[0](batch["next_obs"]).squeeze(-1)
        critic_loss, critic_gradients = self.critic_pass(batch, next_value)
        smallest, log_prob, actor_loss, actor_gradients = self.actor_pass(batch, alpha)
        wanted = (smallest - alpha * log_prob).detach()
        value_loss = (0.5 * (value(batch["obs"]).squeeze(-1) - wanted) ** 2).mean()
        self.step(value, torch.autograd.grad(value_loss, value.leaves()))
        self.step_critics(critic_gradients)
        self.step(self.actor, actor_gradients)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.values)
        return {"alpha": alpha, "critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": -log_prob.mean(),
                "value_loss": value_loss, "alpha_loss": alpha_loss}  # fmt: skip


# The algorithms, by their names in the configuration.
ALGOS = {"sac": Sac, "sac-v": SacV}


def draw_batches(config, generator, options):
    u, b, o, a = config["updates"], config["batch"], config["obs"], config["act"]
    limit = np.nextafter(np.float32(1), np.float32(0))
    return {
        "minibatch/obs": generator.normal(0, options.obs_scale, (u, b, o)),
        "minibatch/action": np.clip(generator.uniform(-1, 1, (u, b, a)).astype(np.float32), -limit, limit),
        "minibatch/reward": generator.normal(0, options.reward_spread, (u, b)),
        "minibatch/terminated": (generator.random((u, b)) < options.terminated).astype(np.float32),
        "minibatch/next_obs": generator.normal(0, options.obs_scale, (u, b, o)),
        "noise/action": generator.normal(0, 1, (u, b, a)),
        "noise/next_action": generator.normal(0, 1, (u, b, a)),
    }


def make(path, options):
    hidden = [int(width) for width in options.hidden.split(",")]
    config = {
        "algo": options.algo, "obs": options.obs, "act": options.act, "hidden": hidden, "batch": options.batch,
        "updates": options.updates, "critics": options.critics, "gamma": options.gamma, "tau": options.tau,
        "lr": options.lr, "alpha": options.alpha,
        "target_entropy": -float(options.act) if options.target_entropy is None else options.target_entropy,
        "reward_scale": options.reward_scale, "log_std_min": options.log_std_min, "log_std_max": options.log_std_max,
    }  # fmt: skip
    generator = np.random.default_rng(options.seed)
    learner = ALGOS[config["algo"]](config, generator, options)
    data = draw_batches(config, generator, options)
    data = {name: np.ascontiguousarray(value, np.float32) for name, value in data.items()}
    file = dict(data)
    file |= {f"before/{name}": value.numpy() for name, value in learner.tensors().items()}

    metrics = []
    for u in range(config["updates"]):
        batch = {name.split("/")[1]: torch.tensor(value[u], dtype=torch.float64) for name, value in data.items()
                 if name.startswith("minibatch/")}  # fmt: skip
        batch["noise"] = torch.tensor(data["noise/action"][u], dtype=torch.float64)
        batch["next_action"] = torch.tensor(data["noise/next_action"][u], dtype=torch.float64)
        metrics.append({name: value.item() for name, value in learner.update(batch).items()})
    file |= {f"metrics/{name}": np.array([row[name] for row in metrics]) for name in metrics[0]}
    file |= {f"after/{name}": value.numpy() for name, value in learner.tensors().items()}
    file |= {f"after/{name}": value.numpy() for name, value in learner.moments().items()}
    if not learner.next_action:
        del file["noise/next_action"]

    with np.errstate(under="ignore"):  # squares of the smallest gradients
        file = {name: np.asarray(value).astype(np.float32, order="C") for name, value in file.items()}
    wrong = [name for name, value in file.items() if not np.isfinite(value).all()]
    if wrong:
        sys.exit(f"golden.py: {path}: not finite: {', '.join(wrong)}")
    save_file(file, path, {"config": json.dumps(config)})


# The committed files and their purposes. They are small: all together less than 1 MB.
SUITE = {
    "sac": "--obs 3 --act 1 --hidden 16,16 --batch 8 --updates 5",
    "sac-ones": "--obs 1 --act 1 --hidden 1 --batch 1 --critics 1 --updates 6 --seed 4",
    "sac-odd": "--obs 5 --act 3 --hidden 7,13 --batch 31 --updates 4",
    "sac-wide": "--obs 17 --act 6 --hidden 40,36 --batch 33 --updates 2",
    "sac-one-layer": "--obs 4 --act 2 --hidden 19 --batch 17 --updates 3",
    "sac-three-layers": "--obs 4 --act 2 --hidden 9,17,5 --batch 12 --updates 3",
    "sac-one-critic": "--obs 3 --act 2 --hidden 8,8 --batch 16 --critics 1 --updates 4",
    "sac-five-critics": "--obs 3 --act 2 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "sac-saturated": "--obs 3 --act 2 --hidden 8,8 --batch 16 --mean-bias 25 --updates 4",
    "sac-saturated-critics": "--obs 2 --act 3 --hidden 8 --batch 16 --mean-bias 9 --log-alpha -6 --updates 4",
    "sac-clamped-below": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias -20.4 --obs-scale 3 --updates 4",
    "sac-clamped-above": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias 1.6 --obs-scale 3 --updates 4",
    "sac-clamp-bounds": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --obs-scale 2 --log-std-min 0.1 --log-std-max 0.4 --updates 4",
    "sac-fixed-alpha": "--obs 3 --act 1 --hidden 8,8 --batch 10 --alpha fixed --log-alpha -1.6 --updates 4",
    "sac-target-entropy": "--obs 3 --act 2 --hidden 8,8 "
    "--batch 10 --target-entropy 0.7 --log-alpha 0.4 --updates 4",
    "sac-reward-scale": "--obs 3 --act 1 --hidden 8,8 --batch 10 --reward-scale 20 --gamma 0.9 --updates 4",
    "sac-tau-one": "--obs 3 --act 1 --hidden 8,8 --batch 10 --tau 1 --updates 4",
    "sac-terminated": "--obs 3 --act 1 --hidden 8,8 --batch 10 --terminated 1 --updates 3",
    "sac-bootstrap": "--obs 3 --act 1 --hidden 8,8 --batch 10 --terminated 0 --gamma 1 --updates 3",
    "sac-long": "--obs 2 --act 1 --hidden 6,5 --batch 7 --lr 0.01 --tau 0.05 --updates 40",
    "sac-v": "--algo sac-v --obs 3 --act 1 --hidden 16,16 --batch 8 --updates 5",
    "sac-v-ones": "--algo sac-v --obs 1 --act 1 --hidden 1 --batch 1 --critics 1 --updates 6 --seed 4",
    "sac-v-odd": "--algo sac-v --obs 5 --act 3 --hidden 7,13 --batch 31 --updates 4",
    "sac-v-three-layers": "--algo sac-v --obs 4 --act 2 --hidden 9,17,5 --batch 12 --updates 3",
    "sac-v-five-critics": "--algo sac-v --obs 3 --act 2 --hidden 8,6 --batch 16 --critics 5 --updates 4",
    "sac-v-saturated": "--algo sac-v --obs 3 --act 2 --hidden 8,8 --batch 16 --mean-bias 25 --updates 4",
    "sac-v-clamped-below": "--algo sac-v --obs 3 --act 2 --hidden 8,8 "
    "--batch 16 --log-std-bias -20.4 --obs-scale 3 --updates 4",
    "sac-v-fixed-alpha": "--algo sac-v --obs 3 --act 1 --hidden 8,8 "
    "--batch 10 --alpha fixed --log-alpha 0 --reward-scale 5 --updates 4",
    "sac-v-long": "--algo sac-v --obs 2 --act 1 --hidden 6,5 --batch 7 --lr 0.01 --tau 0.05 --updates 40",
}  # fmt: skip


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", nargs="?", help="file to write")
    p.add_argument("--suite", metavar="DIR", help="write the committed files there")
    p.add_argument("--algo", choices=list(ALGOS), default="sac")
    p.add_argument("--obs", type=int, default=3)
    p.add_argument("--act", type=int, default=1)
    p.add_argument("--hidden", default="16,16", help="widths, comma-separated")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--updates", type=int, default=3, help="updates in a row")
    p.add_argument("--critics", type=int, default=2)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--tau", type=float, default=0.005)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--alpha", choices=["auto", "fixed"], default="auto")
    p.add_argument("--log-alpha", type=float, default=-0.7, help="before the first update")
    p.add_argument("--target-entropy", type=float, default=None, help="default: minus the action's size")
    p.add_argument("--reward-scale", type=float, default=1.0)
    p.add_argument("--log-std-min", type=float, default=-20.0)
    p.add_argument("--log-std-max", type=float, default=2.0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--terminated", type=float, default=0.3, help="share of terminated transitions")
    p.add_argument("--obs-scale", type=float, default=1.0, help="standard deviation of observations")
    p.add_argument("--reward-spread", type=float, default=1.0, help="standard deviation of rewards")
    p.add_argument("--mean-bias", type=float, default=0.0, help="added, with alternating sign, to the mean's bias")
    p.add_argument("--log-std-bias", type=float, default=0.0, help="added to log sigma's bias")
    return p


def import_packages():
    """Imports the packages, after the command line is parsed: --help works without them."""
    global np, torch, F, save_file
    need("numpy", "torch", "safetensors", setup="--golden")
    import numpy as np
    import torch
    import torch.nn.functional as F
    from safetensors.numpy import save_file


def main():
    options = parser().parse_args()
    if not options.suite and not options.out:
        parser().error("give a file to write, or --suite DIR")
    import_packages()
    torch.set_num_threads(1)  # one thread, so that sums have one order
    if options.suite:
        for name, arguments in SUITE.items():
            make(f"{options.suite}/{name}.safetensors", parser().parse_args(arguments.split()))
    else:
        make(options.out, options)


if __name__ == "__main__":
    main()
