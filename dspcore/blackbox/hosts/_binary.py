"""Why a shared library does not load, in words that say what to do."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
from pathlib import Path

from dspcore.errors import UserError

#: Machines by their number in an ELF header.
ELF = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

#: Functions that a plug-in of a format exports, and how to open it.
ENTRIES = {
    "ladspa_descriptor": "LADSPA, open it with 'ladspa:'",
    "lv2_descriptor": "LV2, open it by its URI (dspcore plugins scan lists them)",
    "lv2_lib_descriptor": "LV2, open it by its URI (dspcore plugins scan lists them)",
    "clap_entry": "CLAP, open it with 'clap:'",
    "VSTPluginMain": "VST2, open it with 'dawdreamer:'",
    "main": "VST2, open it with 'dawdreamer:'",  # the entry's old name
    "GetPluginFactory": "VST3, open its .vst3 bundle with 'pedalboard:' or 'dawdreamer:'",
    "dssi_descriptor": "DSSI, which no host here opens",
}

MACHO = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa\xcf")

BUNDLES = {"linux": f"{platform.machine()}-linux", "darwin": "MacOS", "win32": "x86_64-win"}


def check(path: str | os.PathLike[str]) -> None:
    """Raise `UserError` where `path` is no shared library of this machine; loads nothing."""
    file = Path(path)
    if file.is_dir():
        _check_bundle(file)
        return
    if not file.exists():
        folder = file.parent
        reason = "no such file" if folder.exists() else f"the folder {folder} does not exist"
        raise UserError(f"{path}: {reason}")
    try:
        with open(file, "rb") as opened:
            head = opened.read(64)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    here = f"{platform.system()} {platform.machine()}"
    if head[:2] == b"MZ":
        _foreign(path, "Windows", here)
    if head[:4] in MACHO and platform.system() != "Darwin":
        _foreign(path, "macOS", here)
    if head[:4] != b"\x7fELF":
        if platform.system() == "Linux":
            raise UserError(f"{path}: is no shared library (its first bytes are {head[:4]!r})")
        return
    machine = ELF.get(struct.unpack("<H", head[18:20])[0], "another machine")
    wanted = platform.machine().lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    if platform.system() != "Linux" or machine != wanted:
        _foreign(path, f"Linux {machine}", here)


def explain(path: str | os.PathLike[str], said: str = "") -> UserError:
    """What stops the shared library at `path`; call it in a worker, it may load the library.

    Args:
        path: File or bundle.
        said: What the loader said, where it said something; otherwise the library is tried.
    """
    try:
        check(path)
        if not said and Path(path).is_file():
            ctypes.CDLL(os.fspath(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
    except UserError as error:
        return error
    except OSError as error:
        said = str(error)
    missing = re.search(r"(\S+): cannot open shared object file", said)
    if missing and Path(missing[1]).name != Path(path).name:
        return UserError(
            f"{path}: needs the shared library {missing[1]}, which is not installed; install the "
            f"package that holds it (Debian: apt-file search {missing[1]})"
        )
    symbol = re.search(r"undefined symbol: (\S+)", said)
    if symbol:
        return UserError(
            f"{path}: needs the symbol {symbol[1]}, which no library here has: it was built for "
            "other versions of its libraries; reinstall it"
        )
    return UserError(f"{path}: cannot be loaded" + (f": {said}" if said else ""))


def other_format(path: str | os.PathLike[str], wanted: str) -> UserError:
    """That a library which loads is no plug-in of the format `wanted`, and of which it is."""
    try:
        library = ctypes.CDLL(os.fspath(path))
    except OSError as error:
        return explain(path, str(error))
    for entry, what in ENTRIES.items():
        if hasattr(library, entry):
            return UserError(f"{path}: is no {wanted} plug-in but {what}")
    return UserError(f"{path}: is no {wanted} plug-in (it exports no entry that a host knows)")


def _check_bundle(bundle: Path) -> None:
    contents = bundle / "Contents"
    if bundle.suffix == ".lv2":
        raise UserError(f"{bundle}: is an LV2 bundle; open a plug-in in it by its URI")
    if bundle.suffix in (".component", ".appex"):
        raise UserError(f"{bundle}: is an Audio Unit, which only hosts on macOS open")
    if not contents.is_dir():
        raise UserError(f"{bundle}: is a folder and no plug-in bundle (it has no Contents/)")
    system = platform.system().lower()
    wanted = BUNDLES.get("win32" if system == "windows" else system, "")
    held = sorted(p.name for p in contents.iterdir() if p.is_dir() and p.name != "Resources")
    if wanted not in held:
        raise UserError(
            f"{bundle}: was built for {', '.join(held) or 'nothing'}, not for {wanted}; "
            "install its build for this machine"
        )
    for file in (contents / wanted).glob("*.so"):
        check(file)


def _foreign(path: str | os.PathLike[str], built: str, here: str) -> None:
    raise UserError(
        f"{path}: was built for {built}, this is {here}; install its build for this machine"
    )
