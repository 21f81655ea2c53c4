"""The lines that DESIGN.md draws: who may include, import, link and print what."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Rows of equals, lowest first: a module imports from rows below its own, or from its own row.
LAYERS = (
    ("errors", "files", "overlap", "registry", "notes"),
    ("_native",),
    ("ops",),
    ("audio", "loudness", "losses", "report"),
    ("estimate",),  # sine networks start from an analysis
    ("effects", "synth", "nn"),
    ("blackbox",),  # below presets, which load plug-ins by name
    ("rack", "chain", "graph", "graphs", "diffvox"),
    ("preset", "export"),
    ("render", "live", "batch", "match", "demo", "data"),
    ("bench", "train", "ddsp", "patches"),
    ("style", "latent"),
    ("runs",),
    ("cli", "__main__"),
    ("__init__",),
)
RANK = {unit: rank for rank, row in enumerate(LAYERS) for unit in row}

# Headers of csrc/ops that other ops may include: functors that more than one of them needs.
SHARED_FUNCTORS = "csrc/ops/shared"

# What `import dspcore` leaves to those who use it.
HEAVY = {
    "lightning", "lightning_fabric", "wandb", "umap", "librosa", "torchaudio", "tensorboard",
    "matplotlib", "scipy",
}  # fmt: skip

FRAMEWORKS = ("Python.h", "torch/", "ATen/", "c10/", "pybind11/", "nanobind/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(path: Path) -> list[tuple[str, str]]:
    return INCLUDE.findall(path.read_text(encoding="utf-8"))


def include_errors(csrc: Path) -> list[str]:
    """What breaks `csrc/dsp` -> `csrc/ops`, the ops' independence, or the ban on frameworks."""
    errors = []
    for path in sorted(csrc.rglob("*.[ch]*")):
        folder = path.relative_to(csrc).parts[0]
        for mark, target in includes(path):
            said = f"{path.relative_to(csrc.parent)} includes {target}"
            if target.startswith(FRAMEWORKS):
                errors.append(f"{said}: csrc knows no Python and no framework")
            if mark == "<":
                continue
            beside = (path.parent / target).resolve()
            found = beside if beside.is_file() else (csrc / target).resolve()
            if not found.is_relative_to(csrc):
                errors.append(f"{said}: outside csrc")
                continue
            owner = found.relative_to(csrc).parts[0]
            if folder == "dsp" and owner != "dsp":
                errors.append(f"{said}: csrc/dsp knows only itself")
            is_header = path.suffix in (".hpp", ".h", ".cuh")
            shared = found.parent.name == "shared"
            if folder == "ops" and is_header and owner == "ops" and not shared:
                errors.append(f"{said}: ops do not know each other, but for {SHARED_FUNCTORS}")
    return errors


def test_csrc_includes_point_down() -> None:
    csrc = ROOT / "csrc"
    assert any(csrc.rglob("*.hpp"))
    assert include_errors(csrc) == []


def test_bindings_include_no_torch() -> None:
    files = [path for path in (ROOT / "bindings").rglob("*.[ch]*") if path.is_file()]
    assert files
    banned = ("torch/", "ATen/", "c10/")
    said = [(path.name, name) for path in files for _, name in includes(path)]
    assert [pair for pair in said if pair[1].startswith(banned)] == []


def test_include_check_sees_a_wrong_include(tmp_path: Path) -> None:
    for folder in ("dsp", "ops"):
        (tmp_path / folder).mkdir()
    (tmp_path / "ops" / "a.hpp").write_text('#include "ops/b.hpp"\n#include <torch/all.h>\n')
    (tmp_path / "ops" / "b.hpp").write_text('#include "dsp/c.hpp"\n')
    (tmp_path / "dsp" / "c.hpp").write_text('#include "../ops/b.hpp"\n')
    assert len(include_errors(tmp_path)) == 3


def imported(path: Path, module: str) -> Iterator[tuple[str, str, int]]:
    """Every (module, name, line) that a file imports, relative ones made absolute."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base]).rstrip(".")
            yield from ((base, alias.name, node.lineno) for alias in node.names)


def python_files(folder: str) -> list[tuple[Path, str]]:
    """Every Python file under a folder of the repository with its dotted module name."""
    files = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files.append((path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)))
    return files


def unit_of(module: str, name: str = "") -> str:
    """The entry of `LAYERS` that a module of dspcore, or a name imported from it, belongs to."""
    parts = module.split(".")
    if len(parts) > 1:
        return parts[1]
    return name if name in RANK and name != "__init__" else "__init__"


def test_python_imports_point_down() -> None:
    files = python_files("dspcore")
    assert files
    errors = []
    for path, module in files:
        own = unit_of(module)
        assert own in RANK, f"{module}: say in LAYERS where it stands"
        for base, name, line in imported(path, module):
            top = base.split(".")[0]
            if top in ("plugins", "dspcore_plugins", "tests", "bench"):
                errors.append(f"{path.relative_to(ROOT)}:{line} imports {base}")
            if top == "dspcore" and name != "__version__":
                unit = unit_of(base, name)
                if RANK.get(unit, -1) > RANK[own]:
                    errors.append(f"{path.relative_to(ROOT)}:{line}: {own} imports {unit}")
    assert errors == []


def test_no_private_name_crosses_a_package() -> None:
    errors = []
    for folder in ("dspcore", "plugins", "bench", "python", "docs"):
        for path, module in python_files(folder):
            here = module.split(".")[:2]
            for base, name, line in imported(path, module):
                parts = [part for part in (*base.split("."), name) if part]
                if parts[0] != "dspcore" or parts[:2] == here:
                    continue
                private = [p for p in parts if p.startswith("_") and not p.startswith("__")]
                # DESIGN.md names this one: the ops are what stands on the native modules.
                if private and not (private == ["_native"] and folder == "dspcore"):
                    errors.append(f"{path.relative_to(ROOT)}:{line} imports {base} {name}")
    assert errors == []


def test_importing_dspcore_is_light_and_silent() -> None:
    """What a slow start is made of; how long it takes, docs/style_targets.md says (check 20)."""
    code = (
        "import gc, sys\n"
        "import torch\n"
        "gc.collect()\n"
        "looks = []\n"
        "gc.callbacks.append(lambda phase, _: looks.append(phase))\n"
        "import dspcore\n"
        "if looks or not gc.isenabled():\n"
        "    sys.exit('import dspcore looks for garbage in what it imports, or left it off')\n"
        f"heavy = sorted({HEAVY} & set(sys.modules))\n"
        "sys.exit(f'import dspcore imports {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the built module ---------------------------------------------------------------------------


def built_module(name: str) -> Path:
    """The compiled module, or a skip that `DSPCORE_REQUIRE_NATIVE=1` turns into a failure."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads ELF files")
    spec = importlib.util.find_spec(f"dspcore.{name}")
    if spec is None or spec.origin is None:
        if os.environ.get("DSPCORE_REQUIRE_NATIVE") == "1" and name == "_cpu":
            pytest.fail("dspcore._cpu is not built; run: make setup")
        pytest.skip(f"dspcore.{name} is not built")
    return Path(spec.origin)


def tool(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_built_module_needs_no_torch_and_no_openmp() -> None:
    module = built_module("_cpu")
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", tool("readelf", "-d", str(module)))
    assert needed, "readelf named no library"
    allowed = ("libstdc++.", "libgcc_s.", "libc.", "libm.", "libpthread.", "libdl.", "ld-linux")
    sanitizers = ("libasan.", "libubsan.")
    assert [name for name in needed if not name.startswith((*allowed, *sanitizers))] == []


def test_built_module_has_no_torch_symbol() -> None:
    symbols = tool("nm", "-D", "-C", str(built_module("_cpu")))
    assert "PyInit__cpu" in symbols
    assert re.findall(r"\b(?:c10|at|torch|caffe2)::.*|\bGOMP_.*|\bomp_.*", symbols) == []


# How CMakeLists.txt names the kernels that it compiles once per instruction set.
ISA_OBJECT = re.compile(r"_k(Baseline|V3|V4)\.")


def weak_text(path: Path) -> list[str]:
    """Functions of an object file that the linker may merge with a namesake from another."""
    listing = tool("nm", "-C", "--defined-only", str(path))
    return re.findall(r"^[0-9a-f]+ W (.+)$", listing, re.MULTILINE)


def test_code_for_one_instruction_set_is_never_shared_with_another() -> None:
    """A COMDAT function built for AVX-512 and picked by the linker would crash an older CPU."""
    folder = Path(os.environ.get("DSPCORE_OBJECTS") or ROOT / "build")
    found = folder.rglob("*.o") if os.environ.get("DSPCORE_OBJECTS") else folder.glob("cp*/**/*.o")
    objects = sorted(path for path in found if ISA_OBJECT.search(path.name))
    if not objects:
        if os.environ.get("DSPCORE_OBJECTS"):
            pytest.fail(f"no object file of an instruction set under {folder}")
        pytest.skip("the build kept no object files; DSPCORE_OBJECTS names their folder")
    shared = {path.name: weak_text(path) for path in objects}
    assert {name: symbols for name, symbols in shared.items() if symbols} == {}


def test_weak_check_sees_an_inline_function(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    source = tmp_path / "inline.cpp"
    source.write_text("inline int twice(int x) { return 2 * x; }\nint (*use)(int) = twice;\n")
    tool("g++", "-c", str(source), "-o", str(tmp_path / "inline.o"))
    assert weak_text(tmp_path / "inline.o") == ["twice(int)"]


# --- the files ----------------------------------------------------------------------------------

SOURCE = (".py", ".hpp", ".h", ".cpp", ".cu", ".cuh")
MACHINE_PATH = re.compile(r"(?<![\w.:-])/(?:work|root|home)/")
# Written apart, so that this file does not find itself.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
HOSTS += [".".join(parts) for parts in (("debian", "org"), ("download", "pytorch", "org"))]


def repository_files() -> list[Path]:
    """What git tracks, or would track."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = tool("git", "-C", str(ROOT), "ls-files", "-z", "-c", "-o", "--exclude-standard")
    files = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in files if path.is_file()]


def test_no_file_is_longer_than_400_lines() -> None:
    files = [path for path in repository_files() if path.suffix in SOURCE]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert lengths
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > 400} == {}


def test_no_two_test_files_have_one_name() -> None:
    """Pytest imports them by it, and stops at the second."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    assert (
        sorted({name for name in names if names.count(name) > 1} - {"__init__.py", "conftest.py"})
        == []
    )


def test_no_file_names_a_machine_s_folders_or_a_package_host() -> None:
    errors = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line) or any(host in line for host in HOSTS):
                errors.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert errors == []
