"""HTML pages that hold all they show: players, numbers, figures."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import soundfile
from torch import Tensor

if TYPE_CHECKING:  # matplotlib takes half a second to import and only reports need it
    from matplotlib.figure import Figure

#: Players hold so much of each sound.
PLAYED_SECONDS = 30

#: libsndfile's FLAC holds no more channels than these.
_FLAC_CHANNELS = 8

_CSS = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: #fff; color: #111827;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, li { color: #374151; }
.numbers { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.numbers div { padding: .6rem .8rem; border: 1px solid #e5e7eb; border-radius: .5rem; }
.numbers b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.numbers span, .quiet { color: #6b7280; font-size: .875rem; }
.players { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
figure, .players div { margin: 0; }
audio { display: block; width: 100%; margin-top: .25rem; }
img { display: block; width: 100%; height: auto; }
figcaption { color: #6b7280; font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { padding: .25rem .5rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid #e5e7eb; font-variant-numeric: tabular-nums; }
th { color: #6b7280; font-weight: 600; }
.word { text-align: left; }
td.effect { padding-top: .75rem; text-align: left; font-weight: 600; }
tr.fixed td { color: #9ca3af; }
"""


_STYLE: Any = {
    "font.size": 10,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def page(title: str, parts: Sequence[str], notes: Sequence[str] = ()) -> str:
    """The text of a page: a heading, parts in HTML, and sentences that a reader should know."""
    body = [f"<h1>{escape(title)}</h1>", *parts]
    if notes:
        items = "\n".join(f"<li>{escape(note)}</li>" for note in notes)
        body.append(f"<h2>Notes</h2>\n<ul>\n{items}\n</ul>")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def numbers(cards: Sequence[tuple[str, str]]) -> str:
    """Boxes with a name and a value each."""
    boxes = "\n".join(
        f"<div><span>{escape(name)}</span><b>{escape(value)}</b></div>" for name, value in cards
    )
    return f'<div class="numbers">\n{boxes}\n</div>'


def players(blocks: Sequence[str]) -> str:
    """Several of `player` beside each other."""
    return '<div class="players">\n' + "\n".join(blocks) + "\n</div>"


def player(name: str, fact: str, sound: Tensor, sample_rate: int) -> str:
    """A player of a sound (c, t), full scale at 1, with its name and a fact about it."""
    label = f'<b>{escape(name)}</b> <span class="quiet">{escape(fact)}</span>'
    source = f"data:audio/flac;base64,{base64.b64encode(_flac(sound, sample_rate)).decode()}"
    return f'<div>{label}<audio controls preload="metadata" src="{source}"></audio></div>'


def figure(png: bytes, alt: str, caption: str) -> str:
    """A drawing with what it is and what it shows."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return (
        f'<figure><img alt="{escape(alt)}" src="{source}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def drawn(draw: Callable[[Figure], None], height: float) -> bytes:
    """The PNG of what `draw` puts on a figure of the page's width, `height` in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        canvas = Figure(figsize=(6.4, height), dpi=150, layout="constrained")
        draw(canvas)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def level(value: float, unit: str) -> str:
    """A level with its unit; silence has none."""
    return f"{value:.1f} {unit}" if math.isfinite(value) else "silent"


def _flac(sound: Tensor, rate: int) -> bytes:
    if sound.shape[0] > _FLAC_CHANNELS:
        sound = sound.mean(0, keepdim=True)
    buffer = io.BytesIO()
    samples = sound.detach().cpu().numpy().T
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
