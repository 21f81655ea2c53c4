"""Presets: read back as written, and every mistake named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dspcore import effects
from dspcore.chain import Chain
from dspcore.effects import Choice, Effect, Gain, Panner, Param
from dspcore.errors import UserError
from dspcore.preset import load_preset, parse_preset, preset_text, save_preset


class Cut(Effect):
    """Does nothing with a frequency and a choice."""

    cutoff_hz = Param(20.0, 20_000.0, default=16_000.0, scale="log", doc="Corner.")
    low_hz = Param(20.0, 2_000.0, default=100.0, scale="log", doc="Other corner.")
    slope = Choice("soft", "steep", default="soft", doc="How it falls.")

    def process(self, audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
        return audio, None


@pytest.fixture(autouse=True)
def _cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "Cut", Cut, raising=False)
    monkeypatch.setattr(effects, "__all__", [*effects.__all__, "Cut"])


def test_a_saved_chain_comes_back(tmp_path: Path) -> None:
    chain = Chain(
        [Gain(44_100, gain_db=-6.5), Cut(44_100, slope="steep", low_hz=1e3 / 7), Panner(44_100)]
    )
    save_preset(chain, tmp_path / "c.toml", comment="Two lines\nabout it.")
    text = (tmp_path / "c.toml").read_text()
    assert text.startswith("# Two lines\n# about it.\ndspcore = 1")
    assert "gain_db = -6.5 # -60 to 36 dB: Change of level." in text
    assert 'slope = "steep" # soft | steep: How it falls.' in text
    back = load_preset(tmp_path / "c.toml")
    assert back.sample_rate == 44_100
    assert [e.options for e in back] == [e.options for e in chain]
    assert back.values == pytest.approx(chain.values, rel=1e-8)
    assert load_preset(tmp_path / "c.toml", 96_000).sample_rate == 96_000


def test_a_default_frequency_follows_the_sample_rate() -> None:
    text = preset_text(Chain([Cut()]))
    assert "# cutoff_hz = 16000.0" in text
    assert "\nlow_hz = 100.0" in text
    assert parse_preset(text, 8_000).values["cut.cutoff_hz"] == 3_600
    assert parse_preset(text).values["cut.cutoff_hz"] == 16_000
    assert "\ncutoff_hz = 15000.0" in preset_text(Chain([Cut(cutoff_hz=15_000.0)]))


def test_whole_numbers_and_missing_settings_are_fine() -> None:
    chain = parse_preset(
        'dspcore = 1\n[[effect]]\ntype = "gain"\ngain_db = -3\n[[effect]]\ntype = "cut"'
    )
    assert chain.values == {"gain.gain_db": -3.0, "cut.cutoff_hz": 16_000.0, "cut.low_hz": 100.0}


def test_two_of_a_kind_come_back() -> None:
    text = preset_text(Chain([Gain(gain_db=1.0), Gain(gain_db=2.0)]))
    assert parse_preset(text).values == {"gain.gain_db": 1.0, "gain_2.gain_db": 2.0}


EFFECT = "dspcore = 1\n[[effect]]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the line 'dspcore = 1' is missing"),
        ("dspcore = 3", "format version 3, this dspcore reads 1 and 2"),
        ('dspcore = "1"', "must be the format version 1, got '1'"),
        ("dspcore = 1", "has no effects"),
        ("dspcore = 1\neffect = 3", r"written as \[\[effect\]\]"),
        ('dspcore = 1\n[effect]\ntype = "gain"', r"written as \[\[effect\]\]"),
        ("dspcore = 1\n[[efect]]", "unknown key 'efect'; did you mean 'effect'"),
        ("dspcore = 1\nsample_rate = 0\n[[effect]]", "'sample_rate' must be a whole number"),
        ("dspcore = 1\n[[effect]\n", "not valid TOML.*line 2"),
        (EFFECT, 'effect 1: a line like type = "gain" is missing'),
        (EFFECT + 'type = "gian"', "effect 1: unknown effect 'gian'; did you mean 'gain'"),
        (
            EFFECT + 'type = "gain"\n[[effect]]\ntype = "gain"\ngian_db = 1',
            r"effect 2 \(gain\): unknown key 'gian_db'; did you mean 'gain_db'",
        ),
        (EFFECT + 'type = "gain"\ngain_db = 99', r"effect 1 \(gain\): gain_db must be -60 to"),
        (EFFECT + 'type = "gain"\ngain_db = "1"', r"effect 1 \(gain\): gain_db must be a number"),
        (EFFECT + 'type = "gain"\ngain_db = [1]', r"effect 1 \(gain\): gain_db must be a number"),
        (EFFECT + 'type = "gain"\ngain_db = nan', r"effect 1 \(gain\): gain_db must be a number"),
        (EFFECT + 'type = "cut"\nslope = "stepe"', "did you mean 'steep'"),
        (
            'sample_rate = 16000\n' + EFFECT + 'type = "cut"\ncutoff_hz = 20000',
            r"effect 1 \(cut\): cutoff_hz must be 20 to 7200 Hz.*16000 Hz holds",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_preset(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for name, message in {
        "missing.toml": "no such file",
        "binary.toml": "not a text file",
        ".": "is a folder",
    }.items():
        with pytest.raises(UserError, match=message):
            load_preset(tmp_path / name)


def test_every_effect_survives_a_preset_at_every_usual_rate() -> None:
    for name, effect in effects.names().items():
        text = preset_text(Chain([effect()]))
        for rate in (8_000, 44_100, 192_000):
            chain = parse_preset(text, rate)
            assert chain.effect_names == [name]
            assert chain.values == pytest.approx(Chain([effect(rate)]).values, rel=1e-8)
            assert torch.isfinite(chain(torch.randn(1, 2, 64))).all()
