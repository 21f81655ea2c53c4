"""DiffVox's presets: read by what their info.json says, each number by its own map."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dspcore import diffvox
from dspcore.errors import UserError

# As the published info.json has them: (key, shape).
P, END = "params.parametrizations.", ".original"
LAYOUT: list[tuple[str, list[int]]] = [
    ("0.params.gain", []), (f"0.{P}freq{END}", []), (f"0.{P}Q{END}", []),
    ("1.params.gain", []), (f"1.{P}freq{END}", []), (f"1.{P}Q{END}", []),
    ("2.params.gain", []), (f"2.{P}freq{END}", []),
    ("3.params.gain", []), (f"3.{P}freq{END}", []),
    (f"4.{P}freq{END}", []), (f"4.{P}Q{END}", []), (f"5.{P}freq{END}", []), (f"5.{P}Q{END}", []),
    ("6.params.cmp_th", []), ("6.params.exp_th", []), ("6.params.make_up", []),
    (f"6.{P}lookahead{END}", [1]), (f"6.{P}at{END}", []), (f"6.{P}rt{END}", []),
    (f"6.{P}avg_coef{END}", []), (f"6.{P}cmp_ratio{END}", []), (f"6.{P}exp_ratio{END}", []),
    (f"7.{P}sends_0{END}", [1]),
    (f"7.effects.0.{P}delay{END}", []), (f"7.effects.0.{P}feedback{END}", []),
    (f"7.effects.0.{P}gain{END}", []),
    (f"7.effects.0.eq.{P}freq{END}", []), (f"7.effects.0.eq.{P}Q{END}", []),
    (f"7.effects.0.odd_pan.{P}pan{END}", []), (f"7.effects.0.even_pan.{P}pan{END}", []),
    ("7.effects.1.params.b", [6, 2]), ("7.effects.1.params.c", [2, 6]),
    (f"7.effects.1.{P}gamma{END}", [49, 1]), (f"7.effects.1.{P}U{END}", [6, 6]),
    ("7.effects.1.eq.0.params.gain", []), (f"7.effects.1.eq.0.{P}freq{END}", []),
    (f"7.effects.1.eq.0.{P}Q{END}", []),
    ("7.effects.1.eq.1.params.gain", []), (f"7.effects.1.eq.1.{P}freq{END}", []),
    (f"7.effects.1.eq.1.{P}Q{END}", []),
    ("7.effects.1.eq.2.params.gain", []), (f"7.effects.1.eq.2.{P}freq{END}", []),
    ("7.effects.1.eq.3.params.gain", []), (f"7.effects.1.eq.3.{P}freq{END}", []),
    (f"7.pan.{P}pan{END}", []),
]  # fmt: skip


def write(folder: Path, given: dict[str, Any], rows: int = 1) -> None:
    """A folder of presets whose raw numbers are 0 but for those given by their keys."""
    parts = [np.full(shape, given.get(key, 0.0)).ravel() for key, shape in LAYOUT]
    raw = np.concatenate(parts).astype(np.float32)
    np.save(folder / "raw_params.npy", np.stack([raw] * rows))
    facts = {
        "params_keys": [key for key, _ in LAYOUT],
        "params_original_shapes": [shape for _, shape in LAYOUT],
    }
    (folder / "info.json").write_text(json.dumps(facts))


def logit(share: float) -> float:
    return math.log(share / (1 - share))


def test_every_number_becomes_physical(tmp_path: Path) -> None:
    coefficient = 1 - math.exp(-1000 / (44_100 * 25.0))  # a time constant of 25 ms
    write(
        tmp_path,
        {
            "0.params.gain": -7.5, f"0.{P}freq{END}": logit(0.25), f"6.{P}lookahead{END}": -17.0,
            f"6.{P}at{END}": logit(coefficient), f"6.{P}cmp_ratio{END}": logit(3 / 19),
            f"7.effects.0.{P}gain{END}": logit(0.1), f"7.{P}sends_0{END}": logit(0.01),
            f"7.pan.{P}pan{END}": logit(0.75),
            f"7.effects.1.{P}U{END}": np.arange(36.0).reshape(6, 6) / 40,
        },
        rows=3,
    )  # fmt: skip
    presets = diffvox.read_presets(tmp_path)
    assert len(presets) == 3
    first = presets[0]
    one = {name: float(v) for name, v in first.items() if v.numel() == 1}
    expected = {
        "peak_1_gain_db": -7.5, "peak_1_hz": 33 + 0.25 * (5_400 - 33), "peak_1_q": 10.1,
        "lookahead_ms": 2.0, "attack_ms": 25.0, "ratio": 4.0, "echo": 0.1, "echo_to_room": 0.01,
        "pan": 0.5, "echo_odd_pan": 0.0, "echo_ms": 550.0, "low_cut_hz": 2_658.0,
    }  # fmt: skip
    assert {name: one[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    longest = 10 ** (-60 * 997 / (44_100 * 9) / 20)  # decays by 60 dB in 9 s
    gains = torch.full((49, 1), longest / 2, dtype=torch.float64)
    torch.testing.assert_close(first["room_gain_per_pass"], gains)
    matrix = first["room_matrix"]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(6, dtype=torch.float64))
    assert (matrix - torch.eye(6)).abs().max() > 0.1


def test_the_nearest_vocal_takes_over_what_it_has(tmp_path: Path, native: None) -> None:
    del native
    longest = 10 ** (-60 * 997 / (44_100 * 9) / 20)
    two_seconds = 10 ** (-60 * 997 / (44_100 * 2) / 20)
    write(
        tmp_path,
        {
            "1.params.gain": 5.0, "6.params.cmp_th": -70.0, f"7.effects.0.{P}gain{END}": logit(0.1),
            f"7.pan.{P}pan{END}": logit(0.75), "7.effects.1.eq.3.params.gain": -3.0,
            f"7.effects.1.{P}gamma{END}": logit(two_seconds / longest),
            "7.effects.1.params.b": 1 / 2, "7.effects.1.params.c": 1 / 2,
        },
    )  # fmt: skip
    (preset,) = diffvox.read_presets(tmp_path)
    g = diffvox.vocal(preset, 16_000)
    assert g.sample_rate == 16_000
    expected = {
        "eq.peak_2_gain_db": 5.0, "eq.low_cut_hz": 2_000.0, "comp.threshold_db": -60.0,
        "pan.pan": 0.5, "echo.time_ms": 550.0, "echo.from_comp_db": -20.0,
        "room.decay_low_s": 2.0, "room.decay_mid_s": 2.0, "room.decay_high_s": 2.0,
        "room.from_comp_db": 10 * math.log10(3 * 3 / 24 / 0.5),
        "room_eq.high_shelf_gain_db": -3.0,
    }  # fmt: skip
    assert {name: g.values[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert g(0.1 * torch.randn(1, 1, 500)).isfinite().all()


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"info\.json: no such file"):
        diffvox.read_presets(tmp_path)
    write(tmp_path, {})
    facts = json.loads((tmp_path / "info.json").read_text())
    np.save(tmp_path / "raw_params.npy", np.zeros((2, 150)))
    with pytest.raises(UserError, match=r"wanted rows of 151 numbers, got \(2, 150\)"):
        diffvox.read_presets(tmp_path)
    np.save(tmp_path / "raw_params.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(UserError, match=r"raw_params\.npy: cannot be read as numbers"):
        diffvox.read_presets(tmp_path)
    facts["params_keys"][0] = "0.params.level"
    (tmp_path / "info.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"another set of effects.*'0\.gain'"):
        diffvox.read_presets(tmp_path)
    for text in ("{}", "no json", '{"params_keys": [1], "params_original_shapes": [[], []]}'):
        (tmp_path / "info.json").write_text(text)
        with pytest.raises(UserError, match=r"is not an info\.json of DiffVox"):
            diffvox.read_presets(tmp_path)
