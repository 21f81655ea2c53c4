"""Frequencies by gradient descent through complex exponentials that may die away."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dspcore.errors import UserError
from dspcore.estimate import _model
from dspcore.estimate.polish import refine
from dspcore.estimate.result import Estimate

Loss = Callable[[Tensor, Tensor], Tensor]
_BLOCK = 32


def surrogate(
    y: Tensor,
    k: int,
    *,
    loss: str | Loss = "mse",
    steps: int = 3000,
    seed: int = 0,
    polish: bool = True,
) -> Estimate:
    """Descend on complex z and g of ``Re(sum_k g_k z_k^n)``; the angle of z is the frequency.

    Inside the unit circle an exponential is short and hears a broad band, so its slope leads from
    afar; while it nears the sinusoid it moves to the circle. Good for one sinusoid; with more they
    compete, and the share of problems solved falls quickly: see `surrogate_reseed`.

    Args:
        y: Signals, (b, t) or (t,).
        k: How many sinusoids.
        loss: "mse", "fft" (squared difference of magnitudes), or a function of prediction and
            signal, (b, t) twice to (b,).
        steps: Of Adam, at a rate that falls to zero on a cosine.
        seed: Of the random starts.
        polish: Refine as steady sinusoids by least squares.

    Source:
        B. Hayes, C. Saitis, G. Fazekas, "Sinusoidal frequency estimation by gradient descent",
        ICASSP 2023.
    """
    y = _model.checked("surrogate", y, k)
    descent = Descent(y, k, loss, steps, seed)
    for _ in range(steps):
        descent.step()
    return descent.estimate(polish=polish)


class Descent:
    """Adam on z and g, (b, k) complex each, with gradients written out; float32 inside.

    Signals are scaled to a mean square of 1/2 first, that of a sine of amplitude 1.
    """

    def __init__(self, y: Tensor, k: int, loss: str | Loss, steps: int, seed: int) -> None:
        """Draws the starts."""
        if not callable(loss) and loss not in _LOSSES:
            raise UserError(f"surrogate: loss must be 'mse', 'fft' or a function, got {loss!r}")
        self.y = y
        self.scale = (2 * y.square().mean(1, keepdim=True)).sqrt().clamp(min=1e-300)
        self.target = (y / self.scale).float()
        self.loss: Loss = loss if callable(loss) else _LOSSES[loss]
        self.is_mse = loss == "mse"
        generator = torch.Generator().manual_seed(seed)
        b, t = y.shape
        size = 0.5 + 0.5 * torch.rand(b, k, generator=generator)
        angle = math.pi * torch.rand(b, k, generator=generator)
        start = torch.polar(0.3 * torch.rand(b, k, generator=generator), 2 * angle)
        self.value = torch.stack([torch.polar(size, angle), start]).to(y.device)
        self.first = torch.zeros_like(self.value)
        self.second = torch.zeros(2, b, k, device=y.device)
        self.done, self.steps, self.most = 0, steps, 1 + 3 / t
        self.rates = torch.tensor([0.01, 0.03], device=y.device)[:, None, None]

    def step(self) -> None:
        """One step of descent."""
        z, g = self.value
        t = self.y.shape[1]
        basis = _powers(z, t)
        sound = (g[:, None] @ basis)[:, 0].real
        slope = self._slope(sound)
        n = torch.arange(t, dtype=slope.dtype, device=slope.device)
        both = torch.stack([slope, slope * n], 2).to(basis.dtype)
        zero, one = (basis @ both).unbind(2)
        gradient = torch.stack([(g * one / z).conj(), zero.conj()])
        self.done += 1
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient.abs().square()
        first = self.first / (1 - 0.9**self.done)
        second = (self.second / (1 - 0.999**self.done)).sqrt() + 1e-12
        rate = self.rates * 0.5 * (1 + math.cos(math.pi * min(1.0, self.done / self.steps)))
        self.value = self.value - rate * first / second
        size = self.value[0].abs()
        self.value[0] *= (self.most / size).clamp(max=1.0)

    def frequencies(self) -> Tensor:
        """Angles of z in cycles per sample within 0 and 1/2, (b, k) float64."""
        f = self.value[0].angle().abs().double() / (2 * math.pi)
        t = self.y.shape[1]
        return f.clamp(0.25 / t, 0.5 - 0.25 / t)

    def estimate(self, *, polish: bool) -> Estimate:
        """What z says, as steady sinusoids."""
        f, w, _, _ = refine(self.y, self.frequencies(), steps=30 if polish else 0)
        return _model.finish(self.y.shape[1], f, w)

    def _slope(self, sound: Tensor) -> Tensor:
        """Derivative of the loss by every sample."""
        if self.is_mse:
            return (sound - self.target) * (2 / sound.shape[1])
        sound = sound.detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.loss(sound, self.target).sum(), sound)
        return slope


def _powers(z: Tensor, t: int) -> Tensor:
    """z^n for n = 0 .. t-1, (b, k) to (b, k, t), in blocks: two tables and one product."""
    log = z.abs().clamp(min=1e-3).log()
    angle = z.angle()
    fine = torch.arange(_BLOCK, device=z.device, dtype=log.dtype)
    coarse = _BLOCK * torch.arange(-(-t // _BLOCK), device=z.device, dtype=log.dtype)
    near = torch.polar((log[..., None] * fine).exp(), angle[..., None] * fine)
    far = torch.polar((log[..., None] * coarse).exp(), angle[..., None] * coarse)
    return (far[..., None] * near[..., None, :]).flatten(-2)[..., :t]


def _mse(sound: Tensor, target: Tensor) -> Tensor:
    return (sound - target).square().mean(-1)


def _fft(sound: Tensor, target: Tensor) -> Tensor:
    t = sound.shape[-1]
    found = torch.fft.rfft(sound).abs()
    return (found - torch.fft.rfft(target).abs()).square().mean(-1) / t


_LOSSES: dict[str, Loss] = {"mse": _mse, "fft": _fft}
