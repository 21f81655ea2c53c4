"""Exported graphs and side-chains sound as in Python, mono and stereo, in every host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import needs_tools
from exported import distance_db, ducked, wired
from hosted import sound, steady
from numpy.typing import NDArray

from dspcore import Chain, Graph, effects
from dspcore.blackbox import probe
from dspcore.blackbox.isolate import Isolate
from dspcore.export import export
from dspcore.export.library import Library

pytestmark = pytest.mark.slow

CHANGES = {"echo.from_eq_db": -3.0, "output.from_duck_db": 2.0, "compressor.ratio": 8.0}


def test_a_graph_equals_its_library_while_levels_move(built_wired: Path) -> None:
    audio = sound(9_000, 1)
    x = torch.from_numpy(audio)[None].double()
    for rate, size in ((44_100, 1), (48_000, 441), (96_000, 4_096)):
        graph, library = wired(rate), Library(built_wired / "libtest_wired.so", rate)
        assert library.lib.dspcore_latency(library.chain) == graph.latency_samples() > 0
        at, stream = -(-3_000 // size) * size, graph.stream()
        got = [library.blocks(audio[:, :at], size)]
        library.set(**{name.replace(".", "_"): value for name, value in CHANGES.items()})
        got.append(library.blocks(audio[:, at:], size))
        with torch.no_grad():
            truth = [stream(x[..., :at]), stream(x[..., at:], **CHANGES)]
        assert distance_db(np.concatenate(got, 1), torch.cat(truth, -1)[0].numpy()) < -120


@pytest.mark.parametrize(
    ("host", "file"), [("lv2", "urn:dspcore:test_wired"), ("clap", "Test Wired.clap")]
)
def test_a_mono_graph_sounds_in_hosts(
    built_wired: Path, host: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LV2_PATH", str(built_wired))
    x = torch.from_numpy(sound(6_000, 1))[None].double()
    with torch.no_grad():
        truth = wired()(x)[0].numpy()
    compare(host, file if host == "lv2" else str(built_wired / file), wired(), truth)


def test_a_chain_may_make_two_channels_of_one(tmp_path: Path) -> None:
    needs_tools()
    chain = Chain([effects.Panner(48_000, pan=0.4)])
    export(chain, tmp_path, name="Wide", formats=["c"], channels=1)
    library, audio = Library(tmp_path / "libwide.so", 48_000), sound(1_000, 1)
    with torch.no_grad():
        truth = chain(torch.from_numpy(audio)[None].double())[0].numpy()
    assert distance_db(library.blocks(audio, 64), truth) < -135
    assert truth.shape[0] == library.lib.dspcore_outputs() == 2


@pytest.mark.parametrize(
    ("host", "file"),
    [
        ("lv2", "urn:dspcore:test_ducked"),
        ("clap", "Test Ducked.clap"),
        ("pedalboard", "Test Ducked.vst3"),
        ("dawdreamer", "Test Ducked.vst3"),
        ("dawdreamer", "test_ducked-vst2.so"),
    ],
)
def test_a_side_chain_sounds_in_hosts(
    built_ducked: Path, host: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LV2_PATH", str(built_ducked))
    x = torch.from_numpy(sound(6_000))[None].double()
    # Our hosts let a plug-in hear itself; those of VST3 leave its second bus silent.
    kick = torch.zeros_like(x) if file.endswith(".vst3") else x
    with torch.no_grad():
        truth = ducked()(x, kick=kick)[0].numpy()
    compare(host, file if host == "lv2" else str(built_ducked / file), ducked(), truth)


def compare(host: str, identity: str, graph: Graph, truth: NDArray[np.float64]) -> None:
    """What a host makes of a plug-in is what Python makes of the graph."""
    values, (channels, samples) = list(graph.values.values()), truth.shape
    with Isolate(probe.warm) as child:
        arguments = (host, identity, values, samples, 441, channels)
        info, out = child.call(steady, *arguments, deadline=120.0).unwrap()
    assert (info.inputs, info.outputs) == (channels, channels)
    assert distance_db(out, truth) < -120
