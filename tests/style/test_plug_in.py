"""A real plug-in on real recordings, from pairs to a head on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from dspcore import style
from dspcore.errors import UserError
from dspcore.style import Budget, PairSource

RATE = 24_000


@pytest.mark.slow
@pytest.mark.usefixtures("native")
def test_an_overdrive_is_set_by_ear(data_folder: Path, tmp_path: Path) -> None:
    try:
        effect = style.effect_named("mda:Overdrive", RATE)
    except UserError as error:
        if os.environ.get("DSPCORE_REQUIRE_PLUGINS") == "1":
            pytest.fail(str(error))
        pytest.skip(f"{error}: apt-get install mda-lv2 liblilv-0-0")
    clips = style.read_clips(data_folder / "fsdd", RATE, 1.4, group="_[a-z]+_", limit=60)
    training, held, tested = (
        PairSource(effect, part, seed=i, count=count)
        for i, (part, count) in enumerate(zip(clips.split(40, 8, 12), (80, 12, 12), strict=True))
    )
    ears = style.make_encoder("statistics", RATE).freeze()
    made = style.make_controller("regress").prepare(
        effect, training, held, encoder=ears, budget=Budget(steps=300)
    )
    rows = [style.make_controller(n).prepare(effect) for n in ("nothing", "oracle")]
    pairs = tested.all()
    found = style.evaluate([*rows, made], pairs)
    assert found.row("regress").share[1] < 0.5
    assert found.row("regress").wins > 0.9
    assert found.row("oracle").matched["MRSTFT"] == 0.0  # a fresh instance each time
    style.save_head(made, tmp_path)
    back = style.load_head(tmp_path, style.effect_named("mda:Overdrive", RATE))
    wanted = made.params(pairs.dry, pairs.reference)
    assert torch.equal(back.params(pairs.dry, pairs.reference), wanted)
