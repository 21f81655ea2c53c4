"""What runs in a child process for `bench.export_fitted`: a host, and none of what trains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox import hosts


def rendered(
    host: str,
    identity: str,
    before: dict[str, float],
    after: dict[str, float],
    sound: NDArray[np.float32],
    rate: int,
    size: int,
    change: int,
) -> NDArray[np.float32]:
    """The sound in a host whose parameters are others from a block on; in a child process."""
    instance = hosts.get(host).open(identity, rate, size)
    settings = np.repeat(np.array(list(before.values()))[:, None], -(-sound.shape[1] // size), 1)
    settings[:, change:] = np.array(list(after.values()))[:, None]
    out = instance.render(sound, settings)
    instance.close()
    return out
