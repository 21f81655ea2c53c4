"""An instrument as one C++ file: a recording of one voice, and a pool of such voices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from dspcore.errors import UserError
from dspcore.export import part
from dspcore.export.numbers import RATES, Formula
from dspcore.export.program import Program, unify
from dspcore.export.record import CannotExportError, Recorder, Recording
from dspcore.export.source import CHECKED, LENGTHS, Progress, op_headers
from dspcore.export.takes import FIRST, NEXT, STAGES
from dspcore.export.writer import Setting, Source, file_of, parameters
from dspcore.synth import Voices, VoiceSynth

#: What a voice is told of its note, in the order of csrc/plugin/voices.hpp.
_NOTE = ("pitch", "velocity", "gate", "number")
#: Samples since a note began at the second block, by the block's length; no multiples of it.
_AGES = {37: 100_003, 53: 200_010, 61: 300_017}


def translate_voices(
    synth: VoiceSynth,
    channels: int,
    headers: Path,
    polyphony: int,
    progress: Progress = lambda _: None,
) -> Source:
    """The C++ of `synth` with `polyphony` voices.

    Args:
        synth: An instrument; it is not changed.
        channels: Out, all alike.
        headers: The folder that has the ops' headers, ``csrc``.
        polyphony: How many notes may sound.
        progress: Told what is being done.

    Raises:
        UserError: It cannot be exported; says why.
    """
    _check(synth)
    programs: dict[tuple[str, bool], Program] = {}
    try:
        for moving in (False, True):
            takes: dict[tuple[int, int], dict[str, Recording]] = {}
            for rate in RATES:
                progress(f"listening at {rate} Hz")
                for n in (*LENGTHS, *([CHECKED] if rate == RATES[1] else [])):
                    takes[rate, n] = _take(synth.at_rate(rate), n, moving)
            for stage in STAGES:
                programs[stage, moving] = unify({at: t[stage] for at, t in takes.items()})
    except CannotExportError as error:
        raise UserError(f"{synth.name} cannot be exported: {error}") from error
    return _source(synth, channels, programs, op_headers(headers), polyphony)


def _check(synth: VoiceSynth) -> None:
    for ms in (10.0, 300.0):
        rings = synth.release_seconds({"release_ms": torch.tensor([[ms]], dtype=torch.float64)})
        if "release_ms" not in synth.held or abs(float(rings) - ms / 1000) > 1e-9:
            raise UserError(f"{synth.name} cannot be exported: it does not end with its release_ms")


def _take(synth: Any, samples: int, moving: bool) -> dict[str, Recording]:
    """One voice's first block, and one of later."""
    synth.double()
    note = dict(zip(_NOTE, (57.0, 0.7, 1e15, 57.0), strict=True))

    def column(value: float, frames: int = 1) -> Tensor:
        return torch.full((1, frames), value, dtype=torch.float64)

    def frames(name: str) -> int:
        return samples if moving and name not in synth.held else 1

    told = {key: column(value) for key, value in note.items()}
    params = {name: column(value, frames(name)) for name, value in synth.values.items()}
    found: dict[str, Recording] = {}
    state: Any = None
    with torch.no_grad():
        # What is made once is made before anybody writes it down.
        synth.voice(_notes(told, 0), samples, params, None)
        for stage in STAGES:
            recorder = Recorder()
            age = recorder.recording.age = 0 if stage == FIRST else _AGES[samples]
            notes = _notes({key: recorder.setting(key, v) for key, v in told.items()}, age)
            given = {name: recorder.setting(name, v) for name, v in params.items()}
            state = pytree.tree_map(recorder.state, state)
            with recorder:
                made, state = synth.voice(notes, samples, given, state)
            ends = [leaf for leaf in pytree.tree_leaves(state) if isinstance(leaf, Tensor)]
            found[stage] = recorder.finish(made, ends)
    return found


def _notes(told: Mapping[str, Tensor], age: int) -> Voices:
    return Voices(told["pitch"], told["velocity"], told["gate"], told["number"], age)


def _source(
    synth: VoiceSynth,
    channels: int,
    programs: Mapping[tuple[str, bool], Program],
    headers: Mapping[str, str],
    polyphony: int,
) -> Source:
    settings = tuple(
        Setting(f"{synth.name}.{name}", param, synth.values[name])
        for name, param in synth.params.items()
    )
    index = {name: i for i, name in enumerate(synth.params)}
    kept = {key: i for i, key in enumerate((*_NOTE, *synth.held))}

    def values(key: str) -> str:
        if key in kept:
            return f"own->kept + {kept[key]}"
        return f"setting_values(own->chain, {index[key]})"

    free = [i for name, i in index.items() if name not in synth.held]
    written = part.write(
        "Voice", f"a voice of {synth.name}", programs, free, values, kept=len(kept),
        held=[index[name] for name in synth.held],
    )  # fmt: skip
    if int(programs[NEXT, False].output.size[1][0].code) != 1:
        raise UserError(f"{synth.name} cannot be exported: its voices have several channels")
    tables = any(f.table for p in programs.values() for slot in p.slots for f in slot.values)
    together = [
        f"constexpr int kChannels = 1, kInputs = 0, kOutputs = {channels};",
        f"constexpr bool kAnyRate = {str(not tables).lower()}, kInstrument = true;",
        "constexpr double kLeastRate = 1000;",
        "",
        "struct Parts {",
        f"  Polyphony<Voice, {polyphony}, {channels}, {len(synth.held)}, "
        f"{synth.held.index('release_ms')}> wires;",
        "  double* ear(int, std::int64_t) { return nullptr; }",
        "  template <class Use>",
        "  void each(Use use) {",
        "    use(wires);",
        "  }",
        "};",
        "inline std::int64_t latency_at(double) { return 0; }",
        "",
        "struct Chain : ChainOf<Parts, kParameters, kInputs, kOutputs> {",
        "  explicit Chain(double rate) : ChainOf(*this, rate, kRanges) {}",
        "};",
        "double* setting_values(Chain* c, int i) { return c->parameters[i].values; }",
        "void part_run(Chain* c, int v, std::int64_t n) { c->play(c->parts.wires.voices[v], n); }",
        "",
    ]
    body = [*parameters(settings), written.code, *together]
    code = file_of([written], headers, body, ["plugin/voices.hpp"])
    return Source(code, settings, 0, channels, Formula("0"), (), instrument=True)
