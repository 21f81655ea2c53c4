"""The page of a match: target and render to listen to, how the search went, the patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import torch
from torch import Tensor

from dspcore import report
from dspcore.patches.frontend import LogMel
from dspcore.patches.hearing import log_mel
from dspcore.patches.matching import Match
from dspcore.patches.metrics import METRICS
from dspcore.patches.params import Value
from dspcore.patches.space import ParamSpace

#: Shown as boxes.
_SHOWN = ("logmel", "lsd", "mfccd", "sot")


def match_page(
    name: str,
    target: Tensor,
    render: Tensor,
    sample_rate: int,
    found: Match,
    space: ParamSpace,
    patch: Mapping[str, Value],
    *,
    floors: Mapping[str, float] | None = None,
    others: Sequence[tuple[str, str, Tensor]] = (),
    notes: Sequence[str] = (),
) -> str:
    """HTML with players.

    Args:
        name: Of the target.
        target: (1, t).
        render: Of the patch, (1, t).
        sample_rate: Of both.
        found: How it was found.
        space: Of the patch.
        patch: Values by name.
        floors: Distances of what hears nothing, by name, in dB.
        others: Further sounds: name, fact, (c, t).
        notes: What a reader should know.
    """
    length = min(target.shape[1], render.shape[1])
    a, b = render[None, :, :length], target[None, :, :length]
    values = {n: float(METRICS[n](a, b, sample_rate)) for n in _SHOWN}
    cards = [(METRICS[n].label, f"{v:.3g} {METRICS[n].unit}".strip()) for n, v in values.items()]
    cards.append(("renders", str(found.renders)))
    cards += [(f"{n} would be", f"{d:.1f} dB") for n, d in (floors or {}).items()]
    sounds = [
        report.player("target", name, target, sample_rate),
        report.player("match", f"{values['logmel']:.1f} dB away", render, sample_rate),
        *(report.player(n, fact, sound, sample_rate) for n, fact, sound in others),
    ]
    picture = report.drawn(lambda canvas: _spectra(canvas, target, render, sample_rate), 3.2)
    search = report.drawn(lambda canvas: _search(canvas, found, floors or {}), 2.4)
    rows = "\n".join(
        f'<tr><td class="word">{escape(param.name)}</td>'
        f'<td class="word">{_value(patch[param.name])}'
        f'</td><td class="word">{escape(param.described())}</td></tr>'
        for param in space.params
    )
    table = (
        '<h2>The patch</h2><div class="scroll"><table><tr><th class="word">parameter</th>'
        f'<th class="word">value</th><th class="word">range</th></tr>{rows}</table></div>'
    )
    parts = [
        report.numbers(cards),
        report.players(sounds),
        report.figure(
            picture, "log-mel spectra of target and match", "Target above, match below; dB."
        ),
        report.figure(
            search, "distance by render", "The least distance so far after each render, and floors."
        ),
        table,
    ]
    return report.page(f"{space.synth} matches {name}", parts, [*notes, *found.notes])


def _spectra(canvas: Any, target: Tensor, render: Tensor, sample_rate: int) -> None:
    pair = [log_mel(LogMel(sample_rate), x[:1].float())[0] for x in (target, render)]
    top = float(torch.stack([p.max() for p in pair]).max())
    axes = canvas.subplots(2, 1, sharex=True)
    for axis, mel, name in zip(axes, pair, ("target", "match"), strict=True):
        end = mel.shape[1] * 512 / sample_rate
        axis.imshow(
            mel.numpy(), origin="lower", aspect="auto", vmin=top - 80, vmax=top,
            extent=(0, end, 0, mel.shape[0]), cmap="magma",
        )  # fmt: skip
        axis.set_ylabel(f"{name}\nmel band")
        axis.grid(False)
    axes[-1].set_xlabel("seconds")


def _search(canvas: Any, found: Match, floors: Mapping[str, float]) -> None:
    axis = canvas.subplots()
    best = found.distances.cummin(0).values
    axis.plot(range(1, len(best) + 1), best.numpy(), color="#2563eb", label="best so far")
    axis.plot(
        range(1, len(best) + 1),
        found.distances.clamp(max=60).numpy(),
        ".",
        color="#93c5fd",
        label="each render",
    )
    for (name, value), color in zip(
        floors.items(), ("#9ca3af", "#f59e0b", "#10b981"), strict=False
    ):
        axis.axhline(value, color=color, linewidth=1, label=name)
    axis.set_xlabel("renders")
    axis.set_ylabel("dB")
    axis.legend(fontsize=8)


def _value(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))
