"""``dspcore match``: the settings of a chain that make one recording sound like another."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
import torch
from torch import Tensor
from tqdm import tqdm

from dspcore import __version__, audio
from dspcore.cli.table import table
from dspcore.errors import UserError, nearest
from dspcore.match import Match, Progress, match
from dspcore.match.findings import decibels, findings, number
from dspcore.match.save import PRESET, REPORT, folder_for, save_match
from dspcore.preset import load_preset
from dspcore.rack import Rack

#: How much of the sounds a search listens to: more is slower, and no surer.
SECONDS = 1.5

#: How hard to search: options of `match`; "normal" is its own defaults.
EFFORTS: dict[str, dict[str, int]] = {
    "quick": {
        "guesses": 48,
        "descents": 3,
        "descent_steps": 60,
        "refine_steps": 30,
        "refinements": 2,
        "hops": 0,
    },
    "normal": {},
    "thorough": {
        "guesses": 384,
        "descents": 12,
        "descent_steps": 240,
        "refine_steps": 150,
        "refinements": 8,
        "hops": 6,
    },
}

#: The progress bar of a stage; the postfix is the residual.
FORM = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"


@click.command()
@click.argument("dry")
@click.argument("reference")
@click.option("--chain", required=True, help="Preset: the effects, and where the search starts.")
@click.option("--out", required=True, help="Folder for the result.")
@click.option(
    "--fix",
    multiple=True,
    metavar="PATTERN",
    help="Parameters that keep the chain's values: 'parametric_eq.high_*'. Repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=SECONDS,
    show_default=True,
    help="How much of the sounds the search listens to.",
)
@click.option("--effort", type=click.Choice(list(EFFORTS)), default="normal", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random guesses.")
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="CPU time after which the best found so far counts.  [default: none]",
)
@click.option("--true", metavar="CHAIN", help="Preset with the settings sought, shown beside.")
@click.option("--resample", is_flag=True, help="Bring the reference to the dry sound's rate.")
@click.option("--overwrite", is_flag=True, help="Replace a result that exists.")
def command(
    dry: str,
    reference: str,
    chain: str,
    out: str,
    fix: tuple[str, ...],
    seconds: float,
    effort: str,
    seed: int,
    limit_s: float | None,
    true: str | None,
    resample: bool,
    overwrite: bool,
) -> None:
    """Find the settings of a chain that make DRY sound like REFERENCE.

    Both must be the same performance and start together. Writes the sound, a preset to render with,
    a report to open in a browser, and the numbers as JSON.

    \b
    Examples:
        dspcore preset new eq compressor delay -o chain.toml
        dspcore match dry.wav reference.wav --chain chain.toml --out result/
    """
    dry_sound, rate = _read(dry)
    reference_sound, reference_rate = _read(reference)
    loaded = load_preset(chain, rate)
    for pattern in fix:
        if not any(fnmatch(name, pattern) for name in loaded.param_names):
            hint = nearest(pattern, loaded.param_names)
            raise UserError(f"--fix: {chain} has no parameter {pattern!r}; {hint}")
    known = _known(true, loaded, chain, rate) if true else None
    notes = []
    if reference_rate != rate:
        if not resample:
            raise UserError(
                f"{reference}: has {reference_rate} Hz, {dry} has {rate} Hz; "
                "--resample brings the reference to the rate of the dry sound"
            )
        reference_sound = _resampled(reference_sound, reference_rate, rate)
        notes.append(f"The reference was resampled from {reference_rate} Hz to {rate} Hz.")
    with folder_for(out, overwrite=overwrite) as folder:
        find(
            dry_sound,
            reference_sound,
            loaded,
            folder,
            true=known,
            fix=fix,
            seconds=seconds,
            effort=effort,
            seed=seed,
            limit_s=math.inf if limit_s is None else limit_s,
            title=f"{Path(dry).name} made to sound like {Path(reference).name}",
            notes=notes,
        )


def find(
    dry: Tensor,
    reference: Tensor,
    chain: Rack,
    folder: Path,
    *,
    title: str,
    true: Mapping[str, float] | None = None,
    fix: Sequence[str] = (),
    seconds: float = SECONDS,
    effort: str = "normal",
    seed: int = 0,
    limit_s: float = math.inf,
    notes: Sequence[str] = (),
) -> Match:
    """Search under a progress bar, write the result into `folder`, and say what was found."""
    begin = time.process_time()
    with Bar() as bar:
        found = match(
            dry,
            reference,
            chain,
            fixed=fix,
            seconds=seconds,
            seed=seed,
            limit_s=limit_s,
            progress=bar,
            **EFFORTS[effort],
        )
    rate = chain.sample_rate
    said = [*notes, *_lengths(dry.shape[1] / rate, reference.shape[1] / rate, seconds)]
    if time.process_time() - begin > limit_s:
        said.append(f"The search ended at its limit of {limit_s:g} s of CPU time.")
    said.append(f"Searched by dspcore {__version__}, effort {effort}, seed {seed}.")
    options = {
        "fix": list(fix),
        "seconds": seconds,
        "effort": effort,
        "seed": seed,
        "limit_s": None if math.isinf(limit_s) else limit_s,
        "dspcore": __version__,
    }
    save_match(found, folder, true=true, title=title, notes=said, options=options)
    click.echo(summary(found, true))
    click.echo(f"\nlisten and look: {folder / REPORT}\nrender with:     {folder / PRESET}")
    return found


def summary(found: Match, true: Mapping[str, float] | None) -> str:
    """What was found as a table, and the residuals."""
    rows = [
        [
            f"{row.effect}.{row.name}",
            number(row.found),
            "" if row.true is None else number(row.true),
            row.error,
            row.unit,
            "" if row.free else "fixed",
        ]
        for row in findings(found, true)
    ]
    return (
        table(["setting", "found", "true", "error", "unit", ""], rows)
        + f"\n\nresidual: {decibels(found.before_db)} before, {decibels(found.after_db)} after"
    )


class Bar:
    """A progress bar for each stage of the search, with the residual behind it."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        """Show how far the search is."""
        if progress.stage != self._stage:
            self._close()
            self._stage = progress.stage
            stage = f"{progress.stage:8}"
            self._bar = tqdm(total=progress.total, desc=stage, bar_format=FORM, disable=None)
        self._bar.set_postfix_str(f"residual {decibels(progress.residual_db)}", refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _read(path: str) -> tuple[Tensor, int]:
    sound, rate = audio.read(path)
    if not bool(sound.any()):
        raise UserError(f"{path}: is silent, so there is nothing to match")
    return sound, rate


def _known(path: str, chain: Rack, chain_path: str, rate: int) -> dict[str, float]:
    """The values of a preset with the same effects as `chain`."""
    known = load_preset(path, rate)
    if known.param_names != chain.param_names:
        raise UserError(
            f"--true {path}: has the effects {', '.join(known.effect_names)}, "
            f"but {chain_path} has {', '.join(chain.effect_names)}; give the same in the same order"
        )
    return known.canonical().values


def _resampled(sound: Tensor, before: int, after: int) -> Tensor:
    from scipy.signal import resample_poly

    common = math.gcd(before, after)
    samples = resample_poly(sound.double().numpy(), after // common, before // common, axis=-1)
    return torch.from_numpy(samples).float()


def _lengths(dry: float, reference: float, seconds: float) -> list[str]:
    """What a reader should know about the lengths of the sounds, in seconds."""
    notes = []
    if reference > seconds:
        notes.append(f"The search listened to {seconds:g} s, from the first sound on.")
    if dry > reference:
        notes.append(
            f"The dry sound was cut from {dry:.2f} s to the reference's {reference:.2f} s."
        )
    elif dry < reference:
        notes.append(f"Silence follows the dry sound from {dry:.2f} s to {reference:.2f} s.")
    return notes
