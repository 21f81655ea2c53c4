"""The plug-in formats: what each is called, what a host looks for in it, and where it is put."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        title: As a person writes it.
        target: The name that DPF has for it.
        entries: The symbols that hosts look for; all others are hidden.
        path: Where the library is put; {name} is for people, {slug} for files.
        whole: The part of `path` that is the plug-in: a bundle's folder, or the file.
    """

    title: str
    target: str
    entries: tuple[str, ...]
    path: str
    whole: str


FORMATS = {
    "vst3": Format(
        "VST3",
        "VST3",
        ("GetPluginFactory", "ModuleEntry", "ModuleExit"),
        "{name}.vst3/Contents/{machine}-linux/{name}.so",
        "{name}.vst3",
    ),
    "clap": Format("CLAP", "CLAP", ("clap_entry",), "{name}.clap", "{name}.clap"),
    "lv2": Format(
        "LV2",
        "LV2",
        ("lv2_descriptor", "lv2_generate_ttl"),
        "{slug}.lv2/{slug}.so",
        "{slug}.lv2",
    ),
    "vst2": Format("VST2", "VST2", ("VSTPluginMain", "main"), "{slug}-vst2.so", "{slug}-vst2.so"),
    "ladspa": Format(
        "LADSPA", "LADSPA", ("ladspa_descriptor",), "{slug}-ladspa.so", "{slug}-ladspa.so"
    ),
    "c": Format("C library", "", ("dspcore_*",), "lib{slug}.so", "lib{slug}.so"),
}
