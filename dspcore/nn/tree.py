"""A tree of waves, in which what a wave does decides which faster waves are heard."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dspcore import estimate
from dspcore.nn.waves import fit_amplitudes, wave

_CHUNK = 1 << 20  # waves times samples held at a time: 4 MB of float32


class WaveTree(nn.Module):
    """Level l has 2^l waves; the activation of a wave opens its upper or its lower child.

    At every time ``g = sigmoid(k (sin(c t + p) - tau))`` of an open wave passes g of its weight to
    one child and 1 - g to the other; k and tau are learnt. The output is the weighted sum of
    ``a sin(c t + p)``. Every wave has an a, c and p of its own.

    Args:
        levels: L; 2^L - 1 waves.
        gate: sigmoid: all waves are computed, a part of the samples at a time and again in the
            backward pass, so memory does not grow with 2^L times the samples. hard: g is 0 or 1,
            only the open path of L waves is computed, and gates get the gradient of the sigmoid
            along that path (straight through).
        amplitude: all levels count; final: the last one only; none: a is 1 everywhere.
        share: All waves of a level have the same c and p (not a).
        frequency: c of the first level, radians per unit of t; each next one's is near the double.
        slope: k at the start.
        shape: sine, triangle or zero_tip.
        update: all, or branch: no gradient through the gates, so that only open waves learn.
        generator: Of the random start.
    """

    def __init__(
        self,
        levels: int,
        *,
        gate: str = "hard",
        amplitude: str = "all",
        share: bool = False,
        frequency: float = 0.01,
        slope: float = 5.0,
        shape: str = "sine",
        update: str = "all",
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws the waves."""
        super().__init__()
        wanted = {
            "gate": (gate, ("hard", "sigmoid")),
            "amplitude": (amplitude, ("all", "final", "none")),
            "update": (update, ("all", "branch")),
        }
        for name, (given, known) in wanted.items():
            if given not in known:
                raise ValueError(f"WaveTree: {name} must be {' or '.join(known)}, got {given!r}")
        if not 1 <= levels <= 20:
            raise ValueError(f"WaveTree: levels must be 1 to 20, got {levels}")
        self.levels, self.gate, self.mode = levels, gate, amplitude
        self.share, self.shape, self.update = share, shape, update
        count = 2**levels - 1
        level = torch.tensor([math.floor(math.log2(n + 1)) for n in range(count)])
        self.level: Tensor
        self.register_buffer("level", level)
        waves = levels if share else count
        octave = torch.arange(levels) if share else level
        drawn = torch.rand(3, count, generator=generator)
        spread = 2 ** (octave + 0.5 * drawn[0, :waves] - 0.25)
        self.frequency = nn.Parameter(frequency * spread)
        self.phase = nn.Parameter(2 * math.pi * drawn[1, :waves])
        self.amplitude = nn.Parameter(0.1 * (2 * drawn[2] - 1) / math.sqrt(levels))
        self.threshold = nn.Parameter(torch.zeros(count))
        self.slope = nn.Parameter(torch.full((count,), slope))

    def forward(self, t: Tensor) -> Tensor:
        """Times (...) to sums (...)."""
        flat = t.reshape(-1)
        if self.gate == "hard":
            return self._path(flat).reshape(t.shape)
        parts = flat.split(max(1, _CHUNK // 2**self.levels))
        if not torch.is_grad_enabled():
            return torch.cat([self._all(part) for part in parts]).reshape(t.shape)
        found = [checkpoint(self._all, part, use_reentrant=False) for part in parts]
        return torch.cat(found).reshape(t.shape)

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Fit waves to a clip (t,) one by one from the root, for times in samples.

        The root is the lowest of as many sinusoids as there are levels. Each wave below takes, of
        what is left where it is open, the strongest sinusoid above its parent's frequency; where
        hidden levels do not sound (final), they only open others.
        """
        if self.share or self.mode == "none":
            raise ValueError(
                "WaveTree: a start by analysis wants share = False and amplitude all or final"
            )
        left = clip.double()
        t = torch.arange(len(clip), dtype=torch.float64)
        lowest = torch.zeros(len(self.level), dtype=torch.float64)
        if bool(left.any()):
            root = estimate.init_bank(left, min(self.levels, len(clip) // 4)).frequencies
            lowest[0] = float(root.min()) - 0.5 / len(clip)
        node = torch.zeros(len(clip), dtype=torch.long)
        self.amplitude.zero_()
        for level in range(self.levels):
            heard = self.mode == "all" or level == self.levels - 1
            for n in range(2**level - 1, 2 ** (level + 1) - 1):
                own = node == n
                f, weights = _strongest(left, own, float(lowest[n]))
                if f == 0:
                    continue
                self.frequency[n] = 2 * math.pi * f
                self.phase[n] = torch.atan2(weights[1], weights[0])
                if heard:
                    self.amplitude[n] = torch.hypot(weights[0], weights[1])
                lowest[2 * n + 1 : 2 * n + 3] = f
            frequency, phase = self._own(node)
            sound = wave(frequency * t + phase, self.shape)
            if heard:
                left = left - self.amplitude[node] * sound
            up = self.slope[node] * (sound - self.threshold[node]) > 0
            node = 2 * node + 1 + up.long()

    def _own(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """c and p of nodes."""
        index = self.level[node] if self.share else node
        return self.frequency[index], self.phase[index]

    def _weight(self, node: Tensor, level: int) -> Tensor:
        if self.mode == "final" and level < self.levels - 1:
            return torch.zeros_like(self.amplitude[node])
        return (
            torch.ones_like(self.amplitude[node]) if self.mode == "none" else (self.amplitude[node])
        )

    def _open(self, node: Tensor, sound: Tensor) -> Tensor:
        gate = torch.sigmoid(self.slope[node] * (sound - self.threshold[node]))
        return gate.detach() if self.update == "branch" else gate

    def _path(self, t: Tensor) -> Tensor:
        """The open wave of every level only: time times levels."""
        node = torch.zeros(len(t), dtype=torch.long, device=t.device)
        total, through = torch.zeros_like(t), torch.ones_like(t)
        for level in range(self.levels):
            frequency, phase = self._own(node)
            sound = wave(frequency * t + phase, self.shape)
            total = total + through * self._weight(node, level) * sound
            gate = self._open(node, sound)
            up = gate.detach() > 0.5
            soft = torch.where(up, gate, 1 - gate)
            through = through * (1 + soft - soft.detach())  # 1, with the slope of the sigmoid
            node = 2 * node + 1 + up.long()
        return total

    def _all(self, t: Tensor) -> Tensor:
        """Every wave of every level."""
        total, weight = torch.zeros_like(t), torch.ones_like(t)[None]
        for level, nodes in enumerate(self._nodes()):
            sound = self._sound(nodes, t)
            total = total + (weight * self._weight(nodes, level)[:, None] * sound).sum(0)
            if level < self.levels - 1:
                gate = self._open(nodes[:, None], sound)
                weight = torch.stack([weight * (1 - gate), weight * gate], 1).flatten(0, 1)
        return total

    def _sound(self, nodes: Tensor, t: Tensor) -> Tensor:
        frequency, phase = self._own(nodes)
        return wave(frequency[:, None] * t + phase[:, None], self.shape)

    def _nodes(self) -> list[Tensor]:
        at = torch.arange(2**self.levels - 1, device=self.level.device)
        return [at[2**level - 1 : 2 ** (level + 1) - 1] for level in range(self.levels)]

    @torch.no_grad()
    def activations(self, t: Tensor) -> list[Tensor]:
        """How far each wave of each level is open at times (t,), for pictures: (2^l, t) each."""
        found = [torch.ones_like(t)[None]]
        for nodes in self._nodes()[:-1]:
            gate = self._open(nodes[:, None], self._sound(nodes, t))
            gate = (gate > 0.5).to(t.dtype) if self.gate == "hard" else gate
            found.append(torch.stack([found[-1] * (1 - gate), found[-1] * gate], 1).flatten(0, 1))
        return found


def _strongest(left: Tensor, own: Tensor, lowest: float) -> tuple[float, Tensor]:
    """Frequency above `lowest`, sine and cosine weights, of the best fit where `own` is true."""
    if int(own.sum()) < 4:
        return 0.0, left.new_zeros(2)
    size = 8 * len(left)
    power = torch.fft.rfft(torch.where(own, left, 0.0), size).abs().square()
    power[: max(1, math.ceil(lowest * size))] = 0
    power[size // 2 - 4 :] = 0
    f = int(power.argmax()) / size
    if f == 0:
        return 0.0, left.new_zeros(2)
    angle = 2 * math.pi * f * own.nonzero()[:, 0].double()
    return f, fit_amplitudes(torch.stack([angle.sin(), angle.cos()], 1), left[own])
