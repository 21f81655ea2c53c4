"""What runs in a child process for `bench.export_everywhere`: a host, and none of what trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dspcore.blackbox import hosts


def rendered(
    host: str,
    identity: str,
    values: Sequence[dict[str, float]],
    sound: NDArray[np.float32],
    rate: int,
    size: int,
    changes: Sequence[int],
) -> NDArray[np.float32]:
    """The sound in a host that sets the next of `values` from each block of `changes` on."""
    instance = hosts.get(host).open(identity, rate, size)
    blocks = np.searchsorted(changes, np.arange(-(-sound.shape[1] // size)), "right")
    settings = np.array([list(each.values()) for each in values]).T[:, blocks]
    out = instance.render(sound, settings)
    instance.close()
    return out
