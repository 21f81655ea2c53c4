"""Training: a readable loop for any module, exact resume; ``pip install 'dspcore[train]'``."""

from dspcore.train.ablation import Ablation
from dspcore.train.checkpoint import Checkpoint, load_weights
from dspcore.train.config import AverageConfig, FitConfig, OptimizerConfig, config_text, read_config
from dspcore.train.data import Replayed, Shuffled
from dspcore.train.fit import DivergedError, Fitted, fit
from dspcore.train.groups import param_groups
from dspcore.train.partial import Loaded, load_matching
from dspcore.train.phase import Moved, Phase
from dspcore.train.record import Run, Series, read_run
from dspcore.train.samplers import AnchorSampler, ClipDataset, Points
from dspcore.train.scaled import ScaledSteps
from dspcore.train.schedule import Schedule
from dspcore.train.statistics import plot_statistics, read_statistics, statistics
from dspcore.train.trackers import Tracker, Trackers

__all__ = [
    "Ablation",
    "AnchorSampler",
    "AverageConfig",
    "Checkpoint",
    "ClipDataset",
    "DivergedError",
    "FitConfig",
    "Fitted",
    "Loaded",
    "Moved",
    "OptimizerConfig",
    "Phase",
    "Points",
    "Replayed",
    "Run",
    "ScaledSteps",
    "Schedule",
    "Series",
    "Shuffled",
    "Tracker",
    "Trackers",
    "config_text",
    "fit",
    "load_matching",
    "load_weights",
    "param_groups",
    "plot_statistics",
    "read_config",
    "read_run",
    "read_statistics",
    "statistics",
]
