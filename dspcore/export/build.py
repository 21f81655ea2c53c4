"""From a chain to plug-ins: one C++ file for the sound, one wrapper for each format."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dspcore.errors import UserError, nearest
from dspcore.export.check import check
from dspcore.export.formats import FORMATS, Format
from dspcore.export.source import Progress, translate
from dspcore.export.voices import translate_voices
from dspcore.export.writer import Source
from dspcore.rack import Rack
from dspcore.synth import Synth, VoiceSynth

#: Where Debian's dpf-source puts the framework; the environment variable DPF says another place.
DPF = "/usr/share/dpf"
_PACKAGE = Path(__file__).resolve().parent.parent
_OPTIONS = (
    "-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections",
    "-fno-gnu-unique", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math",
    "-fno-tree-slp-vectorize", "-Wno-psabi",
)  # fmt: skip
_LIBRARIES = ("-ldl", "-lpthread", "-lm")


@dataclass(frozen=True)
class Exported:
    """A plug-in that was built."""

    format: str
    path: Path


class CompilerError(RuntimeError):
    """The compiler refused; the message is the command and all that it said."""


def export(
    rack: Rack | VoiceSynth,
    folder: str | os.PathLike[str],
    *,
    name: str,
    formats: Sequence[str] = ("vst3", "clap", "lv2"),
    channels: int = 2,
    voices: int = 16,
    maker: str = "dspcore",
    march: str | None = None,
    source: bool = False,
    progress: Progress = lambda _: None,
) -> list[Exported]:
    """Build native plug-ins whose sound is that of `rack`, from the C++ that training used.

    Every parameter of every effect becomes one of the plug-in, at the rack's own values at first.

    Args:
        rack: A chain, a graph, or an instrument, which is played by MIDI. Further inputs of a graph
            become side-chains with as many channels as the main input.
        folder: Where the plug-ins are put; made where it is missing.
        name: What hosts show.
        formats: Names in `FORMATS`.
        channels: In: 1 or 2. A chain may make two of one. Of an instrument: out.
        voices: Of an instrument: how many notes may sound; a further one takes the voice of the one
            that was let go first, or of the oldest.
        maker: Who made it, as hosts show.
        march: A processor that the plug-in may count on, as g++ -march has it ("native",
            "x86-64-v3"); by default any of the machine's architecture.
        source: Whether the C++ is left in `folder`, too.
        progress: Told what is being done.

    Returns:
        What was built.

    Raises:
        UserError: A part cannot be exported (it is named), or something is missing (with what to
            install); nothing is built then.
        CompilerError: The compiler refused.
    """
    _check(rack, name, formats, channels)
    compiler, dpf = tools(formats)
    root = sources()
    if isinstance(rack, VoiceSynth):
        made = translate_voices(rack, channels, root / "csrc", voices, progress)
    else:
        made = translate(rack, channels, root / "csrc", progress)
    out = Path(folder)
    slug = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    command = [*compiler, *flags(), f"-I{root / 'csrc'}", f"-I{root / 'bindings'}"]
    if march:
        command.append(f"-march={march}")
    with tempfile.TemporaryDirectory(prefix="dspcore-export-") as work:
        place = Path(work)
        (place / "chain.cpp").write_text(made.code, encoding="utf-8")
        (place / "DistrhoPluginInfo.h").write_text(_info(made, name, slug, maker), encoding="utf-8")
        objects = {place / "chain.o": [str(place / "chain.cpp")]}
        objects[place / "threads.o"] = [str(root / "csrc" / "dsp" / "threads.cpp")]
        for key in formats:
            if target := FORMATS[key].target:
                objects[place / f"{target}.o"] = _wrapper(target, dpf, root, place)
        progress("compiling the chain")
        _compile(command, objects)
        progress("comparing it with the chain")
        probe = place / "probe.so"
        chain = [str(place / "chain.o"), str(place / "threads.o")]
        _run([*command, "-shared", *chain, "-o", str(probe), *_LIBRARIES])
        check(rack, probe, channels, voices)
        out.mkdir(parents=True, exist_ok=True)
        if source:
            shutil.copy(place / "chain.cpp", out / f"{slug}.cpp")
        done = []
        for key in dict.fromkeys(formats):
            progress(f"building {FORMATS[key].title}")
            whole = _build(FORMATS[key], command, root, place, out, name, slug)
            done.append(Exported(key, whole))
    return done


def _check(rack: Rack | VoiceSynth, name: str, formats: Sequence[str], channels: int) -> None:
    if not re.search(r"[A-Za-z]", name) or re.search(r'[/\\"\x00-\x1f]', name):
        raise UserError(f"export: name must have a letter and no / \\ or quote, got {name!r}")
    if not formats:
        raise UserError(f"export: name a format: {', '.join(FORMATS)}")
    for key in formats:
        if key not in FORMATS:
            raise UserError(f"export: unknown format {key!r}; {nearest(key, FORMATS)}")
    if channels not in (1, 2):
        raise UserError(f"export: channels must be 1 or 2, got {channels}")
    if isinstance(rack, Synth):
        if not isinstance(rack, VoiceSynth):
            raise UserError(
                f"{rack.name} cannot be exported: it is a plug-in itself ({rack.source})"
            )
        if "ladspa" in formats:
            raise UserError("export: LADSPA knows no notes; an instrument goes to another format")
    elif not len(rack):
        raise UserError("export: the chain has no effects")


def tools(formats: Sequence[str]) -> tuple[list[str], Path]:
    """The compiler and the folder of DPF, or an error that says what to install."""
    if not sys.platform.startswith("linux"):
        raise UserError(f"export: builds plug-ins on Linux, not on {sys.platform}")
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    if shutil.which(compiler[0]) is None:
        raise UserError(
            f"export: no C++ compiler {compiler[0]!r}; install one: apt-get install g++"
        )
    dpf = Path(os.environ.get("DPF", DPF))
    needs = [key for key in formats if FORMATS[key].target]
    if needs and not (dpf / "distrho" / "DistrhoPluginMain.cpp").is_file():
        raise UserError(
            f"export: {', '.join(needs)} need the DISTRHO Plugin Framework, which is not at {dpf}; "
            "install it: apt-get install dpf-source, or set DPF to the folder of a copy"
        )
    return compiler, dpf


def flags() -> list[str]:
    """What the compiler is told of every file; the user's own words, in CXXFLAGS, come last."""
    return [*_OPTIONS, *shlex.split(os.environ.get("CXXFLAGS", ""))]


def sources() -> Path:
    """The folder that has ``csrc`` and ``bindings``: of the checkout, or installed beside."""
    for root in (_PACKAGE / "source", _PACKAGE.parent):
        if (root / "csrc" / "plugin").is_dir() and (root / "bindings" / "dspcore.h").is_file():
            return root
    raise UserError("export: the C++ sources of dspcore are not installed; install dspcore again")


def _info(made: Source, name: str, slug: str, maker: str) -> str:
    """What DPF wants to know of a plug-in before it is made."""
    number = int(hashlib.sha256(slug.encode()).hexdigest()[:6], 16)
    late = int(not (made.latency.constant and int(float(made.latency.code)) == 0))
    form = {1: "mono", 2: "stereo"}[made.outputs]
    inputs = made.inputs * (1 + len(made.further))
    kind, category = (
        ('"audio-effect"', "Fx")
        if not made.instrument
        else ('"instrument", "synthesizer"', "Instrument|Synth")
    )
    return "\n".join(
        [
            "#pragma once",
            f'#define DISTRHO_PLUGIN_NAME "{name}"',
            '#define DISTRHO_PLUGIN_BRAND "dspcore"',
            f'#define DISTRHO_PLUGIN_URI "urn:dspcore:{slug}"',
            f'#define DISTRHO_PLUGIN_CLAP_ID "dspcore.{slug}"',
            f'#define DISTRHO_PLUGIN_CLAP_FEATURES {kind}, "{form}"',
            f'#define DISTRHO_PLUGIN_VST3_CATEGORIES "{category}|{form.title()}"',
            f"#define DISTRHO_PLUGIN_IS_SYNTH {int(made.instrument)}",
            f"#define DISTRHO_PLUGIN_WANT_MIDI_INPUT {int(made.instrument)}",
            "#define DISTRHO_PLUGIN_HAS_UI 0",
            "#ifdef DISTRHO_PLUGIN_TARGET_CLAP",
            "#define DISTRHO_PLUGIN_WANT_STATE 1  // or a CLAP does not save even its parameters",
            "#endif",
            "#define DISTRHO_PLUGIN_IS_RT_SAFE 1",
            f"#define DISTRHO_PLUGIN_NUM_INPUTS {inputs}",
            f"#define DSPCORE_CHANNELS {max(1, made.inputs)}",
            f"#define DISTRHO_PLUGIN_NUM_OUTPUTS {made.outputs}",
            f"#define DISTRHO_PLUGIN_WANT_LATENCY {late}",
            f'#define DSPCORE_LABEL "{slug}"',
            f'#define DSPCORE_DESCRIPTION "{name}: exported by dspcore"',
            f'#define DSPCORE_MAKER "{re.sub(r"[^ -!#-Z^-~]", "", maker)}"',
            '#define DSPCORE_LICENSE "Apache-2.0"',
            f"#define DSPCORE_UNIQUE_ID 0x{number:06x}",
            "",
        ]
    )


def _wrapper(target: str, dpf: Path, root: Path, place: Path) -> list[str]:
    """What the compiler is told to make a format of the chain that is described in `place`."""
    return [
        f"-DDISTRHO_PLUGIN_TARGET_{target}",
        f"-I{place}",
        f"-I{dpf / 'distrho'}",
        f"-I{dpf}",
        "-w",  # the framework's warnings are not the user's
        str(root / "bindings" / "plugin.cpp"),
    ]


def _compile(command: Sequence[str], objects: Mapping[Path, Sequence[str]]) -> None:
    """Make the objects of their words, as many at once as there are processors for us."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = [
            pool.submit(_run, [*command, "-c", *words, "-o", str(made)])
            for made, words in objects.items()
        ]
        try:
            for job in jobs:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _build(
    format: Format,
    command: Sequence[str],
    root: Path,
    place: Path,
    out: Path,
    name: str,
    slug: str,
) -> Path:
    """One format of the chain that is compiled in `place`."""
    words = {"name": name, "slug": slug, "machine": platform.machine()}
    whole, library = out / format.whole.format(**words), out / format.path.format(**words)
    objects = [str(place / "chain.o"), str(place / "threads.o")]
    if format.target:
        objects.append(str(place / f"{format.target}.o"))
    symbols = place / "symbols"
    symbols.write_text(f"{{ global: {'; '.join(format.entries)}; local: *; }};\n", encoding="utf-8")
    fresh = place / "plugin.so"
    _run(
        [
            *command,
            "-shared",
            "-static-libgcc",
            *objects,
            "-o",
            str(fresh),
            f"-Wl,--version-script={symbols}",
            "-Wl,--gc-sections,--no-undefined,-z,nodelete",
            *_LIBRARIES,
        ]
    )
    library.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(fresh, library.with_suffix(".new"))
    library.with_suffix(".new").chmod(0o755)
    library.with_suffix(".new").replace(library)
    if format.target == "LV2":
        describe = (
            "import ctypes, sys; ctypes.CDLL(sys.argv[1]).lv2_generate_ttl(sys.argv[2].encode())"
        )
        _run([sys.executable, "-c", describe, str(library.resolve()), slug], cwd=library.parent)
        _without_mod(library.parent / f"{slug}.ttl")
    if not format.target:
        shutil.copyfile(root / "bindings" / "dspcore.h", out / "dspcore.h")
    return whole


def _without_mod(description: Path) -> None:
    """Take out what DPF says in the words of one device, which LV2 itself does not know."""
    lines = description.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.lstrip().startswith(("mod:", "@prefix mod:"))]
    description.write_text("".join(kept), encoding="utf-8")


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode:
        raise CompilerError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}".rstrip())
