#!/usr/bin/env python3
"""Writes golden updates: the correct results of one or more SAC updates, from PyTorch's autograd in float64.

    scripts/golden.py --suite tests/golden/updates       all committed files
    scripts/golden.py out.safetensors --algo sac-v --obs 17 --act 6 --hidden 256,256 --batch 256 --updates 5

`sac verify FILE...` runs such files; src/verify/verify.h describes the format. Everything here follows the
equations of the papers (arXiv 1812.05905 for `sac`, 1801.01290 for `sac-v`, 1910.07207 for `sac-discrete`, 1702.08165
for `soft-q`) and shares no code with the library.
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
from golden_suite import SUITE
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

    def change_head(self, scale, bias):
        """Multiplies the output layer, and adds to its bias."""
        with torch.no_grad():
            for key, change in (("head.weight", 0.0), ("head.bias", bias)):
                leaf = self.parameters[key]
                leaf.copy_((scale * leaf + change).float().double())

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


def alternating(count):
    """1, -1, 1, ..."""
    return torch.tensor([(-1.0) ** i for i in range(count)], dtype=torch.float64)


class Learner:
    """What the algorithms share. A subclass is an algorithm: its networks and targets, and one update."""

    noises = ("action", "next_action")  # what an update samples: an action at s, and one at s'

    def __init__(self, config, generator, options):
        self.config, self.options = config, options
        self.actors = self.make_actors(generator)
        self.critics = [self.make_critic(generator, f"critic.{k}") for k in range(config["critics"])]
        self.values = self.make_values(generator)
        self.networks = [*self.actors, *self.critics, *self.values]
        self.bias_heads()
        self.log_alpha = torch.tensor(float(np.float32(options.log_alpha)), dtype=torch.float64, requires_grad=True)
        self.targets = self.make_targets()
        for target in self.targets:  # targets that differ from their networks, as in a run
            for value in target.parameters.values():
                lag = generator.normal(0, 0.02, tuple(value.shape))
                value.copy_((value + torch.tensor(lag)).float().double())
        self.optimizers = {
            network.name: torch.optim.Adam(network.leaves(), lr=config["lr"], betas=BETAS, eps=ADAM_EPS)
            for network in self.networks
        }
        self.optimizers["log_alpha"] = torch.optim.Adam([self.log_alpha], lr=config["lr"], betas=BETAS, eps=ADAM_EPS)

    def make_actors(self, generator):
        """The actor, in a list: a mean and a log sigma of each number of an action."""
        return [Network(generator, "actor", [self.config["obs"], *self.config["hidden"], 2 * self.config["act"]])]

    def make_critic(self, generator, name):
        return Network(generator, name, [self.config["obs"] + self.config["act"], *self.config["hidden"], 1])

    def bias_heads(self):
        """Changes the initial output layers, as the options ask."""
        act, options = self.config["act"], self.options
        means = float(np.float32(options.mean_bias)) * alternating(act)
        log_stds = torch.full((act,), float(np.float32(options.log_std_bias)), dtype=torch.float64)
        self.actors[0].change_head(1.0, torch.cat([means, log_stds]))

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
        named = {f"{n.name}.{key}": value for n in self.networks for key, value in n.parameters.items()}
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
        action, log_prob = policy(self.actors[0], batch["obs"], batch["noise/action"], self.config)
        smallest = self.smallest_q(self.critics, batch["obs"], action)
        loss = (alpha * log_prob - smallest).mean()
        return smallest, log_prob, loss, torch.autograd.grad(loss, self.actors[0].leaves(), retain_graph=True)

    def step_temperature(self, log_prob):
        """The temperature's loss; its step, if alpha is learned, which ends within the bounds of alpha."""
        config = self.config
        loss = (-self.log_alpha * (log_prob.detach() + config["target_entropy"])).mean()
        if config["alpha"] == "auto":
            self.step(self.log_alpha, torch.autograd.grad(loss, [self.log_alpha]))
            with torch.no_grad():
                low, high = config.get("alpha_min", 0), config.get("alpha_max", math.inf)
                self.log_alpha.clamp_(math.log(low) if low else -math.inf, math.log(high))
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
            next_noise = batch["noise/next_action"]
            next_action, next_log_prob = policy(self.actors[0], batch["next_obs"], next_noise, self.config)
            next_value = self.smallest_q(self.targets, batch["next_obs"], next_action) - alpha * next_log_prob
        critic_loss, critic_gradients = self.critic_pass(batch, next_value)
        self.step_critics(critic_gradients)
        _, log_prob, actor_loss, actor_gradients = self.actor_pass(batch, alpha)
        self.step(self.actors[0], actor_gradients)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.critics)
        return {"alpha": alpha, "critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": -log_prob.mean(),
                "alpha_loss": alpha_loss}  # fmt: skip


class SacV(Learner):
    """arXiv 1801.01290: a value network; all gradients at the parameters before the update."""

    noises = ("action",)

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
        self.step(self.actors[0], actor_gradients)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.values)
        return {"alpha": alpha, "critic_loss": critic_loss, "actor_loss": actor_loss, "entropy": -log_prob.mean(),
                "value_loss": value_loss, "alpha_loss": alpha_loss}  # fmt: skip


class Discrete(Learner):
    """What the algorithms of discrete actions share: critics give a value of each action, and an action is its number.
    Nothing is sampled, because expectations over actions are sums."""

    noises = ()

    def make_actors(self, generator):
        return []

    def make_critic(self, generator, name):
        return Network(generator, name, [self.config["obs"], *self.config["hidden"], self.config["act"]])

    def make_targets(self):
        return [critic.target(f"critic_target.{k}") for k, critic in enumerate(self.critics)]

    def bias_heads(self):
        options, act = self.options, self.config["act"]
        for critic in self.critics:
            critic.change_head(options.q_scale, 0.0)
        for actor in self.actors:
            actor.change_head(1.0, float(np.float32(options.logit_bias)) * alternating(act))

    def q(self, networks, obs, action):
        numbers = action.long().expand(len(networks), -1, -1)
        return torch.stack([network(obs) for network in networks]).gather(-1, numbers).squeeze(-1)

    def joined_q(self, networks, obs):
        """q(s, .) (B, A): the minimum or the mean of the critics, action by action."""
        values = torch.stack([network(obs) for network in networks])
        return values.mean(dim=0) if self.config["critics_join"] == "mean" else values.min(dim=0).values

    def describe(self, log_pi, q, alpha):
        """sum_a pi log pi (B), and the metrics of a policy (B, A), which are exact."""
        pi, boltzmann = log_pi.exp(), F.log_softmax(q / alpha, dim=-1)
        log_prob = (pi * log_pi).sum(-1)
        return log_prob, {
            "alpha": alpha,
            "entropy": -log_prob.mean(),
            "soft_value": ((pi * q).sum(-1) - alpha * log_prob).mean(),
            "log_z": torch.logsumexp(q / alpha, dim=-1).mean(),
            "kl": (pi * (log_pi - boltzmann)).sum(-1).mean(),
        }


class SoftQ(Discrete):
    """arXiv 1702.08165 for discrete actions: V(s) = alpha log sum_a exp(q(s, a)/alpha), and no actor."""

    def update(self, batch):
        alpha = self.log_alpha.detach().exp()
        with torch.no_grad():
            next_value = alpha * torch.logsumexp(self.joined_q(self.targets, batch["next_obs"]) / alpha, dim=-1)
            q = self.joined_q(self.critics, batch["obs"])
            log_prob, metrics = self.describe(F.log_softmax(q / alpha, dim=-1), q, alpha)
        critic_loss, critic_gradients = self.critic_pass(batch, next_value)
        self.step_critics(critic_gradients)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.critics)
        return {**metrics, "critic_loss": critic_loss, "alpha_loss": alpha_loss}


class SacDiscrete(Discrete):
    """arXiv 1910.07207: a softmax actor, which learns from the updated critics."""

    def make_actors(self, generator):
        return [Network(generator, "actor", [self.config["obs"], *self.config["hidden"], self.config["act"]])]

    def update(self, batch):
        alpha, actor = self.log_alpha.detach().exp(), self.actors[0]
        with torch.no_grad():
            log_pi = F.log_softmax(actor(batch["next_obs"]), dim=-1)
            next_q = self.joined_q(self.targets, batch["next_obs"])
            next_value = (log_pi.exp() * (next_q - alpha * log_pi)).sum(-1)
        critic_loss, critic_gradients = self.critic_pass(batch, next_value)
        self.step_critics(critic_gradients)
        q = self.joined_q(self.critics, batch["obs"]).detach()
        log_pi = F.log_softmax(actor(batch["obs"]), dim=-1)
        actor_loss = (log_pi.exp() * (alpha * log_pi - q)).sum(-1).mean()
        self.step(actor, torch.autograd.grad(actor_loss, actor.leaves(), retain_graph=True))
        log_prob, metrics = self.describe(log_pi.detach(), q, alpha)
        alpha_loss = self.step_temperature(log_prob)
        self.follow(self.critics)
        return {**metrics, "critic_loss": critic_loss, "actor_loss": actor_loss, "alpha_loss": alpha_loss}


# The algorithms, by their names in the configuration.
ALGOS = {"sac": Sac, "sac-v": SacV, "sac-discrete": SacDiscrete, "soft-q": SoftQ}


def draw_batches(config, generator, options, noises):
    u, b, o, a = config["updates"], config["batch"], config["obs"], config["act"]
    limit = np.nextafter(np.float32(1), np.float32(0))
    discrete = issubclass(ALGOS[config["algo"]], Discrete)
    return {
        "minibatch/obs": generator.normal(0, options.obs_scale, (u, b, o)),
        "minibatch/action": generator.integers(0, a, (u, b, 1)) if discrete
        else np.clip(generator.uniform(-1, 1, (u, b, a)).astype(np.float32), -limit, limit),
        "minibatch/reward": generator.normal(0, options.reward_spread, (u, b)),
        "minibatch/terminated": (generator.random((u, b)) < options.terminated).astype(np.float32),
        "minibatch/next_obs": generator.normal(0, options.obs_scale, (u, b, o)),
        **{f"noise/{name}": generator.normal(0, 1, (u, b, a)) for name in noises},
    }  # fmt: skip


def make_config(options):
    """The metadata `config` of the file."""
    hidden = [int(width) for width in options.hidden.strip("[]").split(",") if width]
    config = {
        "algo": options.algo, "obs": options.obs, "act": options.act, "hidden": hidden, "batch": options.batch,
        "updates": options.updates, "critics": options.critics, "gamma": options.gamma, "tau": options.tau,
        "lr": options.lr, "alpha": options.alpha,
    }  # fmt: skip
    discrete = issubclass(ALGOS[options.algo], Discrete)
    target_entropy = 0.5 * math.log(options.act) if discrete else -float(options.act)
    config["target_entropy"] = target_entropy if options.target_entropy is None else options.target_entropy
    config["reward_scale"] = options.reward_scale
    if discrete:
        config["critics_join"] = options.critics_join
    else:
        config |= {"log_std_min": options.log_std_min, "log_std_max": options.log_std_max}
    bounds = {"alpha_min": options.alpha_min, "alpha_max": options.alpha_max}
    return config | {name: value for name, value in bounds.items() if value is not None}


def make(path, options):
    config = make_config(options)
    generator = np.random.default_rng(options.seed)
    learner = ALGOS[config["algo"]](config, generator, options)
    data = draw_batches(config, generator, options, learner.noises)
    data = {name: np.ascontiguousarray(value, np.float32) for name, value in data.items()}
    file = dict(data)
    file |= {f"before/{name}": value.numpy() for name, value in learner.tensors().items()}

    metrics = []
    for u in range(config["updates"]):
        batch = {name.removeprefix("minibatch/"): torch.tensor(value[u], dtype=torch.float64)
                 for name, value in data.items()}  # fmt: skip
        metrics.append({name: value.item() for name, value in learner.update(batch).items()})
    file |= {f"metrics/{name}": np.array([row[name] for row in metrics]) for name in metrics[0]}
    file |= {f"after/{name}": value.numpy() for name, value in learner.tensors().items()}
    file |= {f"after/{name}": value.numpy() for name, value in learner.moments().items()}

    with np.errstate(under="ignore"):  # squares of the smallest gradients
        file = {name: np.asarray(value).astype(np.float32, order="C") for name, value in file.items()}
    wrong = [name for name, value in file.items() if not np.isfinite(value).all()]
    if wrong:
        sys.exit(f"golden.py: {path}: not finite: {', '.join(wrong)}")
    save_file(file, path, {"config": json.dumps(config)})


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", nargs="?", help="file to write")
    p.add_argument("--suite", metavar="DIR", help="write the committed files there")
    p.add_argument("--algo", choices=list(ALGOS), default="sac")
    p.add_argument("--obs", type=int, default=3)
    p.add_argument("--act", type=int, default=1, help="numbers of an action; of discrete ones, how many there are")
    p.add_argument("--hidden", default="16,16", help="widths, comma-separated; []: linear networks")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--updates", type=int, default=3, help="updates in a row")
    p.add_argument("--critics", type=int, default=2)
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--tau", type=float, default=0.005)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--alpha", choices=["auto", "fixed"], default="auto")
    p.add_argument("--log-alpha", type=float, default=-0.7, help="before the first update")
    p.add_argument("--target-entropy", type=float, default=None, help="default: minus --act; discrete: half of its log")
    p.add_argument("--alpha-min", type=float, help="bound of the learned alpha")
    p.add_argument("--alpha-max", type=float, help="bound of the learned alpha")
    p.add_argument("--critics-join", choices=["min", "mean"], default="min", help="discrete actions only")
    p.add_argument("--reward-scale", type=float, default=1.0)
    p.add_argument("--log-std-min", type=float, default=-20.0)
    p.add_argument("--log-std-max", type=float, default=2.0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--terminated", type=float, default=0.3, help="share of terminated transitions")
    p.add_argument("--obs-scale", type=float, default=1.0, help="standard deviation of observations")
    p.add_argument("--reward-spread", type=float, default=1.0, help="standard deviation of rewards")
    p.add_argument("--mean-bias", type=float, default=0.0, help="added, with alternating sign, to the mean's bias")
    p.add_argument("--log-std-bias", type=float, default=0.0, help="added to log sigma's bias")
    p.add_argument("--logit-bias", type=float, default=0.0, help="added, with alternating sign, to the logits' bias")
    p.add_argument("--q-scale", type=float, default=1.0, help="multiplies the critics' output layers; discrete only")
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
