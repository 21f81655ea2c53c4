"""A run read again from its folder alone: numbers, arrays, sounds, the tree of modules."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dspcore import audio, train
from dspcore.errors import UserError

pytest.importorskip("lightning_fabric", reason="needs dspcore[train]")


def loss(model: Any, batch: Tensor, step: int) -> dict[str, Tensor]:
    wrong = (model(batch) - 3 * batch).square().mean()
    return {"loss": wrong, "half": wrong / 2}


def batches(step: int) -> Tensor:
    return torch.randn(16, 1, generator=torch.Generator().manual_seed(step))


def look(model: Any, step: int, trackers: train.Trackers) -> None:
    trackers.array(step, "weights", model[0].weight.detach())
    trackers.array(step, "by name", {"odd": [1.0 / 3, math.nan]})
    trackers.audio(step, "takes/one", torch.full((1, 80), 0.5), 8_000)
    trackers.audio(step, "takes/loud!", torch.full((1, 80), 1.5), 8_000)


def run(folder: Path, steps: int = 40, **changes: Any) -> nn.Module:
    model = nn.Sequential(nn.Linear(1, 1), nn.Identity())
    config = train.FitConfig(
        folder=str(folder), steps=steps, trackers=[], progress=False, accelerator="cpu", **changes
    )
    train.fit(model, loss, batches, config, on_log=look)
    return model


def test_a_run_is_read_as_it_was_logged(tmp_path: Path) -> None:
    model = run(tmp_path / "one")
    found = train.read_run(tmp_path / "one")
    assert (found.name, found.steps, found.setting("lr")) == ("one", 40, 1e-3)
    assert found.metric("half").steps == [9, 19, 29, 39]
    assert found.metric("half").last == pytest.approx(found.metric("loss").last / 2)
    assert found.arrays["weights"].steps == [9, 19, 29, 39]
    assert found.arrays["weights"].last == [[pytest.approx(model[0].weight.item(), rel=1e-5)]]
    assert found.arrays["by name"].last == {"odd": [0.333333, None]}
    assert [step for step, _ in found.sounds["takes/one"]] == [9, 19, 29, 39]
    heard, rate = audio.read(found.sounds["takes/loud_"][-1][1])
    assert (rate, float(heard.max())) == (8_000, 1.5)  # never clipped
    (tree,) = found.modules
    assert [child["type"] for child in tree["children"]] == ["Linear", "Identity"]
    assert (tree["parameters"], tree["trained"]) == (2, 2)
    with pytest.raises(UserError, match=r"no metric 'hafl'; did you mean 'half'\?"):
        found.metric("hafl")
    with pytest.raises(UserError, match=r"has no metrics\.jsonl"):
        train.read_run(tmp_path)


def test_a_resumed_run_keeps_no_array_twice_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    run(folder, steps=20)
    with open(folder / "arrays.jsonl", "a", encoding="utf-8") as file:
        file.write('{"step": 25, "name": "weights", "values": [[1.0]]}\n{"step": 29, "na')
    assert train.read_run(folder).arrays["weights"].steps == [9, 19, 25]
    run(folder, steps=40, resume=True)
    assert train.read_run(folder).arrays["weights"].steps == [9, 19, 29, 39]


def test_a_tracker_that_takes_no_arrays_goes_on() -> None:
    class Plain:
        seen = 0

        def log(self, step: int, values: Any) -> None:
            self.seen += 1

    plain = Plain()
    trackers = train.Trackers(None, extra=[plain])  # type: ignore[list-item]
    trackers.array(0, "bits", torch.ones(2))
    trackers.log(0, {"loss": 1.0})
    assert plain.seen == 1
