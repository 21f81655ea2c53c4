"""What a run of `dspcore.train` calls things: its phases, its main metric, its optimisers."""

from __future__ import annotations

from typing import Any

from dspcore.train import Run, Series


def phases(run: Run) -> dict[str, tuple[int, int]]:
    """First and last logged step of each phase of a run that has several."""
    found = {}
    for name, series in run.metrics.items():
        head, _, tail = name.rpartition("/")
        if tail == "gradient_norm" and head and series:
            found[head] = (series.steps[0], series.steps[-1])
    return found


def second_begins(run: Run) -> int | None:
    """First logged step of an autoencoder's adversarial phase."""
    span = phases(run).get("generator")
    return None if span is None else span[0]


def optimizer_of(run: Run, phase: str) -> dict[str, Any]:
    """The settings of a phase's optimiser: its own, else those of the run."""
    for table in (run.config.get(phase, {}), run.config.get("fit", {}), run.config):
        settings = table.get("optimizer", table if "clip_norm" in table or "lr" in table else None)
        if isinstance(settings, dict):
            return settings
    return {}


def validation_metric(run: Run) -> str:
    """The metric that yardsticks are drawn on: of validation where there is one."""
    stick = run.notes.get("yardsticks", {}).get("metric")
    for name in (stick, "validation/distance", "validation/loss", "loss"):
        if name in run.metrics:
            return str(name)
    return next((n for n in run.metrics if n.endswith("loss")), "loss")


def terms(run: Run) -> list[str]:
    """Terms and scales of the validation or training loss."""
    head = validation_metric(run).rpartition("/")[0]
    start, main = f"{head}/" if head else "", validation_metric(run)
    skipped = ("lr", "seconds", "gradient_norm", "clipped", "beta")
    return [
        n for n in run.metrics
        if n.startswith(start) and n != main and n.rpartition("/")[2] not in skipped
        and "latent/" not in n and "kl" not in n
    ]  # fmt: skip


def points(run: Run, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of a metric."""
    return run.metrics[name].steps, run.metrics[name].values


def series_of(run: Run, name: str) -> Series:
    """A metric, whichever phase logged it; of validation only where nothing else has it."""
    keys = [key for key in run.metrics if key == name or key.endswith("/" + name)]
    keys.sort(key=lambda key: key.startswith("validation/"))
    return run.metrics[keys[0]] if keys else Series()


def last_of(run: Run, name: str) -> float:
    """The last value of `series_of`; NaN where there is none."""
    series = series_of(run, name)
    return float(series.last) if series else float("nan")


def changed(run: Run, step: int, within: int) -> list[str]:
    """Settings that stepped, and phases that began, near a step."""
    found = [
        f"phase {name} began" for name, (first, _) in phases(run).items()
        if first and abs(first - step) <= within
    ]  # fmt: skip
    for name, series in run.metrics.items():
        if name.rpartition("/")[2] not in ("lr", "beta"):
            continue
        for i in range(1, len(series)):
            old, new = series.values[i - 1], series.values[i]
            if abs(series.steps[i] - step) <= within and abs(new - old) > 0.2 * max(
                abs(old), 1e-12
            ):
                found.append(f"{name} went from {old:.3g} to {new:.3g}")
                break
    return found
