"""Checkpoints: one safetensors file with weights, optimisers and random states, JSON in its head.

The file appears whole or not at all, so a run that is killed while it saves keeps the one before.
Nothing in it is ever unpickled.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dspcore.errors import UserError
from dspcore.files import check_readable, replacing
from dspcore.train.extra import needed

_HEAD = "dspcore.train"


@dataclass
class Checkpoint:
    """What a file holds: tensors by name, and everything else in `state`, as JSON has it."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        save = needed("safetensors.torch").save
        tensors = {name: t.detach().cpu().clone().contiguous() for name, t in self.tensors.items()}
        with replacing(path) as file:
            file.write(save(tensors, {_HEAD: json.dumps(self.state)}))

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Read a file that `save` wrote."""
        check_readable(path)
        safetensors = needed("safetensors")
        try:
            with safetensors.safe_open(str(path), "pt") as file:
                head = (file.metadata() or {}).get(_HEAD)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except safetensors.SafetensorError as error:
            raise UserError(f"{path}: is not a safetensors file: {error}") from error
        if head is None:
            raise UserError(f"{path}: is not a checkpoint of dspcore.train")
        return cls(tensors, json.loads(head))

    def under(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with ``prefix/``, without it."""
        start = prefix + "/"
        return {n[len(start) :]: t for n, t in self.tensors.items() if n.startswith(start)}

    # --- modules --------------------------------------------------------------------------------

    def put_modules(self, modules: Mapping[str, nn.Module]) -> None:
        """Take the weights and buffers of modules in."""
        for name, module in modules.items():
            self.tensors |= {f"model/{name}/{k}": v for k, v in module.state_dict().items()}

    def get_modules(self, modules: Mapping[str, nn.Module]) -> None:
        """Give modules the weights that they had."""
        for name, module in modules.items():
            _load(module, self.under(f"model/{name}"), f"checkpoint of {name}")

    # --- optimisers -----------------------------------------------------------------------------

    def put_optimizer(self, name: str, optimizer: Optimizer) -> None:
        """Take the state of an optimiser in."""
        state = optimizer.state_dict()
        plain: dict[str, dict[str, Any]] = {}
        for index, values in state["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    self.tensors[f"optimizer/{name}/{index}/{key}"] = value
                else:
                    plain.setdefault(str(index), {})[key] = value
        self.state.setdefault("optimizers", {})[name] = {
            "groups": state["param_groups"],
            "plain": plain,
        }

    def get_optimizer(self, name: str, optimizer: Optimizer) -> None:
        """Give an optimiser the state that it had."""
        kept = self.state.get("optimizers", {}).get(name)
        if kept is None:
            raise UserError(f"train: the checkpoint has no optimiser for the phase {name!r}")
        state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in kept["plain"].items()}
        for key, value in self.under(f"optimizer/{name}").items():
            index, _, what = key.partition("/")
            state.setdefault(int(index), {})[what] = value
        groups = [
            {k: tuple(v) if k == "betas" else v for k, v in group.items()}
            for group in kept["groups"]
        ]
        optimizer.load_state_dict({"state": state, "param_groups": groups})

    # --- random numbers -------------------------------------------------------------------------

    def put_random(self) -> None:
        """Take the state of every random number generator in."""
        tensors, plain = random_state()
        self.tensors |= {f"random/{k}": v for k, v in tensors.items()}
        self.state["random"] = plain

    def get_random(self) -> None:
        """Let random numbers go on as they would have."""
        set_random_state(self.under("random"), self.state["random"])


def random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """States of torch's, NumPy's and Python's generators: tensors, and the rest."""
    version, words, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state()
    tensors = {"torch": torch.get_rng_state(), "python": torch.tensor(words)}
    tensors["numpy"] = torch.from_numpy(np.asarray(keys).astype(np.int64))
    if torch.cuda.is_available():
        tensors |= {f"cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    plain = {"python": [version, gauss], "numpy": [name, int(place), int(has_gauss), float(cached)]}
    return tensors, plain


def set_random_state(tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
    """The opposite of `random_state`."""
    torch.set_rng_state(tensors["torch"])
    version, gauss = plain["python"]
    random.setstate((version, tuple(tensors["python"].tolist()), gauss))
    name, place, has_gauss, cached = plain["numpy"]
    keys = tensors["numpy"].numpy().astype(np.uint32)
    np.random.set_state((name, keys, place, has_gauss, cached))
    for key, state in tensors.items():
        device = int(key.removeprefix("cuda.")) if key.startswith("cuda.") else None
        if device is not None and device < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, device)


def load_weights(
    module: nn.Module, path: str | Path, *, name: str = "model", average: bool = True
) -> dict[str, Any]:
    """Give a module the weights of a run, for inference.

    Args:
        module: Built as it was for training.
        path: A checkpoint, or the folder of a run, of which the best is taken, else the latest.
        name: Which module of the run, where it trained several.
        average: Take the averaged weights where the run kept an average.

    Returns:
        What else the checkpoint knows: step, metrics.
    """
    place = Path(path)
    if place.is_dir():
        found = [place / f"{which}.safetensors" for which in ("best", "latest")]
        place = next((p for p in found if p.exists()), found[-1])
    read = Checkpoint.load(place)
    values = read.under(f"average/{name}") if average else {}
    values = values or read.under(f"model/{name}")
    if not values:
        known = sorted({key.split("/")[1] for key in read.tensors if key.startswith("model/")})
        raise UserError(f"{place}: has no module {name!r}; it has {', '.join(known)}")
    _load(module, values, str(place))
    return read.state


def _load(module: nn.Module, values: Mapping[str, Tensor], source: str) -> None:
    own = module.state_dict()
    missing, extra = sorted(own.keys() - values.keys()), sorted(values.keys() - own.keys())
    shapes = [
        f"{k} {tuple(values[k].shape)}, wanted {tuple(own[k].shape)}"
        for k in own.keys() & values.keys()
        if own[k].shape != values[k].shape
    ]
    if missing or extra or shapes:
        said = [f"lacks {', '.join(missing[:5])}"] if missing else []
        said += [f"has {', '.join(extra[:5])}, unknown to the module"] if extra else []
        said += [f"has {'; '.join(sorted(shapes)[:5])}"] if shapes else []
        raise UserError(f"{source} {'; '.join(said)}; build the module as it was trained")
    module.load_state_dict(dict(values))
