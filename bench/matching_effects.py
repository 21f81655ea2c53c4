"""Hidden settings of each effect found again: ``python -m bench.matching_effects [NAME ...]``.

A drum loop goes through one effect with random settings; `match` sees the dry sound, the result and
the kind of effect, begins at the effect's defaults, and has to find the settings. `blend` is
searched in a graph, with a distortion that stands still as what it hears beside the dry sound.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

import click
import torch
from torch import Tensor

import dspcore
from dspcore import effects
from dspcore.match import Match, match
from dspcore.rack import Rack

RECORDING = "sonic_pi/loop_amen.flac"
REACH = 0.25  # of each range, either way from the default
NOTHING_DB = -80.0  # a change that search and ear pass over
HERE = Path(__file__).parent
PAGE = HERE / "EFFECTS.md"

#: What the search is given for the effects here: less than `match` takes for a whole chain.
OPTIONS = {"guesses": 96, "descents": 3, "descent_steps": 60, "refinements": 2, "hops": 1}

#: Why some settings cannot be told from their sound.
REASONS = {
    "compressor": "A threshold under all that sounds, the ratio and the make-up share one gain; a "
    "part of the dry sound (`mix`) is another ratio.",
    "de_esser": "Threshold, ratio and range set nearly the same reduction of what lies above.",
    "delay": "A high-pass in the loop at 15 Hz, where this sound has nothing.",
    "expander": "The loop is hardly ever quiet enough to be turned down.",
    "gate": "The loop opens the gate once and never lets it close.",
    "ladder_filter": "A linear ladder takes its drive back exactly; one that saturates does not.",
    "multiband_compressor": "Twenty-one settings of three compressors that share crossovers. A "
    "search of 60 s ends in the same place: a local minimum where the low ratio is too high, and "
    "threshold, make-up and mix make up for it.",
}


def alone(name: str, sample_rate: int, choices: Mapping[str, str]) -> Rack:
    """The effect with its defaults, in a chain; `blend` in a graph."""
    effect = effects.by_name(name)(sample_rate, **choices)
    if not effect.inputs or name != "blend":
        return dspcore.Chain([effect])
    graph = dspcore.Graph(sample_rate)
    wet = graph.add(effects.Distortion(sample_rate, drive_db=24.0), graph.input)
    graph.output = graph.add(effect, graph.input, wet=wet)
    return graph


def hide(
    name: str, dry: Tensor, sample_rate: int, seed: int, choices: Mapping[str, str]
) -> tuple[Rack, Tensor]:
    """A chain of that effect with settings drawn around its defaults, and its sound, (c, t)."""
    chain = alone(name, sample_rate, choices)
    generator = torch.Generator().manual_seed(seed)
    own = chain.normalize()[0]
    moved = own + REACH * (2 * torch.rand(len(own), generator=generator) - 1)
    # Out of the range means as far in.
    moved = torch.where(moved < 0.02, 0.04 - moved, moved)
    moved = torch.where(moved > 0.98, 1.96 - moved, moved).clamp(0.02, 0.98)
    values = chain.denormalize(moved[None])
    hidden = chain.with_values({k: float(v) for k, v in values.items() if k.startswith(name)})
    late = hidden.latency_samples()
    with torch.no_grad():
        return hidden, hidden(torch.nn.functional.pad(dry[None], (0, late)))[0, :, late:]


def recover(
    effect_name: str,
    path: Path,
    seed: int = 1,
    seconds: float = 2.0,
    choices: Mapping[str, str] | None = None,
    limit_s: float = math.inf,
    normal: bool = False,
    **options: int,
) -> tuple[Rack, Match]:
    """The hidden chain, and what `match` found of it on the first seconds of a recording.

    Args:
        effect_name: As presets call it.
        path: The recording; its first two channels.
        seed: Of the hidden settings.
        seconds: How much of it.
        choices: Of the effect, which `match` is told; its defaults when left out.
        limit_s: CPU time after which the best found counts.
        normal: Whether to make the effort of a whole chain in place of `OPTIONS`.
        options: Of `match`, in place of those.
    """
    sound, rate = dspcore.audio.read(path)
    dry = sound[:2, : int(seconds * rate)]
    hidden, reference = hide(effect_name, dry, rate, seed, choices or {})
    plain = alone(effect_name, rate, choices or {})
    still = [key for key in plain.param_names if not key.startswith(effect_name)]
    said = {"seconds": seconds, "limit_s": limit_s, "fixed": still}
    found = match(dry, reference, plain, **said, **{**({} if normal else OPTIONS), **options})  # type: ignore[arg-type]
    return hidden, found


def heard(chain: Rack, dry: Tensor) -> dict[str, float]:
    """By how many dB of the sound each setting moves it, others making up for it as they can.

    For a move of 1 % of the range: the part of the derivative by one setting that no combination of
    the others can cancel, at the chain's values. Near nothing means that it cannot be identified.
    """
    p = chain.normalize().double().clamp(1e-3, 1 - 1e-3)
    step = 1e-5 * torch.eye(p.shape[1], dtype=torch.float64)
    with torch.no_grad():
        up, down = (chain.normalized(dry[None].double(), p + s).flatten(1) for s in (step, -step))
        power = chain.normalized(dry[None].double(), p).square().sum()
    jacobian = 0.01 * (up - down) / 2e-5
    found = {}
    for i, name in enumerate(chain.param_names):
        others = torch.cat([jacobian[:i], jacobian[i + 1 :]])
        alone = jacobian[i]
        if len(others):
            fit = torch.linalg.lstsq(others.T, alone[:, None], driver="gelsd").solution
            alone = alone - (others.T @ fit)[:, 0]
        found[name] = float(10 * torch.log10(alone.square().sum() / power + 1e-30))
    return found


def section(
    name: str, hidden: Rack, found: Match, took: float, seconds: float, limit_s: float, normal: bool
) -> str:
    """One effect's part of the page."""
    hidden = hidden.canonical()
    true, audible = hidden.values, heard(hidden, found.dry)
    off = (found.chain.normalize() - hidden.normalize())[0].tolist()
    lost = [key.partition(".")[2] for key, db in audible.items() if db < NOTHING_DB]
    said = f"Cannot be heard: {', '.join(lost)}. " if lost else ""
    ended = f" The search ended at its limit of {limit_s:g} s." if took > limit_s else ""
    lines = [
        f"## {name}",
        "",
        f"Residual {found.before_db:.1f} dB, matched {decibels(found.after_db)} dB on "
        f"{seconds:.3g} s of sound; {took:.0f} s"
        f"{', with the effort of a whole chain' if normal else ''}.{ended}",
        "",
        *([said + REASONS.get(name, ""), ""] if said or REASONS.get(name) else []),
        "| parameter | hidden | found | off, % of its range | heard alone, dB for 1 % |",
        "|---|---:|---:|---:|---:|",
    ]
    for (key, value), error in zip(true.items(), off, strict=True):
        if key in found.free:
            numbers = f"{value:.5g} | {found.values[key]:.5g} | {100 * error:+.2g}"
            lines.append(f"| {key.partition('.')[2]} | {numbers} | {audible[key]:.0f} |")
    return "\n".join(lines) + "\n"


def decibels(value: float) -> str:
    """A residual; one of nothing at all as the least of float32."""
    return f"{max(value, -150.0):.1f}" if math.isfinite(value) else "-150.0"


def row(name: str, text: str) -> str:
    """An effect's line in the table of all, from its part of the page."""
    numbers = re.search(r"Residual (\S+) dB, matched (\S+) dB", text)
    assert numbers is not None, name
    off = {
        key: (abs(float(share)), float(alone))
        for key, share, alone in re.findall(
            r"^\| (\w+) \|[^|]*\|[^|]*\| (\S+) \| (\S+) \|$", text, re.MULTILINE
        )
    }
    worst = max((share for share, alone in off.values() if alone >= NOTHING_DB), default=0.0)
    lost = ", ".join(key for key, (_, alone) in off.items() if alone < NOTHING_DB)
    return f"| [{name}](#{name}) | {' | '.join(numbers.groups())} | {worst:.2g} | {lost} |"


def write(sections: dict[str, str]) -> None:
    """The page: a table of all, then each effect."""
    head = [
        "# Hidden settings of every effect, found on a recording",
        "",
        (__doc__ or "").strip(),
        "",
        f"The recording is {RECORDING}; settings lie up to {100 * REACH:.0f} % of their ranges "
        "from the defaults. The last column",
        "of a part says how much of the sound changes, in dB, when a setting moves by 1 % of its "
        "range and all others make up",
        f"for it as well as they can: under {NOTHING_DB:.0f} dB it cannot be told from this sound, "
        "and the table names it as not heard. Times are CPU seconds of",
        "one thread where a part says how much sound it is of, else by a busy machine's clock.",
        "",
        "| effect | residual before, dB | after, dB | furthest off of what is heard, % of range "
        "| not heard |",
        "|---|---:|---:|---:|---|",
        *(row(name, text) for name, text in sorted(sections.items())),
        "",
    ]
    PAGE.write_text("\n".join(head) + "\n" + "\n".join(sections[n] for n in sorted(sections)))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--limit", "limit_s", default=240.0, show_default=True, help="CPU seconds each.")
@click.option("--normal", is_flag=True, help="The effort that `match` makes for a whole chain.")
@click.option("--seconds", default=2.0, show_default=True, help="Of the recording, at most.")
def main(names: tuple[str, ...], limit_s: float, normal: bool, seconds: float) -> None:
    """Runs the effects named, or all, and writes their parts of the page."""
    data = Path(os.environ.get("DSPCORE_DATA") or HERE.parents[1] / "shared" / "data")
    if not data.is_dir():
        raise click.ClickException(f"no recordings in {data}; set DSPCORE_DATA")
    torch.set_num_threads(1)
    for name in names or effects.names():
        begin = time.process_time()
        hidden, found = recover(
            name, data / RECORDING, seconds=seconds, limit_s=limit_s, normal=normal
        )
        took = time.process_time() - begin
        heard_s = found.dry.shape[1] / hidden.sample_rate
        # Read again, as another run may have written to it.
        sections = {}
        if PAGE.exists():
            for part in PAGE.read_text().split("\n## ")[1:]:
                sections[part.partition("\n")[0]] = f"## {part.rstrip()}\n"
        sections[name] = section(name, hidden, found, took, heard_s, limit_s, normal)
        click.echo(f"{name}: {found.before_db:.1f} dB to {found.after_db:.1f} dB, {took:.0f} s")
        write(sections)


if __name__ == "__main__":
    main()
