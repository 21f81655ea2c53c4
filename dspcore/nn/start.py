"""A network for a clip: by default it starts from an analysis of it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

STARTS = ("analysis", "random")


class Starting(Protocol):
    """A network that can take an analysis of a clip as its start."""

    def start(self, clip: Tensor) -> None:
        """Take the analysis, for the times that its docstring says."""


Network = TypeVar("Network", bound=Starting)


def for_clip(
    kind: type[Network], clip: Tensor, *, start: str = "analysis", **options: Any
) -> Network:
    """A network of this kind that is to say a clip, ready to descend.

    ``for_clip(nn.WaveTree, clip, levels=5)``: every kind that has a ``start`` will do.

    Args:
        kind: The class.
        clip: (t,).
        start: analysis; or random, the draw of the constructor, from which a network hardly learns
            a frequency.
        options: Of the constructor.

    Returns:
        The network, for times in samples (of `SuperSuperSine`, from -1 to 1).
    """
    if start not in STARTS:
        raise ValueError(f"for_clip: start must be {' or '.join(STARTS)}, got {start!r}")
    if not hasattr(kind, "start") or not issubclass(kind, nn.Module):
        raise TypeError(f"for_clip: {kind.__name__} has no start by analysis")
    network = kind(**options)
    if start == "analysis":
        network.start(clip)
    return network
