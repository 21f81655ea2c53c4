"""pedalboard's built-in effects: their ranges, which its classes do not say."""

from __future__ import annotations

from dspcore.blackbox.plugin import Parameter


def _p(
    symbol: str, low: float, high: float, default: float, unit: str = "", scale: str = "linear"
) -> Parameter:
    name = symbol.replace("_", " ").capitalize()
    if scale == "log":
        return Parameter(symbol, name, low, high, default, unit, "log")
    return Parameter(symbol, name, low, high, default, unit)


_ATTACK = _p("attack_ms", 0.1, 200.0, 1.0, "ms", "log")
_RELEASE = _p("release_ms", 1.0, 2000.0, 100.0, "ms", "log")
_MIX = _p("mix", 0.0, 1.0, 0.5)
_FEEDBACK = _p("feedback", 0.0, 0.95, 0.0)
_CUTOFF = _p("cutoff_frequency_hz", 20.0, 20_000.0, 440.0, "Hz", "log")
_SHELF = (_CUTOFF, _p("gain_db", -24.0, 24.0, 0.0, "dB"), _p("q", 0.1, 10.0, 0.707107, "", "log"))
_PASS = (_p("cutoff_frequency_hz", 20.0, 20_000.0, 50.0, "Hz", "log"),)

#: Class name and its settings. Convolution needs a file and Resample a rate: they are left out.
EFFECTS: dict[str, tuple[Parameter, ...]] = {
    "Bitcrush": (_p("bit_depth", 1.0, 32.0, 8.0),),
    "Chorus": (
        _p("rate_hz", 0.05, 20.0, 1.0, "Hz", "log"),
        _p("depth", 0.0, 1.0, 0.25),
        _p("centre_delay_ms", 1.0, 50.0, 7.0, "ms", "log"),
        _FEEDBACK,
        _MIX,
    ),
    "Clipping": (_p("threshold_db", -40.0, 0.0, -6.0, "dB"),),
    "Compressor": (
        _p("threshold_db", -60.0, 0.0, 0.0, "dB"),
        _p("ratio", 1.0, 20.0, 1.0, "", "log"),
        _ATTACK,
        _RELEASE,
    ),
    "Delay": (
        _p("delay_seconds", 0.001, 2.0, 0.5, "s", "log"),
        _FEEDBACK,
        _MIX,
    ),
    "Distortion": (_p("drive_db", 0.0, 60.0, 25.0, "dB"),),
    "Gain": (_p("gain_db", -60.0, 24.0, 1.0, "dB"),),
    "HighShelfFilter": _SHELF,
    "HighpassFilter": _PASS,
    "Invert": (),
    "LadderFilter": (
        _p("cutoff_hz", 20.0, 20_000.0, 200.0, "Hz", "log"),
        _p("resonance", 0.0, 0.99, 0.0),
        _p("drive", 1.0, 10.0, 1.0),
    ),
    "Limiter": (_p("threshold_db", -40.0, 0.0, -10.0, "dB"), _RELEASE),
    "LowShelfFilter": _SHELF,
    "LowpassFilter": _PASS,
    "NoiseGate": (
        _p("threshold_db", -100.0, 0.0, -100.0, "dB"),
        _p("ratio", 1.0, 100.0, 10.0, "", "log"),
        _ATTACK,
        _RELEASE,
    ),
    "PeakFilter": _SHELF,
    "Phaser": (
        _p("rate_hz", 0.05, 20.0, 1.0, "Hz", "log"),
        _p("depth", 0.0, 1.0, 0.5),
        _p("centre_frequency_hz", 50.0, 10_000.0, 1300.0, "Hz", "log"),
        _FEEDBACK,
        _MIX,
    ),
    "PitchShift": (_p("semitones", -24.0, 24.0, 0.0, "semitones"),),
    "Reverb": (
        _p("room_size", 0.0, 1.0, 0.5),
        _p("damping", 0.0, 1.0, 0.5),
        _p("wet_level", 0.0, 1.0, 0.33),
        _p("dry_level", 0.0, 1.0, 0.4),
        _p("width", 0.0, 1.0, 1.0),
        _p("freeze_mode", 0.0, 1.0, 0.0),
    ),
}
