"""A chain of sines to start from: partials on one moving time axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.estimate import _model


@dataclass(frozen=True)
class ChainStart:
    """``y[n] = sum_m a_m sin(2 pi f_m (n + h[n]) + p_m)`` on a bent time axis.

    ``h[n] = sum_j b_j sin(2 pi v_j n + q_j)``.

    Attributes:
        frequencies: f in cycles per sample, (m,); multiples of `f0`.
        amplitudes: a, (m,).
        phases: p in radians, (m,).
        hidden_frequencies: v in cycles per sample, (j,).
        shifts: b in samples, (j,); times 2 pi f it is a modulation index in radians.
        hidden_phases: q in radians, (j,).
        f0: In cycles per sample.
        residual_db: Power of what is not explained over that of the clip.
        num_samples: Of the clip.
    """

    frequencies: Tensor
    amplitudes: Tensor
    phases: Tensor
    hidden_frequencies: Tensor
    shifts: Tensor
    hidden_phases: Tensor
    f0: float
    residual_db: float
    num_samples: int

    @property
    def num_params(self) -> int:
        """Three numbers for every sine."""
        return 3 * (len(self.frequencies) + len(self.shifts))

    def render(self, num_samples: int | None = None) -> Tensor:
        """The clip as the chain says it, (t,) float64."""
        n = torch.arange(num_samples or self.num_samples, dtype=torch.float64)
        angle = 2 * math.pi * self.hidden_frequencies[:, None] * n + self.hidden_phases[:, None]
        time = n + (self.shifts[:, None] * angle.sin()).sum(0)
        angle = 2 * math.pi * self.frequencies[:, None] * time + self.phases[:, None]
        return (self.amplitudes[:, None] * angle.sin()).sum(0)


def init_chain(
    y: Tensor,
    waves: int = 10,
    hidden: int = 1,
    *,
    f0_range: tuple[float, float] = (1 / 400, 1 / 16),
    steps: int = 60,
) -> ChainStart:
    """A two-level chain of a clip whose partials share one pitch contour.

    The pitch of short frames gives a first contour; the phases of the lowest partials, then of
    higher ones, correct it; sinusoids are fitted to what the contour bends; and all numbers are
    refined together on the waveform. Where the clip has no common contour the result is poor:
    `residual_db` says so.

    Args:
        y: One clip, (t,), at least 2048 samples.
        waves: Partials m of the outer level: 1, 2, .. m times the pitch.
        hidden: Sines j that bend the time axis.
        f0_range: Where the pitch may lie, in cycles per sample.
        steps: Of the last refinement at most.

    Raises:
        UserError: The clip is too short, silent or not one clip, or a number is out of range.
    """
    if y.ndim != 1 or len(y) < 2048:
        raise UserError(
            f"init_chain: y must be one clip (t,) of at least 2048 samples, got {tuple(y.shape)}"
        )
    if waves < 1 or hidden < 0:
        raise UserError(f"init_chain: wanted waves >= 1 and hidden >= 0, got {waves} and {hidden}")
    y = _model.checked("init_chain", y, None)[0]
    if not bool(y.any()):
        raise UserError("init_chain: y is silent, so there is no pitch to find")
    best: ChainStart | None = None
    contour, weight = pitch(y, f0_range)
    for octave in (1.0, 0.5, 2.0):
        theta = _contour(y, contour * octave, weight)
        for rounds in (3, 1):
            chain = _fitted(y, _locked(y, theta, waves, rounds), waves, hidden, steps)
            if best is None or chain.residual_db < best.residual_db - 0.01:
                best = chain
            if best.residual_db < -50:
                return best
    assert best is not None
    return best


def pitch(
    y: Tensor, f0_range: tuple[float, float], size: int = 1024, hop: int = 128
) -> tuple[Tensor, Tensor]:
    """Pitch of every frame in cycles per sample, and how much it counts, (f,) each.

    The first peak of the normalised autocorrelation that comes near its highest one.
    """
    size = min(size, len(y) // 2)
    frames = y.unfold(0, size, hop)
    most = min(int(1 / f0_range[0]) + 1, size // 2)
    least = max(2, int(1 / f0_range[1]))
    spectrum = torch.fft.rfft(frames, 2 * size)
    power = torch.fft.irfft(spectrum.abs().square(), 2 * size)[:, : most + 2]
    squares = torch.nn.functional.pad(frames.square().cumsum(1), (1, 0))
    lags = torch.arange(most + 2)
    energy = squares[:, size - lags] + squares[:, -1:] - squares[:, lags]
    r = 2 * power / energy.clamp(min=1e-12 * float(energy.max()) + 1e-300)
    inner = r[:, least : most + 1]
    is_peak = (inner > r[:, least - 1 : most]) & (inner >= r[:, least + 1 : most + 2])
    height = torch.where(is_peak, inner, -1.0)
    near = height > 0.93 * height.amax(1, keepdim=True).clamp(min=0.05)
    lag = near.to(torch.int64).argmax(1) + least
    left, mid, right = (r.gather(1, lag[:, None] + i)[:, 0] for i in (-1, 0, 1))
    bend = (left - 2 * mid + right).clamp(max=-1e-9)
    shift = (0.5 * (left - right) / bend).clamp(-0.5, 0.5)
    weight = torch.where(near.any(1), mid.clamp(min=0).square() * energy[:, 0], 0)
    return 1 / (lag + shift), weight


def _contour(y: Tensor, f0: Tensor, weight: Tensor, hop: int = 128) -> Tensor:
    """Phase of the pitch in radians at every sample, from frames that count."""
    good = weight > 1e-3 * weight.max()
    usual = f0[good].median() if bool(good.any()) else f0.median()
    good &= (f0 / usual).log().abs() < 0.35
    size = min(1024, len(y) // 2)
    at = torch.arange(len(f0), dtype=torch.float64) * hop + (size - 1) / 2
    if not bool(good.any()):
        return 2 * math.pi * usual * torch.arange(len(y), dtype=torch.float64)
    return 2 * math.pi * _between(at[good], f0[good], len(y)).cumsum(0)


def _between(at: Tensor, values: Tensor, t: int) -> Tensor:
    """Values at increasing places drawn out to every sample, straight between, level outside."""
    n = torch.arange(t, dtype=torch.float64)
    if len(at) == 1:
        return values.expand(t)
    j = torch.searchsorted(at, n).clamp(1, len(at) - 1)
    part = ((n - at[j - 1]) / (at[j] - at[j - 1])).clamp(0, 1)
    return values[j - 1] + part * (values[j] - values[j - 1])


def _locked(y: Tensor, theta: Tensor, waves: int, rounds: int) -> Tensor:
    """The contour corrected by the phases of the partials themselves, lowest first."""
    t = len(y)
    f0 = float((theta[-1] - theta[0]) / (2 * math.pi * (t - 1)))
    size = min(t // 4, max(8, round(2 / max(f0, 1e-6))))
    window = torch.hann_window(2 * size + 1, periodic=False, dtype=torch.float64)
    window = torch.fft.rfft(window / window.sum(), 2 * t)
    for _ in range(rounds):
        for top in (1, 2, 4, 8):
            if top > waves:
                break
            turn = torch.zeros(t, dtype=torch.complex128)
            for h in range(1, top + 1):
                z = y * torch.exp(-1j * h * theta)
                low = _filtered(z, window, size)
                step = low[1:] * low[:-1].conj()  # turns of the partial against the contour
                turn[1:] += torch.polar(step.abs(), step.angle() / h) * h
            slope = turn.angle()
            slope = torch.where(turn.abs() > 1e-6 * turn.abs().max(), slope, 0.0)
            theta = theta + slope.cumsum(0)
    return theta


def _filtered(z: Tensor, window: Tensor, size: int) -> Tensor:
    t = len(z)
    full = torch.fft.fft(z, 2 * t)
    both = torch.cat([window, window[1:-1].flip(0).conj()])
    return torch.fft.ifft(full * both)[size : size + t]


def _fitted(y: Tensor, theta: Tensor, waves: int, hidden: int, steps: int) -> ChainStart:
    """Line and sinusoids through the contour, then everything on the waveform."""
    t = len(y)
    n = torch.arange(t, dtype=torch.float64)
    m = n - (t - 1) / 2
    weight = torch.hann_window(t, periodic=False, dtype=torch.float64).clamp(min=1e-3)
    omega, offset = _line(m, theta, weight)
    v = q = b = torch.zeros(0, dtype=torch.float64)
    if hidden:
        bend = (theta - offset - omega * m) / omega  # in samples
        # Slow movements have few periods in a clip: a grid of rates, each with its own line.
        v, b, q = _movements(m, bend, hidden)
    h = torch.arange(1, waves + 1, dtype=torch.float64)
    h = h[h * omega < math.pi]
    state = _Chain(omega * h / (2 * math.pi), v, b, q)
    state, residual = state.refined(y, steps)
    f, a, p = state.outer(y)
    loss = 10 * math.log10(max(float(residual.square().sum() / y.square().sum()), 1e-300))
    return ChainStart(f, a, p, state.v, state.b, state.q, float(f[0]), loss, t)


def _line(m: Tensor, theta: Tensor, weight: Tensor) -> tuple[float, float]:
    total = weight.sum()
    mean_m, mean = (weight * m).sum() / total, (weight * theta).sum() / total
    slope = (weight * (m - mean_m) * (theta - mean)).sum()
    slope = slope / (weight * (m - mean_m).square()).sum()
    return float(slope), float(mean - slope * mean_m)


def _movements(m: Tensor, bend: Tensor, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sinusoids beside a straight line through `bend`, by grid and refinement."""
    t = len(m)
    step = max(1, t // 2000)
    x, z = m[::step], bend[::step]
    edge = max(1, len(x) // 50)
    x, z = x[edge:-edge], z[edge:-edge]
    rates = torch.linspace(0.3, 40.0, 400, dtype=torch.float64) / t
    line = torch.stack([torch.ones_like(x), x / t])
    chosen: list[float] = []
    for _ in range(hidden):
        base = torch.cat([line, *(_wave(torch.tensor([r]), x) for r in chosen)])
        base = torch.linalg.qr(base.T).Q.T
        left = z - base.T @ (base @ z)
        waves = _wave(rates, x).reshape(2, -1, len(x)).transpose(0, 1)
        waves = waves - (waves @ base.T) @ base
        gram = waves @ waves.mT + 1e-9 * len(x) * torch.eye(2, dtype=torch.float64)
        right = waves @ left
        gain = (right * torch.linalg.solve(gram, right)).sum(1)
        chosen.append(float(rates[int(gain.argmax())]))
    v = torch.tensor(chosen, dtype=torch.float64)
    w = torch.linalg.lstsq(torch.cat([line, _wave(v, x)]).T, z[:, None]).solution[2:, 0]
    c, s = w.chunk(2)
    # c cos(x) + s sin(x) with x from the middle; phases at the first sample
    return v, torch.hypot(c, s), torch.atan2(c, s) - 2 * math.pi * v * float(m[-1])


def _wave(rates: Tensor, x: Tensor) -> Tensor:
    angle = 2 * math.pi * rates[:, None] * x
    return torch.cat([angle.cos(), angle.sin()])


@dataclass(frozen=True)
class _Chain:
    """Outer frequencies f, hidden v, b, q: `init_chain`'s numbers while they are refined."""

    f: Tensor
    v: Tensor
    b: Tensor
    q: Tensor

    def time(self, t: int) -> tuple[Tensor, Tensor]:
        """The bent time axis (t,), and the hidden angles (j, t)."""
        n = torch.arange(t, dtype=torch.float64)
        angle = 2 * math.pi * self.v[:, None] * n + self.q[:, None]
        return n + (self.b[:, None] * angle.sin()).sum(0) - (t - 1) / 2, angle

    def solved(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Bent time, rows (2m, t), weights (2m,) and what is left."""
        time, _ = self.time(len(y))
        angle = 2 * math.pi * self.f[:, None] * time
        rows = torch.cat([angle.cos(), angle.sin()])
        w = _model.amplitudes(y[None], rows[None])[0]
        return time, rows, w, y - w @ rows

    def outer(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frequencies, amplitudes, phases at bent time 0."""
        _, _, w, _ = self.solved(y)
        c, s = w.chunk(2)
        angle = torch.atan2(c, s) - math.pi * self.f * (len(y) - 1)
        return self.f, torch.hypot(c, s), math.pi - torch.remainder(math.pi - angle, 2 * math.pi)

    def refined(self, y: Tensor, steps: int) -> tuple[_Chain, Tensor]:
        """Levenberg-Marquardt on everything; amplitudes are eliminated at every step."""
        t, m, j = len(y), len(self.f), len(self.v)
        chain, lam = self, 1e-3
        time, rows, w, left = chain.solved(y)
        for _ in range(steps):
            c, s = w.chunk(2)
            turned = s[:, None] * rows[:m] - c[:, None] * rows[m:]  # by the partial's angle
            # A common stretch first, so that it is found before each partial goes its own way.
            speed = 2 * math.pi * (chain.f[:, None] * turned).sum(0)
            _, angle = chain.time(t)
            n = torch.arange(t, dtype=torch.float64)
            parts = [rows, 2 * math.pi / t * turned * time]
            if j:
                cosine = chain.b[:, None] * angle.cos() * speed
                parts += [angle.sin() * speed, cosine, 2 * math.pi / t * cosine * n]
            jac = torch.cat(parts)
            gram, right = jac @ jac.T, jac @ left
            gram = gram + lam * gram.diag().diag()
            step = _model.solve(gram[None], right[None])[0][2 * m :]
            df, db, dq, dv = step.split([m, j, j, j])
            new = _Chain(chain.f + df / t, chain.v + dv / t, chain.b + db, chain.q + dq)
            trial = new.solved(y)
            if float(trial[3].square().sum()) < float(left.square().sum()):
                fell = 1 - float(trial[3].square().sum() / left.square().sum())
                chain, (time, rows, w, left), lam = new, trial, max(1e-12, lam * 0.1)
                if fell < 1e-9:
                    break
            else:
                lam *= 10
                if lam > 1e8:
                    break
        return chain, left
