"""Ready graphs: functions that wire what studios wire, to be used, edited and fitted."""

from __future__ import annotations

from collections.abc import Callable

from dspcore.effects import Compressor, Delay, Panner, Reverb, parametric_eq
from dspcore.errors import UserError, nearest
from dspcore.graph import Graph, mix, send


def vocal(sample_rate: int = 48_000) -> Graph:
    """A vocal's effects after DiffVox: EQ, compressor and pan, with sends to an echo and a room.

    Two bells, shelves and cuts; a compressor; from there the direct sound through a panner, a
    ping-pong delay, and a feedback delay network with an equaliser of its own, which the delay is
    sent to as well. Delay and room are wet only: the sends and returns say how much is heard.

    Source: C.-Y. Yu and others, "DiffVox: A Differentiable Model for Capturing and Analysing Vocal
    Effects Distributions", DAFx 2025. Its routing is this one; its compressor is also an expander
    with look-ahead, its network has six lines with free matrices and a decay of 49 bands: settings
    found for the one are not those of the other; `dspcore.diffvox` brings them near.
    """
    g = Graph(sample_rate)
    eq = g.add(parametric_eq(2)(sample_rate, low_cut_hz=80.0), g.input, name="eq")
    comp = g.add(
        Compressor(sample_rate, threshold_db=-24.0, ratio=3.0, attack_ms=10.0), eq, name="comp"
    )
    direct = g.add(Panner(sample_rate), comp, name="pan")
    echo = g.add(
        Delay(sample_rate, mode="ping_pong", time_ms=400.0, feedback=0.3, mix=1.0),
        send(comp, -18.0),
        name="echo",
    )
    room = g.add(
        Reverb(sample_rate, decay_low_s=1.6, decay_mid_s=1.8, decay_high_s=0.9, mix=1.0),
        mix(send(comp, -15.0), send(echo, -12.0)),
        name="room",
    )
    room_eq = g.add(parametric_eq(2)(sample_rate, low_cut_hz=200.0), room, name="room_eq")
    g.output = mix(direct, echo, room_eq)
    return g


#: What ``dspcore preset new --graph`` knows, by name.
READY: dict[str, Callable[..., Graph]] = {"vocal": vocal}


def by_name(name: str) -> Callable[..., Graph]:
    """The ready graph with that name; `UserError` with the nearest names when there is none."""
    if name not in READY:
        raise UserError(f"unknown graph {name!r}; {nearest(name, READY)}")
    return READY[name]
