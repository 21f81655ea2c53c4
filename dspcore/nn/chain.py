"""Chains of sines: every layer hears the time and the layer before."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from dspcore import estimate, ops
from dspcore.errors import UserError
from dspcore.nn.layer import FinalSine


class SineChain(nn.Module):
    """``h_l = sum_m a_lm sin(w_lm (t + h_(l-1)) + p_lm)``: a bank on a time axis that is learnt.

    The amplitude of a hidden wave is kept as its modulation index in radians, the frequency it
    bends (`reference`) times a; otherwise the gradients of hidden amplitudes are larger by that
    frequency, a thousand and more. Frequencies are kept in units of `scale`.

    `from_clip` is the start that works; a random one, as the constructor makes it, hardly learns a
    frequency: a sound of 300 parameters comes to 0.0 dB where the analysis starts beyond 2.

    Args:
        layers: l.
        waves: m in every layer, or of each.
        phase: Whether there are phases: 3 l m parameters, 2 l m without.
        normalize: sine: a layer hears sin(h) in place of h, which is bounded by 1.
        final_sine: Whether the result goes through a sine of its own (three more parameters).
        skip_time: Whether every layer hears the time; otherwise the first alone does.
        width_between: Numbers that go from one layer to the next; each hears them all.
        parametrize: index, as above, or amplitude: as written in the formula.
        passing: Frequencies and phases of a layer are what it adds to those of the one before.
        frequency: Random frequencies are uniform in 0 to this, radians per unit of t.
        generator: Of the random start.
    """

    def __init__(
        self,
        layers: int,
        waves: int | Sequence[int],
        *,
        phase: bool = True,
        normalize: str | None = None,
        final_sine: bool = False,
        skip_time: bool = True,
        width_between: int = 1,
        parametrize: str = "index",
        passing: bool = False,
        frequency: float = 30.0,
        generator: torch.Generator | None = None,
    ) -> None:
        """Draws the start."""
        super().__init__()
        if parametrize not in ("index", "amplitude") or normalize not in (None, "sine"):
            raise ValueError(
                "SineChain: parametrize must be index or amplitude, normalize None or sine, "
                f"got {parametrize!r} and {normalize!r}"
            )
        each = [waves] * layers if isinstance(waves, int) else list(waves)
        if len(each) != layers or min(layers, width_between, *each) < 1:
            raise ValueError(
                "SineChain: layers, waves and width_between must be 1 or more, and waves one "
                f"number or one for each layer, got {layers}, {width_between} and {waves}"
            )
        if passing and (width_between > 1 or len(set(each)) > 1):
            raise ValueError("SineChain: passing wants width_between = 1 and layers alike")
        self.normalize, self.skip_time, self.passing = normalize == "sine", skip_time, passing
        k = width_between
        # Layer by layer (in, out): the time alone first, one number last.
        self.shapes = [
            (1 if n == 0 else k, 1 if n == layers - 1 else k, m) for n, m in enumerate(each)
        ]
        count = sum(i * j * m for i, j, m in self.shapes)
        drawn = torch.rand(3, count, generator=generator)
        self.scale: Tensor
        self.reference: Tensor
        self.register_buffer("scale", torch.tensor(float(frequency)))
        hidden = count - math.prod(self.shapes[-1])
        reference = torch.ones(count)
        if parametrize == "index":
            reference[:hidden] = frequency / 2
        self.register_buffer("reference", reference)
        self.amplitude = nn.Parameter((2 * drawn[0] - 1) * 0.3 / math.sqrt(max(each)))
        self.frequency = nn.Parameter(drawn[1])
        self.phase = nn.Parameter(2 * math.pi * drawn[2]) if phase else None
        self.final = FinalSine() if final_sine else None

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """a, w in radians per unit of t, and p, each (waves of all layers,)."""
        frequency = self.frequency * self.scale
        phase = torch.zeros_like(frequency) if self.phase is None else self.phase
        if self.passing:
            rows = len(self.shapes)
            frequency = frequency.reshape(rows, -1).cumsum(0).flatten()
            phase = phase.reshape(rows, -1).cumsum(0).flatten()
        return self.amplitude / self.reference, frequency, phase

    def forward(self, t: Tensor) -> Tensor:
        """Times (...) to the last layer's sums (...)."""
        weights = self.weights()
        if all(i == j == 1 for i, j, _ in self.shapes):
            sizes = [m for _, _, m in self.shapes]
            rows = (pad_sequence(v.split(sizes), batch_first=True) for v in weights)
            h = ops.sine_chain(t, *rows, skip_time=self.skip_time, normalize=self.normalize)
        else:
            h = self.outputs(t)[-1]
        return h if self.final is None else self.final(h)

    def outputs(self, t: Tensor) -> list[Tensor]:
        """What every layer makes of times (...): (...) each, (..., width) where it is wider."""
        found: list[Tensor] = []
        places = iter(self._split())
        h = t[..., None]
        for n, ((i, j, m), (a, w, p)) in enumerate(zip(self.shapes, places, strict=True)):
            if n:
                before = h.sin() if self.normalize else h
                h = t[..., None] + before if self.skip_time else before
            h = ops.sine_layer(h.repeat_interleave(m, -1), a, w, p) if i * j * m else h
            found.append(h[..., 0] if j == 1 else h)
        return found

    def _split(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Weights of every layer as (in m, out)."""
        sizes = [i * j * m for i, j, m in self.shapes]
        parts = zip(*(v.split(sizes) for v in self.weights()), strict=True)
        return [
            (a.reshape(i * m, j), w.reshape(i * m, j), p.reshape(i * m, j))
            for (i, j, m), (a, w, p) in zip(self.shapes, parts, strict=True)
        ]

    def bound(self) -> float:
        """No output exceeds this: the sum of the last layer's amplitudes' sizes."""
        if self.final is not None:
            return float(self.final.amplitude.detach().abs())
        i, j, m = self.shapes[-1]
        return float(self.weights()[0].detach()[-i * j * m :].abs().sum())

    @classmethod
    def from_clip(cls, clip: Tensor, waves: int = 10, hidden: int = 1) -> SineChain:
        """A chain that starts as an analysis hears a clip, for times in samples.

        With hidden waves: partials of one moving pitch (`estimate.init_chain`). Without: a bank of
        steady partials (`estimate.init_bank`).

        Args:
            clip: (t,).
            waves: Of the outer level.
            hidden: Waves that bend the time axis; 0 for a bank.
        """
        if clip.ndim != 1:
            raise UserError(f"SineChain: clip must be (t,), got {tuple(clip.shape)}")
        if hidden == 0:
            bank = estimate.init_bank(clip.double(), waves)
            a, f, p = bank.amplitudes[0], bank.frequencies[0], bank.phases[0]
            return cls.from_weights([(a, 2 * math.pi * f, p)])
        found = estimate.init_chain(clip.double(), waves, hidden)
        outer = (found.amplitudes, 2 * math.pi * found.frequencies, found.phases)
        inner = (found.shifts, 2 * math.pi * found.hidden_frequencies, found.hidden_phases)
        return cls.from_weights([inner, outer])

    @torch.no_grad()
    def start(self, clip: Tensor) -> None:
        """Take an analysis of a clip (t,) as `from_clip` does, for times in samples.

        The last layer says the partials; the one before it bends their time axis where that says
        more than steady partials do; all others are silent to begin with. What an analysis cannot
        say is refused.
        """
        plain = (1, 1)
        if (
            self.phase is None
            or self.final is not None
            or self.normalize
            or self.passing
            or not self.skip_time
            or any(shape[:2] != plain for shape in self.shapes)
        ):
            raise ValueError(
                "SineChain: a start by analysis wants phases, skip_time and width_between = 1, and "
                "no normalize, final_sine or passing; use the random start with those"
            )
        sizes = [m for _, _, m in self.shapes]
        hidden = sizes[-2] if len(sizes) > 1 else 0
        found = SineChain.from_clip(clip, sizes[-1], 0)
        if hidden and len(clip) >= 2048 and bool(clip.any()):
            n = torch.arange(len(clip), dtype=torch.float64)
            bent = SineChain.from_clip(clip, sizes[-1], hidden)
            left = [(chain.double()(n) - clip).square().sum() for chain in (found, bent)]
            found = bent if left[1] < left[0] else found
        self.amplitude.zero_()
        reference, scale = self.reference, self.scale
        places = torch.tensor([0, *sizes]).cumsum(0).tolist()
        parts = zip(
            *(v.split([m for _, _, m in found.shapes]) for v in found.weights()), strict=True
        )
        for at, (a, w, p) in zip(places[len(sizes) - len(found.shapes) :], parts, strict=False):
            here = slice(at, at + len(a))  # partials above Nyquist are left out by the analysis
            self.amplitude[here] = a * reference[here]
            self.frequency[here] = w / scale
            self.phase[here] = p

    @classmethod
    def from_weights(cls, layers: list[tuple[Tensor, Tensor, Tensor]]) -> SineChain:
        """A chain with these a, w and p, (m,) for each layer."""
        a, w, p = (torch.cat([layer[n].double() for layer in layers]) for n in range(3))
        own = float(w.abs().max()) or 1.0
        outer = len(layers[-1][0])
        chain = cls(len(layers), [len(layer[0]) for layer in layers], frequency=own)
        with torch.no_grad():
            size = a[-outer:].square()
            bent = float((size * w[-outer:].abs()).sum() / size.sum().clamp(min=1e-30)) or 1.0
            chain.reference[:-outer] = bent
            chain.amplitude.copy_(a * chain.reference)
            chain.frequency.copy_(w / own)
            assert chain.phase is not None
            chain.phase.copy_(p)
        return chain
