"""``python -m bench.cuda_registers``: what ptxas says of every CUDA kernel, as a table.

It compiles and counts; it needs nvcc, and no GPU.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pybind11

HERE = Path(__file__).resolve().parent
KERNEL = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
NAME = re.compile(r"(\w+)<(?:(\w+(?:<[^>]*>)?), )?(.+?)::(Forward|Backward)>")
SHARED = re.compile(r"(compose_maps|spread_states|add_up_sums)<(?:\(int\))?(\d+)>")
TITLE = """# Registers, stack and spills of the CUDA kernels

Written by `python -m bench.cuda_registers` with nvcc {version} for sm_{arch}: ptxas says.
Nothing ran on a GPU for this page, so nothing here says how fast a kernel is.

One thread works on one row (`run_rows`), or, of a linear recursion on plain numbers, on one part
of a row (`run_parts`), whose state before it three other kernels find: `gain_parts`,
`compose_maps` and `spread_states` (`csrc/dsp/scan.hpp`). `add_up_sums` and `finish_sums` add up
what the parts owe to constant coefficients. Stack is what a thread keeps in local memory (bytes):
tiles, coefficients and states of the largest op that the kernel accepts, set aside for every
thread that the GPU can hold at once. Spills are bytes stored and loaded for registers that ran out.

| op | pass | kernel | number | registers | stack | spill stores | spill loads |
|---|---|---|---|---:|---:|---:|---:|
"""

Row = tuple[str, str, str, str, int, int, int, int]


def compile_ops(folder: Path, arch: str, ops: list[str]) -> str:
    """The compiler's output of a build from nothing, of all ops or of these files in csrc/ops."""
    shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    configure = ["cmake", "-S", str(HERE.parent), "-B", str(folder), "-G", "Ninja"]
    configure += [
        "-DDSPCORE_CUDA=ON",
        "-DDSPCORE_CUDA_REPORT=ON",
        f"-DCMAKE_CUDA_ARCHITECTURES={arch}",
    ]
    configure += [
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]
    targets = [f"CMakeFiles/_cuda.dir/kernels/_cuda/{op}.cu.o" for op in ops] or ["_cuda"]
    said = ""
    for command in (configure, ["cmake", "--build", str(folder), "--target", *targets]):
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            sys.exit(done.stdout)
        said += done.stdout
    return said


def rows(said: str) -> list[Row]:
    """(op, pass, kernel, number, registers, stack, spill stores, spill loads) of every kernel."""
    plain = subprocess.run(
        ["c++filt"], input=said, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    found: list[Row] = []
    mangled = KERNEL.finditer(said)
    blocks = re.split(r"Compiling entry function '", plain)[1:]
    for block, _ in zip(blocks, mangled, strict=True):
        text = block.replace("dsp::(anonymous namespace)::", "")
        name, stack, registers = NAME.search(text), STACK.search(text), REGISTERS.search(text)
        shared = SHARED.search(text)
        if (name is None and shared is None) or stack is None or registers is None:
            sys.exit(f"cuda_registers: cannot read {block[:200]}")
        if shared:
            said_of = (f"all of {shared[2]} states", "both", shared[1], "double")
        elif name:
            op = re.sub(r"(Recursion|Modulated)<(.+)>", r"\2", name[3].replace(" ", ""))
            number = re.sub(r"\s+", "", name[2] or "double").replace(",1>", ">").lower()
            said_of = (op.replace("dsp::", ""), name[4].lower(), name[1], number)
        found.append((*said_of, int(registers[1]), *map(int, stack.groups())))  # type: ignore[arg-type]
    return sorted(set(found))  # an op that another includes is compiled with both


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.cuda_registers", description=__doc__)
    options.add_argument("--arch", default="90", help="compute capability without its point")
    options.add_argument("--build", type=Path, default=HERE.parent / "build" / "cuda_report")
    options.add_argument(
        "--ops", nargs="*", default=[], help="only these; the table's other rows stay as they are"
    )
    given = options.parse_args()
    if shutil.which("nvcc") is None and "CUDACXX" not in os.environ:
        sys.exit("cuda_registers: no nvcc found; install the CUDA toolkit or set CUDACXX")
    said = compile_ops(given.build, given.arch, given.ops)
    version = re.search(r"NVIDIA ([\d.]+)", said)
    lines = [
        f"| `{op}` | {way} | `{kernel}` | `{number}` | {' | '.join(map(str, counts))} |"
        for op, way, kernel, number, *counts in rows(said)
    ]
    target = HERE / "cuda_registers.md"
    if given.ops:
        fresh = {line.split("|")[1] for line in lines}
        old = [line for line in target.read_text(encoding="utf-8").splitlines() if "| `" in line]
        lines = sorted([*lines, *(line for line in old if line.split("|")[1] not in fresh)])
    title = TITLE.format(version=version[1] if version else "of unknown version", arch=given.arch)
    target.write_text(title + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} kernels in {target}")


if __name__ == "__main__":
    main()
