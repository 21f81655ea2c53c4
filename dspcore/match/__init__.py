"""Finding the settings of a chain that make one recording sound like another."""

from dspcore.match.fit import Match, Progress, match

__all__ = ["Match", "Progress", "match"]
