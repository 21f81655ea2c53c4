"""How a gradient is found by asking for values: objects, one file each.

Of parameters: `SPSA`, `LeastSquares`, `Differences`. Of the audio at the input: `RandomAudio`,
`LinearAudio`, `LocalAudio`. Others register under the kind "gradients".
"""

from __future__ import annotations

from typing import Any

from dspcore import registry
from dspcore.blackbox.estimators.differences import Differences
from dspcore.blackbox.estimators.least_squares import LeastSquares
from dspcore.blackbox.estimators.linear_audio import LinearAudio
from dspcore.blackbox.estimators.local_audio import LocalAudio
from dspcore.blackbox.estimators.random_audio import RandomAudio
from dspcore.blackbox.estimators.space import AudioEstimator, Estimator, Space
from dspcore.blackbox.estimators.spsa import SPSA

__all__ = [
    "SPSA",
    "AudioEstimator",
    "Differences",
    "Estimator",
    "LeastSquares",
    "LinearAudio",
    "LocalAudio",
    "RandomAudio",
    "Space",
    "named",
]

for _name, _kind in {
    "spsa": SPSA,
    "least_squares": LeastSquares,
    "differences": Differences,
    "random_audio": RandomAudio,
    "linear_audio": LinearAudio,
    "local_audio": LocalAudio,
}.items():
    registry.register("gradients", _name, _kind)


def named(estimator: Any) -> Any:
    """The estimator itself, or the one registered under a name, with its defaults."""
    return registry.get("gradients", estimator)() if isinstance(estimator, str) else estimator
