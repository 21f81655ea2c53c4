"""Short names, the index behind them, and the commands that list, measure and render plug-ins."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import installed
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from installed import MDA

from dspcore.blackbox import find, probe
from dspcore.blackbox import scan as scanning
from dspcore.blackbox.isolate import Isolate
from dspcore.cli import main
from dspcore.errors import UserError

#: A library whose plug-in renders NaN, and one that cannot even be listed.
BROKEN = {
    "nan.so": "void run(void* h, unsigned long n) "
    "{ for (unsigned long i = 0; i < n; i++) out[i] = 0.0f / 0.0f; }",
    "crash.so": "__attribute__((constructor)) static void now(void) { *(volatile int*)0 = 1; }"
    "void run(void* h, unsigned long n) {}",
    "hang.so": "void run(void* h, unsigned long n) { for (;;) {} }",
}
LADSPA_C = """
#include <stddef.h>
static float* out;
typedef struct {{ int hints; float low, high; }} Hint;
typedef struct Descriptor {{
  unsigned long id; const char* label; int properties; const char *name, *maker, *copyright;
  unsigned long count; const int* ports; const char* const* names; const Hint* hints; void* data;
  void* (*instantiate)(const struct Descriptor*, unsigned long);
  void (*connect)(void*, unsigned long, float*);
  void (*activate)(void*); void (*run)(void*, unsigned long);
  void (*adding)(void*, unsigned long); void (*gain)(void*, float);
  void (*deactivate)(void*); void (*cleanup)(void*);
}} Descriptor;
static void* make(const Descriptor* d, unsigned long rate) {{ return (void*)1; }}
static void connect(void* h, unsigned long p, float* at) {{ out = at; }}
{run}
static const int ports[] = {{10}};
static const char* const names[] = {{"out"}};
static const Hint hints[1];
static const Descriptor me = {{1, "{label}", 0, "{label}", "", "", 1, ports, names, hints, NULL,
  make, connect, NULL, run, NULL, NULL, NULL, NULL}};
const Descriptor* ladspa_descriptor(unsigned long i) {{ return i ? NULL : &me; }}
"""


@pytest.fixture(scope="module", autouse=True)
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine with mda, some of zam and swh in every format, and broken libraries."""
    installed.needed("/usr/lib/lv2/mda.lv2", "/usr/lib/clap/ZamCompX2.clap")
    root = tmp_path_factory.mktemp("machine")
    few = ("ZamCompX2", "ZamEQ2")
    sources = {
        "lv2": ["lv2/mda.lv2", *(f"lv2/{name}.lv2" for name in few)],
        "clap": [f"clap/{name}.clap" for name in few],
        "ladspa": ["ladspa/hilbert_1440.so", *(f"ladspa/{name}-ladspa.so" for name in few)],
        "vst3": [f"vst3/{name}.vst3" for name in few],
        "vst": [f"vst/{name}-vst.so" for name in few],
    }
    for folder, names in sources.items():
        (root / folder).mkdir()
        for name in names:
            (root / folder / Path(name).name).symlink_to(Path("/usr/lib") / name)
    for name, run in BROKEN.items():
        source = root / "broken.c"
        source.write_text(LADSPA_C.format(run=run, label=name.removesuffix(".so")))
        compiler = shutil.which("gcc") or shutil.which("g++") or "no C compiler"
        target = str(root / "ladspa" / name)
        command = [compiler, "-w", "-shared", "-fPIC", "-o", target, str(source)]
        subprocess.run(command, check=True, timeout=60)
    (root / "ladspa" / "text.so").write_text("not a library")
    with pytest.MonkeyPatch.context() as patch:
        for folder in sources:
            patch.setenv(f"{folder.upper()}_PATH", str(root / folder))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield root


@pytest.mark.parametrize(
    ("name", "host", "identity"),
    [
        ("mda:Overdrive", "lv2", MDA + "Overdrive"),
        ("MDA Overdrive", "lv2", MDA + "Overdrive"),
        ("zam:ZamCompX2", "lv2", "urn:zamaudio:ZamCompX2"),
        ("ZamCompX2", "lv2", "urn:zamaudio:ZamCompX2"),
        ("lv2:ZamCompX2", "lv2", "urn:zamaudio:ZamCompX2"),
        ("urn:zamaudio:ZamCompX2", "lv2", "urn:zamaudio:ZamCompX2"),
        ("dawdreamer:urn:zamaudio:ZamEQ2", "dawdreamer", "urn:zamaudio:ZamEQ2"),
        ("clap:ZamEQ2", "clap", "{0}/clap/ZamEQ2.clap:com.zamaudio.ZamEQ2"),
        ("ladspa:hilbert", "ladspa", "{0}/ladspa/hilbert_1440.so:hilbert"),
        ("vst3:ZamEQ2", "pedalboard", "{0}/vst3/ZamEQ2.vst3"),
        ("vst2:ZamEQ2", "dawdreamer", "{0}/vst/ZamEQ2-vst.so"),
        ("pedalboard:Reverb", "pedalboard", "Reverb"),
        ("dawdreamer:{0}/my.dsp", "dawdreamer", "{0}/my.dsp"),
        ("{0}/vst/ZamEQ2-vst.so", "dawdreamer", "{0}/vst/ZamEQ2-vst.so"),
        ("{0}/ladspa/hilbert_1440.so", "ladspa", "{0}/ladspa/hilbert_1440.so"),
        ("{0}/vst3/ZamEQ2.vst3", "pedalboard", "{0}/vst3/ZamEQ2.vst3"),
    ],
)
def test_short_names(machine: Path, name: str, host: str, identity: str) -> None:
    assert find.resolve(name.format(machine)) == (host, identity.format(machine))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mda:Overdrv", "did you mean 'mda:Overdrive'"),
        ("Overdrve", "did you mean 'mda:Overdrive'"),
        ("pedalboard:Revreb", "did you mean 'pedalboard:Reverb'"),
        ("something else", "dspcore plugins scan lists"),
        ("", "its name is empty"),
        ("{0}/lv2/mda.lv2", "is an LV2 bundle"),
        ("{0}/ladspa/text.so", "is no shared library"),
        ("{0}/none.so", "no such file"),
        ("/usr/lib/lv2/mda.lv2/Overdrive.so", "LV2, open it by its URI"),
    ],
)
def test_a_name_that_is_none_says_what_to_do(machine: Path, name: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        find.resolve(name.format(machine))
    assert words in str(caught.value)


def test_the_index_is_read_again_only_where_files_change(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    call = Isolate.call

    def counted(self: Isolate, function: object, *rest: object, **more: float) -> object:
        calls.append(str(rest))
        return call(self, function, *rest, **more)  # type: ignore[arg-type]

    before = {host: find.index(host) for host in ("lv2", "clap", "ladspa")}
    monkeypatch.setattr(Isolate, "call", counted)
    assert {host: find.index(host) for host in before} == before
    assert calls == []
    (machine / "clap" / "Copy.clap").symlink_to("/usr/lib/clap/ZamDelay.clap")
    try:
        entries = find.index("clap")
    finally:
        (machine / "clap" / "Copy.clap").unlink()
    assert len(calls) == 1
    assert len(entries) == len(before["clap"]) + 1
    place = machine / "cache" / "dspcore" / f"plugins-clap-{find.VERSION}.json"
    place.write_text(place.read_text()[:100])  # as if a copy had broken off
    assert find.index("clap") == before["clap"]


def test_a_broken_library_is_a_line_and_the_rest_is_listed() -> None:
    entries = find.index("ladspa")
    problems = {Path(each.identity).name: each.problem for each in entries if each.problem}
    assert problems["crash.so"] == "it crashed (SIGSEGV)"
    assert "is no shared library" in problems["text.so"]
    assert {each.tail for each in entries if not each.problem} == {
        *("hilbert", "ZamCompX2", "ZamEQ2", "nan", "hang")
    }


def test_a_scan_survives_everything() -> None:
    todo = scanning.entries(["ladspa"])
    rows = {row.entry.name: row for row in scanning.scan(todo, jobs=2, deadline=3.0)}
    assert {name: row.status for name, row in rows.items() if row.status != "ok"} == {
        "nan": "non-finite",
        "crash": "refused",
        "hang": "timeout",
        "text": "refused",
    }
    assert rows["ZamCompX2"].status == "ok"
    assert rows["hang"].reason == "it was not done after 3 s"


# --- the commands -------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plugins", *arguments])


def test_each_command_has_help_with_an_example() -> None:
    for name in ("scan", "show", "audit", "render"):
        text = run(name, "--help").output
        assert f"dspcore plugins {name}" in text
        assert "--debug" in text


def test_scan_lists_every_format() -> None:
    listed = run("scan", "ZamCompX2", "--jobs", "2", "--json")
    assert listed.exit_code == 0
    rows = json.loads(listed.stdout)
    found = {(row["host"], row["format"]): row["status"] for row in rows}
    ways = ("lv2 lv2", "clap clap", "ladspa ladspa", "pedalboard vst3", "dawdreamer vst3")
    assert found == {tuple(way.split()): "ok" for way in (*ways, "dawdreamer vst2")}
    assert {(row["inputs"], row["outputs"], row["params"]) for row in rows} == {(2, 2, 9)}
    text = run("scan", "crash", "--host", "ladspa")
    assert "refused" in text.output
    assert "it crashed (SIGSEGV)" in text.output
    assert "did you mean 'ladspa'" in run("scan", "--host", "ladpsa").output


def test_show_says_ranges_units_and_kinds() -> None:
    text = run("show", "zam:ZamCompX2").output
    assert "ZamCompX2 by Damien Zammit: urn:zamaudio:ZamCompX2 (lv2)" in text
    assert "2 in, 2 out, latency 0 samples" in text
    assert ["thr", "-80", "0", "0", "dB", "linear", "continuous"] in [
        line.split()[:7] for line in text.splitlines()
    ]
    facts = json.loads(run("show", "mda:Leslie", "--json").stdout)
    mode = facts["params"][0]
    assert (mode["kind"], [word for word, _ in mode["labels"]]) == (
        "choice",
        ["Stop", "Slow", "Fast"],
    )


def test_audit_measures_what_training_has_to_know() -> None:
    done = run("audit", "mda:Overdrive", "mda:Delay", "mda:VocInput", "--json")
    facts = json.loads(done.stdout)
    peaks = {name: found["peak"] for name, found in facts.items()}
    drive, delay, voice = (facts[f"mda:{name}"] for name in ("Overdrive", "Delay", "VocInput"))
    assert (drive["measured_latency"], drive["info"]["latency"], drive["repeats"]) == (0, 0, 0.0)
    assert drive["keeps_state"] < 0.01 < delay["keeps_state"]
    assert probe.same(max(drive["block_sizes"].values()), peaks["mda:Overdrive"])
    assert voice["repeats"] > 0.01
    assert voice["repeats_seeded"] == 0.0
    assert drive["speed"] > 0
    failed = run("audit", "mda:Overdrive", "ladspa:hang", "--deadline", "2")
    assert failed.exit_code == 1
    assert "mda:Overdrive  ok" in failed.output
    assert "ladspa:hang: it was not done after 2 s" in failed.output


def test_render_a_file_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sound = np.random.default_rng(0).uniform(-0.2, 0.2, (10_000, 2)).astype(np.float32)
    soundfile.write("in.wav", sound, 48_000, "FLOAT")
    options = ("--set", "att=5", "--set", "thr=-30", "--set", "rat=8")
    for index, plugin in enumerate(("zam:ZamCompX2", "clap:ZamCompX2")):
        named = (
            options
            if index == 0
            else tuple(
                each.replace("att", "attack").replace("thr", "threshold").replace("rat=", "ratio=")
                for each in options
            )
        )
        done = run("render", plugin, "in.wav", "-o", f"out{index}.wav", *named)
        assert done.exit_code == 0, done.output
        assert f"out{index}.wav: 0.21 s, 2 channels, 48000 Hz" in done.output
    first, second = (soundfile.read(f"out{index}.wav")[0] for index in range(2))
    assert np.array_equal(first, second)
    assert 0.1 < first.std() / sound.std() < 0.9
    assert run("render", "mda:EPiano", "-o", "note.wav", "--note", "60").exit_code == 0
    note, rate = soundfile.read("note.wav")
    assert (note.shape, rate) == ((88_200, 2), 44_100)
    assert np.abs(note[:1_000]).max() > 0.01
    mono = run("render", "zam:ZamEQ2", "in.wav", "-o", "eq.wav")
    assert "2 channels" in mono.output  # each channel through an instance of its own


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mda:Overdrive", "in.wav", "--set", "driv=1"), "did you mean 'drive'?"),
        (("mda:Overdrive", "in.wav", "--set", "drive=2"), "drive must be 0 to 1, got 2"),
        (("mda:Overdrive", "in.wav", "--set", "drive"), "wanted NAME=VALUE"),
        (("mda:Leslie", "in.wav", "--set", "mode=Fats"), "did you mean 'Fast'?"),
        (("mda:Overdrive",), "MDA Overdrive: is an effect; give it an audio file"),
        (("mda:EPiano", "in.wav"), "is an instrument; leave the file out and give --note 60"),
        (("mda:Overdrive", "--note", "60"), "takes no notes"),
        (("ladspa:nan",), "its output has NaN or infinite samples"),
        (("mda:Overdrive", "in.wav", "--note", "60"), "for an effect, or --note; not both"),
        (("mda:Overdrive", "none.wav"), "no such file"),
    ],
)
def test_render_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", np.full((1_000, 2), 0.1), 48_000)
    done = run("render", *arguments, "-o", "out.wav")
    assert done.exit_code == 1
    assert words in done.output
    assert not Path("out.wav").exists()
