"""Speech with known word times from espeak-ng, through its C library."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dspcore.data.words.word import Word
from dspcore.errors import UserError

# Of espeak-ng/speak_lib.h: hand samples to the callback, and run in the caller's thread.
_SYNCHRONOUS = 2
_UTF8 = 1
_POSITION_CHARACTER = 1
_LIST_TERMINATED, _WORD = 0, 1
_RATE_WPM = 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_lock = threading.Lock()


@dataclass(frozen=True)
class Speech:
    """What espeak-ng said.

    Args:
        audio: (1, t), float32.
        sample_rate: In Hz, 22,050 as a rule.
        words: Every word of the text. Where espeak-ng runs words together ("from the"), it gives
            one time for all of them, which is shared out by their letters; their score is 0.
    """

    audio: Tensor
    sample_rate: int
    words: list[Word]


def speak(text: str, voice: str = "en", words_per_minute: int = 160) -> Speech:
    """Say a text.

    Args:
        text: Words separated by spaces.
        voice: As ``espeak-ng --voices`` lists them, variants too: "en", "de", "en+f3".
        words_per_minute: 80 to 450.

    Raises:
        RuntimeError: The library is missing.
        UserError: No such voice, or nothing to say.
    """
    if not text.split():
        raise UserError("speak: the text has no words")
    if not 80 <= words_per_minute <= 450:
        raise UserError(f"speak: words_per_minute must be 80 to 450, got {words_per_minute}")
    with _lock:  # the library has one state for the whole process
        library, rate = _library()
        if library.espeak_SetVoiceByName(voice.encode()):
            raise UserError(f"speak: espeak-ng has no voice {voice!r}; see: espeak-ng --voices")
        library.espeak_SetParameter(_RATE_WPM, words_per_minute, 0)
        samples: list[np.ndarray[Any, Any]] = []
        marks: list[tuple[int, float]] = []

        def heard(wave: Any, count: int, events: Any) -> int:
            if wave and count > 0:
                samples.append(np.ctypeslib.as_array(wave, (count,)).copy())
            i = 0
            while events[i].type != _LIST_TERMINATED:
                if events[i].type == _WORD:
                    marks.append((events[i].text_position - 1, events[i].audio_position / 1000))
                i += 1
            return 0

        callback = _Callback(heard)
        library.espeak_SetSynthCallback(callback)
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    if not samples:
        raise UserError(f"speak: espeak-ng said nothing for {text!r}")
    sound = torch.from_numpy(np.concatenate(samples)).float()[None] / 32_768
    return Speech(sound, rate, _placed(text, marks, _spoken(sound[0], rate)))


@functools.cache
def _library() -> tuple[Any, int]:
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise RuntimeError(
            "aligning without a model needs espeak-ng: apt install libespeak-ng1 (or your "
            "system's package)"
        ) from error
    library.espeak_SetSynthCallback.argtypes = [_Callback]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
        ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
    if rate <= 0:
        raise RuntimeError("espeak-ng cannot start: are its voices (espeak-ng-data) installed?")
    return library, int(rate)


def _spoken(sound: Tensor, rate: int) -> float:
    """When the last sound ends, in seconds."""
    loud = torch.nonzero(sound.abs() > 1e-3 * sound.abs().max())
    return float(loud[-1] + 1) / rate if len(loud) else len(sound) / rate


def _placed(text: str, marks: list[tuple[int, float]], end_s: float) -> list[Word]:
    """Words from the times at which espeak-ng began at a letter of the text."""
    places, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        places.append((at, word))
        at += len(word)
    # The words that each mark begins: those from its letter to the next mark's. The library adds
    # marks of its own, as at the end of a text: words go on, so what goes back is none.
    starts: list[tuple[int, float]] = []
    for letter, time_s in sorted(marks, key=lambda mark: mark[1]):
        index = max((i for i, (place, _) in enumerate(places) if place <= letter), default=0)
        if not starts or index > starts[-1][0]:
            starts.append((index, time_s))
    if not starts or starts[0][0] != 0:
        starts.insert(0, (0, starts[0][1] if starts else 0.0))
    words: list[Word] = []
    for n, (first, begin) in enumerate(starts):
        last, end = starts[n + 1] if n + 1 < len(starts) else (len(places), end_s)
        group = [word for _, word in places[first:last]]
        letters = sum(len(word) for word in group)
        for word in group:
            until = begin + (end - begin) * len(word) / letters
            words.append(Word(word, begin, until, None if len(group) == 1 else 0.0))
            begin, letters = until, letters - len(word)
    return words
