"""What the commands of ``dspcore style`` share: clips, tables, encoders and options by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dspcore import style
from dspcore.cli.table import table
from dspcore.errors import UserError
from dspcore.style.controller import Budget, Controller, make_controller
from dspcore.style.encoders import Encoder, load_encoder, make_encoder
from dspcore.style.evaluation import YARDSTICKS, Evaluation, advice
from dspcore.style.pairs import PairSource
from dspcore.style.rendering import AnyEffect, title


def clips_for(
    data: str,
    effect: AnyEffect,
    seconds: float,
    group: str,
    seed: int,
    shares: tuple[int, int, int],
) -> tuple[tuple[style.Clips, style.Clips], style.Clips]:
    """Clips to train, to validate and to test on; when there are few, each serves several pairs."""
    clips = style.read_clips(
        data, effect.sample_rate, seconds, limit=sum(shares), group=group, seed=seed
    )
    if len(clips) < 3:
        raise UserError(
            f"{data}: gives {len(clips)} clips of {seconds:g} s, wanted 3 or more; "
            "give more recordings, or shorter clips (--seconds)"
        )
    held = max(1, len(clips) * shares[2] // sum(shares))
    checked = max(1, len(clips) * shares[1] // sum(shares))
    first, second, third = clips.split(len(clips) - held - checked, checked, held)
    first.rejected.update(clips.rejected)
    return (first, second), third


def measured(
    effect: AnyEffect,
    chosen: dict[str, Controller],
    sources: list[PairSource],
    clips: style.Clips,
    count: int,
    seed: int,
    hears: Encoder,
    pesq: bool,
) -> Evaluation:
    """The yardsticks and the chosen ones on pairs that none has seen."""
    rows: dict[str, Controller] = {}
    for name in YARDSTICKS:
        rows[name] = make_controller(name).prepare(
            effect, *sources[:1], encoder=hears, budget=Budget(seed=seed)
        )
    test = PairSource(effect, clips, seed=seed + 3, count=count)
    return style.evaluate({**rows, **chosen}, test.all(), with_pesq=pesq)


def show(found: Evaluation, as_json: bool, effect: AnyEffect) -> None:
    """Print the table, doubts, and what could not be measured; or all of it as JSON."""
    if as_json:
        click.echo(
            json.dumps(
                {"effect": title(effect), **found.facts(), "advice": advice(found)}, indent=2
            )
        )
        return
    click.echo(f"{title(effect)}: {found.items} pairs; left: share of the input's distance\n")
    click.echo(table(*found.cells()))
    for line in advice(found):
        click.echo(f"\n{line}")
    if found.failures:
        said = ", ".join(f"{count} {why}" for why, count in found.failures.items())
        click.echo(f"\nPESQ could not be measured: {said}")


def encoder_named(name: str, sample_rate: int) -> Encoder:
    """A registered encoder, or that of a file; frozen."""
    path = Path(name)
    if path.suffix == ".safetensors":
        return load_encoder(path)
    return make_encoder(name, sample_rate).freeze()


def options_of(given: tuple[str, ...]) -> dict[str, Any]:
    """``name=value`` words as keyword arguments; values as JSON where they are."""
    found: dict[str, Any] = {}
    for each in given:
        name, mark, value = each.partition("=")
        if not mark:
            raise UserError(f"--option: wanted NAME=VALUE, got {each!r}")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found
