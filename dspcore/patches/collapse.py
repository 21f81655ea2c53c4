"""The alarm for a network that says the mean: of which parameters, and which of four causes.

Square error hides it: in Faust-24 the mean scores 0.082 and a useful network 0.057.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dspcore.patches.estimator import Estimator, Examples
from dspcore.patches.posterior import Layout
from dspcore.patches.scores import matched_members

#: A parameter whose predictions have less than this of the truth's deviation says the mean.
COLLAPSED = 0.05

CAUSES = {
    "optimisation": (
        "the same answer to every sound, the training set's own among them: it has not learnt. "
        "Bring every mel band to mean 0 and deviation 1, and take AdamW with a rate that rises "
        "and falls"
    ),
    "symmetry": (
        "the members of a symmetric group are told apart by nothing, and their mean has the least "
        "square error. Take a head that gives a distribution (joint, flow) and rank its draws by "
        "sound, or sort the members"
    ),
    "data": (
        "what it says of the training set is right and of other sounds is not: give more examples"
    ),
    "hidden": (
        "other parameters are found, so the network learns: this one cannot be heard in most "
        "patches (closed gate, inaudible) or hides behind another; see dspcore synth "
        "predictability"
    ),
}


@dataclass(frozen=True)
class Collapse:
    """What the alarm found.

    Attributes:
        spread: Median over the parameters of std(prediction) / std(truth), held out.
        cause: Of each collapsed parameter (by column), a key of `CAUSES`.
        whole: The cause that holds for all of it, when most have collapsed.
    """

    spread: float
    cause: dict[int, str]
    whole: str | None

    def sentences(self, names: Sequence[str] = ()) -> list[str]:
        """What a person should read; empty when all is well."""
        if self.whole is not None:
            return [f"predicts the mean (spread {self.spread:.3f}): {CAUSES[self.whole]}"]
        out = []
        for cause in dict.fromkeys(self.cause.values()):
            columns = [i for i, c in self.cause.items() if c == cause]
            said = ", ".join(names[i] if names else f"parameter {i}" for i in columns)
            out.append(f"predicts the mean of {said}: {CAUSES[cause]}")
        return out


def diagnose(
    seen: Tensor, seen_truth: Tensor, held: Tensor, held_truth: Tensor, layout: Layout
) -> Collapse:
    """Tell what has collapsed, and why.

    Args:
        seen: Predicted means of training examples, (n, p).
        seen_truth: Their settings.
        held: Predicted means of held-out examples, (m, p).
        held_truth: Their settings.
        layout: Of the parameters.
    """
    spread = held.std(0) / held_truth.std(0).clamp(min=1e-9)
    inner = seen.std(0) / seen_truth.std(0).clamp(min=1e-9)
    fitted = 1 - (seen - seen_truth).square().mean(0) / seen_truth.var(0).clamp(min=1e-9)
    found = 1 - (held - held_truth).square().mean(0) / held_truth.var(0).clamp(min=1e-9)
    symmetric = _symmetric(held, held_truth, layout)
    learns = bool((found > 0.1).any() | (fitted > 0.1).any())
    cause: dict[int, str] = {}
    for i in range(len(layout)):
        if spread[i] < COLLAPSED and inner[i] < COLLAPSED and not learns:
            cause[i] = "optimisation"
        elif i in symmetric:
            cause[i] = "symmetry"
        elif fitted[i] > 0.3 and found[i] < 0.05:
            cause[i] = "data"
        elif spread[i] < COLLAPSED:
            cause[i] = "hidden"
    middle = float(spread.median())
    whole = None
    if cause and len(cause) > len(layout) / 2:
        counted = list(cause.values())
        whole = max(dict.fromkeys(counted), key=counted.count)
    return Collapse(middle, cause, whole)


def _symmetric(held: Tensor, truth: Tensor, layout: Layout) -> set[int]:
    """Columns of groups whose members' predictions lie together although the truth's do not."""
    out: set[int] = set()
    for group in layout.groups:
        columns = torch.tensor(group)
        apart = held[:, columns].std(1).mean() / truth[:, columns].std(1).mean().clamp(min=1e-9)
        as_is = (held - truth)[:, columns].abs().mean()
        best = (matched_members(held, truth, layout) - truth)[:, columns].abs().mean()
        if apart < 0.5 or (best < 0.6 * as_is and as_is > 0.15):
            out.update(columns.flatten().tolist())
    return out


def diagnosed(
    estimator: Estimator,
    training: Examples,
    validation: Examples,
    names: Sequence[str] = (),
    count: int = 1000,
) -> list[str]:
    """The alarm's sentences for an estimator that has just learnt."""
    means = [means_of(estimator, e.rows(slice(0, count))) for e in (training, validation)]
    truths = [e.u[:count] for e in (training, validation)]
    found = diagnose(means[0], truths[0], means[1], truths[1], training.layout)
    return found.sentences(names)


def modes_of(estimator: Estimator, examples: Examples) -> Tensor:
    """Likeliest settings of examples, (n, p)."""
    with torch.no_grad():
        return torch.cat([estimator.believe(mel.float()).mode() for mel in examples.mel.split(256)])


def means_of(estimator: Estimator, examples: Examples) -> Tensor:
    """Posterior means of examples, (n, p)."""
    with torch.no_grad():
        return torch.cat([estimator.believe(mel.float()).mean() for mel in examples.mel.split(256)])
