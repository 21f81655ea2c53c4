"""Searches that go on from a posterior's candidates, one file each: ``dspcore list refiners``."""
