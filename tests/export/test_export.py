"""Exported chains sound as the chain does, keep the rules of real time, or are refused by name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from exported import NAME, chain, distance_db
from hosted import CHANGES, rendered, restored, sound
from numpy.typing import NDArray

import dspcore
from dspcore import effects
from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.cli import main
from dspcore.effects import Effect, Param
from dspcore.errors import UserError
from dspcore.export import CompilerError, export, operations
from dspcore.export.library import Library

ROOT = Path(__file__).parents[2]


def wanted(audio: NDArray[np.float32], change_at: int, sample_rate: int) -> NDArray[np.float64]:
    """The Python chain in float64, with `CHANGES` from a sample on."""
    names = {re.sub(r"\W", "_", name): name for name in chain().params}
    values = {names[symbol]: value for symbol, value in CHANGES.items()}
    x = torch.from_numpy(audio)[None].double()
    stream = chain(sample_rate).stream()
    with torch.no_grad():
        parts = [stream(x[..., :change_at])]
        if change_at < x.shape[-1]:
            parts.append(stream(x[..., change_at:], **values))
    made: NDArray[np.float64] = torch.cat(parts, -1)[0].numpy()
    return made


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
def test_a_library_equals_the_chain_in_any_blocks(built: Path, sample_rate: int) -> None:
    audio = sound(9_000)
    for size in (1, 64, 441, 4_096):
        change_at = -(-3_000 // size) * size
        library = Library(built / "libtest_chain.so", sample_rate)
        before = library.blocks(audio[:, :change_at], size)
        library.set(**CHANGES)
        after = library.blocks(audio[:, change_at:], size)
        got = np.concatenate([before, after], 1)
        assert distance_db(got, wanted(audio, change_at, sample_rate)) < -135


def test_a_library_knows_its_parameters_and_latency(built: Path) -> None:
    library = Library(built / "libtest_chain.so", 44_100)
    assert library.names == [re.sub(r"\W", "_", name) for name in chain().params]
    assert library.lib.dspcore_latency(library.chain) == chain(44_100).latency_samples() == 44
    index = library.names.index("parametric_eq_low_cut_hz")
    low_cut = library.lib.dspcore_describe(index)
    text = library.ffi.string
    assert [text(v).decode() for v in (low_cut.name, low_cut.unit)] == [
        "parametric eq low cut",
        "Hz",
    ]
    assert (low_cut.minimum, low_cut.maximum, low_cut.start) == (10.0, 2_000.0, 60.0)
    assert low_cut.logarithmic == 1
    library.set(parametric_eq_low_cut_hz=1e6)
    assert np.isfinite(library.process(sound(100))).all()
    assert not library.lib.dspcore_create(float("nan"))


def test_a_state_goes_on_exactly_and_reset_forgets(built: Path) -> None:
    audio = sound(6_000)
    one = Library(built / "libtest_chain.so", 48_000)
    one.process(audio[:, :2_000])
    one.set(**CHANGES)
    one.process(audio[:, 2_000:2_500])  # in the middle of a glide
    other = Library(built / "libtest_chain.so", 48_000)
    other.process(audio[:, :777])
    assert other.load(one.save())
    assert np.array_equal(one.process(audio[:, 2_500:]), other.process(audio[:, 2_500:]))
    assert not Library(built / "libtest_chain.so", 96_000).load(one.save())
    assert not other.load(one.save()[:-1])
    fresh = Library(built / "libtest_chain.so", 48_000)
    fresh.set(**CHANGES)
    other.lib.dspcore_reset(other.chain)
    assert np.array_equal(other.process(audio), fresh.process(audio))


@pytest.mark.parametrize(
    ("host", "file"),
    [
        ("lv2", "urn:dspcore:test_chain"),
        ("clap", f"{NAME}.clap"),
        ("ladspa", "test_chain-ladspa.so"),
        pytest.param("pedalboard", f"{NAME}.vst3", marks=pytest.mark.slow),
        pytest.param("dawdreamer", f"{NAME}.vst3", marks=pytest.mark.slow),
        pytest.param("dawdreamer", "test_chain-vst2.so", marks=pytest.mark.slow),
    ],
)
def test_a_plugin_equals_the_chain_in_hosts(
    built: Path, host: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the chain's ports, parameters, latency and sound, in any blocks at any rate."""
    monkeypatch.setenv("LV2_PATH", str(built))
    identity = file if host == "lv2" else str(built / file)
    audio = sound(9_000)
    values = {re.sub(r"\W", "_", name): value for name, value in chain().values.items()}
    with Isolate(probe.warm) as child:
        for rate, size in ((48_000, 441), (44_100, 1), (96_000, 64), (48_000, 4_096)):
            change = -(-3_000 // size)
            arguments = (host, identity, values, audio.shape[1], rate, size, change)
            info, late, out = child.call(rendered, *arguments, deadline=120.0).unwrap()
            latency = chain(rate).latency_samples()
            assert (info.inputs, info.outputs, late) == (2, 2, latency)
            assert distance_db(out, wanted(audio, size * change, rate)) < -120, (rate, size)
    declared = chain().params.values()
    ends = [end for p in declared for end in (p.minimum, p.maximum)]
    assert [end for p in info.params for end in (p.minimum, p.maximum)] == pytest.approx(ends)


def back(host: str, identity: str) -> None:
    """What a host saved and loaded again sounds as the chain with these values."""
    names = {re.sub(r"\W", "_", name): name for name in chain().params}
    values = {re.sub(r"\W", "_", name): value for name, value in chain().values.items()} | CHANGES
    with Isolate(probe.warm) as child:
        outcome = child.call(restored, host, identity, values, 4_410, 441, deadline=120.0)
    state, after, out = outcome.unwrap()
    assert state == after
    changed = chain().with_values({names[symbol]: value for symbol, value in CHANGES.items()})
    with torch.no_grad():
        truth = changed(torch.from_numpy(sound(4_410))[None].double())[0].numpy()
    assert distance_db(out, truth) < -120


def test_a_clap_is_brought_back_by_its_host(built: Path) -> None:
    back("clap", f"{built / NAME}.clap")


@pytest.mark.slow
def test_a_vst_is_brought_back_by_its_host(built: Path) -> None:
    back("pedalboard", str(built / f"{NAME}.vst3"))  # DawDreamer loads no state without editors


def test_the_c_example_of_the_docs_compiles_and_runs(built: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    (tmp_path / "example.c").write_text(example)
    command = ["gcc", "-Wall", "-Werror", "example.c", f"-I{built}", f"-L{built}", "-ltest_chain",
               f"-Wl,-rpath,{built}", "-lm", "-o", "example"]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["./example"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "parametric eq low cut: 10 to 2000 Hz, now 60" in done.stdout
    assert re.search(r"48000 samples, peak 0\.\d+", done.stdout)


class Peeking(Effect):
    """Decides by the sound."""

    gain_db = Param(0.0, 6.0, default=0.0)

    def process(
        self, audio: torch.Tensor, params: dict[str, torch.Tensor], state: Any
    ) -> tuple[torch.Tensor, Any]:
        if float(audio.abs().max()) > 1e-3:
            audio = audio * 0.5
        return audio, None


class Sorting(Effect):
    """Uses what has no counterpart."""

    gain_db = Param(0.0, 6.0, default=0.0)

    def process(
        self, audio: torch.Tensor, params: dict[str, torch.Tensor], state: Any
    ) -> tuple[torch.Tensor, Any]:
        return audio.sort(-1).values, None


def test_what_cannot_be_exported_is_named_before_anything_is_built(tmp_path: Path) -> None:
    out = tmp_path / "out"
    foreign = type("Foreign", (effects.Gain,), {"source": "function:loud:er"})
    for effect, why in (
        (foreign(), r"foreign cannot be exported: .*function:loud:er"),
        (Peeking(), r"peeking cannot be exported: it looks at a value"),
        (Sorting(), r"sorting cannot be exported: torch's aten.sort"),
    ):
        with pytest.raises(UserError, match=why):
            export(dspcore.Chain([effects.Gain(), effect]), out, name="No")
    assert not out.exists()


def test_errors_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gain = dspcore.Chain([effects.Gain()])
    with pytest.raises(UserError, match=r"unknown format 'vst4'; did you mean 'vst3'"):
        export(gain, tmp_path, name="No", formats=["vst4"])
    monkeypatch.setenv("DPF", str(tmp_path))
    with pytest.raises(UserError, match=r"apt-get install dpf-source"):
        export(gain, tmp_path, name="No", formats=["clap"])
    monkeypatch.setenv("CXX", "g++-of-nobody")
    with pytest.raises(UserError, match=r"apt-get install g\+\+"):
        export(gain, tmp_path, name="No", formats=["c"])


def test_what_sounds_otherwise_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(operations._BINARY, "mul", "Add")
    with pytest.raises(UserError, match="differs from the chain"):
        export(dspcore.Chain([effects.Gain()]), tmp_path / "out", name="No", formats=["c"])
    assert not (tmp_path / "out").exists()


def test_a_compiler_error_is_shown_whole_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "g++ -fno-such-option")
    with pytest.raises(CompilerError) as caught:
        export(dspcore.Chain([effects.Gain()]), tmp_path / "out", name="No", formats=["c"])
    command, *said = str(caught.value).splitlines()
    assert command.startswith("g++ -fno-such-option -std=c++20")
    assert any("-fno-such-option" in line for line in said)
    dspcore.save_preset(dspcore.Chain([effects.Gain()]), tmp_path / "gain.toml")
    words = ["export", str(tmp_path / "gain.toml"), "-f", "c", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert all(line in result.output for line in said)
    assert not (tmp_path / "out").exists()
