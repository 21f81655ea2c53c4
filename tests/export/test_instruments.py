"""Instruments and side-chains: exported, played, and compared with Python."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import needs_tools
from exported import distance_db
from hosted import played
from numpy.typing import NDArray

from dspcore import Graph, effects, synth
from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.errors import UserError
from dspcore.export import export
from dspcore.export.library import Library
from dspcore.notes import Note
from dspcore.synth import VoiceSynth

pytestmark = pytest.mark.slow

#: Chords, one key twice, a note that ends within its attack.
NOTES = (
    Note(0.0, 0.1, 57, 100), Note(0.01, 0.2, 61, 60), Note(0.01, 0.05, 64, 127),
    Note(0.05, 0.05, 57, 90), Note(0.12, 0.001, 45, 80),
)  # fmt: skip
VALUES = {
    "subtractive": {"noise": 0.3, "vibrato_cents": 40.0, "release_ms": 60.0, "lfo_octaves": 0.5},
    "fm": {"release_ms": 60.0, "vibrato_cents": 20.0, "feedback": 0.7},
}
CHANGED = {"subtractive": {"cutoff_hz": 2_500.0}, "fm": {"op2_level": 3.0}}


def instrument(name: str, rate: int = 48_000) -> VoiceSynth:
    made = synth.by_name(name)(rate, **VALUES[name])
    assert isinstance(made, VoiceSynth)
    return made


def wanted(name: str, rate: int, samples: int, change_at: int) -> NDArray[np.float64]:
    """Python's, in float64."""
    stream = instrument(name, rate).double().stream(NOTES)
    with torch.no_grad():
        parts = [stream(change_at), stream(samples - change_at, **CHANGED[name])]
    made: NDArray[np.float64] = torch.cat(parts, -1)[0].numpy()
    return made


@pytest.fixture(scope="module", params=["subtractive", "fm"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    needs_tools()
    folder = tmp_path_factory.mktemp("instrument")
    formats = ["lv2", "clap", "c"] if request.param == "subtractive" else ["c"]
    export(instrument(request.param), folder, name="Lead", formats=formats)
    return request.param, folder


def test_a_library_plays_notes_as_python_does(built: tuple[str, Path]) -> None:
    name, folder = built
    for rate in (44_100, 96_000):
        for size in (64, 441):
            samples, change_at = 15_000 * rate // 48_000, 20 * size
            library = Library(folder / "liblead.so", rate)
            out = []
            events = [
                (round(note.start * rate) + late * max(1, round(note.seconds * rate)), -late, note)
                for note in NOTES
                for late in (0, 1)
            ]
            events.sort(key=lambda event: event[:2])
            stops = sorted({at for at, *_ in events} | set(range(0, samples, size)) | {samples})
            for begin, end in pairwise(stops):
                for when, late, note in events:
                    if when == begin and late:
                        library.note_off(note.pitch)
                    elif when == begin:
                        library.note_on(note.pitch, note.velocity)
                if begin == change_at:
                    library.set(**{f"{name}_{k}": v for k, v in CHANGED[name].items()})
                out.append(library.process(np.zeros((0, end - begin), np.float32)))
            got = np.concatenate(out, 1)
            assert got.shape == (2, samples)
            assert distance_db(got, wanted(name, rate, samples, change_at)) < -120, (rate, size)


def test_more_notes_than_voices_take_the_oldest_ones(tmp_path: Path) -> None:
    export(instrument("fm"), tmp_path, name="Two", formats=["c"], voices=2, channels=1)
    library = Library(tmp_path / "libtwo.so", 48_000)
    for pitch in (50, 55, 60, 65):
        library.note_on(pitch, 100)
        library.process(np.zeros((0, 500), np.float32))
    fresh = Library(tmp_path / "libtwo.so", 48_000)
    for pitch in (50, 55, 60, 65):
        library.note_off(pitch)
    tail = library.process(np.zeros((0, 48_000), np.float32))
    assert np.abs(tail[:, :100]).max() > 1e-3
    assert not tail[:, 24_000:].any()
    assert not fresh.process(np.zeros((0, 100), np.float32)).any()


@pytest.mark.parametrize("host", ["lv2", "clap"])
def test_an_instrument_sounds_in_our_hosts(
    built: tuple[str, Path], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, folder = built
    if name != "subtractive":
        return
    monkeypatch.setenv("LV2_PATH", str(folder))
    identity = {"lv2": "urn:dspcore:lead", "clap": f"{folder / 'Lead'}.clap"}[host]
    own = instrument(name)
    values = {f"{name}_{key}": value for key, value in own.values.items()}
    changed = {f"{name}_{key}": value for key, value in CHANGED[name].items()}
    with Isolate(probe.warm) as child:
        result = child.call(
            played, host, identity, values, changed, NOTES, 15_000, 441, 9, deadline=120.0
        ).unwrap()
    info, out = result
    assert info.notes
    assert distance_db(out, wanted(name, 48_000, 15_000, 441 * 9)) < -110


def ducked(rate: int = 48_000) -> Graph:
    graph = Graph(rate)
    graph.output = graph.add(
        effects.Compressor(rate, threshold_db=-40.0), graph.input, sidechain=graph.add_input("kick")
    )
    return graph


def test_a_side_chain_is_a_second_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs_tools()
    export(ducked(), tmp_path, name="Ducked", formats=["lv2", "c"])
    audio = 0.3 * np.random.default_rng(0).standard_normal((4, 6_000)).astype(np.float32)
    audio[2:, 2_000:4_000] *= 0.01
    x = torch.from_numpy(audio)[None].double()
    with torch.no_grad():
        truth = ducked()(x[:, :2], kick=x[:, 2:])[0].numpy()
    library = Library(tmp_path / "libducked.so", 48_000)
    assert distance_db(library.blocks(audio, 441), truth) < -135
    with pytest.raises(ValueError, match=r"\(4, t\)"):
        library.process(audio[:2])
    description = (tmp_path / "ducked.lv2" / "ducked.ttl").read_text()
    assert description.count("lv2:isSideChain") == 2


def test_an_instrument_is_no_ladspa_plug_in(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="LADSPA knows no notes"):
        export(instrument("fm"), tmp_path / "out", name="No", formats=["ladspa"])
    assert not (tmp_path / "out").exists()
