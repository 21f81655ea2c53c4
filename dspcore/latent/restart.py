"""Is a run stuck? Its weights are pushed, its rate is raised, and it goes on from several seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dspcore import train
from dspcore.latent.config import LatentConfig
from dspcore.latent.naming import last_of, validation_metric
from dspcore.latent.schedules import BetaConfig
from dspcore.latent.start import StartConfig
from dspcore.latent.training import fit_latent

#: Ends within this share of each other are the same.
SAME = 0.02


@dataclass(frozen=True)
class Try:
    """A run that went on from another's weights.

    Attributes:
        name: Of its folder: plain, or seed-N.
        best: Its least validation distance.
        step: When.
    """

    name: str
    best: float
    step: int


@dataclass(frozen=True)
class Restarted:
    """What came of it.

    Attributes:
        before: Least validation distance of the run itself.
        plain: Going on without a push.
        pushed: Going on with one, a seed each.
    """

    before: float
    plain: Try
    pushed: list[Try]

    def verdict(self) -> str:
        """One sentence with its numbers."""
        ends = [t.best for t in self.pushed]
        said = (
            f"{len(ends)} pushed runs end at {min(ends):.4g} to {max(ends):.4g}, going on without "
            f"a push at {self.plain.best:.4g} (before: {self.before:.4g})"
        )
        if min(ends) < (1 - SAME) * self.plain.best:
            best = min(self.pushed, key=lambda t: t.best)
            return f"{said}: it was stuck; go on from {best.name}"
        if max(ends) <= (1 + SAME) * self.plain.best:
            return f"{said}: no sign of a local minimum; the level is the model's, data's or loss's"
        return f"{said}: pushes do not come back in so few steps; less noise, a lower kick, or more"


def restart(
    run: str | Path,
    out: str | Path,
    *,
    steps: int = 500,
    seeds: Sequence[int] = (0, 1, 2),
    noise: float = 0.05,
    kick: float = 3.0,
    kick_steps: int = 50,
    which: str = "best",
    progress: bool = True,
) -> Restarted:
    """Go on from a run's weights without a push, and with one from every seed.

    All go on in the first phase, with the weight of the divergence that the run ended with and a
    new optimiser. Each is a run of its own below `out`, so that ``dspcore report`` can lay them
    above each other; one that was killed goes on when the same is asked again.

    Args:
        run: The folder of the run; it stays as it is.
        out: Folder for plain and seed-N.
        steps: Of each.
        seeds: Of the noise, and of all that is drawn.
        noise: Added to every tensor of weights, as a share of its own RMS.
        kick: The rate begins this many times higher...
        kick_steps: ... and comes down to its own over so many steps; at the end it fades.
        which: The checkpoint to start from.
        progress: Show bars on a terminal.
    """
    source = Path(run)
    config = train.read_config(LatentConfig, ["--config", str(source / "config.toml")])
    known = train.read_run(source)
    if any((source / "shards").glob("shard-*.json")):
        config.data.source = str(source / "shards")
    beta = last_of(known, "beta")
    if math.isfinite(beta):
        config.beta = BetaConfig("const", high=beta)
    config.phases = replace(config.phases, switch="never")

    def gone_on(name: str, seed: int, push: float, rate: float) -> Try:
        fall = max(kick_steps + 1, steps // 2)
        points = [(0, rate), (kick_steps, 1.0), (fall, 1.0), (max(steps, fall + 1), 0.05)]
        rule = replace(config.fit.optimizer, schedule=train.Schedule(points, shape="cosine"))
        fit = replace(
            config.fit, folder=str(Path(out) / name), resume=True, steps=steps, seed=seed,
            minutes=None, patience=0, optimizer=rule, progress=progress,
        )  # fmt: skip
        start = StartConfig(str(source), which, push)
        done = fit_latent(replace(config, fit=fit, start=start)).fitted
        return Try(name, done.best, done.best_step)

    before = known.metrics.get(validation_metric(known), train.Series())
    return Restarted(
        min(before.values, default=math.nan),
        gone_on("plain", config.fit.seed or 0, 0.0, 1.0),
        [gone_on(f"seed-{seed}", seed, noise, kick) for seed in seeds],
    )
