"""Folders of recordings as data: manifests, audits, splits, shards, clips, and words."""

from dspcore.data import words
from dspcore.data.audit import Finding, Limits, audit
from dspcore.data.audit_page import audit_page
from dspcore.data.clips import Clip, Clips
from dspcore.data.manifest import Row, Rules, read, scan, write
from dspcore.data.shards import Format, Packed, Shards, pack
from dspcore.data.ship import ship
from dspcore.data.split import Split, read_split, split, word_overlap, write_split

__all__ = [
    "Clip",
    "Clips",
    "Finding",
    "Format",
    "Limits",
    "Packed",
    "Row",
    "Rules",
    "Shards",
    "Split",
    "audit",
    "audit_page",
    "pack",
    "read",
    "read_split",
    "scan",
    "ship",
    "split",
    "word_overlap",
    "words",
    "write",
    "write_split",
]
