"""The predictability report as a page."""

from __future__ import annotations

import math
from collections import Counter
from html import escape
from typing import Any

from dspcore import report
from dspcore.patches.predictability import VERDICTS, Finding, Report

_COLORS = {
    "predictable": "#10b981",
    "gated": "#2563eb",
    "data-limited": "#8b5cf6",
    "confounded": "#f59e0b",
    "symmetric": "#ec4899",
    "inaudible": "#9ca3af",
}


def predictability_page(found: Report, synth: str) -> str:
    """HTML: a verdict and its reason for each parameter, with the numbers behind it."""
    counted = Counter(f.verdict for f in found.findings)
    cards = [(name, str(counted[name])) for name in VERDICTS if counted[name]]
    cards += [
        ("examples", f"{found.examples}"),
        ("renders", f"{found.renders}"),
        ("CPU minutes", f"{found.cpu_seconds / 60:.1f}"),
    ]
    if math.isfinite(found.agreement):
        cards.append(("alike for all seeds", f"{found.agreement:.0%}"))
    picture = report.drawn(lambda canvas: _bars(canvas, found), 0.24 * len(found.findings) + 1)
    verdicts = "\n".join(
        f'<tr><td class="word"><b>{escape(f.name)}</b></td>'
        f'<td class="word" style="color:{_COLORS[f.verdict]}">{f.verdict}</td>'
        f'<td class="word" style="white-space:normal">{escape(f.why + _by_seed(f))}</td></tr>'
        for f in found.findings
    )
    parts = [
        report.numbers(cards),
        f'<h2>Verdicts</h2><div class="scroll"><table><tr><th class="word">parameter</th>'
        f'<th class="word">verdict</th><th class="word">why</th></tr>{verdicts}</table></div>',
        report.figure(
            picture,
            "score of each parameter, and where it is heard",
            "R2 with its 95 % interval; the ring is the R2 on patches in which the parameter is "
            "heard.",
        ),
        _numbers(found),
        f"<h2>Worth estimating</h2><p>{escape(', '.join(found.suggested) or 'none')}</p>",
    ]
    notes = [f"{name}: {what}." for name, what in VERDICTS.items() if counted[name]]
    return report.page(f"What can be told from the sound of {synth}", parts, notes)


def _by_seed(f: Finding) -> str:
    """What the seeds said, where they did not agree."""
    return f"; by seed: {', '.join(f.by_seed)}" if len(set(f.by_seed)) > 1 else ""


def _numbers(found: Report) -> str:
    sizes = list(found.findings[0].curve)
    head = ["parameter", "bits", "heard", "dB", "R2", "interval", "when heard", "gate open"]
    head += [
        "accuracy",
        "majority",
        "skill",
        "spread",
        *(f"at {n}" for n in sizes),
        "like",
        "cosine",
    ]
    top = "".join(f"<th>{escape(h)}</th>" for h in head)
    rows = "\n".join(f"<tr>{_cells(f)}</tr>" for f in found.findings)
    return f'<h2>Numbers</h2><div class="scroll"><table><tr>{top}</tr>{rows}</table></div>'


def _cells(f: Finding) -> str:
    s = f.score
    cells = [
        f.name,
        f"{f.entropy_bits:.1f}",
        f"{f.audible:.0%}",
        f"{f.sensitivity_db:.1f}",
        f"{s.r2:.2f}",
        f"{s.r2_low:.2f} to {s.r2_high:.2f}",
        *(f"{x:.2f}" if math.isfinite(x) else "-" for x in (f.heard_r2, s.conditional_r2)),
        *(f"{x:.2f}" if math.isfinite(x) else "-" for x in (s.accuracy, s.majority, s.skill)),
        f"{s.spread:.2f}",
        *(f"{x:.2f}" for x in f.curve.values()),
        f.twin[0],
        f"{f.twin[1]:.2f}",
    ]
    return "".join(f"<td>{escape(c)}</td>" for c in cells)


def _bars(canvas: Any, found: Report) -> None:
    axis = canvas.subplots()
    rows = range(len(found.findings))
    for row, f in zip(rows, found.findings, strict=True):
        s, color = f.score, _COLORS[f.verdict]
        axis.barh(row, max(0.0, s.r2), color=color, height=0.7)
        axis.plot([s.r2_low, s.r2_high], [row, row], color="#111827", linewidth=1)
        if math.isfinite(f.heard_r2):
            axis.plot(max(-0.05, f.heard_r2), row, "o", mfc="none", color="#111827", markersize=5)
    axis.set_yticks(list(rows), [f.name for f in found.findings], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(-0.1, 1)
    axis.set_xlabel("R2")
