"""Devices, precision and processes of a run, as Lightning Fabric knows them.

The modules stay the user's own, so a loss may call any part of them. Processes side by side take
turns in the batches, and gradients are averaged after every backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from dspcore.train.config import FitConfig
from dspcore.train.data import Replayed
from dspcore.train.extra import needed


class Devices:
    """What a loop asks of Fabric.

    Args:
        config: Accelerator, devices, strategy and precision.
    """

    def __init__(self, config: FitConfig) -> None:
        """Launches the processes, where there are several."""
        self.fabric = needed("lightning_fabric").Fabric(
            accelerator=config.accelerator,
            devices=config.devices,
            strategy=config.strategy,
            precision=config.precision,
        )
        self.fabric.launch()
        self.first: bool = self.fabric.is_global_zero
        self.count: int = self.fabric.world_size
        # With 16-mixed the scaler meets overflowing gradients itself.
        self.scaled = config.precision == "16-mixed"

    def place(self, modules: Mapping[str, nn.Module]) -> None:
        """Move modules to the device and the precision; every process starts with the first's."""
        for module in modules.values():
            self.fabric.strategy.precision.convert_module(module)
            self.fabric.to_device(module)
            if self.count > 1:
                for value in module.state_dict().values():
                    value.copy_(self.fabric.broadcast(value))

    def optimizer(self, optimizer: Optimizer) -> Any:
        """The optimiser with what the precision needs."""
        return self.fabric.setup_optimizers(optimizer)

    def batch(self, data: Callable[[int], Any] | Replayed, step: int) -> Any:
        """This process's batch number `step`, on the device."""
        if isinstance(data, Replayed):
            batch = [data() for _ in range(self.count)][self.fabric.global_rank]
        else:
            batch = data(step * self.count + self.fabric.global_rank)
        convert = self.fabric.strategy.precision.convert_input
        return each_tensor(batch, lambda tensor: convert(self.fabric.to_device(tensor)))

    def autocast(self) -> AbstractContextManager[Any]:
        """Computes in the run's precision within the block."""
        return self.fabric.autocast()

    def backward(self, loss: Tensor, parameters: Iterable[nn.Parameter]) -> None:
        """Gradients, averaged over the processes."""
        self.fabric.backward(loss)
        if self.count > 1:
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.grad = self.fabric.all_reduce(parameter.grad, reduce_op="mean")

    def clip(self, module: nn.Module, optimizer: Any, most: float) -> Tensor:
        """Shorten the gradient to `most`; returns how long it was."""
        return self.fabric.clip_gradients(
            module, optimizer, max_norm=most, error_if_nonfinite=False
        )

    def any(self, said: bool) -> bool:
        """Whether any process says yes."""
        if self.count == 1:
            return said
        return bool(self.fabric.all_reduce(Tensor([said]), reduce_op="sum") > 0)


def each_tensor(value: Any, act: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in it acted on, within lists, tuples, dicts and dataclasses."""
    if isinstance(value, Tensor):
        return act(value)
    if isinstance(value, dict):
        return {key: each_tensor(v, act) for key, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(each_tensor(v, act) for v in value))
    if isinstance(value, list | tuple):
        return type(value)(each_tensor(v, act) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: each_tensor(getattr(value, f.name), act) for f in fields(value) if f.init}
        return replace(value, **parts)
    return value
