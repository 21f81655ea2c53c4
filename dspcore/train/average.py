"""An exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dspcore.train.config import AverageConfig


class Average:
    """Keeps ``average = decay average + (1 - decay) weights``; buffers are copied.

    Args:
        modules: By name.
        config: Decay, start and ramp.
    """

    def __init__(self, modules: Mapping[str, nn.Module], config: AverageConfig) -> None:
        """Starts at the weights."""
        self.modules, self.config = modules, config
        self.values = {name: value.detach().clone() for name, value in self._now()}

    def _now(self) -> Iterator[tuple[str, Tensor]]:
        for name, module in self.modules.items():
            for key, value in module.state_dict().items():
                yield f"{name}/{key}", value

    def update(self, step: int) -> None:
        """Take the weights after `step` in."""
        since = step - self.config.start
        decay = self.config.decay if since > 0 else 0.0
        if self.config.ramp and since > 0:
            decay = min(decay, (1 + since) / (10 + since))
        with torch.no_grad():
            for name, value in self._now():
                if value.is_floating_point():
                    self.values[name].lerp_(value, 1 - decay)
                else:
                    self.values[name].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the modules have the averaged weights."""
        own = {name: value.detach().clone() for name, value in self._now()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(own)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self._now():
                value.copy_(values[name])
