"""What happened in a pool: how much was rendered, what failed and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dspcore.blackbox.failure import PluginError

_KEPT = 100  # failures that are remembered in full


@dataclass
class Report:
    """Counts since a pool was made; ``print(report)`` says it in a few lines.

    Attributes:
        renders: Evaluations that gave a sound.
        cached: Of those asked for, how many a cache answered.
        retried: Evaluations that failed once and were tried again.
        mended: Of those, how many then gave a sound.
        respawned: Worker processes started in place of one that had ended.
        failures: The first errors of evaluations, also those that were then mended.
        kinds: How many there were of each kind: "crash", "hang", "memory", "output", "failed".
    """

    renders: int = 0
    cached: int = 0
    retried: int = 0
    mended: int = 0
    respawned: int = 0
    failures: list[PluginError] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, error: PluginError) -> None:
        """Count a failure."""
        self.kinds[error.kind] += 1
        if len(self.failures) < _KEPT:
            self.failures.append(error)

    def __str__(self) -> str:
        lines = [f"{self.renders} renders, {self.cached} from the cache"]
        if self.kinds:
            counts = ", ".join(f"{count} x {kind}" for kind, count in self.kinds.most_common())
            lines[0] += f"; failed: {counts}"
            lines.append(
                f"{self.retried} tried again, {self.mended} of them with success; "
                f"{self.respawned} workers replaced"
            )
        lines += [f"  {error}" for error in self.failures[:5]]
        if sum(self.kinds.values()) > 5:
            lines.append(f"  and {sum(self.kinds.values()) - 5} more")
        return "\n".join(lines)
