"""One HTML page about a search that holds all it shows: players, numbers, figures, settings."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from html import escape

from torch import Tensor

from dspcore.audio import dbfs
from dspcore.files import write_text
from dspcore.losses import MultiscaleSpectral
from dspcore.loudness import loudness
from dspcore.match import figures
from dspcore.match.findings import Finding, decibels, findings, number
from dspcore.match.fit import Match
from dspcore.report import PLAYED_SECONDS, figure, level, numbers, page, player, players

#: Players raise what is left of a difference by no more than this.
MOST_RAISED_DB = 60


def write_report(
    match: Match,
    path: str | os.PathLike[str],
    *,
    true: Mapping[str, float] | None = None,
    title: str = "What dspcore match found",
    notes: Sequence[str] = (),
) -> None:
    """Write one HTML file about `match` that asks nothing of the network.

    Args:
        match: What the search found.
        path: The file; it appears whole or not at all.
        true: Values in physical units by full name, where they are known.
        title: The heading.
        notes: Sentences that a reader should know, shown at the end.
    """
    write_text(path, report_html(match, true=true, title=title, notes=notes))


def report_html(
    match: Match,
    *,
    true: Mapping[str, float] | None = None,
    title: str = "What dspcore match found",
    notes: Sequence[str] = (),
) -> str:
    """The text that `write_report` writes."""
    listen, said = _players(match)
    parts = [
        _numbers(match),
        f"<h2>Listen</h2>\n{listen}",
        "<h2>Settings found</h2>",
        _settings(findings(match, true), match),
        "<h2>Spectra</h2>",
        figure(
            figures.spectra(match),
            "Long-term average spectra of dry, reference and result, and their difference",
            "Averaged over the whole sound. Below: what is too loud (above 0) or too quiet, in dB, "
            "before and after.",
        ),
        "<h2>Levels</h2>",
        figure(figures.levels(match), "Level over time", "Dotted: what is still different."),
        "<h2>The search</h2>",
        figure(
            figures.search(match),
            "Residual and spectral loss over the search",
            "The best setting so far, by spectral loss.",
        ),
    ]
    return page(title, parts, [*said, *notes])


def spectral_losses(match: Match) -> tuple[float, float]:
    """`MultiscaleSpectral` of the dry sound and of the result against the reference."""
    loss = MultiscaleSpectral(match.reference[None].float())
    dry, result = (float(loss(sound[None].float())) for sound in (match.dry, match.result))
    return dry, result


def _numbers(match: Match) -> str:
    before, after = spectral_losses(match)
    cards = [
        ("residual before", decibels(match.before_db)),
        ("residual after", decibels(match.after_db)),
        ("spectral loss before", f"{before:.3g}"),
        ("spectral loss after", f"{after:.3g}"),
    ]
    return (
        numbers(cards) + '\n<p class="quiet">Residual: power of the difference to the reference, '
        "relative to the reference. At 0 dB nothing fits; at -60 dB a thousandth of the amplitude "
        "is left.</p>"
    )


def _players(match: Match) -> tuple[str, list[str]]:
    """A player for each sound and for what is left between them; and what to know about them."""
    rate = match.chain.sample_rate
    kept = PLAYED_SECONDS * rate
    sounds = {"dry": match.dry, "reference": match.reference, "result": match.result}
    notes = []
    if match.reference.shape[1] > kept:
        notes.append(f"The players hold the first {PLAYED_SECONDS} s; numbers are of all of it.")
    loudest = max(_peak(sound) for sound in sounds.values())
    gain = min(1.0, 0.99 / loudest)
    if loudest > 1:
        quieter = f"{-20 * math.log10(gain):.1f} dB"
        notes.append(f"A sound exceeds full scale: all players are {quieter} quieter than it is.")
    else:
        gain = 1.0
    blocks = []
    for name, sound in sounds.items():
        fact = f"{level(loudness(sound, rate), 'LUFS')}, peak {level(dbfs(_peak(sound)), 'dBFS')}"
        blocks.append(player(name, fact, gain * sound[:, :kept], rate))
    blocks.append(_difference(match, gain, kept))
    return players(blocks), notes


def _difference(match: Match, gain: float, kept: int) -> str:
    missed = (match.result - match.reference)[:, :kept]
    peak = gain * _peak(missed)
    name = "result minus reference"
    if peak == 0:
        return f'<div><b>{name}</b> <span class="quiet">nothing: they are equal</span></div>'
    raised = max(0, min(MOST_RAISED_DB, math.floor(-3 - dbfs(peak))))
    sound = gain * 10 ** (raised / 20) * missed
    sound = sound * min(1.0, 0.99 / _peak(sound))
    said = f"raised by {raised} dB" if raised else "as it is"
    return player(name, said, sound, match.chain.sample_rate)


def _settings(rows: Sequence[Finding], match: Match) -> str:
    known = any(row.true is not None for row in rows)
    head = ["parameter", "found", *(["true", "error"] if known else []), "unit", "range"]
    words = {"parameter", "unit"}
    cells = "".join(f"<th{_word(name in words)}>{name}</th>" for name in head)
    lines = [f"<tr>{cells}</tr>"]
    shown = ""
    for row in rows:
        if row.effect != shown:
            shown = row.effect
            lines.append(f'<tr><td class="effect" colspan="{len(head)}">{shown}</td></tr>')
        values = {
            "parameter": row.name + ("" if row.free else " (fixed)"),
            "found": number(row.found),
            "true": "" if row.true is None else number(row.true),
            "error": row.error,
            "unit": row.unit,
            "range": f"{number(row.low)} to {number(row.high)}",
        }
        cells = "".join(f"<td{_word(name in words)}>{escape(values[name])}</td>" for name in head)
        lines.append(f"<tr>{cells}</tr>" if row.free else f'<tr class="fixed">{cells}</tr>')
    choices = [
        f"{name}.{key} = {word}"
        for name, effect in zip(match.chain.effect_names, match.chain, strict=True)
        for key, word in effect.options.items()
    ]
    kept = f'<p class="quiet">Kept as chosen: {escape(", ".join(choices))}.</p>' if choices else ""
    return '<div class="scroll"><table>\n' + "\n".join(lines) + f"\n</table></div>\n{kept}"


def _word(is_word: bool) -> str:
    return ' class="word"' if is_word else ""


def _peak(sound: Tensor) -> float:
    return float(sound.abs().max())
