"""Estimators of patches, one file each: ``dspcore list estimators``."""
