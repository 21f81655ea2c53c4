"""The search: guesses, gradient descent on spectra, least squares on the waveform."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch

import torch
from torch import Tensor

from dspcore.chain import Chain
from dspcore.errors import UserError
from dspcore.losses import MultiscaleSpectral, residual_db
from dspcore.match.gauss_newton import levenberg_marquardt

_EXACT_DB = -100.0  # a residual of 24-bit rounding
_KICKS = 24  # tried for every hop
_EDGE = 1e-3  # how near to the ends of its range a search may start
Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """What a search says while it runs."""

    stage: str  # "guess", "descend" or "refine"
    done: int
    total: int
    loss: float  # spectral loss of the best setting so far
    residual_db: float  # its waveform residual


@dataclass(frozen=True)
class Match:
    """What was found.

    Attributes:
        chain: The chain with the settings found.
        values: Those, in physical units by full name.
        result: The dry sound through it, (c, t).
        dry: The dry sound, as long as the reference, (c, t).
        reference: The sound to be matched, (c, t).
        history: (step, spectral loss, residual in dB) of the best setting as the search went on.
        free: Names of the parameters that were searched.
    """

    chain: Chain
    values: dict[str, float]
    result: Tensor
    dry: Tensor
    reference: Tensor
    history: list[tuple[str, float, float]] = field(default_factory=list)
    free: list[str] = field(default_factory=list)

    @property
    def before_db(self) -> float:
        """Residual of the dry sound against the reference, in dB of the reference."""
        return float(residual_db(self.dry[None], self.reference[None]))

    @property
    def after_db(self) -> float:
        """Residual of the result."""
        return float(residual_db(self.result[None], self.reference[None]))


def match(
    dry: Tensor,
    reference: Tensor,
    chain: Chain,
    *,
    fixed: Iterable[str] = (),
    seconds: float = 4.0,
    guesses: int = 96,
    descents: int = 6,
    descent_steps: int = 120,
    refinements: int = 2,
    refine_steps: int = 60,
    hops: int = 0,
    seed: int = 0,
    progress: Report | None = None,
) -> Match:
    """Find settings of `chain` that turn `dry` into `reference`.

    Random settings, the chain's own and what its effects suggest are rendered and ranked by a
    multi-scale spectral loss; the best few go down its gradient side by side; the best of those are
    refined by least squares on the waveform, with the exact Jacobian. The setting with the least
    spectral loss wins. Both sounds must start together: a shift between them is not searched for.

    Args:
        dry: (c, t), at the chain's sample rate.
        reference: (c, t) of the same sound after the wanted treatment. A longer one (a tail) is met
            by silence after `dry`; mono `dry` is doubled for a stereo reference.
        chain: Effects in order; choices (a curve, a mode) are kept, values are where it starts.
        fixed: Names or patterns ("delay.*") of parameters that keep the chain's values.
        seconds: How much of the sounds, from the first sound on, the search listens to.
        guesses: Random settings tried at first.
        descents: Settings that go down the gradient.
        descent_steps: Steps of gradient descent.
        refinements: Settings that are refined, one after the other, until one fits exactly.
        refine_steps: Steps of least squares for each, at most.
        hops: How often the best end is kicked and refined again while it does not fit exactly.
        seed: Of the random settings.
        progress: Called as the search goes on.

    Returns:
        The chain found and what it makes of the whole of `dry`.

    Raises:
        UserError: sounds that are empty, silent, not finite or do not fit one another or the chain.
    """
    dry, reference = _aligned(dry, reference)
    search = _Search(dry, reference, chain, list(fixed), seconds, progress or (lambda _: None))
    if search.free.any():
        generator = torch.Generator().manual_seed(seed)
        starts = search.guess(guesses, descents, generator)
        ends = search.descend(starts, descent_steps)
        search.refine(ends[:refinements], hops, refine_steps, generator)
    values = {name: float(v) for name, v in chain.denormalize(search.best[None]).items()}
    found = chain.with_values(values)
    if bool(search.free.all()):  # a fixed value keeps its name
        found = found.canonical()
    with torch.no_grad():
        result = found(dry[None])[0]
    names = [n for n, is_free in zip(chain.param_names, search.free, strict=True) if is_free]
    return Match(found, found.values, result, dry, reference, search.history, names)


def _aligned(dry: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Both sounds with the same number of channels and samples."""
    for name, sound in (("dry", dry), ("reference", reference)):
        if sound.ndim != 2 or sound.numel() == 0:
            raise UserError(f"match: {name} must be (c, t) and not empty, got {tuple(sound.shape)}")
        if not bool(sound.isfinite().all()):
            raise UserError(f"match: {name} has samples that are NaN or infinite; repair it first")
        if not bool(sound.any()):
            raise UserError(f"match: {name} is silent, so there is nothing to match")
    channels, length = reference.shape
    if dry.shape[0] != channels and dry.shape[0] != 1:
        raise UserError(
            f"match: dry has {dry.shape[0]} channels and reference {channels}; "
            f"give a dry sound with {channels}, or a mono one"
        )
    dry = dry.expand(channels, -1)[:, :length]
    return torch.nn.functional.pad(dry, (0, length - dry.shape[1])), reference


class _Search:
    """The best setting so far, (p,) in [0, 1], and the ways to a better one."""

    def __init__(
        self,
        dry: Tensor,
        reference: Tensor,
        chain: Chain,
        fixed: list[str],
        seconds: float,
        progress: Report,
    ) -> None:
        """Cuts out what the search listens to and looks at the chain's own settings."""
        names = chain.param_names
        for pattern in fixed:
            if not any(fnmatch(name, pattern) for name in names):
                raise UserError(f"match: no parameter {pattern!r}; there are {', '.join(names)}")
        loud = dry.abs().amax(0)
        first = int((loud > 1e-4 * loud.max()).nonzero()[0])
        part = slice(first, first + max(1024, int(seconds * chain.sample_rate)))
        self.dry, self.reference = dry[None, :, part].float(), reference[None, :, part].float()
        if not bool(self.reference.any()):
            raise UserError("match: reference is silent where dry starts to sound; align the two")
        self.chain, self.progress, self.names = chain, progress, names
        self.loss = MultiscaleSpectral(self.reference)
        self.free = torch.tensor([not any(fnmatch(n, p) for p in fixed) for n in names])
        self.fine = torch.tensor([param.fine for param in chain.params.values()])
        self.own = chain.normalize()[0].double()
        self.best, self.best_loss, self.best_db = self.own, math.inf, math.inf
        self.history: list[tuple[str, float, float]] = []
        with torch.no_grad():
            sound = chain.normalized(self.dry, self.own[None])
        if sound.shape[1] != reference.shape[0]:
            raise UserError(
                f"match: the chain makes {sound.shape[1]} channels of this sound, but "
                f"reference has {reference.shape[0]}; use a reference with {sound.shape[1]}"
            )
        self.consider("guess", self.own, sound)

    def consider(self, stage: str, setting: Tensor, sound: Tensor) -> float:
        """Remembers a setting (p,) that sounds better than the best; returns its loss."""
        loss = float(self.loss(sound.detach().float()))
        if loss < self.best_loss:
            self.best, self.best_loss = setting.detach().clone(), loss
            self.best_db = float(residual_db(sound.detach(), self.reference))
        self.history.append((stage, self.best_loss, self.best_db))
        return loss

    def report(self, stage: str, done: int, total: int) -> None:
        """Tells the caller how far the search is."""
        self.progress(Progress(stage, done, total, self.best_loss, self.best_db))

    def guess(self, count: int, keep: int, generator: torch.Generator) -> Tensor:
        """The best `keep` of many settings, (keep, p)."""
        drawn = self.chain.random(count, generator).double()
        # Half of them near the chain's own values: extreme settings of everything are rarely meant.
        drawn[::2] = self.own + 0.35 * (drawn[::2] - self.own)
        tried = torch.cat([self.own[None], drawn])
        for suggestions in self.suggestions():
            # The likelier a suggestion, the more often it is tried; one setting in four is tried
            # without.
            picks = torch.randint(len(suggestions), (2, len(tried)), generator=generator).amin(0)
            for row, pick in enumerate(picks.tolist()):
                if row % 4:
                    tried[row] = torch.where(
                        suggestions[pick].isnan(), tried[row], suggestions[pick]
                    )
        tried = torch.where(self.free, tried, self.own).clamp(_EDGE, 1 - _EDGE)
        losses = []
        with torch.no_grad():
            for i, batch in enumerate(tried.split(8)):
                sounds = self.chain.normalized(self.dry, batch)
                losses += [
                    self.consider("guess", p, s[None]) for p, s in zip(batch, sounds, strict=True)
                ]
                self.report("guess", 8 * i + len(batch), len(tried))
        return tried[torch.tensor(losses).argsort()[:keep]]

    def suggestions(self) -> list[Tensor]:
        """What each effect suggests, (n, p) in [0, 1], NaN where it suggests nothing."""
        found = []
        for name, effect in zip(self.chain.effect_names, self.chain, strict=True):
            rows = []
            for setting in effect.suggest(self.dry[0], self.reference[0]):
                row = torch.full_like(self.own, math.nan)
                for key, value in setting.items():
                    low, high = effect.params[key].range(effect.sample_rate)
                    unit = effect.params[key].to_unit(
                        min(max(value, low), high), effect.sample_rate
                    )
                    row[self.names.index(f"{name}.{key}")] = unit
                rows.append(row)
            if rows:
                found.append(torch.stack(rows))
        return found

    def descend(self, starts: Tensor, steps: int) -> Tensor:
        """Gradient descent of all starts side by side; where each came best, the best first."""
        free = torch.logit(starts).requires_grad_()
        optimizer = torch.optim.Adam([free], lr=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps), 5e-3)
        best, least = starts.clone(), torch.full((len(starts),), math.inf, dtype=torch.float64)
        for step in range(steps):
            setting = torch.where(self.free, torch.sigmoid(free), self.own)
            sounds = self.chain.normalized(self.dry, setting)
            losses = self.loss(sounds)
            optimizer.zero_grad()
            losses.sum().backward()
            assert free.grad is not None
            free.grad[:, self.fine] = 0  # the refinement moves these
            better = losses.detach() < least
            least = torch.where(better, losses.detach().double(), least)
            best = torch.where(better[:, None], setting.detach(), best)
            leader = int(losses.argmin())
            self.consider("descend", setting[leader], sounds[leader : leader + 1])
            optimizer.step()
            schedule.step()
            self.report("descend", step + 1, steps)
        return best[least.argsort()]

    def refine(self, starts: Tensor, hops: int, steps: int, generator: torch.Generator) -> None:
        """Least squares on the waveform from each start, then from kicks of the best end.

        Each goes down two ways in turn: the residual as it is, and with every frequency counting
        alike (divided by the reference's smoothed spectrum, as loud lows hide the highs). A hollow
        of one is rarely one of the other. Stops when a setting fits exactly.
        """
        dry, reference = self.dry.double(), self.reference.double()
        own = torch.logit(self.own.clamp(_EDGE, 1 - _EDGE))
        place = torch.eye(len(own), dtype=torch.float64)[:, self.free]
        weight = whitening(reference)

        def setting(free: Tensor) -> Tensor:
            return torch.where(self.free, torch.sigmoid(own + place @ free), self.own)

        def sound(free: Tensor) -> Tensor:
            return self.chain.normalized(dry, setting(free)[None])

        def plain(free: Tensor) -> Tensor:
            return sound(free) - reference

        def white(free: Tensor) -> Tensor:
            return torch.view_as_real(torch.fft.rfft(plain(free)) * weight)

        def power(free: Tensor) -> float:
            with torch.no_grad():
                return float(white(free).square().sum())

        best, best_power = torch.zeros_like(own)[self.free], math.inf
        runs, turns = len(starts) + hops, (plain, white)
        total = runs * len(turns) * steps
        for run in range(runs):
            if run < len(starts):
                free = (torch.logit(starts[run].clamp(_EDGE, 1 - _EDGE)) - own)[self.free]
            else:
                trials = kicks(best + own[self.free], _KICKS, generator) - own[self.free]
                free = trials[min(range(_KICKS), key=lambda i: power(trials[i]))]
            for turn, residual in enumerate(turns):
                for done, end in enumerate(levenberg_marquardt(residual, free, steps)):
                    free = end.free
                    with torch.no_grad():
                        self.consider("refine", setting(free), sound(free))
                    self.report("refine", (run * len(turns) + turn) * steps + done + 1, total)
                if self.best_db < _EXACT_DB:
                    break
            if power(free) < best_power:
                best, best_power = free, power(free)
            if self.best_db < _EXACT_DB:
                break
        self.report("refine", total, total)


def kicks(free: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Copies of a setting (p,), one to three neighbouring parameters of each thrown anywhere.

    Parameters that work together, as those of a bell do, are declared side by side.
    """
    thrown = free.repeat(count, 1)
    for row in thrown:
        size = int(torch.randint(1, 4, (), generator=generator))
        first = int(torch.randint(max(1, len(free) - size + 1), (), generator=generator))
        anywhere = torch.rand(len(row[first : first + size]), generator=generator).double()
        row[first : first + size] = torch.logit(0.1 + 0.8 * anywhere)
    return thrown


def whitening(reference: Tensor) -> Tensor:
    """One over the magnitude spectrum of (1, c, t), smoothed over a 40th of it, (1, 1, bins)."""
    power = torch.fft.rfft(reference).abs().square().mean((0, 1))
    width = max(3, len(power) // 40) | 1
    half = width // 2
    padded = torch.nn.functional.pad(power[None, None], (half, half), mode="reflect")
    smooth = torch.nn.functional.avg_pool1d(padded, width, 1)
    return (smooth + 1e-6 * smooth.max()).rsqrt()
