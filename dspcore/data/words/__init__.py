"""Words in recordings: read what aligners write, align without weights, refine, cut, score."""

from dspcore.data.words.align import align
from dspcore.data.words.cut import Cut, cut
from dspcore.data.words.external import align_with
from dspcore.data.words.reading import read_words
from dspcore.data.words.refine import refine
from dspcore.data.words.score import Score, score
from dspcore.data.words.vctk import Utterance, vctk
from dspcore.data.words.word import Word, write_words

__all__ = [
    "Cut",
    "Score",
    "Utterance",
    "Word",
    "align",
    "align_with",
    "cut",
    "read_words",
    "refine",
    "score",
    "vctk",
    "write_words",
]
