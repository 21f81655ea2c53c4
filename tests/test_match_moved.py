"""Parts of effects that a search puts elsewhere."""

from __future__ import annotations

import pytest
import torch

from dspcore.chain import Chain
from dspcore.effects import Gain, ParametricEQ
from dspcore.match.moved import Moves, moved, moves
from dspcore.match.waveform import Waveform

pytestmark = pytest.mark.usefixtures("native")

RATE = 16_000
HIDDEN = {"peak_1_hz": 300.0, "peak_1_gain_db": -6.0, "peak_2_hz": 1_800.0, "peak_2_gain_db": 4.0}


def stuck() -> tuple[Waveform, torch.Tensor, list[Moves], Chain]:
    """An equaliser that has the first of two bells, and its others where they do nothing."""
    dry = 0.2 * torch.randn(1, 1, 6_000, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        reference = ParametricEQ(RATE, **HIDDEN)(dry)
    values = {**HIDDEN, "peak_2_hz": 6_000.0, "peak_2_gain_db": 0.05}
    values |= {"peak_3_hz": 5_000.0, "peak_4_hz": 7_000.0}
    chain = Chain([ParametricEQ(RATE, **values), Gain(RATE)])
    setting = chain.normalize()[0].double()
    free = torch.ones(len(setting), dtype=torch.bool)
    waveform = Waveform(chain.normalized, dry, reference, setting, free)
    return waveform, setting, moves(chain, setting, free), chain


@pytest.mark.parametrize("exact", [True, False])
def test_an_idle_bell_goes_where_it_is_missing(exact: bool) -> None:
    waveform, setting, offered, chain = stuck()
    assert len(offered) == ParametricEQ.bells
    found = moved(waveform, waveform.place(setting), offered, exact=exact)
    assert 1 <= len(found) <= 2
    for values in (chain.denormalize(waveform.settings(row)[None]) for row in found):
        centres = {i: float(values[f"parametric_eq.peak_{i}_hz"]) for i in range(1, 5)}
        near = [i for i, hz in centres.items() if 1_800 / 1.26 <= hz <= 1_800 * 1.26]
        assert len(near) == 1
        assert float(values[f"parametric_eq.peak_{near[0]}_gain_db"]) > 0.5
        assert centres[1] == pytest.approx(300.0, rel=1e-6)


def test_nothing_is_moved_that_is_right_or_fixed() -> None:
    waveform, setting, _, chain = stuck()
    right = chain.with_values({f"parametric_eq.{name}": value for name, value in HIDDEN.items()})
    there = right.normalize()[0].double()
    offered = moves(chain, there, waveform.free)
    place = waveform.place(there)
    # Exactly right: what is at the end of its range starts a little inside of it.
    waveform.reference = waveform.reference + waveform.plain(place[None]).detach()
    assert len(moved(waveform, place, offered, exact=True)) == 0
    assert moved(waveform, place, [], exact=True).shape == (0, len(setting))
    free = torch.tensor([not name.endswith("_q") for name in chain.param_names])
    assert moves(chain, setting, free) == []
