"""Presets as DiffVox publishes them: read exactly, and as the nearest `dspcore.graphs.vocal`.

A folder of them (``presets/medleydb`` in github.com/SonyResearch/diffvox) holds ``raw_params.npy``,
a row of numbers for each vocal, and ``info.json``, which names the parts of a row.

Source: C.-Y. Yu and others, "DiffVox: A Differentiable Model for Capturing and Analysing Vocal
Effects Distributions", DAFx 2025; ranges from its ``presets/fx_config.yaml``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dspcore import graphs
from dspcore.errors import UserError
from dspcore.files import read_text
from dspcore.graph import Graph

#: The sample rate that DiffVox's numbers are for, and the shortest line of its network in samples.
SAMPLE_RATE, SHORTEST_LINE = 44_100, 997
_LONGEST_DECAY_S = 9.0
Settings = dict[str, Tensor]


def _plain(raw: Tensor) -> Tensor:
    return raw


def _between(low: float, high: float) -> Callable[[Tensor], Tensor]:
    return lambda raw: low + (high - low) * torch.sigmoid(raw)


def _smoothing_ms(raw: Tensor) -> Tensor:
    """The time constant of a smoothing coefficient, as `Compressor` means it."""
    return -1000.0 / (SAMPLE_RATE * torch.nn.functional.logsigmoid(-raw))


def _rotation(raw: Tensor) -> Tensor:
    upper = raw.triu(1)
    return torch.linalg.matrix_exp(upper - upper.mT)


_GAMMA = 10 ** (-60.0 * SHORTEST_LINE / (SAMPLE_RATE * _LONGEST_DECAY_S) / 20)

# What info.json calls a part of a row without "params", "parametrizations" and "original"; what it
# is called here; how it becomes physical.
_PARTS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "0.gain": ("peak_1_gain_db", _plain),
    "0.freq": ("peak_1_hz", _between(33, 5_400)),
    "0.Q": ("peak_1_q", _between(0.2, 20)),
    "1.gain": ("peak_2_gain_db", _plain),
    "1.freq": ("peak_2_hz", _between(200, 17_500)),
    "1.Q": ("peak_2_q", _between(0.2, 20)),
    "2.gain": ("low_shelf_gain_db", _plain),
    "2.freq": ("low_shelf_hz", _between(30, 200)),
    "3.gain": ("high_shelf_gain_db", _plain),
    "3.freq": ("high_shelf_hz", _between(750, 8_300)),
    "4.freq": ("high_cut_hz", _between(200, 18_000)),
    "4.Q": ("high_cut_q", _between(0.5, 10)),
    "5.freq": ("low_cut_hz", _between(16, 5_300)),
    "5.Q": ("low_cut_q", _between(0.5, 10)),
    "6.cmp_th": ("threshold_db", _plain),
    "6.exp_th": ("expander_threshold_db", _plain),
    "6.make_up": ("makeup_db", _plain),
    "6.lookahead": ("lookahead_ms", lambda raw: raw.abs() % 15.0),
    "6.at": ("attack_ms", _smoothing_ms),
    "6.rt": ("release_ms", _smoothing_ms),
    "6.avg_coef": ("rms_smoothing", torch.sigmoid),
    "6.cmp_ratio": ("ratio", _between(1, 20)),
    "6.exp_ratio": ("expander_ratio", torch.sigmoid),
    "7.sends_0": ("echo_to_room", torch.sigmoid),
    "7.effects.0.delay": ("echo_ms", _between(100, 1_000)),
    "7.effects.0.feedback": ("echo_feedback", torch.sigmoid),
    "7.effects.0.gain": ("echo", torch.sigmoid),
    "7.effects.0.eq.freq": ("echo_high_cut_hz", _between(200, 16_000)),
    "7.effects.0.eq.Q": ("echo_high_cut_q", _between(0.5, 2)),
    "7.effects.0.odd_pan.pan": ("echo_odd_pan", _between(-1, 1)),
    "7.effects.0.even_pan.pan": ("echo_even_pan", _between(-1, 1)),
    "7.effects.1.b": ("room_in", _plain),
    "7.effects.1.c": ("room_out", _plain),
    "7.effects.1.gamma": ("room_gain_per_pass", _between(0, _GAMMA)),
    "7.effects.1.U": ("room_matrix", _rotation),
    "7.effects.1.eq.0.gain": ("room_peak_1_gain_db", _plain),
    "7.effects.1.eq.0.freq": ("room_peak_1_hz", _between(200, 2_500)),
    "7.effects.1.eq.0.Q": ("room_peak_1_q", _between(0.1, 3)),
    "7.effects.1.eq.1.gain": ("room_peak_2_gain_db", _plain),
    "7.effects.1.eq.1.freq": ("room_peak_2_hz", _between(600, 7_000)),
    "7.effects.1.eq.1.Q": ("room_peak_2_q", _between(0.1, 3)),
    "7.effects.1.eq.2.gain": ("room_low_shelf_gain_db", _plain),
    "7.effects.1.eq.2.freq": ("room_low_shelf_hz", _between(30, 450)),
    "7.effects.1.eq.3.gain": ("room_high_shelf_gain_db", _plain),
    "7.effects.1.eq.3.freq": ("room_high_shelf_hz", _between(1_500, 16_000)),
    "7.pan.pan": ("pan", _between(-1, 1)),
}


def read_presets(folder: str | os.PathLike[str]) -> list[Settings]:
    """Every preset of a folder in physical units, exactly, float64.

    Units are those that the names end with; gains without one are linear, pans lie from -1 to 1,
    attack and release are time constants, and `room_gain_per_pass` is that of the shortest line
    (997 samples) at 49 frequencies from 0 to half the sample rate of 44.1 kHz.

    Raises:
        UserError: A file is missing or is not what DiffVox's ``presets/fx_config.yaml`` makes.
    """
    info, path = Path(folder) / "info.json", Path(folder) / "raw_params.npy"
    try:
        facts: dict[str, Any] = json.loads(read_text(info))
        keys, shapes = facts["params_keys"], facts["params_original_shapes"]
        pairs = [
            (str(key), tuple(map(int, shape))) for key, shape in zip(keys, shapes, strict=True)
        ]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{info}: is not an info.json of DiffVox's presets: {error!r}") from error
    names = [_short(key) for key, _ in pairs]
    if wrong := sorted(set(names) ^ set(_PARTS)):
        raise UserError(
            f"{info}: is of another set of effects than presets/fx_config.yaml; first difference: "
            f"{wrong[0]!r}"
        )
    try:
        rows = torch.from_numpy(np.load(path, allow_pickle=False)).double()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as numbers: {error}") from error
    sizes = [math.prod(shape) for _, shape in pairs]
    if rows.ndim != 2 or rows.shape[1] != sum(sizes):
        raise UserError(f"{path}: wanted rows of {sum(sizes)} numbers, got {tuple(rows.shape)}")
    presets = []
    for row in rows:
        preset = {}
        parts = zip(names, pairs, row.split(sizes), strict=True)
        for short, (_, shape), raw in parts:
            name, physical = _PARTS[short]
            preset[name] = physical(raw.reshape(shape))
        presets.append(preset)
    return presets


def vocal(settings: Mapping[str, Tensor], sample_rate: int = 48_000) -> Graph:
    """`dspcore.graphs.vocal` as near to a preset of DiffVox as it comes; a start, not the sound.

    Equalisers (but for the q of the cuts, which are Butterworth here), pan, echo time, feedback and
    sends are the preset's. The compressor has its threshold, ratio, times and make-up, but hears
    peaks instead of their mean, and neither expands nor looks ahead; echoes stay left and right;
    the room has its decay in three bands and the level that its matrices give on average. Values
    beyond this graph's ranges are moved to their ends.
    """
    g = graphs.vocal(sample_rate)
    one = {name: float(value) for name, value in settings.items() if value.numel() == 1}
    bells = [f"peak_{i}_{key}" for i in (1, 2) for key in ("hz", "gain_db", "q")]
    shelves = [f"{side}_shelf_{key}" for side in ("low", "high") for key in ("hz", "gain_db")]
    values = {f"eq.{key}": one[key] for key in (*bells, *shelves, "low_cut_hz", "high_cut_hz")}
    values |= {f"room_eq.{key}": one[f"room_{key}"] for key in (*bells, *shelves)}
    values |= {"room_eq.low_cut_hz": 10.0, "comp.knee_db": 0.0, "pan.pan": one["pan"]}
    for key in ("threshold_db", "ratio", "attack_ms", "release_ms", "makeup_db"):
        values[f"comp.{key}"] = one[key]
    values["echo.time_ms"], values["echo.feedback"] = one["echo_ms"], one["echo_feedback"]
    values["echo.high_cut_hz"] = one["echo_high_cut_hz"]
    values["echo.from_comp_db"] = _db(one["echo"])
    values["room.from_echo_db"] = _db(one["echo_to_room"])
    # Power from a channel through a pass to a channel; ours is 1/2 (4 of 8 lines in, 4 at 1/2 out).
    power = settings["room_in"].square().sum() * settings["room_out"].square().sum() / 4 / 6
    values["room.from_comp_db"] = 10 * math.log10(max(float(power) / 0.5, 1e-12))
    values["room.from_echo_db"] += values["room.from_comp_db"]
    values |= {f"room.decay_{band}_s": s for band, s in _decays(settings).items()}
    inside = {}
    for name, value in values.items():
        low, high = g.params[name].range(sample_rate)
        inside[name] = min(max(value, low), high)
    return g.with_values(inside)


def _short(key: str) -> str:
    """``0.params.parametrizations.freq.original`` without what every key has."""
    dull = ("params", "parametrizations", "original")
    return ".".join(part for part in key.split(".") if part not in dull)


def _db(gain: float) -> float:
    return 20 * math.log10(max(gain, 1e-6))


def _decays(settings: Mapping[str, Tensor]) -> dict[str, float]:
    """Decay to -60 dB in seconds, from the mean loss in dB below 250 Hz, up to 4 kHz, and above."""
    gain = settings["room_gain_per_pass"].flatten()
    hz = torch.linspace(0, SAMPLE_RATE / 2, len(gain), dtype=torch.float64)
    loss_db = -20 * torch.log10(gain.clamp(1e-6, 1 - 1e-6))
    bands = {"low": hz < 250, "mid": (hz >= 250) & (hz <= 4_000), "high": hz > 4_000}
    return {
        band: float(60 * SHORTEST_LINE / SAMPLE_RATE / loss_db[inside].mean())
        for band, inside in bands.items()
    }
