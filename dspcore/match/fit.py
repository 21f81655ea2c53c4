"""The search: guesses, gradient descent on spectra, least squares on the waveform."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.losses import MultiscaleSpectral, residual_db
from dspcore.match.again import again, suggestions
from dspcore.match.gauss_newton import levenberg_marquardt
from dspcore.match.moved import TRIED, moved, moves
from dspcore.match.waveform import EDGE, Waveform
from dspcore.rack import Rack

_EXACT_DB = -100.0  # a residual of 24-bit rounding
_WHOLE = 3  # parameters: a suggestion of more is of the whole effect
_HEAT = 16  # steps of least squares that every start gets
_CANDIDATES = 4  # refined in every hop
_TURNS = 3  # of each residual on the whole way
_ROUNDS = 2  # of hops and the whole way, where the first one ends near
_NEAR_DB = -45.0  # so near that there may be an exact fit
_CLOSE_DB = -60.0  # a residual that promises an exact fit
_GAIN_DB = 1.0  # for which a part may stay where it was put, before others are asked
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

    chain: Rack
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
    chain: Rack,
    *,
    fixed: Iterable[str] = (),
    seconds: float = 1.5,
    guesses: int = 96,
    descents: int = 6,
    descent_steps: int = 120,
    refinements: int = 4,
    hops: int = 4,
    refine_steps: int = 90,
    seed: int = 0,
    limit_s: float = math.inf,
    progress: Report | None = None,
) -> Match:
    """Find settings of `chain` that turn `dry` into `reference`.

    Random settings, the chain's own and what its effects suggest are rendered and ranked by a
    multi-scale spectral loss; the best few go down its gradient side by side; the best of those are
    refined by least squares on the waveform, with the exact Jacobian, or by differences where the
    chain has a plug-in. The setting with the least spectral loss wins. Both sounds must start
    together: a shift between them is not searched for, and the chain's own latency is taken off, as
    `dspcore.render` does. The search keeps to one thread: sums in another order can end in another
    hollow, and a seed would find other settings where there are more cores.

    Args:
        dry: (c, t), at the chain's sample rate.
        reference: (c, t) of the same sound after the wanted treatment. A longer one (a tail) is met
            by silence after `dry`; mono `dry` is doubled for a stereo reference.
        chain: A chain or a graph without further inputs; choices (a curve, a mode) are kept, values
            are where it starts.
        fixed: Names or patterns ("delay.*") of parameters that keep the chain's values.
        seconds: How much of the sounds, from the first sound on, the search listens to.
        guesses: Random settings tried at first.
        descents: Settings that go down the gradient.
        descent_steps: Steps of gradient descent.
        refinements: Settings that are refined.
        hops: How often the effects are asked again while the best does not come close.
        refine_steps: Steps of least squares for the most promising one, at most.
        seed: Of the random settings.
        limit_s: CPU time after which the search ends with the best setting so far.
        progress: Called as the search goes on.

    Returns:
        The chain found and what it makes of the whole of `dry`.

    Raises:
        UserError: sounds that are empty, silent, not finite or do not fit one another or the chain.
    """
    if chain.inputs:
        further = ", ".join(chain.inputs)
        raise UserError(f"match: the graph also hears {further}, which a search cannot give it")
    dry, reference = _aligned(dry, reference)
    report = _until(time.process_time() + limit_s, progress or (lambda _: None))
    with _one_thread():
        search = _Search(dry, reference, chain, list(fixed), seconds, report)
        if search.free.any():
            generator = torch.Generator().manual_seed(seed)
            with suppress(_LateError):
                starts = search.guess(guesses, descents, generator)
                ends = search.descend(starts, descent_steps)
                search.refine(ends[:refinements], hops, refine_steps)
    values = {name: float(v) for name, v in chain.denormalize(search.best[None]).items()}
    found = chain.with_values(values)
    if bool(search.free.all()):  # a fixed value keeps its name
        found = found.canonical()
    with torch.no_grad():
        result = _in_time(found, dry[None], found)[0]
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


class _LateError(Exception):
    """The time for a search is up."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread of torch's and of the kernels, then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _until(end_s: float, progress: Report) -> Report:
    """`progress`, which raises `_LateError` once the process has had that much CPU time."""

    def report(now: Progress) -> None:
        progress(now)
        if time.process_time() > end_s:
            raise _LateError

    return report


def _in_time(run: Callable[[Tensor], Tensor], audio: Tensor, chain: Rack) -> Tensor:
    """What `run` makes of `audio` (b, c, t), without the latency of the chain."""
    late = chain.latency_samples()
    return run(torch.nn.functional.pad(audio, (0, late)))[..., late:] if late else run(audio)


class _Search:
    """The best setting so far, (p,) in [0, 1], and the ways to a better one."""

    def __init__(
        self,
        dry: Tensor,
        reference: Tensor,
        chain: Rack,
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
        last = first + max(1024, int(seconds * chain.sample_rate))
        # What swings by itself must be heard from the beginning, or its phase would be another.
        part = slice(0 if any(effect.moves for effect in chain) else first, last)
        self.dry, self.reference = dry[None, :, part].float(), reference[None, :, part].float()
        if not bool(self.reference.any()):
            raise UserError("match: reference is silent where dry starts to sound; align the two")
        self.chain, self.progress, self.names = chain, progress, names
        self.exact = all(effect.exact for effect in chain)
        self.loss = MultiscaleSpectral(self.reference)
        self.free = torch.tensor([not any(fnmatch(n, p) for p in fixed) for n in names])
        self.fine = torch.tensor([param.fine for param in chain.params.values()])
        self.own = chain.normalize()[0].double()
        self.best, self.best_loss, self.best_db = self.own, math.inf, math.inf
        self.history: list[tuple[str, float, float]] = []
        with torch.no_grad():
            sound = self.render(self.dry, self.own[None])
        if sound.shape[1] != reference.shape[0]:
            raise UserError(
                f"match: the chain makes {sound.shape[1]} channels of this sound, but "
                f"reference has {reference.shape[0]}; use a reference with {sound.shape[1]}"
            )
        self.consider("guess", self.own, sound)

    def render(self, dry: Tensor, p: Tensor) -> Tensor:
        """What the chain makes of `dry` (b, c, t) with settings (b, p), without its latency."""
        return _in_time(lambda audio: self.chain.normalized(audio, p), dry, self.chain)

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
        for offered in suggestions(self.chain, self.dry[0], self.reference[0]):
            if not len(offered):
                continue
            # The likelier a suggestion, the more often it is tried; one setting in four is tried
            # without. What knows all about an effect is right in sound and may yet be wrong in
            # every parameter: every second setting is tried without such.
            picks = torch.randint(len(offered), (2, len(tried)), generator=generator).amin(0)
            whole = int((~offered[0].isnan()).sum()) > _WHOLE
            for row, pick in enumerate(picks.tolist()):
                if row % 2 if whole else row % 8 < 6:
                    tried[row] = torch.where(offered[pick].isnan(), tried[row], offered[pick])
        tried = torch.where(self.free, tried, self.own).clamp(EDGE, 1 - EDGE)
        losses = []
        with torch.no_grad():
            for i, batch in enumerate(tried.split(8)):
                sounds = self.render(self.dry, batch)
                losses += [
                    self.consider("guess", p, s[None]) for p, s in zip(batch, sounds, strict=True)
                ]
                self.report("guess", 8 * i + len(batch), len(tried))
        ranked = sorted(range(len(tried)), key=losses.__getitem__)
        pairs = zip(*([row for row in ranked if row % 2 == odd] for odd in (0, 1)), strict=False)
        return tried[torch.tensor([row for pair in pairs for row in pair][:keep])]

    def descend(self, starts: Tensor, steps: int) -> Tensor:
        """Gradient descent of all starts side by side; where each came best, the best first."""
        free = torch.logit(starts).requires_grad_()
        optimizer = torch.optim.Adam([free], lr=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps), 5e-3)
        best, least = starts.clone(), torch.full((len(starts),), math.inf, dtype=torch.float64)
        for step in range(steps):
            setting = torch.where(self.free, torch.sigmoid(free), self.own)
            sounds = self.render(self.dry, setting)
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

    def refine(self, starts: Tensor, hops: int, steps: int) -> None:
        """Least squares on the waveform: a heat from every start, hops, then the whole way.

        In a hop, parts of effects that do little are tried elsewhere; where this does not help, the
        effects are asked again what they should be like, now that the others are nearly right. The
        whole way goes by two residuals in turn, the plain one and one with every frequency counting
        alike (loud lows hide the highs): a hollow of one is rarely one of the other. What ends near
        but not exact goes round once more. A setting that fits exactly ends the search.
        """
        waveform = Waveform(self.render, self.dry, self.reference, self.own, self.free)
        plain, white, left = waveform.plain, waveform.white, waveform.left
        hop_steps = TRIED * _HEAT + _CANDIDATES * _HEAT // 2 + _HEAT
        done, total = 0, len(starts) * _HEAT + _ROUNDS * (hops * hop_steps + steps)

        def run(place: Tensor, *turns: tuple[Callable[[Tensor], Tensor], int]) -> Tensor:
            nonlocal done
            for residual, count in turns:
                for end in levenberg_marquardt(residual, place, count, exact=self.exact):
                    place, done = end.free, min(done + 1, total)
                    with torch.no_grad():
                        sound = plain(place[None]) + waveform.reference
                        self.consider("refine", waveform.settings(place), sound)
                    self.report("refine", done, total)
                    if self.best_db < _EXACT_DB:
                        return place
            return place

        def hop(best: Tensor) -> Tensor:
            setting = waveform.settings(best)
            offered = moved(waveform, best, moves(self.chain, setting, self.free), exact=self.exact)
            hopped = min((run(o, (plain, _HEAT)) for o in offered), key=left, default=best)
            if left(hopped) < left(best) - _GAIN_DB:
                return hopped
            values = self.chain.denormalize(setting[None])
            now = self.chain.with_values({name: float(v) for name, v in values.items()})
            offered = waveform.place(again(now, self.dry[0], self.reference[0]))
            offered = offered[torch.tensor([left(o) for o in offered]).argsort()[:_CANDIDATES]]
            hopped = min((run(o, (plain, _HEAT // 2)) for o in offered), key=left, default=best)
            return min(best, run(hopped, (white, _HEAT // 2), (plain, _HEAT // 2)), key=left)

        best = min((run(waveform.place(s), (plain, _HEAT)) for s in starts), key=left)
        for _ in range(_ROUNDS):
            for _ in range(hops):
                before = left(best)
                if before < _CLOSE_DB:
                    break
                best = hop(best)
                if left(best) >= before:
                    break  # the next one would be the same
            for _ in range(_TURNS):
                if self.best_db >= _EXACT_DB:
                    turn = steps // (2 * _TURNS)
                    best = run(best, (white, turn), (plain, turn))
            if hops == 0 or self.best_db < _EXACT_DB or left(best) > _NEAR_DB:
                break
        self.report("refine", total, total)
