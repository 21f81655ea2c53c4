"""Aligners that are installed elsewhere, each in an environment of its own, run as programs."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dspcore import audio
from dspcore.data.words.reading import read_words
from dspcore.data.words.word import Word
from dspcore.errors import UserError

#: Command lines that are known by name; any other is given in full.
COMMANDS = {
    "mfa": "mfa align --clean {corpus} english_us_arpa english_us_arpa {out}",
    "mfa-conda": "conda run -n aligner "
    "mfa align --clean {corpus} english_us_arpa english_us_arpa {out}",
}

_ENDINGS = (".TextGrid", ".json", ".smil", ".csv")


def align_with(
    command: str,
    recordings: Sequence[tuple[str | os.PathLike[str], str]],
    *,
    timeout_s: float = 3600.0,
) -> list[list[Word]]:
    """Align recordings by another program.

    The recordings are laid out as the Montreal Forced Aligner wants a corpus, ``NAME.wav`` (mono,
    16 bits) beside ``NAME.lab`` with the text; the program then writes an alignment of each, in a
    form that `read_words` knows, somewhere below its output folder.

    Args:
        command: A name from `COMMANDS`, or a command line with ``{corpus}`` and ``{out}``.
        recordings: Files with what is said in them.
        timeout_s: How long the program may take.

    Returns:
        The words of each recording, in the given order.

    Raises:
        UserError: The program is missing, fails, takes too long, or leaves a recording out.
    """
    line = COMMANDS.get(command, command)
    if "{corpus}" not in line or "{out}" not in line:
        raise UserError(
            f"align: {command!r} is neither a known aligner ({', '.join(COMMANDS)}) nor a command "
            "line with {corpus} and {out}"
        )
    with tempfile.TemporaryDirectory() as folder:
        corpus, out = Path(folder, "corpus"), Path(folder, "out")
        corpus.mkdir()
        out.mkdir()
        for number, (path, text) in enumerate(recordings):
            sound, rate = audio.read(path)
            audio.write(corpus / f"r{number:06d}.wav", sound.mean(0, keepdim=True), rate, "PCM_16")
            (corpus / f"r{number:06d}.lab").write_text(text + "\n", encoding="utf-8")
        words = [part.format(corpus=corpus, out=out) for part in shlex.split(line)]
        _run(words, timeout_s)
        return [_result(out, number, Path(path)) for number, (path, _) in enumerate(recordings)]


def _run(words: list[str], timeout_s: float) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError as error:
        raise UserError(f"align: no program {words[0]!r} here; is its environment on?") from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"align: {shlex.join(words)} took more than {timeout_s:.0f} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[-20:])
        raise UserError(f"align: {shlex.join(words)} ended with {done.returncode}:\n{said}")


def _result(out: Path, number: int, path: Path) -> list[Word]:
    files = [f for f in sorted(out.rglob(f"r{number:06d}.*")) if f.suffix in _ENDINGS]
    if not files:
        raise UserError(f"align: the program wrote no alignment for {path}")
    return read_words(files[0])
