"""Bounds on parameters: penalties to add to a loss, and projections to call after a step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn


def barrier(parameters: Iterable[Tensor], eps: float = 1e-2, kind: str = "relu") -> Tensor:
    """A penalty on parameters that are small, zero or negative.

    Args:
        parameters: Of any shapes.
        eps: What counts as small.
        kind: relu, ``sum relu(eps - p)``; or log, ``-sum log(p / eps)`` where p < eps, which wants
            every p above 0.
    """
    values = torch.cat([p.reshape(-1) for p in parameters])
    if kind == "relu":
        return (eps - values).relu().sum()
    if kind == "log":
        return -(values / eps).clamp(min=1e-12, max=1.0).log().sum()
    raise ValueError(f"barrier: kind must be relu or log, got {kind!r}")


class OnlyIncrease:
    """Parameters may only grow: `dspcore.train.fit` calls it after every step.

    Args:
        module: Whose.
        patterns: Of full names ("*.amplitude").
    """

    def __init__(self, module: nn.Module, patterns: Sequence[str]) -> None:
        """Remembers where they are."""
        named = dict(module.named_parameters())
        chosen = {n: p for n, p in named.items() if any(fnmatchcase(n, q) for q in patterns)}
        if not chosen:
            raise ValueError(
                f"OnlyIncrease: no parameter fits {patterns}; known: {', '.join(named)}"
            )
        self.parameters: Mapping[str, nn.Parameter] = chosen
        self.least = {name: p.detach().clone() for name, p in chosen.items()}

    @torch.no_grad()
    def __call__(self, models: object = None, step: int = 0) -> None:
        """Take back what fell."""
        for name, parameter in self.parameters.items():
            torch.maximum(parameter, self.least[name], out=parameter)
            self.least[name].copy_(parameter)


def num_params(module: nn.Module) -> int:
    """Numbers that are learnt."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
