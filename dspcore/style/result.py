"""The folder that a transfer leaves: the sound, the preset, a page to listen and look, numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dspcore import report
from dspcore.audio import dbfs, writing
from dspcore.files import replacing
from dspcore.loudness import loudness
from dspcore.preset import preset_text
from dspcore.style.transfer import Transfer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULT, PRESET, PAGE, NUMBERS = "result.wav", "preset.toml", "report.html", "style.json"


def save_transfer(
    found: Transfer,
    folder: str | os.PathLike[str],
    *,
    sample_rate: int,
    reference_rate: int,
    title: str,
    notes: Sequence[str] = (),
) -> None:
    """Write result.wav, preset.toml, report.html and style.json, all or none.

    Args:
        found: What `transfer` gave.
        folder: An existing folder.
        sample_rate: Of the result, in Hz.
        reference_rate: Of the reference.
        title: Heading of the page.
        notes: Sentences for it.
    """
    place = Path(folder)
    distances = found.distances(sample_rate)
    values = {} if found.effect is None else dict(found.effect.values)
    texts = {
        PAGE: _page(found, sample_rate, reference_rate, title, notes),
        NUMBERS: json.dumps(
            {
                "settings": values,
                "windows": found.windows,
                "distance_to_reference": {
                    name: {"input": before, "result": after}
                    for name, (before, after) in distances.items()
                },
                "notes": list(notes),
            },
            indent=2,
        )
        + "\n",
    }
    if found.effect is not None:
        texts[PRESET] = preset_text(
            found.effect, f"{title}: found by dspcore style transfer.", sample_rate=sample_rate
        )
    with ExitStack() as files:  # they take their places when all of them are written
        channels = found.result.shape[0]
        sound = files.enter_context(writing(place / RESULT, sample_rate, channels, "FLOAT"))
        sound.write(found.result)
        for name, text in texts.items():
            files.enter_context(replacing(place / name)).write(text.encode())


def _page(found: Transfer, rate: int, reference_rate: int, title: str, notes: Sequence[str]) -> str:
    blocks = []
    for name, sound, at in (
        ("input", found.dry, rate),
        ("reference", found.reference, reference_rate),
        ("result", found.result, rate),
    ):
        peak = float(sound.abs().max())
        fact = f"{report.level(loudness(sound, at), 'LUFS')}, "
        fact += f"peak {report.level(dbfs(peak), 'dBFS')}"
        shown = sound[:, : report.PLAYED_SECONDS * at] * min(1.0, 0.99 / max(peak, 1e-9))
        blocks.append(report.player(name, fact, shown, at))
    cards = [
        (f"{name} to the reference", f"{before:.3g} to {after:.3g}")
        for name, (before, after) in found.distances(rate).items()
    ]
    parts = [
        report.numbers(cards),
        '<p class="quiet">Input and result against the reference: spectral centroid, crest factor, '
        "level, loudness. The recordings need not hold the same notes.</p>",
        f"<h2>Listen</h2>\n{report.players(blocks)}",
        f"<h2>Settings</h2>\n{_settings(found)}",
        "<h2>Spectra</h2>",
        report.figure(
            report.drawn(lambda figure: _spectra(figure, found, rate, reference_rate), 3.6),
            "Long-term average spectra of input, reference and result",
            "Power per sixth of an octave over the whole sound.",
        ),
    ]
    return report.page(title, parts, notes)


def _settings(found: Transfer) -> str:
    if found.effect is None:
        return "<p>None: this controller makes the sound itself.</p>"
    lines = ['<tr><th class="word">parameter</th><th>value</th><th class="word">range</th></tr>']
    for name, param in found.effect.params.items():
        lines.append(
            f'<tr><td class="word">{escape(name)}</td><td>{found.effect.values[name]:.4g}</td>'
            f'<td class="word">{escape(param.describe(found.effect.sample_rate))}</td></tr>'
        )
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _spectra(figure: Figure, found: Transfer, rate: int, reference_rate: int) -> None:
    axes = figure.subplots()
    shades = {"input": "#9aa3ad", "reference": "#8cb8e8", "result": "#c2410c"}
    for name, sound, at in (
        ("input", found.dry, rate),
        ("reference", found.reference, reference_rate),
        ("result", found.result, rate),
    ):
        n = min(8192, sound.shape[1])
        window = torch.hann_window(n)
        spectrum = torch.stft(sound.mean(0), n, window=window, return_complex=True).abs()
        power = spectrum.square().mean(1) / window.sum().square()
        hz = torch.linspace(0, at / 2, len(power))
        edges = torch.logspace(1.5, torch.tensor(0.48 * at).log10().item(), 90)
        bins = torch.bucketize(hz, edges)
        sums = torch.zeros(len(edges) + 1).index_add_(0, bins, power)[1:-1]
        centres = (edges[:-1] * edges[1:]).sqrt()
        heard = sums > 0
        axes.plot(
            centres[heard], 10 * sums[heard].log10(), label=name, color=shades[name],
            linewidth=3.0 if name == "reference" else 1.2,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlabel("frequency, Hz")
    axes.set_ylabel("level, dB")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
