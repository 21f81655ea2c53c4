"""Agreement first, then time: rounds that take turns, CPU time of the process, medians."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from statistics import median

import torch
from torch import Tensor

from dspcore.bench.case import Case, Contender, Run, Tensors
from dspcore.bench.limits import floor_seconds, peak_bytes, size_of

SEED = 20_240
# A sample shorter than this would measure the clock.
SAMPLE_SECONDS = 0.02


@dataclass
class Result:
    """What was found out about one contender: decibels below ours, seconds and bytes a call."""

    name: str
    version: str = ""
    problem: str = ""
    difference_db: float | None = None
    gradient_difference_db: float | None = None
    error_db: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    limit_seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Entry:
    """A contender ready to run: its function and its inputs in its own layout."""

    contender: Contender
    result: Result
    run: Run
    inputs: Tensors
    learned: tuple[str, ...]
    cotangent: Tensor

    @classmethod
    def load(cls, case: Case, contender: Contender, result: Result) -> Entry:
        """Import, arrange, run once."""
        inputs, run = contender.arrange(inputs_of(case)), contender.load()
        learned = (contender.learned or case.learned) if case.learned and contender.gradient else ()
        output = forward(run, inputs)
        generator = torch.Generator().manual_seed(SEED + 1)
        cotangent = torch.randn(output.shape, generator=generator).to(output.dtype)
        return cls(contender, result, run, inputs, learned, cotangent)


def decibels(got: Tensor, wanted: Tensor) -> float:
    """Root mean square of the difference over that of `wanted`, in dB; shapes may differ."""
    wanted = wanted.reshape(-1).double()
    difference = got.reshape(-1).double() - wanted
    if not bool(difference.isfinite().all()):
        return math.inf
    below = difference.norm().item() / max(wanted.norm().item(), 1e-300)
    return 20.0 * math.log10(max(below, 1e-20))


def inputs_of(case: Case) -> Tensors:
    """The tensors of a case, the same in every run."""
    return case.inputs(torch.Generator().manual_seed(SEED))


def forward(run: Run, inputs: Tensors) -> Tensor:
    """The forward pass alone."""
    with torch.no_grad():
        return run(inputs)


def backward(entry: Entry) -> Tensors:
    """Forward and backward: the gradient of every learned input under one fixed cotangent."""
    leaves = {name: entry.inputs[name].detach().requires_grad_() for name in entry.learned}
    output = entry.run({**entry.inputs, **leaves})
    found = torch.autograd.grad(output, list(leaves.values()), entry.cotangent)
    return dict(zip(leaves, found, strict=True))


def limits(case: Case, entry: Entry) -> dict[str, float]:
    """Seconds that no program can beat on this machine, of each pass."""
    forward_bytes = size_of(entry.inputs.values()) + size_of([entry.cotangent])
    learned = size_of(entry.inputs[name] for name in entry.learned)
    both = 2 * forward_bytes + learned
    return {
        "forward": floor_seconds(forward_bytes, case.multiply_adds),
        "forward+backward": floor_seconds(both, 3 * case.multiply_adds),
    }


def prepare(case: Case, *, peers: bool, quick: bool) -> tuple[list[Result], list[Entry]]:
    """Load every contender and compare it with ours; those that disagree are named, not timed."""
    inputs = inputs_of(case)
    ours, our_gradients, truth = None, None, None
    results, entries = [], []
    for contender in case.contenders if peers else case.contenders[:1]:
        result = Result(contender.name)
        results.append(result)
        if quick and contender.slow:
            result.problem = "left out of a quick run"
            continue
        try:
            result.version = version(contender.package)
            entry = Entry.load(case, contender, result)
            output = forward(entry.run, entry.inputs)
            if ours is None or truth is None:
                ours = output
                truth = forward(entry.run, {name: x.double() for name, x in inputs.items()})
            result.difference_db = decibels(output, ours)
            result.error_db = decibels(output, truth)
            if entry.learned:
                gradients = backward(entry)
                our_gradients = our_gradients or {**inputs, **gradients}
                wanted = contender.arrange(our_gradients)
                result.gradient_difference_db = max(
                    decibels(gradients[name], wanted[name]) for name in entry.learned
                )
        except (ImportError, PackageNotFoundError):
            result.problem = f"{contender.package} is not installed"
            continue
        except Exception as error:  # A peer that breaks is a line of the table, not the end of it.
            if contender.name == "dspcore":
                raise
            result.problem = f"fails: {type(error).__name__}: {str(error).splitlines()[0][:80]}"
            continue
        if contender.name == "dspcore" and not math.isfinite(result.error_db):
            raise RuntimeError(f"{case.name}: dspcore gives values that are not finite")
        worst = max(result.difference_db, result.gradient_difference_db or -math.inf)
        if worst > contender.agrees_db:
            result.problem = f"differs from ours by {worst:.0f} dB, so its time is not given"
            continue
        entries.append(entry)
    return results, entries


def sample(call: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call, averaged over `calls`."""
    begin = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - begin) / calls


def take_turns(
    calls: dict[str, Callable[[], object]], *, rounds: int, budget: float
) -> dict[str, list[float]]:
    """Samples of every call, round by round, so that a busy neighbour hits all alike.

    A call that would take more than `budget` seconds over all rounds gets fewer of them.
    """
    repeats, turns = {}, {}
    for name, call in calls.items():
        call()
        cost = max(sample(call, 1), 1e-7)
        repeats[name] = max(1, math.ceil(SAMPLE_SECONDS / cost))
        turns[name] = max(1, min(rounds, int(budget / (cost * repeats[name]))))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            for name, call in calls.items():
                if turn < turns[name]:
                    taken[name].append(sample(call, repeats[name]))
    finally:
        gc.enable()
    return taken


def measure(
    case: Case,
    *,
    peers: bool = True,
    rounds: int = 15,
    budget: float = 20.0,
    quick: bool = False,
) -> list[Result]:
    """Every contender of a case, ours first, or ours alone."""
    torch.compiler.reset()
    results, entries = prepare(case, peers=peers, quick=quick)
    results[0].limit_seconds = limits(case, entries[0])
    passes: dict[str, dict[str, Callable[[], object]]] = {
        "forward": {e.contender.name: partial(forward, e.run, e.inputs) for e in entries},
        "forward+backward": {e.contender.name: partial(backward, e) for e in entries if e.learned},
    }
    by_name = {result.name: result for result in results}
    for kind, calls in passes.items():
        for name, call in calls.items():
            call()  # compiled, cached, warm
            if (peak := peak_bytes(call)) is not None:
                by_name[name].peak_bytes[kind] = peak
        for name, taken in take_turns(calls, rounds=rounds, budget=budget).items():
            by_name[name].seconds[kind] = median(taken)
            by_name[name].rounds[kind] = len(taken)
    return results
