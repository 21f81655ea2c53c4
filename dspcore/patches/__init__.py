"""Patches: what parameters may be, sounds by the million, and from a sound back to its patch."""

from __future__ import annotations

from dspcore.patches.auditing import Audit, Level, audit
from dspcore.patches.collapse import CAUSES, Collapse, diagnose, diagnosed, means_of, modes_of
from dspcore.patches.continuous import Continuous
from dspcore.patches.dataset import Dataset
from dspcore.patches.estimator import Budget, Estimator, Examples, check_target, make_estimator
from dspcore.patches.evaluation import Evaluation, Targets, evaluate
from dspcore.patches.frontend import LogMel
from dspcore.patches.generating import generate
from dspcore.patches.heads import HEADS, Head, make_head
from dspcore.patches.hearing import log_mel
from dspcore.patches.kinds import Fixed
from dspcore.patches.match_report import match_page
from dspcore.patches.matching import Match, Refiner, default_refiner, make_refiner, match
from dspcore.patches.metrics import METRICS, Metric, Summary, metric, summary
from dspcore.patches.opening import FAUST24, open_renderer
from dspcore.patches.overlay import overlaid, read_overlay, space_of
from dspcore.patches.params import Condition, PatchParam, Symmetry
from dspcore.patches.patch_file import patch_text, read_patch
from dspcore.patches.playing import (
    DifferentiablePlayer,
    Player,
    examples_of,
    layout_of,
    player_of,
    targets_of,
)
from dspcore.patches.posterior import Draws, Layout, Mixed, Normal, Posterior, from_bins, to_bins
from dspcore.patches.predictability import (
    VERDICTS,
    Finding,
    Report,
    predictability,
    together,
    verdict,
)
from dspcore.patches.recipe import Gates, Recipe
from dspcore.patches.renderer import ISOLATIONS, Isolation, Renderer, Setting
from dspcore.patches.sampler import NoteRange, Sampler, check_disjoint, shared_rows, split_key
from dspcore.patches.saved import load_estimator, save_estimator
from dspcore.patches.scores import Score, Scores, scores
from dspcore.patches.space import ParamSpace, Patch
from dspcore.patches.stepped import Bool, Categorical, Ordered
from dspcore.patches.target import Target, prepared

__all__ = [
    "CAUSES",
    "FAUST24",
    "HEADS",
    "ISOLATIONS",
    "METRICS",
    "VERDICTS",
    "Audit",
    "Bool",
    "Budget",
    "Categorical",
    "Collapse",
    "Condition",
    "Continuous",
    "Dataset",
    "DifferentiablePlayer",
    "Draws",
    "Estimator",
    "Evaluation",
    "Examples",
    "Finding",
    "Fixed",
    "Gates",
    "Head",
    "Isolation",
    "Layout",
    "Level",
    "LogMel",
    "Match",
    "Metric",
    "Mixed",
    "Normal",
    "NoteRange",
    "Ordered",
    "ParamSpace",
    "Patch",
    "PatchParam",
    "Player",
    "Posterior",
    "Recipe",
    "Refiner",
    "Renderer",
    "Report",
    "Sampler",
    "Score",
    "Scores",
    "Setting",
    "Summary",
    "Symmetry",
    "Target",
    "Targets",
    "audit",
    "check_disjoint",
    "check_target",
    "default_refiner",
    "diagnose",
    "diagnosed",
    "evaluate",
    "examples_of",
    "from_bins",
    "generate",
    "layout_of",
    "load_estimator",
    "log_mel",
    "make_estimator",
    "make_head",
    "make_refiner",
    "match",
    "match_page",
    "means_of",
    "metric",
    "modes_of",
    "open_renderer",
    "overlaid",
    "patch_text",
    "player_of",
    "predictability",
    "prepared",
    "read_overlay",
    "read_patch",
    "save_estimator",
    "scores",
    "shared_rows",
    "space_of",
    "split_key",
    "summary",
    "targets_of",
    "to_bins",
    "together",
    "verdict",
]
