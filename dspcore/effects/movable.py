"""Parts that an effect has several of, all alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Movable:
    """One of several like parts of an effect, which a search may take away and put elsewhere.

    Attributes:
        strength: The parameter that says how much the part does.
        off: Its value, in physical units, at which the part does nothing.
        places: Where the part may stand: physical values of its other parameters.
    """

    strength: str
    off: float
    places: list[dict[str, float]]
