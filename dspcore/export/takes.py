"""Recordings of a whole rack: every effect by itself, and the wires between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from dspcore.effects import Effect
from dspcore.errors import UserError
from dspcore.export.record import CannotExportError, Recorder, Recording, unseen
from dspcore.export.whole import recorded_whole
from dspcore.rack import Rack

#: What a take records of each part: the first block, and the blocks after it.
STAGES = FIRST, NEXT = "first", "next"
#: The name of the part that is the wires between the effects.
WIRES = ""


@dataclass(frozen=True)
class _State:
    """An effect's state, which its own program keeps: the wires only pass it on."""

    value: Any


@dataclass
class Take:
    """One run of a rack: recordings by part and stage."""

    recordings: dict[tuple[str, str], Recording] = field(default_factory=dict)
    latency: int = 0


def take(rack: Rack, channels: int, samples: int, moving: bool) -> Take:
    """Run `rack` twice, from silence and on from there, and write down what happens.

    Args:
        rack: The chain or graph; it is left with hooks and must not be used further.
        channels: Of its input, 1 or 2.
        samples: Of a block.
        moving: Whether every parameter moves, sample by sample.

    Raises:
        UserError: An effect cannot be exported; says which and why.
    """
    done = Take(latency=rack.latency_samples())
    generator = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(1, channels, samples, generator=generator, dtype=torch.float64)
    further = {
        key: 0.1 * torch.randn(audio.shape, generator=generator, dtype=torch.float64)
        for key in rack.inputs
    }
    frames = samples if moving else 1
    settings = {n: torch.full((1, frames), v, dtype=torch.float64) for n, v in rack.values.items()}
    wires = Recorder()
    stage = FIRST

    def hook(index: int, name: str, effect: Effect) -> None:
        process = effect.process

        def hooked(audio: Tensor, params: dict[str, Tensor], state: Any) -> tuple[Tensor, Any]:
            past = state.value if isinstance(state, _State) else None
            with unseen():
                try:
                    made, end, recording = _record(process, audio, params, past, effect.inputs)
                except CannotExportError as error:
                    raise UserError(f"{name} cannot be exported: {error}") from error
            done.recordings[name, stage] = recording
            beside = {key: params[key] for key in effect.inputs if key in params}
            wires.part(index, audio, beside, made)
            return made, _State(end)

        effect.process = hooked  # type: ignore[method-assign]

    for index, (name, effect) in enumerate(zip(rack.effect_names, rack, strict=True)):
        hook(index, name, effect)
    state: Any = None
    for stage in STAGES:
        wires = Recorder()
        heard = wires.sound("audio", audio)
        given: dict[str, Any] = {name: wires.setting(name, v) for name, v in settings.items()}
        state = pytree.tree_map(wires.state, state)
        given |= {key: wires.sound(key, v) for key, v in further.items()}
        with torch.no_grad(), recorded_whole(), wires:
            out, state = rack.step(heard, state, **given)
        done.recordings[WIRES, stage] = wires.finish(out, _tensors(state))
    return done


def _record(
    process: Any,
    audio: Tensor,
    params: Mapping[str, Tensor],
    state: Any,
    inputs: Sequence[str],
) -> tuple[Tensor, Any, Recording]:
    """One block of one effect."""
    recorder = Recorder()
    heard = recorder.sound("audio", audio)
    given = {
        name: recorder.sound(name, v) if name in inputs else recorder.setting(name, v)
        for name, v in params.items()
    }
    state = pytree.tree_map(recorder.state, state)
    with torch.no_grad(), recorder:
        out, end = process(heard, given, state)
    recording = recorder.finish(out, _tensors(end))
    made = out.detach().clone(memory_format=torch.contiguous_format)
    return made, end, recording


def _tensors(state: Any) -> list[Tensor]:
    others = [x for x in pytree.tree_leaves(state) if not isinstance(x, (Tensor, _State))]
    if any(x is not None for x in others):
        kinds = ", ".join(sorted({type(x).__name__ for x in others if x is not None}))
        raise CannotExportError(f"its state holds {kinds}, not tensors alone")
    return [x for x in pytree.tree_leaves(state) if isinstance(x, Tensor)]
