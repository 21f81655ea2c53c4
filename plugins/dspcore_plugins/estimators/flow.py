"""Flow matching over parameter tokens."""

from __future__ import annotations

import math

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from dspcore.patches import Head, Layout, Mixed, Posterior
from dspcore_plugins.estimators.backbones import Backbone, Plain, Residual
from dspcore_plugins.estimators.learning import Net, Network


class Flow(Network):
    """Flow matching: noise flows to settings, one token a parameter, symmetric members alike.

    A transformer moves the tokens. Members of a symmetric group share their embeddings, so that the
    flow is equivariant to their exchange, and noise is paired with settings at the least cost.

    Args:
        size: Of the convolutional network that conditions it.
        kind: Of the same: residual or plain.
        lr: As of `Network`.
        batch: As of `Network`.
        masked: As of `Network`.
        steps: Of the Euler integration when drawing.

    Source:
        Y. Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023; B. Hayes et al.,
        "Audio synthesizer inversion in symmetric parameter spaces with approximately equivariant
        flow matching", ISMIR 2025.
    """

    name = "flow"
    asked = 64  # 32 draws are integrated for every one of them

    def __init__(
        self,
        size: str = "medium",
        kind: str = "residual",
        lr: float = 1e-3,
        batch: int = 128,
        masked: bool = False,
        steps: int = 24,
    ) -> None:
        super().__init__("flow", size, lr, batch, masked=masked)
        self.kind, self.steps = kind, steps

    def backbone(self) -> Backbone:
        """What conditions the flow."""
        made = Residual if self.kind == "residual" else Plain
        return made(*self.shape, self.size)

    def build(self) -> None:
        """A network whose head is a flow."""
        made = self.backbone()
        head = FlowHead(made.features, self.layout, self.steps)
        self.net = Net(self.shape[0], made, head, self.normalised)


class FlowHead(Head):
    """The velocity field.

    Args:
        features: Width of what conditions it.
        layout: Of the parameters.
        steps: Of the integration.
        width: Of a token.
        depth: Layers.
    """

    name = "flow"

    def __init__(
        self, features: int, layout: Layout, steps: int = 24, width: int = 64, depth: int = 3
    ) -> None:
        super().__init__(features, layout)
        self.steps = steps
        kind = torch.arange(len(layout))
        for group in layout.groups:
            for columns in group:
                kind[list(columns)] = torch.tensor(group[0])
        self.register_buffer("kind", kind, persistent=False)
        # Tokens of one member find each other by a bond that no other member has.
        bonds = torch.zeros(len(layout), len(layout))
        for group in layout.groups:
            for columns in group:
                rows = torch.tensor(columns)
                bonds[rows[:, None], rows] = 1.0
        self.register_buffer("bonds", bonds, persistent=False)
        self.kind: Tensor
        self.bonds: Tensor
        self.place = nn.Embedding(len(layout), width)
        self.value = nn.Linear(1, width)
        self.condition = nn.Sequential(nn.Linear(features + 16, width), nn.SiLU())
        self.layers = nn.ModuleList(_Layer(width) for _ in range(depth))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def velocity(self, x: Tensor, time: Tensor, h: Tensor) -> Tensor:
        """Of settings (b, p) at a time (b,), given features (b, features)."""
        waves = time[:, None] * torch.arange(1, 9).to(time) * math.pi
        condition = self.condition(torch.cat([h, waves.sin(), waves.cos()], 1))[:, None]
        tokens = self.place(self.kind) + self.value(x[..., None])
        for layer in self.layers:
            tokens = layer(tokens, condition, self.bonds)
        return self.out(tokens)[..., 0]

    def loss(self, h: Tensor, u: Tensor) -> Tensor:
        """Square error of the velocity from noise to settings on a random place of the way."""
        x = 2 * u - 1
        counts = torch.tensor([size or 1 for size in self.layout.sizes])
        # A discrete value is spread over its cell.
        x = x + (torch.rand_like(x) - 0.5) * 2 / counts * self.layout.discrete
        noise = self._paired(torch.randn_like(x) * 0.6, x)
        time = torch.rand(len(x), device=x.device)
        way = time[:, None] * x + (1 - time[:, None]) * noise
        return (self.velocity(way, time, h) - (x - noise)).square()

    def _paired(self, noise: Tensor, x: Tensor) -> Tensor:
        """Members of a group change places so that each has the noise nearest to it."""
        out = noise.clone()
        for group in self.layout.groups:
            columns = torch.tensor(group)
            costs = (noise[:, columns][:, None] - x[:, columns][:, :, None]).square().sum(-1)
            for i, cost in enumerate(costs.cpu().numpy()):
                rows, places = linear_sum_assignment(cost)
                out[i, columns[rows]] = noise[i, columns[places]]
        return out

    def posterior(self, h: Tensor) -> Posterior:
        """Integrates from noise; mean and mode are told from 32 draws."""

        def draw(count: int, generator: torch.Generator | None) -> Tensor:
            b = len(h)
            x = 0.6 * torch.randn(b * count, len(self.layout), generator=generator)
            given = h.repeat_interleave(count, 0)
            for step in range(self.steps):
                time = torch.full((len(x),), (step + 0.5) / self.steps)
                x = x + self.velocity(x, time, given) / self.steps
            return ((x + 1) / 2).clamp(0, 1).unflatten(0, (b, count))

        with torch.no_grad():
            some = draw(32, torch.Generator().manual_seed(0))
        middle = some.mean(1)
        # The draw that the others are nearest to.
        central = torch.cdist(some, some).mean(2).argmin(1)
        return Mixed(
            torch.no_grad()(draw), some[torch.arange(len(h)), central], middle, self.layout
        )


class _Layer(nn.Module):
    """Attention between tokens, the condition added to each, a small network."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.mix = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.bond = nn.Parameter(torch.zeros(heads))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.scale = nn.Linear(width, 2 * width)
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, condition: Tensor, bonds: Tensor) -> Tensor:
        gain, shift = self.scale(condition).chunk(2, -1)
        x = self.norms[0](tokens) * (1 + gain) + shift
        b, p, width = x.shape
        q, k, v = self.mix(x).view(b, p, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        near = self.bond[:, None, None] * bonds
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=near)
        tokens = tokens + self.join(mixed.transpose(1, 2).reshape(b, p, width))
        return tokens + self.net(self.norms[1](tokens))
