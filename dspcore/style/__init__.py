"""Style transfer: controllers that set an effect so that one recording sounds like another."""

from dspcore.style.clips import Clips, read_clips
from dspcore.style.controller import Budget, Controller, heard, make_controller
from dspcore.style.encoders import Encoder, load_encoder, make_encoder
from dspcore.style.evaluation import YARDSTICKS, Evaluation, advice, evaluate
from dspcore.style.head import Head
from dspcore.style.heads import load_head, save_head
from dspcore.style.metrics import level_matched, stft_distance
from dspcore.style.pairing import Pairing
from dspcore.style.pairs import Pairs, PairSource, RenderCache
from dspcore.style.rendering import effect_named, render
from dspcore.style.timbre import brightness, depth, timbre
from dspcore.style.transfer import Transfer, transfer

__all__ = [
    "YARDSTICKS",
    "Budget",
    "Clips",
    "Controller",
    "Encoder",
    "Evaluation",
    "Head",
    "PairSource",
    "Pairing",
    "Pairs",
    "RenderCache",
    "Transfer",
    "advice",
    "brightness",
    "depth",
    "effect_named",
    "evaluate",
    "heard",
    "level_matched",
    "load_encoder",
    "load_head",
    "make_controller",
    "make_encoder",
    "read_clips",
    "render",
    "save_head",
    "stft_distance",
    "timbre",
    "transfer",
]
