"""What is measured: one op at one shape, ours and the peers that compute the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor

Tensors = dict[str, Tensor]
Run = Callable[[Tensors], Tensor]


@dataclass(frozen=True)
class Contender:
    """One way to compute a case.

    Args:
        name: What the table calls it.
        load: Imports what it needs and returns the function that is timed; raises ImportError when
            the library is not there.
        package: Name of the distribution, whose version the table states.
        arrange: Changes of layout and type that a user of this library would have made once,
            outside the loop. Never timed; applied to our gradients too, to compare them.
        learned: Names of the arranged inputs that get a gradient, where they are not the case's.
        agrees_db: Largest difference from ours, in dB of ours, before its time counts.
        gradient: Whether it has a backward pass.
        slow: Left out of `--quick`.
    """

    name: str
    load: Callable[[], Run]
    package: str = "torch"
    arrange: Callable[[Tensors], Tensors] = dict
    agrees_db: float = -60.0
    learned: tuple[str, ...] = ()
    gradient: bool = True
    slow: bool = False


@dataclass(frozen=True)
class Case:
    """One op at one shape.

    Args:
        op: Name of the op, as in `dspcore.ops`.
        shape: What is computed, for a reader.
        inputs: Makes the tensors from a seeded generator: float32 audio, float64 coefficients.
        learned: The inputs that get a gradient; none for a forward pass alone.
        ours: Computes it with dspcore.
        peers: Everyone else.
        multiply_adds: That the forward pass takes at least, for the machine's limit; the backward
            pass takes twice as many.
    """

    op: str
    shape: str
    inputs: Callable[[Generator], Tensors]
    learned: tuple[str, ...]
    ours: Run
    peers: tuple[Contender, ...]
    multiply_adds: float = 0.0

    @property
    def name(self) -> str:
        """`op, shape`: how the table and the command line call the case."""
        return f"{self.op}, {self.shape}"

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Ours first, then the peers."""
        return (Contender("dspcore", lambda: self.ours, package="dspcore"), *self.peers)
