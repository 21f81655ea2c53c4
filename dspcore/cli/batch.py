"""Render many files: which input becomes which output, in one process or several."""

from __future__ import annotations

import glob
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch

from dspcore.audio import FORMATS, open_audio
from dspcore.errors import UserError, nearest
from dspcore.render import Rendered, render

#: In a process of `render_all`: whether it was told to end, so that no waiting job begins.
_stopped = False


@dataclass(frozen=True)
class Job:
    """One file to read and one to write."""

    source: Path
    target: Path


@dataclass
class Plan:
    """What is to be done, and the files in the given folders that are no audio by their names."""

    jobs: list[Job] = field(default_factory=list)
    ignored: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """Why a file was not written, and the traceback for whoever mends the program."""

    message: str
    trace: str


def plan(
    inputs: Sequence[str], output: str, *, ending: str | None = None, overwrite: bool = False
) -> Plan:
    """Decide what every input becomes; no file is touched.

    Args:
        inputs: Files, folders (searched to all depths), and patterns such as ``takes/**/*.wav``.
        output: A file for a single input file, else a folder that repeats the inputs' structure.
        ending: Format of files in an output folder by its ending ("flac"); by default the input's.
        overwrite: Whether existing outputs may be replaced.

    Raises:
        UserError: Nothing to do, two inputs for one output, or outputs that exist already.
    """
    result = Plan()
    sources: dict[Path, Path] = {}  # each with its name below the output folder
    for text in inputs:
        if Path(text).is_dir():
            sources |= _search(Path(text), Path(output), result.ignored)
        elif glob.has_magic(text) and not Path(text).exists():
            sources |= _match(text)
        else:
            sources[Path(text)] = Path(Path(text).name)
    if _is_folder(output):
        ending = _checked_ending(ending)
        for source, name in sources.items():
            target = Path(output) / (name.with_suffix(ending) if ending else name)
            result.jobs.append(Job(source, target))
    elif len(sources) > 1 or Path(inputs[0]).is_dir():
        raise UserError(
            f"{output}: several inputs need a folder; make it one with a slash: {output}/"
        )
    else:
        if ending and _checked_ending(ending) != Path(output).suffix.lower():
            raise UserError(f"{output}: ends otherwise than the format {ending!r} asks for")
        result.jobs = [Job(source, Path(output)) for source in sources]
    _check_targets(result.jobs, overwrite)
    return result


def render_all(
    jobs: Sequence[Job], options: dict[str, Any], *, processes: int = 1
) -> Iterator[tuple[Job, Rendered | Failure]]:
    """Render every job with the `options` of `dspcore.render.render`, going on after a bad file.

    Several processes are started afresh ("spawn"), each with one thread; the results are the same
    and come in the order they are done.
    """
    if processes <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, attempt(job, options)
        return
    context = multiprocessing.get_context("spawn")
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_begin)
    try:
        waiting = {pool.submit(attempt, job, options): job for job in jobs}
        for done in as_completed(waiting):
            try:
                yield waiting[done], done.result()
            except Exception as error:  # the process died, or what it sent could not be read
                message = f"{waiting[done].source}: its process died ({error})"
                yield waiting[done], Failure(message, traceback.format_exc())
    except BaseException:
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def attempt(
    job: Job, options: dict[str, Any], progress: Callable[[float], object] | None = None
) -> Rendered | Failure:
    """Render one job; an error becomes a `Failure` that names the file."""
    if _stopped:
        raise SystemExit(143)
    try:
        open_audio(job.source).close()  # before a folder is made for what cannot be
        job.target.parent.mkdir(parents=True, exist_ok=True)
        return render(source=job.source, target=job.target, progress=progress, **options)
    except Exception as error:
        message = str(error) if isinstance(error, (ValueError, OSError, RuntimeError)) else ""
        message = message or f"{type(error).__name__}: {error}"
        if not message.startswith((str(job.source), str(job.target))):
            message = f"{job.source}: {message}"
        return Failure(message, traceback.format_exc())


def _search(folder: Path, output: Path, ignored: list[Path]) -> dict[Path, Path]:
    """The audio files below a folder by name; what lies in the output folder is not input."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside_output = (
            output.resolve() != folder.resolve() and output.resolve() in path.resolve().parents
        )
        if path.suffix.lower() in FORMATS and not inside_output:
            found[path] = path.relative_to(folder)
        else:
            ignored.append(path)
    if not found:
        raise UserError(f"{folder}: holds no audio files ({', '.join(FORMATS)})")
    return found


def _match(pattern: str) -> dict[Path, Path]:
    """The files that match a pattern, with their names below its part without wildcards."""
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    base = Path(pattern)
    while glob.has_magic(str(base)):
        base = base.parent
    files = {path: path.relative_to(base) for path in found if path.is_file()}
    if not files:
        raise UserError(f"{pattern}: no file matches")
    return files


def _is_folder(output: str) -> bool:
    if output.endswith(("/", os.sep)) or Path(output).is_dir():
        return True
    ending = Path(output).suffix.lower()
    if ending and ending not in FORMATS:
        raise UserError(
            f"{output}: no audio format ends with {ending!r}; {nearest(ending, FORMATS)} "
            f"(for a folder write {output}/)"
        )
    return not ending


def _checked_ending(ending: str | None) -> str | None:
    if ending is None:
        return None
    dotted = "." + ending.lower().lstrip(".")
    if dotted not in FORMATS:
        known = [name.lstrip(".") for name in FORMATS]
        raise UserError(f"format: unknown {ending!r}; {nearest(ending.lower(), known)}")
    return dotted


def _check_targets(jobs: Sequence[Job], overwrite: bool) -> None:
    seen: dict[Path, Path] = {}
    for job in jobs:
        if job.target in seen:
            raise UserError(
                f"{job.target}: both {seen[job.target]} and {job.source} would be written there; "
                "render them into different folders"
            )
        seen[job.target] = job.source
    existing = [target for target in seen if target.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UserError(f"{existing[0]}{more}: exists already; replace with --overwrite")


def _begin() -> None:
    """In a new process: one thread, and the parent alone decides when to stop."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)


def _stop(*_: object) -> NoReturn:
    global _stopped
    _stopped = True
    raise SystemExit(143)
