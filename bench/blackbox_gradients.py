"""Gradients and searches through real plug-ins, by the number of calls; for bench.blackbox."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.blackbox_common import cosine, loaded, recording
from dspcore.blackbox import SPSA, Differences, LeastSquares
from dspcore.blackbox.calibration import LOSS_STEP, enough, measured
from dspcore.blackbox.effect import BlackBox
from dspcore.blackbox.estimators import Estimator, Space
from dspcore.losses import MultiscaleSpectral

#: Words that are chosen before: Calf's bands are bypassed when it opens.
CHOSEN = {"calf:MultibandCompressor": {f"bypass{band}": "off" for band in range(4)}}

#: The plug-ins, and which of their continuous parameters are looked at.
PLUGINS = {
    "mda:Overdrive": "",
    "mda:Ambience": "",
    "mda:MultiBand": "",
    "mda:Delay": "",
    "mda:ThruZero": "",
    "mda:Limiter": "",
    "mda:Leslie": "",
    "mda:Combo": "",
    "mda:SubSynth": "",
    "zam:ZamEQ2": "",
    "zam:ZamCompX2": "",
    "DragonflyPlateReverb:plate": "",
    "calf:MultibandCompressor": "threshold|ratio|attack|release|makeup",
    "lsp-plugins:graph_equalizer_x32_mono": r"g_\d",
}
CALLS = 300
HIDDEN = 2


# --- gradients ----------------------------------------------------------------------------------


def gradients(only: Sequence[str] = ()) -> Iterator[str]:
    """Cosine to central differences, by the number of calls; of these plug-ins or of all."""
    shown: dict[str, Callable[[int], Any]] = {
        "SPSA": lambda k: SPSA(k),
        "orthogonal": lambda k: LeastSquares(k),
        "coordinates": lambda k: Differences(params=k),
    }
    pairs = (1, 4, 16)

    yield (
        "Root mean square of the cosine to central differences (step 0.01), over 3 settings and 3 "
        "draws, of the gradient of a multi-scale spectral loss, for K pairs of renders on 0.7 s of "
        "a drum loop. Theory: SPSA sqrt(K/(K+P-1)), the others sqrt(K/P); where K >= P, the "
        "coordinates are the reference itself, and cost P pairs. One side: P renders beside the "
        "setting's own, with a step of 0.01. Calibrated: the steps and the sides that `calibrate` "
        "picks in two other settings, and the renders of a gradient then. The last column is SPSA "
        "as published by ST-ITO (the difference averaged over time), 16 pairs."
    )
    yield ""
    titles = [f"{name} {'/'.join(map(str, pairs))}" for name in shown]
    titles += ["one side", "calibrated", "averaged first"]
    yield f"| plug-in (P) | {' | '.join(titles)} |"
    yield "|---|" + "---:|" * len(titles)
    for plugin, effect, pattern in installed(only):
        found: dict[tuple[str, int], list[float]] = {}
        estimator, steps, _ = Problem(effect, 77, pattern).calibrated()
        for seed in range(3):
            problem = Problem(effect, seed, pattern)
            truth = problem.gradient(Differences(), seed)
            if not np.abs(truth).max() > 0:
                continue
            got = problem.gradient(Differences(sided=1), seed)
            found.setdefault(("one side", 1), []).append(cosine(got, truth))
            got = problem.gradient(estimator, seed, step=steps)
            found.setdefault(("calibrated", 1), []).append(cosine(got, truth))
            for draw in range(3):
                for name, make in shown.items():
                    for k in pairs:
                        got = problem.gradient(make(k), 100 * seed + draw)
                        found.setdefault((name, k), []).append(cosine(got, truth))
                got = problem.averaged_first(SPSA(16), 100 * seed + draw)
                found.setdefault(("averaged", 16), []).append(cosine(got, truth))
        cells = [" / ".join(f"{rms(found[name, k]):.2f}" for k in pairs) for name in shown]
        renders = estimator.renders(len(problem.start))
        cells += [
            f"{rms(found['one side', 1]):.2f}",
            f"{rms(found['calibrated', 1]):.2f} ({renders})",
            f"{rms(found['averaged', 16]):.2f}",
        ]
        yield f"| {plugin} ({len(problem.start)}) | {' | '.join(cells)} |"


def installed(only: Sequence[str]) -> Iterator[tuple[str, BlackBox, str]]:
    """Name, effect, and which parameters are free."""
    for plugin, pattern in PLUGINS.items():
        if not only or plugin in only:
            effect = loaded(plugin, **CHOSEN.get(plugin, {}))
            if effect is not None:
                yield plugin, effect, pattern


class Problem:
    """A hidden setting, a loss against its sound, and a setting to start from.

    Args:
        effect: The plug-in.
        seed: Of both settings.
        pattern: Which parameters are free, by the beginning of their names; the rest stay.
        seconds: Of the recording.
    """

    def __init__(
        self, effect: BlackBox, seed: int, pattern: str = "", seconds: float = 0.7
    ) -> None:
        channels = 2 if effect.channels == "stereo" else 1
        self.effect, self.audio = effect, recording(seconds, channels)
        self.free = torch.tensor([bool(re.match(pattern, name)) for name in effect.params])
        generator = torch.Generator().manual_seed(seed)
        drawn = 0.15 + 0.7 * effect.random(2, generator).double()
        hidden, start = drawn[:, self.free].unbind()
        self.start, self.hidden = start.numpy(), hidden.numpy()
        self.loss = MultiscaleSpectral(self.sounds(hidden[None])[0])
        self.level = float(self.loss(self.sounds(start[None])[0]))
        self.calls = 0

    def sounds(self, p: Tensor) -> tuple[Tensor, Any]:
        whole = self.effect.normalize().double().expand(len(p), -1).clone()
        whole[:, self.free] = p.double()
        return self.effect.attempt(self.audio, whole)

    def values(self, points: np.ndarray) -> np.ndarray:
        """The loss at each setting (m, p), relative to the start's; counts the calls."""
        self.calls += len(points)
        sounds, good = self.sounds(torch.from_numpy(points))
        losses = self.loss(sounds).double().numpy() / self.level
        return np.where(good, losses, np.nan)

    def slope(self, p: np.ndarray) -> tuple[Tensor, Tensor]:
        """The sound at p and the loss's gradient there, both (c, t)."""
        self.calls += 1
        sound = self.sounds(torch.from_numpy(p[None]))[0].requires_grad_()
        (self.loss(sound).sum() / self.level).backward()
        assert sound.grad is not None
        return sound.detach()[0].double(), sound.grad[0].double()

    def calibrated(self) -> tuple[Estimator, np.ndarray, bool]:
        """What `calibrate` picks in these two settings; whether losses have to be compared."""
        names = [name for name, free in zip(self.effect.params, self.free, strict=True) if free]
        settings = torch.from_numpy(np.stack([self.start, self.hidden]))
        rows = measured(names, self.space(0.0), self.sounds, settings)
        estimator = enough(rows)
        steps = [row.side_step if estimator.sided == 1 else row.step for row in rows]
        return estimator, np.array(steps), any(row.kind == "loss" for row in rows)

    def space(self, step: float | np.ndarray) -> Space:
        grid = self.effect.space().grid[self.free.numpy()]
        return Space(np.maximum(step, grid), grid)

    def gradient(
        self,
        estimator: Estimator,
        seed: int,
        p: np.ndarray | None = None,
        step: float | np.ndarray = 0.01,
    ) -> np.ndarray:
        """By products of the loss's gradient and differences of the waveform."""
        p = self.start if p is None else p
        space = self.space(step)
        points = estimator.points(p, space, np.random.default_rng(seed))
        sound, slope = self.slope(p)
        sounds, good = self.sounds(torch.from_numpy(points))
        self.calls += len(points)
        products = ((sounds.double() - sound) * slope).sum((1, 2)).numpy()
        return estimator.gradient(p, points, np.where(good, products, np.nan), 0.0, space)

    def by_loss(
        self, estimator: Estimator, seed: int, p: np.ndarray, step: float | np.ndarray
    ) -> np.ndarray:
        """By differences of the loss."""
        space = self.space(step)
        points = estimator.points(p, space, np.random.default_rng(seed))
        centre = float(self.values(p[None])[0])
        return estimator.gradient(p, points, self.values(points), centre, space)

    def averaged_first(self, estimator: SPSA, seed: int) -> np.ndarray:
        """ST-ITO's formula: means over time of the difference and of the slope, multiplied."""
        points = estimator.points(self.start, self.space(0.01), np.random.default_rng(seed))
        _, slope = self.slope(self.start)
        sounds, _ = self.sounds(torch.from_numpy(points))
        half = len(points) // 2
        rises = ((sounds[:half] - sounds[half:]).double().mean(2) * slope.mean(1)).sum(1).numpy()
        return np.mean(rises[:, None] / (points[:half] - points[half:] + 1e-30), axis=0)


def rms(values: list[float]) -> float:
    """With the sign of the mean, so that a wrong direction shows."""
    return math.copysign(math.sqrt(float(np.mean(np.square(values)))), float(np.mean(values)))


# --- searches -----------------------------------------------------------------------------------


def searches(only: Sequence[str] = ()) -> Iterator[str]:
    """The best loss within a number of calls, against the loss at the start."""
    picked: dict[str, tuple[Estimator, np.ndarray, bool]] = {}

    def calibrated(problem: Problem, seed: int) -> float:
        estimator, steps, by_loss = picked["now"]
        if by_loss:
            return adam(problem, seed, Differences(), np.maximum(steps, LOSS_STEP), by_loss=True)
        return adam(problem, seed, estimator, steps)

    ways = {
        "SPSA, 1 pair": lambda q, seed: adam(q, seed, SPSA(1)),
        "SPSA, 1 pair, loss 0.03": lambda q, seed: adam(q, seed, SPSA(1), 0.03, by_loss=True),
        "orthogonal, 4 pairs": lambda q, seed: adam(q, seed, LeastSquares(4)),
        "coordinates": lambda q, seed: adam(q, seed, Differences()),
        "coordinates, loss 0.03": lambda q, seed: adam(q, seed, Differences(), 0.03, by_loss=True),
        "calibrated": calibrated,
        "CMA-ES": cma_es,
        "random": random_search,
    }

    yield (
        f"Multi-scale spectral loss against its start, the best seen within {CALLS} calls, mean of "
        f"{HIDDEN} hidden settings, on 0.7 s of a recorded drum loop; Adam at 0.05, not tuned. "
        "Calibrated: what `calibrate` picks, by the loss where a parameter has no slope of the "
        "waveform; its renders are made once for a plug-in and not counted."
    )
    yield from ("", "| plug-in (P) | " + " | ".join(ways) + " |", "|---|" + "---:|" * len(ways))
    for plugin, effect, pattern in installed(only):
        picked["now"] = Problem(effect, 77, pattern).calibrated()
        cells = []
        for way in ways.values():
            problems = [Problem(effect, 10 + seed, pattern) for seed in range(HIDDEN)]
            try:
                cells.append(float(np.mean([way(each, i) for i, each in enumerate(problems)])))
            except ImportError:
                cells.append(float("nan"))
        best = np.nanmin(cells)
        shown = [f"**{c:.2f}**" if c < 1.02 * best else f"{c:.2f}" for c in cells]
        yield f"| {plugin} ({len(problems[0].start)}) | {' | '.join(shown)} |"


def adam(
    problem: Problem,
    seed: int,
    estimator: Estimator,
    steps: float | np.ndarray = 0.01,
    *,
    by_loss: bool = False,
) -> float:
    """Gradient descent with Adam until the calls are used up."""
    p = torch.from_numpy(problem.start.copy()).requires_grad_()
    optimizer = torch.optim.Adam([p], lr=0.05)
    best, step = 1.0, 0
    while problem.calls < CALLS:
        here = p.detach().numpy()
        best = min(best, float(problem.values(here[None])[0]))
        problem.calls -= 1  # the estimate renders the setting, too
        draw = 1000 * seed + step
        if by_loss:
            found = problem.by_loss(estimator, draw, here, steps)
        else:
            found = problem.gradient(estimator, draw, here, steps)
        p.grad = torch.from_numpy(found)
        optimizer.step()
        with torch.no_grad():
            p.clamp_(0.0, 1.0)
        step += 1
    return best


def random_search(problem: Problem, seed: int) -> float:
    points = np.random.default_rng(seed).random((CALLS, len(problem.start)))
    return min(1.0, float(np.nanmin(problem.values(points))))


def cma_es(problem: Problem, seed: int) -> float:
    import cma

    options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9, "maxfevals": CALLS}
    search = cma.CMAEvolutionStrategy(problem.start, 0.2, options)
    best = 1.0
    while problem.calls < CALLS:
        asked = search.ask()
        values = problem.values(np.stack(asked))
        best = min(best, float(np.nanmin(values)))
        search.tell(asked, np.nan_to_num(values, nan=1e3).tolist())
    return best
