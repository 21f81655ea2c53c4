"""What a latent and its training look like from outside: numbers, yardsticks, curves."""

from dspcore.latent.diagnostics.aggregate import aggregate_mmd
from dspcore.latent.diagnostics.correlation import feature_correlation
from dspcore.latent.diagnostics.curves import Jump, Trend, jumps, trend
from dspcore.latent.diagnostics.gradients import gradient_lengths, update_ratios
from dspcore.latent.diagnostics.information import (
    active_units,
    dims_parked,
    dims_under,
    pca_fidelity,
)
from dspcore.latent.diagnostics.items import Item, by_group, by_part, from_json, items
from dspcore.latent.diagnostics.sounds import Side, data_facts
from dspcore.latent.diagnostics.usage import (
    PruneCurve,
    dims_used,
    principal_sobol,
    prune_curve,
    sobol,
)
from dspcore.latent.diagnostics.yardsticks import MEANINGS, stand_ins, yardsticks

__all__ = [
    "MEANINGS",
    "Item",
    "Jump",
    "PruneCurve",
    "Side",
    "Trend",
    "active_units",
    "aggregate_mmd",
    "by_group",
    "by_part",
    "data_facts",
    "dims_parked",
    "dims_under",
    "dims_used",
    "feature_correlation",
    "from_json",
    "gradient_lengths",
    "items",
    "jumps",
    "pca_fidelity",
    "principal_sobol",
    "prune_curve",
    "sobol",
    "stand_ins",
    "trend",
    "update_ratios",
    "yardsticks",
]
