"""Plug-ins through every host: the same sound, the declared ports, errors that say what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import installed
import numpy as np
import pytest
from installed import MDA, RATE, ZAM

from dspcore.blackbox import hosts, probe
from dspcore.blackbox.hosts import _binary, _raw
from dspcore.blackbox.isolate import Isolate
from dspcore.errors import UserError
from dspcore.notes import Note

PORTS = [
    line.split() for line in (Path(__file__).parent / "mda_ports.txt").read_text().splitlines()
]
MDA_ALL = [MDA + row[0] for row in PORTS]

#: BeatBox reads memory that it has not written.
CHAOTIC = MDA + "BeatBox"
USES_RAND = MDA + "VocInput"

#: ZamCompX2: attack 5 ms, release 120 ms, knee 3 dB, ratio 8, threshold -30 dB, makeup 6 dB.
COMPRESSION = (5.0, 120.0, 3.0, 8.0, -30.0, 6.0)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolate]:
    installed.needed("/usr/lib/lv2/mda.lv2", "/usr/lib/clap/ZamCompX2.clap")
    bundles = tmp_path_factory.mktemp("lv2")
    for bundle in [Path("/usr/lib/lv2/mda.lv2"), *Path("/usr/lib/lv2").glob("Za*.lv2")]:
        (bundles / bundle.name).symlink_to(bundle)
    with pytest.MonkeyPatch.context() as patch, Isolate(probe.warm) as isolate:
        patch.setenv("LV2_PATH", str(bundles))
        yield isolate


def done(child: Isolate, function: Any, *arguments: Any) -> Any:
    return child.call(function, *arguments, deadline=120.0).unwrap()


def sentence(child: Isolate, host: str, identity: str, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        done(child, probe.look, host, identity, *options.values())
    return str(caught.value)


def test_mda_has_the_ports_of_its_manual(child: Isolate) -> None:
    seen = done(child, installed.of_every, "lv2", MDA_ALL, 0.05)
    for name, inputs, outputs, *ports in PORTS:
        info = seen[MDA + name].info
        assert (info.inputs, info.outputs, info.notes) == (int(inputs), int(outputs), inputs == "0")
        said = []
        for param in info.params:
            assert (param.minimum, param.maximum) == (0.0, 1.0)
            kind = {"choice": ":choice", "switch": ":switch"}.get(param.kind, "")
            said.append(f"{param.symbol}={param.default:.4g}{kind}")
        assert said == [_rounded(port) for port in ports], name


def _rounded(port: str) -> str:
    name, _, rest = port.partition("=")
    number, colon, kind = rest.partition(":")
    return f"{name}={float(number):.4g}{colon}{kind}"


def test_every_mda_plugin_sounds(child: Isolate) -> None:
    seen = done(child, installed.of_every, "lv2", MDA_ALL, 0.5)
    seen.pop(CHAOTIC)
    assert {s.status for s in seen.values()} == {"ok"}, seen


def test_a_fresh_instance_repeats(child: Isolate) -> None:
    steady = [uri for uri in MDA_ALL if uri not in (CHAOTIC, USES_RAND)]
    assert done(child, installed.repeats, "lv2", steady, None) == dict.fromkeys(steady, 0.0)
    assert done(child, installed.repeats, "lv2", [USES_RAND], 3) == {USES_RAND: 0.0}


def test_one_compressor_is_bit_identical_in_every_host(child: Isolate) -> None:
    outputs = {}
    for way, (host, identity) in ZAM.items():
        path = identity.format("ZamCompX2")
        (outputs[way],) = done(child, installed.render, host, path, COMPRESSION)
    reference = outputs["lv2"]
    assert reference.shape == (2, RATE // 2)
    assert 0.01 < reference.std() < 0.1
    assert {w: float(np.abs(o - reference).max()) for w, o in outputs.items()} == dict.fromkeys(
        ZAM, 0.0
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", ["clap", "ladspa"])
def test_random_settings_sound_the_same_in_two_formats(child: Isolate, way: str) -> None:
    pattern = ZAM[way][1]
    bundles = sorted(path.stem for path in Path("/usr/lib/clap").glob("Za*.clap"))
    names = [name for name in bundles if Path(pattern.format(name)).exists()]
    assert len(names) == {"clap": 17, "ladspa": 13}[way]
    same = {}
    for name in names:
        first, second = done(child, installed.random_settings, name, ["lv2", way])
        same[name] = bool(np.array_equal(first, second))
    same.pop("ZamDynamicEQ")  # its two builds differ
    assert all(same.values()), same


def test_overdrive_hears_its_drive(child: Isolate) -> None:
    """DawDreamer's set_parameter would leave an LV2 at its default, 0.100."""
    for host in ("lv2", "dawdreamer"):
        (out,) = done(child, installed.render, host, MDA + "Overdrive", [0.9])
        assert np.sqrt(np.mean(out**2)) == pytest.approx(0.264, abs=0.003)


@pytest.mark.parametrize(
    ("host", "identity", "samples"),
    [
        ("lv2", "urn:zamaudio:ZaMaximX2", 480),
        ("clap", "/usr/lib/clap/ZaMaximX2.clap", 480),
        ("pedalboard", "/usr/lib/vst3/ZaMaximX2.vst3", 480),
        ("dawdreamer", "/usr/lib/vst3/ZaMaximX2.vst3", 480),
        ("ladspa", "/usr/lib/ladspa/hilbert_1440.so", 99),
    ],
)
def test_latency_is_what_an_impulse_shows(
    child: Isolate, host: str, identity: str, samples: int
) -> None:
    found = done(child, probe.audit, host, identity, RATE, 0.2)
    assert (found.info.latency, found.measured_latency) == (samples, samples)
    assert found.repeats == 0.0


def test_settings_that_move_take_effect_block_by_block(child: Isolate) -> None:
    settings = np.array([np.linspace(0, 1, 6), np.linspace(1, 0, 6), np.full(6, 0.5)])
    whole, parts = done(child, installed.moving, "lv2", MDA + "Overdrive", settings)
    assert np.array_equal(whole, parts)
    compressor = np.array([np.full(4, value) for value in COMPRESSION] + [np.zeros(4)] * 3)
    compressor[4] = np.linspace(-40.0, -10.0, 4)
    compressor[6] = 1.0
    outputs = []
    for way in ("lv2", "clap", "ladspa", "vst3", "vst2"):
        host, identity = ZAM[way]
        outputs.append(
            done(child, installed.moving, host, identity.format("ZamCompX2"), compressor)
        )
    for each in outputs[1:]:  # VST carries 32 bits in 0 to 1: not every value in between
        np.testing.assert_allclose(each[0], outputs[0][0], atol=1e-6)


def test_blocks_do_not_change_a_memoryless_effect(child: Isolate) -> None:
    ways = [(64, 1_000), (512, 1_000), (4096, 1_000), (512, 1)]
    outputs = [
        child.call(_blocks, MDA + "Overdrive", block, samples).unwrap() for block, samples in ways
    ]
    for each, (_, samples) in zip(outputs, ways, strict=True):
        assert each.shape == (2, samples)
        np.testing.assert_allclose(each, outputs[0][:, :samples], atol=1e-7)


def test_pedalboard_knows_channels_from_samples_in_the_shortest_blocks(child: Isolate) -> None:
    steady, *moving = done(child, _shortest, "pedalboard", ZAM["vst3"][1].format("ZamCompX2"))
    for each in moving:
        np.testing.assert_array_equal(each, steady)


def _shortest(host: str, identity: str) -> Any:
    audio, outputs = installed.noise(2, 600), []
    for block in (600, 1, 2):
        instance = hosts.get(host).open(identity, RATE, block)
        settings = np.array([[param.default] * (600 // block) for param in instance.info.params])
        outputs.append(instance.render(audio, settings))
        instance.close()
    return outputs


def _blocks(identity: str, block: int, samples: int) -> Any:
    return installed.render("lv2", identity, [0.5], block=block, samples=samples)[0]


def test_a_note_has_its_pitch(child: Isolate) -> None:
    out = done(child, _note, "lv2", MDA + "EPiano")
    strongest = np.abs(np.fft.rfft(out[0])).argmax() * RATE / out.shape[1]
    assert 261 <= strongest <= 262.5


def _note(host: str, identity: str) -> Any:
    return installed.render(host, identity, samples=2 * RATE, notes=[Note(0.0, 1.5)])[0]


def test_threads_with_their_own_instances_equal_serial(child: Isolate) -> None:
    uris = [MDA + "Delay", MDA + "Limiter", MDA + "ThruZero", "urn:zamaudio:ZamCompX2"]
    assert done(child, installed.in_threads, uris) == [0.0] * 8


def test_faust_through_dawdreamer(child: Isolate, tmp_path: Path) -> None:
    source = tmp_path / "quiet.dsp"
    source.write_text('process = _ * hslider("gain", 0.5, 0.1, 1, 0.001);')
    info, (difference,) = done(child, installed.faust, str(source))
    assert [(p.symbol, p.default) for p in info.params] == [("gain", 0.5)]
    assert difference < 1e-6
    source.write_text(
        'process = _ * hslider("cutoff [unit:Hz][scale:log]", 900, 20, 2000, 1) '
        '* hslider("taps[style:knob]", 2, 1, 8, 1);'
    )
    cutoff, taps = done(child, probe.look, "dawdreamer", str(source)).info.params
    assert (cutoff.unit, cutoff.scale, cutoff.kind) == ("Hz", "log", "continuous")
    assert (taps.unit, taps.scale, taps.kind) == ("", "linear", "integer")
    source.write_text("process = nonsense;")
    assert "Faust does not compile it" in sentence(child, "dawdreamer", str(source))


def test_built_in_effects_of_pedalboard(child: Isolate) -> None:
    names = [
        found.identity for found in hosts.get("pedalboard").find() if "/" not in found.identity
    ]
    seen = done(child, installed.of_every, "pedalboard", names, 0.5)
    assert "Reverb" in names
    assert {name: each.status for name, each in seen.items()} == dict.fromkeys(names, "ok")


def test_meters_and_pseudo_parameters_are_no_parameters(child: Isolate) -> None:
    for way in ("vst3", "vst3 in DawDreamer"):
        info = done(child, probe.describe, ZAM[way][0], ZAM[way][1].format("ZamCompX2"))
        assert [p.symbol for p in info.params] == [
            *("attack", "release", "knee", "ratio", "threshold", "makeup", "slew"),
            *("stereo_detection", "sidechain"),
        ]
        threshold, switch = info.params[4], info.params[8]
        assert (threshold.minimum, threshold.maximum, threshold.unit) == (-80.0, 0.0, "dB")
        assert switch.kind == "switch"


# --- words for ranges ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["20.0 Hz", "112.5", "632.5", "3556.6", "20000.0"], None),  # not one unit
        (["20.0", "112.5", "632.5", "3556.6", "20000.0"], (20.0, 20_000.0, "log")),
        (["-60.00 dB", "-45.00 dB", "-30.00 dB", "-15.00 dB", "0.00 dB"], (-60.0, 0.0, "linear")),
        (["0", "25", "50", "75", "100"], (0.0, 100.0, "linear")),
        (["0", "0", "0", "1", "1"], None),
        (["1", "0", "-1", "-2", "-3"], None),
        (["off", "low", "mid", "high", "max"], None),
        (["0.0", "0.1", "1.0", "3.4", "8.0"], None),  # skewed: no scale that dspcore knows
    ],
)
def test_ranges_are_read_from_words(words: list[str], wanted: tuple[Any, ...] | None) -> None:
    said = dict(zip(_raw.PROBES, words, strict=True))
    param, scale = _raw.described(_raw.Raw("x", 0.5), said.__getitem__)
    found = (param.minimum, param.maximum, param.scale)
    assert found == (wanted or (0.0, 1.0, "linear"))
    assert scale.raw(scale.value(0.3)) == pytest.approx(0.3)


def test_steps_are_numbers_switches_or_words() -> None:
    def described(*words: str) -> Any:
        raw = _raw.Raw("x", 0.0, steps=len(words))
        return _raw.described(raw, lambda u: words[round(u * (len(words) - 1))])[0]

    assert described("0.000", "1.000").kind == "switch"
    assert described("Off", "On").kind == "switch"
    integer = described("1", "2", "3", "4")
    assert (integer.kind, integer.minimum, integer.maximum) == ("integer", 1.0, 4.0)
    choice = described("saw", "square", "sine")
    assert (choice.kind, choice.labels[1]) == ("choice", ("square", 0.5))


# --- errors ----------------------------------------------------------------

ELF_ARM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\xb7\x00" + bytes(44)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"MZ" + bytes(62), "was built for Windows"),
        (b"\xcf\xfa\xed\xfe" + bytes(60), "was built for macOS"),
        (ELF_ARM, "was built for Linux aarch64"),
        (b"text", "is no shared library"),
    ],
)
@pytest.mark.parametrize("host", ["ladspa", "clap", "dawdreamer"])
@pytest.mark.skipif(sys.platform != "linux", reason="names the platform")
def test_a_foreign_binary_says_so(
    child: Isolate, tmp_path: Path, host: str, head: bytes, words: str
) -> None:
    path = tmp_path / "plugin.so"
    path.write_bytes(head)
    said = sentence(child, host, str(path))
    assert said.startswith(str(path))
    assert words in said


def test_a_missing_shared_library_is_named(child: Isolate, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("g++")
    assert compiler, "needs a C compiler"
    for name, source, links in (
        ("libinner.so", "int inner(void) { return 1; }", []),
        ("plugin.so", "int inner(void); int outer(void) { return inner(); }", ["-linner"]),
    ):
        (tmp_path / "a.c").write_text(source)
        command = [compiler, "-shared", "-fPIC", "-o", name, "a.c", "-L.", *links]
        subprocess.run(command, check=True, cwd=tmp_path, timeout=60)
    (tmp_path / "libinner.so").unlink()
    for host in ("ladspa", "clap", "dawdreamer"):
        said = sentence(child, host, str(tmp_path / "plugin.so"))
        assert "needs the shared library libinner.so, which is not installed" in said


def test_a_plugin_of_another_format_says_which(child: Isolate, tmp_path: Path) -> None:
    lv2 = sentence(child, "ladspa", "/usr/lib/lv2/mda.lv2/Overdrive.so")
    assert "is no LADSPA plug-in but LV2, open it by its URI" in lv2
    ladspa = sentence(child, "dawdreamer", "/usr/lib/ladspa/hilbert_1440.so")
    assert "is no VST2 plug-in but LADSPA, open it with 'ladspa:'" in ladspa
    assert "opened by their URI" in sentence(child, "lv2", "/usr/lib/lv2/mda.lv2")
    assert "did you mean" in sentence(child, "lv2", MDA + "Overdrve")
    bundle = tmp_path / "Other.vst3" / "Contents" / "x86_64-win"
    bundle.mkdir(parents=True)
    assert "was built for x86_64-win" in sentence(child, "pedalboard", str(bundle.parents[1]))
    assert "Audio Unit" in _binary_error(tmp_path / "Other.component")


def _binary_error(bundle: Path) -> str:
    bundle.mkdir()
    with pytest.raises(UserError) as caught:
        _binary.check(bundle)
    return str(caught.value)


def test_wrong_input_says_what_was_wanted(child: Isolate) -> None:
    cases = {
        "is an instrument and sounds by MIDI; give it notes": (MDA + "EPiano", 0, 12, []),
        "takes no notes, got 1": (MDA + "Overdrive", 2, 3, [Note(0.0, 1.0)]),
        "audio must be (2, t), got (1, 1000)": (MDA + "Overdrive", 1, 3, []),
        "values must be (3,) or (3, 2)": (MDA + "Overdrive", 2, 4, []),
        "pitch must be 0 to 127": (MDA + "EPiano", 0, 12, [Note(0.0, 1.0, 128)]),
        "must start at 0 s or later and last": (MDA + "EPiano", 0, 12, [Note(0.0, 0.0)]),
    }
    for words, arguments in cases.items():
        with pytest.raises(UserError) as caught:
            done(child, _badly, *arguments)
        assert words in str(caught.value)


def _badly(identity: str, channels: int, values: int, notes: list[Note]) -> None:
    instance = hosts.get("lv2").open(identity, RATE)
    instance.render(np.zeros((channels, 1_000), np.float32), [0.0] * values, notes)


def test_an_unknown_label_of_a_library_names_the_nearest(child: Isolate) -> None:
    path = "/usr/lib/ladspa/hilbert_1440.so"
    assert f"{path}: has no plug-in 'hilbrt'" in sentence(child, "ladspa", f"{path}:hilbrt")
    assert "no such file" in sentence(child, "clap", "/usr/lib/clap/none.clap")
    assert "pedalboard: has no effect 'Revreb'" in sentence(child, "pedalboard", "Revreb")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from dspcore.blackbox.hosts.dawdreamer import DawDreamer
    from dspcore.blackbox.hosts.ladspa import LADSPA
    from dspcore.blackbox.hosts.pedalboard import Pedalboard

    for module in ("cffi", "pedalboard", "dawdreamer"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for host in (LADSPA(), Pedalboard(), DawDreamer()):
        assert "pip install 'dspcore[plugins]'" in host.missing()
    with pytest.raises(UserError, match=r"pip install 'dspcore\[plugins\]'"):
        Pedalboard().open("Reverb", RATE)


def test_an_unknown_host_names_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'ladspa'"):
        hosts.get("ladpsa")


def test_hosts_import_nothing_foreign(child: Isolate) -> None:
    imported = done(child, installed.modules)
    assert "dspcore.blackbox.hosts.pedalboard" in imported
    foreign = {"pedalboard", "pedalboard_native", "dawdreamer", "numba", "torch"}
    assert foreign & set(imported) == set()
