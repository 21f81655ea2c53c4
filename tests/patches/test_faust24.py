"""Faust-24 in a minute: a tenth of the benchmark, with thresholds of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dspcore import patches
from dspcore.patches import Budget, Examples

pytestmark = [pytest.mark.usefixtures("native"), pytest.mark.slow]


def test_a_small_network_beats_the_mean_and_its_draws_beat_chance(tmp_path: Path) -> None:
    """A9; the whole of it is ``python -m bench.faust24``."""
    gates = patches.Gates(None, None)
    with patches.open_renderer("faust24", workers=1) as renderer:
        patches.generate(renderer, tmp_path / "train", 700, seed=7, gates=gates)
        patches.generate(renderer, tmp_path / "test", 64, seed=7, split="test", gates=gates)
        data, test = (patches.Dataset(tmp_path / name) for name in ("train", "test"))
        known = patches.examples_of(data, rows=slice(0, 600))
        held = patches.examples_of(data, rows=slice(600, None))
        player = patches.Player(renderer)
        targets = patches.targets_of(test, player)
        found = patches.make_estimator("cnn", size="small", kind="plain")
        found.fit(known, held, Budget(steps=100))
        chance = patches.make_estimator("random").fit(known, held)
        heard = Examples(targets.u, found.hear(targets.audio), known.layout, known.frontend)
        mean, mode = patches.means_of(found, heard), patches.modes_of(found, heard)
        scored = patches.scores(mean, mode, targets.u, known.u, known.layout, names=targets.names)
        by_name = dict(zip(targets.names, scored.each, strict=True))
        away = {
            name: sum(
                patches.match(sound, player, estimator, renders=8, seed=i).distance
                for i, sound in enumerate(targets.audio[:12])
            )
            / 12
            for name, estimator in (("learnt", found), ("chance", chance))
        }
    assert scored.r2 > 0
    assert by_name["aenv_r"].r2 > 0.5
    assert by_name["filt_type"].accuracy > by_name["filt_type"].majority
    assert away["learnt"] < away["chance"] - 1.0
    assert [w for w in found.warnings if "it has not learnt" in w] == []
