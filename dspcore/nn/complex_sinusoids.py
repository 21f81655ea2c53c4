"""Complex exponentials that may die away: sinusoids whose frequency descent can find."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dspcore import estimate
from dspcore.estimate import Estimate


class ComplexSinusoids(nn.Module):
    """``Re(sum_k g_k z_k^n)``: the angle of z is a frequency, its size how fast it dies away.

    Inside the unit circle an exponential is short and hears a broad band, so its slope leads from
    afar. `to_real` and `polish` turn what was learnt into steady sinusoids;
    `estimate.surrogate` is this descent with gradients written out.

    Args:
        n: How many exponentials, k.
        n_samples: n of the sound runs from 0 to this, exclusive.
        constrain: Keep |z| at 1 + 3 / n_samples or below; otherwise a sound of thousands of samples
            overflows when one steps over the circle.
        generator: Of the random start: |z| even in 1/2 to 1, any angle.

    Source:
        B. Hayes, C. Saitis, G. Fazekas, "Sinusoidal frequency estimation by gradient descent",
        ICASSP 2023.
    """

    def __init__(
        self,
        n: int,
        n_samples: int,
        *,
        constrain: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws the start."""
        super().__init__()
        if n < 1 or n_samples < 1:
            raise ValueError(
                f"ComplexSinusoids: wants n >= 1 and n_samples >= 1, got {n} and {n_samples}"
            )
        self.n_samples, self.constrain = n_samples, constrain
        size, angle, gain, turn = torch.rand(4, n, generator=generator)
        self.z = nn.Parameter(_parts(0.5 + 0.5 * size, math.pi * angle))
        self.g = nn.Parameter(_parts(0.3 * gain, 2 * math.pi * turn))

    def poles(self) -> Tensor:
        """z as it is used, (k,) complex; the parameters hold real and imaginary parts, (k, 2)."""
        z = torch.view_as_complex(self.z)
        if not self.constrain:
            return z
        return z * ((1 + 3 / self.n_samples) / z.abs().clamp(min=1e-12)).clamp(max=1.0)

    def forward(self, n: Tensor | None = None) -> Tensor:
        """Samples n (...), all of them when left out, to the sound (...)."""
        n = torch.arange(self.n_samples, device=self.z.device) if n is None else n
        z = self.poles()
        log = torch.complex(z.abs().clamp(min=1e-12).log(), z.angle())
        return (torch.view_as_complex(self.g) * (n[..., None] * log).exp()).sum(-1).real

    @torch.no_grad()
    def to_real(self) -> Estimate:
        """The same as sinusoids with dampings, a batch of one in order of frequency."""
        z, g = self.poles().to(torch.complex128), torch.view_as_complex(self.g.double())
        angle = z.angle()
        phase = torch.where(angle < 0, -g.angle(), g.angle()) + math.pi / 2
        phase = math.pi - torch.remainder(math.pi - phase, 2 * math.pi)
        order = angle.abs().argsort()
        columns = (angle.abs() / (2 * math.pi), g.abs(), phase, -z.abs().log())
        f, a, p, d = (column[order][None] for column in columns)
        return Estimate(f, a, p, d, torch.tensor([len(order)]), self.n_samples)

    def polish(self, y: Tensor) -> Estimate:
        """Steady sinusoids of a signal (t,) by least squares from the frequencies learnt here."""
        f = self.to_real().frequencies
        edge = 0.25 / y.shape[-1]
        return estimate.varpro_polish(y.reshape(1, -1), f.clamp(edge, 0.5 - edge))


def _parts(size: Tensor, angle: Tensor) -> Tensor:
    return torch.view_as_real(torch.polar(size, angle))
