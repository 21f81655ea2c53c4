"""Plug-ins in chains, presets, commands and `match`."""

from __future__ import annotations

from pathlib import Path

import declared
import pytest
import torch
from click.testing import CliRunner
from conftest import sound

import dspcore
from dspcore import blackbox, effects
from dspcore.blackbox import Pool
from dspcore.cli import main
from dspcore.errors import UserError
from dspcore.match import match


def test_presets_render_and_match_take_plug_ins(tmp_path: Path, calm: Pool) -> None:
    chain = dspcore.Chain(
        [
            effects.Gain(16_000, gain_db=-3.0),
            blackbox.load(declared.tanh_gain, sample_rate=16_000, pool=calm, g=0.7, d=0.2),
            blackbox.load(declared.Repeat, sample_rate=16_000, pool=calm, time=300.0),
        ]
    )
    preset = tmp_path / "chain.toml"
    dspcore.save_preset(chain, preset)
    assert 'type = "function:declared:Repeat"' in preset.read_text()
    loaded = dspcore.load_preset(preset)
    assert loaded.values == chain.values
    assert loaded.param_names[1:3] == ["tanh_gain.g", "tanh_gain.d"]
    audio = sound(1, 1, 20_000)[0]
    dspcore.audio.write(tmp_path / "in.wav", audio, 16_000, "FLOAT")
    arguments = ["render", str(preset), str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]
    result = CliRunner().invoke(main, [*arguments, "--block", "4096", "--subtype", "FLOAT"])
    assert result.exit_code == 0, result.output
    made, _ = dspcore.audio.read(tmp_path / "out.wav")
    with torch.no_grad():
        truth = chain(torch.nn.functional.pad(audio, (0, made.shape[1] - 20_000))[None])[0]
    assert made.shape[1] == 20_300  # it rings for as long as the repetition is late
    assert (made - truth).abs().max() < 1e-6
    wrong = preset.read_text().replace("declared:Repeat", "declared:Ripeat")
    preset.write_text(wrong)
    with pytest.raises(UserError, match=r"effect 3: declared:Ripeat: cannot be imported"):
        dspcore.load_preset(preset)


def test_a_new_preset_names_a_plug_in() -> None:
    result = CliRunner().invoke(main, ["preset", "new", "gain", "function:declared:tanh_gain"])
    assert result.exit_code == 0, result.output
    chain = dspcore.preset.parse_preset(result.output)
    assert chain.param_names[1:] == ["tanh_gain.g", "tanh_gain.d"]
    assert "g = 0.5 # 0 to 1: Gain." in result.output


def test_match_finds_the_settings_of_a_plug_in(calm: Pool) -> None:
    hidden = blackbox.load(declared.tanh_gain, sample_rate=16_000, pool=calm, g=0.6, d=0.35)
    gain = effects.ParametricEQ(16_000, peak_2_gain_db=6.0)
    dry = sound(1, 1, 4_000)[0]
    with torch.no_grad():
        reference = dspcore.Chain([hidden, gain])(dry[None])[0]
    chain = dspcore.Chain([hidden.with_values(g=0.5, d=0.5), effects.ParametricEQ(16_000)])
    keep = [n for n in chain.param_names if n.startswith("parametric_eq") and "peak_2_g" not in n]
    found = match(
        dry,
        reference,
        chain,
        fixed=keep,
        seconds=0.2,
        guesses=8,
        descents=1,
        descent_steps=4,
        refinements=1,
        hops=0,
        refine_steps=20,
    )
    assert found.after_db < -60
    assert found.values["tanh_gain.d"] == pytest.approx(0.35, abs=0.01)
