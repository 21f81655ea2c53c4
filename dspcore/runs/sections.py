"""The sections of a report: each is what a run has, or is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dspcore.latent.diagnostics.yardsticks import MEANINGS
from dspcore.latent.naming import validation_metric
from dspcore.report import drawn, figure
from dspcore.runs import curves, latents
from dspcore.runs.comparison import Align
from dspcore.runs.diagram import boxes, lines
from dspcore.runs.listening import listening
from dspcore.runs.tables import number
from dspcore.train import Run, read_statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: What the last look at a latent counted.
SUMMARY = {
    "active": "active units",
    "used": "dims used (Sobol)",
    "size": "size to take (Sobol of principal axes)",
    "needed": "dims needed (loss + 5 %)",
    "spread": "outputs' variance / items'",
    "mmd": "posterior to prior, MMD",
}


@dataclass(frozen=True)
class Section:
    """A part of a report, for HTML and for Markdown.

    Attributes:
        key: Short name, of its picture's file.
        title: Heading.
        cards: Names and values.
        lines: A list.
        head: Of a table.
        rows: Of it.
        words: Columns of it that hold words.
        png: A picture.
        caption: What it shows.
        html: What only a page can show.
        text: What only a text needs.
    """

    key: str
    title: str
    cards: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    words: int = 1
    png: bytes | None = None
    caption: str = ""
    html: str = ""
    text: list[str] = field(default_factory=list)

    def figure(self) -> str:
        """The picture in HTML."""
        assert self.png is not None
        return figure(self.png, self.title, self.caption)


def overview(
    runs: Sequence[Run], names: Sequence[str], found: dict[str, Any], align: Align
) -> list[Section]:
    """What several runs have in common and where they differ."""
    head = ["run", "steps", "metric", "best", "at step", "faults"]
    rows = []
    for name in names:
        facts = found["runs"][name]
        best = facts.get("best", {})
        faults = [a["rule"] for a in facts["advice"] if a["kind"] == "fault"]
        rows.append(
            [name, str(facts["steps"]), facts["metric"], number(best.get("value")),
             str(best.get("step", "")), ", ".join(faults) or "none"]
        )  # fmt: skip
    out = [Section("summary", "", head=head, rows=rows)]
    out.append(
        _picture(
            "overlay", "Validation", 3.2, f"Of every run, aligned by {align}.",
            lambda f: curves.draw_overlay(f, runs, names, align),
        )
    )  # fmt: skip
    if found["differences"]:
        table = [[k, *(number(v) for v in row)] for k, row in found["differences"].items()]
        out.append(Section("differences", "Set differently", head=["setting", *names], rows=table))
    return out


def sections(run: Run, facts: dict[str, Any], latent_map: str, seed: int) -> list[Section]:
    """All that one run has to show."""
    return [
        *_numbers(run, facts),
        *_losses(run, facts),
        *_latent(run, latent_map, seed),
        *_gradients(run),
        *listening(run, Section),
        *_files(facts),
        *_settings(run),
    ]


def _numbers(run: Run, facts: dict[str, Any]) -> Iterator[Section]:
    cards = [("steps", f"{facts['steps']:,}")]
    if "best" in facts:
        cards.append((f"best {facts['metric']}", number(facts["best"]["value"])))
        cards.append(("at step", f"{facts['best']['step']:,}"))
    if facts["parameters"]:
        cards.append(("parameters", f"{facts['parameters']:,}"))
    for name, value in run.arrays["latent/summary"].last.items() if _has_summary(run) else ():
        cards.append((SUMMARY.get(name, name), number(float(value))))
    yield Section("numbers", "", cards=cards)
    if facts["advice"]:
        said = [f"{line['kind']}: {line['text']} [{line['rule']}]" for line in facts["advice"]]
        yield Section("advice", "Advice", lines=said)


def _has_summary(run: Run) -> bool:
    return bool(run.arrays.get("latent/summary"))


def _losses(run: Run, facts: dict[str, Any]) -> Iterator[Section]:
    main = validation_metric(run)
    if run.metrics.get(main):
        caption = "Dashed: what the loss says of sounds without a model. Shaded: phases."
        yield _picture("loss", "The loss", 3.6, caption, lambda f: curves.draw_loss(f, run))
    if sticks := facts["yardsticks"]:
        beaten = facts.get("beaten", [])
        rows = [
            [name, MEANINGS.get(name, ""), number(value), "yes" if name in beaten else "no"]
            for name, value in sorted(sticks.items(), key=lambda kv: kv[1])
            if name != "copy"
        ]
        yield Section("yardsticks", "Yardsticks", head=["", "what it is", "loss", "beaten"],
                      rows=rows, words=2)  # fmt: skip
    if groups := dict(list(curves.term_groups(run).items())[:30]):
        height = 1.4 * -(-len(groups) // 3)
        caption = "Over the steps; orange: held out."
        yield _picture("terms", "Every term", height, caption,
                       lambda f: curves.draw_parts(f, run, groups))  # fmt: skip


def _latent(run: Run, method: str, seed: int) -> Iterator[Section]:
    if run.arrays.get("latent/bits"):
        yield _picture("kl", "What each dimension says", 2.8, "Divergence from the prior.",
                       lambda f: latents.draw_heat(f, run))  # fmt: skip
        yield _picture("bits", "Bits by dimension", 2.4, "At the end.",
                       lambda f: latents.draw_bits(f, run))  # fmt: skip
    if run.arrays.get("latent/sobol") or run.arrays.get("latent/prune"):
        caption = "Share of the output's variance; above the line it is used. Loss when only the "
        caption += "best dimensions are kept."
        yield _picture("use", "What the decoder uses", 2.6, caption,
                       lambda f: latents.draw_use(f, run))  # fmt: skip
    if run.arrays.get("latent/correlation") and run.arrays.get("latent/bits"):
        yield _picture("correlation", "What it goes along with", 1.8, "Rank correlation.",
                       lambda f: latents.draw_correlation(f, run))  # fmt: skip
    if note := run.notes.get("latent"):
        way = "principal components" if method == "pca" else f"UMAP, seed {seed}"
        caption = f"{len(note['means'])} items by {way}; crosses were held out."
        yield _picture("map", "Map of the latent", 3.4, caption,
                       lambda f: latents.draw_map(f, note, method, seed))  # fmt: skip


def _gradients(run: Run) -> Iterator[Section]:
    if any(name.rpartition("/")[2] == "gradient_norm" for name in run.metrics):
        caption = "Length as one vector before clipping; beneath, the share of clipped steps."
        yield _picture("gradient", "Gradients", 3.2, caption,
                       lambda f: curves.draw_gradients(f, run))  # fmt: skip
    if (run.folder / "statistics.jsonl").is_file() and (rows := by_module(run)):
        head = ["module", "median length", "largest", "update / weight"]
        yield Section("modules", "Gradients by module", head=head, rows=rows)


def by_module(run: Run) -> list[list[str]]:
    """Gradient and step lengths of the modules at the second level, over the run."""
    import numpy as np

    lengths: dict[str, dict[int, float]] = {}
    moved: dict[str, list[float]] = {}
    for row in read_statistics(run.folder):
        name = ".".join(row["layer"].split(".")[:2])
        at = lengths.setdefault(name, {})
        at[row["step"]] = at.get(row["step"], 0.0) + row["gradient_rms"] ** 2 * row.get("count", 1)
        if "update_rms" in row and row["value_rms"] > 0:
            moved.setdefault(name, []).append(row["update_rms"] / row["value_rms"])
    out = []
    for name, squares in lengths.items():
        values = np.sqrt(list(squares.values()))
        ratio = number(float(np.median(moved[name]))) if moved.get(name) else ""
        out.append([name, number(float(np.median(values))), number(float(values.max())), ratio])
    return out


def _files(facts: dict[str, Any]) -> Iterator[Section]:
    for of in ("tag", "folder"):
        if rows := facts.get(f"{of}s"):
            table = [
                [r["name"], str(r["files"]), number(r["mean"]), number(r["worst"])] for r in rows
            ]
            head = [of, "files", "mean loss", "worst"]
            yield Section(f"{of}s", f"Loss by {of}", head=head, rows=table[:40])
    if worst := facts.get("worst"):
        table = [[row["path"], number(row["loss"])] for row in worst]
        yield Section("worst", "Worst files", head=["file", "loss"], rows=table)
    if scales := facts.get("scales"):
        table = [[name, number(value)] for name, value in scales.items()]
        yield Section("scales", "Loss by scale and term", head=["part", "mean"], rows=table)


def _settings(run: Run) -> Iterator[Section]:
    from dspcore.runs.comparison import flat_config

    if run.modules:
        yield Section("model", "The model", html=boxes(run.modules), text=list(lines(run.modules)))
    if flat := flat_config(run.config):
        rows = [[name, number(value)] for name, value in flat.items()]
        yield Section("config", "Settings", head=["setting", "value"], rows=rows, words=2)


def _picture(
    key: str, title: str, height: float, caption: str, draw: Callable[[Figure], None]
) -> Section:
    return Section(key, title, png=drawn(draw, height), caption=caption)
