"""Patches: what the parameters of a synth may be, and data sets of sounds, by the million."""

from __future__ import annotations

from dspcore.patches.auditing import Audit, Level, audit
from dspcore.patches.dataset import Dataset
from dspcore.patches.frontend import LogMel
from dspcore.patches.generating import generate
from dspcore.patches.opening import FAUST24, open_renderer
from dspcore.patches.overlay import overlaid, read_overlay, space_of
from dspcore.patches.params import (
    Bool,
    Categorical,
    Condition,
    Continuous,
    Fixed,
    Ordered,
    PatchParam,
    Symmetry,
)
from dspcore.patches.recipe import Gates, Recipe
from dspcore.patches.renderer import ISOLATIONS, Isolation, Renderer, Setting
from dspcore.patches.sampler import NoteRange, Sampler, check_disjoint, shared_rows, split_key
from dspcore.patches.space import ParamSpace, Patch

__all__ = [
    "FAUST24",
    "ISOLATIONS",
    "Audit",
    "Bool",
    "Categorical",
    "Condition",
    "Continuous",
    "Dataset",
    "Fixed",
    "Gates",
    "Isolation",
    "Level",
    "LogMel",
    "NoteRange",
    "Ordered",
    "ParamSpace",
    "Patch",
    "PatchParam",
    "Recipe",
    "Renderer",
    "Sampler",
    "Setting",
    "Symmetry",
    "audit",
    "check_disjoint",
    "generate",
    "open_renderer",
    "overlaid",
    "read_overlay",
    "shared_rows",
    "space_of",
    "split_key",
]
