"""Lines of advice about a run, each with its rule and its numbers; none without a number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from dspcore.latent.diagnostics.curves import jumps, trend
from dspcore.latent.naming import (
    changed,
    last_of,
    optimizer_of,
    points,
    second_begins,
    series_of,
    terms,
    validation_metric,
)
from dspcore.train import Run, Series

#: Steps over which a clip limit must have been hit, and the share of them.
CLIP_STEPS, CLIP_SHARE = 500, 0.99

#: Under these rules a limit that is always hit cancels out: they divide by the gradient's own size.
ADAPTIVE = ("adam", "adamw", "nadam", "radam", "adamax", "adagrad", "adadelta", "rmsprop")

#: Below so many bits a frame in all the latent says nothing; where a bit costs this share of what
#: there is to gain, it is the price that keeps it silent.
COLLAPSED_BITS, PRICE = 1.0, 0.02

#: A validation within so much of a yardstick stands at it.
NEAR = 0.05

#: From this share of clips on, content that ends early is the set's fault and not a sound's.
RATE_SHARE = 0.2

#: Yardsticks that a model should leave behind.
BEATEN = ("late", "envelope noise", "mean spectrum", "other item", "dither", "silence")


@dataclass(frozen=True)
class Advice:
    """One line.

    Attributes:
        rule: Its name in `RULES`.
        kind: fault, which should be mended before the run goes on, or note.
        text: What was found, with its numbers, and what it means.
        numbers: The same numbers.
        step: Where it shows; None for the whole run.
    """

    rule: str
    kind: Literal["fault", "note"]
    text: str
    numbers: dict[str, float] = field(default_factory=dict)
    step: int | None = None


def advise(run: Run, *, clip_steps: int = CLIP_STEPS) -> list[Advice]:
    """All advice about a run, faults first.

    Args:
        run: From `dspcore.train.read_run`, finished or going on.
        clip_steps: Steps over which a clip limit must have been hit; fewer for short runs.
    """
    found = [*clip(run, clip_steps)]
    for rule in (collapse, silence, rate, copies, parked, standing, second_phase):
        found += rule(run)
    for rule in (pressure, overfit, changes):
        found += rule(run)
    return sorted(found, key=lambda line: line.kind)


def as_json(found: list[Advice]) -> list[dict[str, Any]]:
    """Rows for results.json."""
    return [asdict(line) for line in found]


# --- faults -------------------------------------------------------------------------------------


def clip(run: Run, steps: int = CLIP_STEPS) -> Iterator[Advice]:
    """A limit on the gradient's length that 99 % of the last 500 steps hit."""
    for name, series in run.metrics.items():
        if name.rpartition("/")[2] != "clipped" or not series:
            continue
        before = name.removesuffix("clipped")
        late = series.since(series.steps[-1] - steps + 1)
        span = series.steps[-1] - series.steps[0] + 1
        share = float(np.mean(late.values))
        if span < steps or share < CLIP_SHARE:
            continue
        norm = run.metrics.get(f"{before}gradient_norm", Series()).since(late.steps[0])
        typical = float(np.median(norm.values)) if norm else float("nan")
        settings = optimizer_of(run, before.rstrip("/"))
        limit = float(settings.get("clip_norm", float("nan")))
        rule = str(settings.get("name", "adam")).lower()
        effect = (
            f"the limit has no effect under {rule}, which divides by the gradient's own size: "
            "any limit that low gives the same steps. Raise it above the norm, or leave it out"
            if rule in ADAPTIVE
            else f"under {rule} it is the limit, not the loss, that sets how far a step goes"
        )
        of = f" of {before.rstrip('/')}" if before else ""
        yield Advice(
            "clip",
            "fault",
            f"clip{of} saturated: {100 * share:.0f} % of the last {steps} steps hit the limit of "
            f"{limit:g} (median norm {typical:.3g}): {effect}",
            {"share": share, "limit": limit, "norm": typical},
            series.steps[-1],
        )


def collapse(run: Run) -> Iterator[Advice]:
    """Two validations in a row below a bit a frame, and a bit costs 2 % of all there is to gain.

    A bit a frame costs ``beta ln 2``. What a latent can gain is the distance that a sound without
    one is left with: the yardstick "mean spectrum".
    """
    bits = run.arrays.get("latent/bits", Series())
    totals = [float(sum(row)) for row in bits.values[-2:]]
    beta = last_of(run, "beta")
    if len(totals) < 2 or max(totals) >= COLLAPSED_BITS or not beta > 0:
        return
    sticks = run.notes.get("yardsticks", {}).get("values", {})
    gain = float(sticks.get("mean spectrum", last_of(run, validation_metric(run))))
    price = beta * math.log(2) * (2 if run.setting("rave_compat", False) else 1)
    if price < PRICE * gain:
        return
    spread = run.arrays.get("latent/summary", Series())
    share = float(spread.last.get("spread", float("nan"))) if spread else float("nan")
    yield Advice(
        "beta",
        "fault",
        f"beta is too high: at {beta:.3g} a bit a frame costs {price:.3g} of the {gain:.3g} there "
        f"is to gain, the latent says {totals[-1]:.2g} bits a frame in all, and outputs differ by "
        f"{100 * share:.0f} % of what items differ by: all decode alike. Lower beta, let it rise "
        "more slowly, or give free bits",
        {"beta": beta, "price": price, "gain": gain, "bits": totals[-1], "spread": share},
        bits.steps[-1],
    )


def silence(run: Run) -> Iterator[Advice]:
    """Hiss at -60 dBFS on a perfect copy costs as much as dither alone."""
    sticks = run.notes.get("yardsticks", {}).get("values", {})
    padding = float(run.notes.get("data", {}).get("padding", float("nan")))
    if "hiss" not in sticks or sticks["hiss"] < sticks["dither"]:
        return
    yield Advice(
        "silence",
        "fault",
        f"the loss is dominated by silence: a perfect copy with hiss at -60 dBFS costs "
        f"{sticks['hiss']:.3g}, dither alone {sticks['dither']:.3g}; {100 * padding:.0f} % of the "
        "clips is padding. Mask by length, or measure logarithms above a floor of each file",
        {"hiss": sticks["hiss"], "dither": sticks["dither"], "padding": padding},
    )


def rate(run: Run) -> Iterator[Advice]:
    """A fifth of the clips or more hold nothing above half of a lower usual rate."""
    data = run.notes.get("data", {})
    clips = int(data.get("clips", 0))
    for older, count in data.get("likely_rates", {}).items():
        if clips and count / clips >= RATE_SHARE:
            yield Advice(
                "rate",
                "fault",
                f"wrong sample rate: {count} of {clips} clips, said to be at "
                f"{data['sample_rate']} Hz, hold nothing above {int(older) / 2:g} Hz: they were "
                f"resampled from {older} Hz. Train at {older} Hz, or get the originals",
                {
                    "clips": count,
                    "of": clips,
                    "declared": data["sample_rate"],
                    "likely": int(older),
                },
            )


def copies(run: Run) -> Iterator[Advice]:
    """A validation clip sounds the same as a training clip."""
    data = run.notes.get("data", {})
    found = data.get("duplicates", [])
    if found:
        held = int(data["validation_clips"])
        pair = found[0]
        yield Advice(
            "duplicates",
            "fault",
            f"{len({d['validation'] for d in found})} of {held} validation clips are in the "
            f"training set too (likeness {pair['likeness']:.4f}: {pair['validation']} and "
            f"{pair['training']}): validation measures memory. Split by group (dspcore data split)",
            {"copies": len({d["validation"] for d in found}), "of": held},
        )


# --- notes --------------------------------------------------------------------------------------


def parked(run: Run) -> Iterator[Advice]:
    """A quarter of the dimensions or more lie within 10 % of the free-bits limit."""
    bits, used = run.arrays.get("latent/bits"), run.arrays.get("latent/sobol")
    limit = float(run.config.get("free_bits", {}).get("limit", 0.0))
    if not bits or not limit > 0:
        return
    near = sum(abs(b - limit) <= 0.1 * limit for b in bits.last)
    if near < len(bits.last) / 4:
        return
    size = f"; effective size {sum(s > 0.01 for s in used.last)} (Sobol)" if used else ""
    yield Advice(
        "parked",
        "note",
        f"{near} of {len(bits.last)} dims within 10 % of the free-bits limit of {limit:g} bit: "
        f"parked, not failing{size}",
        {"parked": near, "dims": len(bits.last), "limit": limit},
        bits.steps[-1],
    )


def standing(run: Run) -> Iterator[Advice]:
    """The validation curve is flat; where it lies within 5 % of a yardstick, that is named."""
    name = validation_metric(run)
    series = run.metrics.get(name, Series())
    way = trend(series.steps, series.values)
    if way is None or not way.flat:
        return
    sticks = run.notes.get("yardsticks", {}).get("values", {})
    close = {k: sticks[k] for k in BEATEN if k in sticks and abs(way.level / sticks[k] - 1) <= NEAR}
    flat = [n for n in terms(run) if (t := trend(*points(run, n))) is not None and t.flat]
    said = f"{name} is flat at {way.level:.4g} since step {way.first} ({way.percent:+.1f} %)"
    if close:
        stick, value = min(close.items(), key=lambda kv: abs(kv[1] - way.level))
        yield Advice(
            "yardstick",
            "fault",
            f"{said}, and stands at the yardstick '{stick}' ({value:.4g}): what comes out is no "
            "better than that",
            {"level": way.level, "yardstick": value},
            way.first,
        )
        return
    more = f"; flat too: {', '.join(flat)}" if flat else ""
    yield Advice("plateau", "note", said + more, {"level": way.level}, way.first)


def second_phase(run: Run) -> Iterator[Advice]:
    """The distance rose by 5 % or more after the generator began to learn against a judge."""
    name = validation_metric(run)
    series = run.metrics.get(name, Series())
    begins = second_begins(run) or 0
    old = [v for s, v in zip(series.steps, series.values, strict=True) if s < begins]
    new = series.since(begins).values
    if not begins or not old or not new:
        return
    before, after = float(np.median(old[-3:])), float(np.median(new[-3:]))
    if after > 1.05 * before:
        yield Advice(
            "phase 2",
            "note",
            f"phase 2 raised {name} from {before:.3g} to {after:.3g}: usual; listen before it is "
            "called worse",
            {"before": before, "after": after},
            begins,
        )


def pressure(run: Run) -> Iterator[Advice]:
    """Beta has been at its greatest for a while and the divergence still falls by 10 % or more."""
    beta, kl = series_of(run, "beta"), series_of(run, "kl_bits")
    if not beta or not kl or beta.last <= 0 or beta.last < max(beta.values):
        return
    reached = next(s for s, v in zip(beta.steps, beta.values, strict=True) if v == beta.last)
    late = kl.since(reached)
    way = trend(late.steps, late.values, share=0.5)
    if reached and way is not None and way.percent < -10:
        yield Advice(
            "pressure",
            "note",
            f"beta has been at its greatest, {beta.last:.3g}, since step {reached}, and KL still "
            f"falls ({way.percent:.0f} % since step {way.first}): dims are being given up; go on, "
            "or lower beta to keep them",
            {"beta": beta.last, "percent": way.percent},
            reached,
        )


def overfit(run: Run) -> Iterator[Advice]:
    """Validation ends 10 % or more above its best, which lies in the first 60 % of the run."""
    name = validation_metric(run)
    series = run.metrics.get(name, Series())
    if not name.startswith("validation/") or len(series) < 8:
        return
    best = int(np.argmin(series.values))
    last = float(np.median(series.values[-3:]))
    early = series.steps[best] < 0.6 * series.steps[-1]
    if early and last > 1.1 * series.values[best] and second_begins(run) is None:
        yield Advice(
            "overfit",
            "note",
            f"{name} was best at step {series.steps[best]} ({series.values[best]:.4g}) and is "
            f"{last:.4g} now: the best weights are kept; more data or a smaller model would help",
            {"best": series.values[best], "last": last},
            series.steps[best],
        )


def changes(run: Run) -> Iterator[Advice]:
    """The validation curve jumped, with what changed there."""
    name = validation_metric(run)
    series = run.metrics.get(name, Series())
    for jump in jumps(series.steps, series.values):
        near = changed(run, jump.step, 3 * int(np.median(np.diff(series.steps))))
        why = f"; there {' and '.join(near)}" if near else "; no setting changed there"
        yield Advice(
            "jump",
            "note",
            f"{name} jumped at step {jump.step} from {jump.before:.4g} to {jump.after:.4g}{why}",
            {"before": jump.before, "after": jump.after},
            jump.step,
        )
