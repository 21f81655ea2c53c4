"""The study's tables as Markdown, from results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_results(results: dict[str, Any], path: Path) -> None:
    """Write RESULTS.md."""
    rows = results["heads"]
    lines = ["# Results of style_g1", "", "`python -m style_g1 --config style_g1/config.toml`", ""]
    found = results["encoder"]
    lines += [
        f"Encoder: {found['epochs']} epochs of {results['study']['pairs']} pairs, the best was "
        f"{found['best']}; validation {found['history'][0]:.3f} at first, "
        f"{min(found['history']):.3f} at best.",
        "",
        "## CPU seconds",
        "",
        "| part | s |",
        "|---|---:|",
        *[f"| {part} | {s:.1f} |" for part, s in results["cpu_seconds"].items()],
        f"| in all | {sum(results['cpu_seconds'].values()):.0f} |",
        "",
    ]
    if "recognised" in results:
        lines += _heard(results)
    for data in dict.fromkeys(row["data"] for row in rows):
        lines += [f"## {data}", ""]
        lines += _table([row for row in rows if row["data"] == data])
    path.write_text("\n".join(lines).rstrip() + "\n")


def _heard(results: dict[str, Any]) -> list[str]:
    return [
        "## Which effect was it?",
        "",
        "Linear probe on the difference of the pair's features; the test clips are others.",
        "",
        "| encoder | right |",
        "|---|---:|",
        *[f"| {name} | {share:.2f} |" for name, share in results["recognised"].items()],
        "",
        "## Which dimensions of the beta-VAE are used?",
        "",
        *[f"- {k}: {v}" for k, v in results["latent"].items() if k != "sobol"],
        "- largest Sobol indices: "
        + ", ".join(f"{s:.3f}" for s in results["latent"]["sobol"][:12]),
        "",
    ]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(row["controller"] for row in rows))
    lines = [
        "MRSTFT at equal level, and wins against doing nothing; * not heard by the encoder.",
        "",
        "| effect | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for effect in dict.fromkeys(row["effect"] for row in rows):
        cells = []
        here = {row["controller"]: row for row in rows if row["effect"] == effect}
        best = min(row["level_matched"]["MRSTFT"] for n, row in here.items() if n != "oracle")
        for name in names:
            row = here[name]
            value = f"{row['level_matched']['MRSTFT']:.3f}"
            value = f"**{value}**" if row["level_matched"]["MRSTFT"] == best else value
            cells.append(value if name in ("nothing", "oracle") else f"{value} ({row['wins']:.0%})")
        mark = "*" if here[names[0]]["unseen"] else ""
        lines.append(f"| {effect}{mark} | {' | '.join(cells)} |")
    return [*lines, ""]
