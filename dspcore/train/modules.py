"""The tree of modules of what is trained, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def module_tree(modules: Mapping[str, nn.Module]) -> list[dict[str, Any]]:
    """For each module its name, class, numbers of parameters (all, trained), and its children."""
    return [_branch(name, module) for name, module in modules.items()]


def _branch(name: str, module: nn.Module) -> dict[str, Any]:
    parameters = list(module.parameters())
    return {
        "name": name,
        "type": type(module).__name__,
        "facts": module.extra_repr(),
        "parameters": sum(p.numel() for p in parameters),
        "trained": sum(p.numel() for p in parameters if p.requires_grad),
        "children": [_branch(key, child) for key, child in module.named_children()],
    }
