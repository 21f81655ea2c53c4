"""Runs of `dspcore.train` looked at from the files they left: pages, tables, numbers."""

from dspcore.runs.comparison import differences, flat_config
from dspcore.runs.page import Report, report

__all__ = ["Report", "differences", "flat_config", "report"]
