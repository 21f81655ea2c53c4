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
NUMBER = r"Dual<\w+, 1>|float|double"
NAME = re.compile(rf"void (\w+)<(?:(.+), )?({NUMBER}), ((?:(?!, ).)+)::(Forward|Backward)>\(")
SHARED = re.compile(rf"void (\w+)<(?:(?:\(int\))?(\d+)(?:, )?)?({NUMBER})? ?>\(Scan")
TITLE = """# Registers, stack and spills of the CUDA kernels

Written by `python -m bench.cuda_registers` with nvcc {version}: what ptxas says of the
machine code for {archs}, made of one PTX as any build of dspcore makes it, at `-O1` as CI does.
Nothing ran on a GPU for this page, so nothing here says how fast a kernel is.

One thread works on one row (`run_rows`), or, of a recursion that is divided along time, on one
part of a row (`run_parts`), whose state before it three other kernels find: `gain_parts`,
`compose_maps` and `spread_states` (`csrc/dsp/scan.hpp`); of what is not linear `settle_parts`,
`find_loose` and `mend_rows` in place of the first (`csrc/dsp/settle.hpp`). `add_up_sums`,
`finish_sums` and `finish_frames` add up what the parts owe to coefficients. Stack is what a
thread keeps in local memory (bytes): tiles, coefficients and states of the largest op that the
kernel accepts, set aside for every thread that the GPU can hold at once. Spills are bytes stored
and loaded for registers
that ran out. Of stack and spills the most on one architecture is given.

| op | pass | kernel | number | registers on {archs} | stack | spill stores | spill loads |
|---|---|---|---|---:|---:|---:|---:|
"""

Kernel = tuple[str, str, str, str]
Counts = tuple[int, int, int, int]  # registers, stack, spill stores, spill loads


def compile_ops(folder: Path, ops: list[str]) -> str:
    """The compiler's output of a build from nothing, of all ops or of these files in csrc/ops."""
    shutil.rmtree(folder, ignore_errors=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    configure = ["cmake", "-S", str(HERE.parent), "-B", str(folder), "-G", "Ninja"]
    configure += [
        "-DDSPCORE_CUDA=ON",
        "-DDSPCORE_CUDA_REPORT=ON",
        "-DDSPCORE_WERROR=ON",
        "-DCMAKE_CUDA_FLAGS_RELEASE=-O1 -Xcicc -O1 -Xptxas -O1",
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


def rows(said: str) -> tuple[list[str], dict[Kernel, dict[str, Counts]]]:
    """Architectures, and what is said of every kernel (op, pass, kernel, number) on each."""
    plain = subprocess.run(
        ["c++filt"], input=said, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    found: dict[Kernel, dict[str, Counts]] = {}  # an op that another includes comes with both
    mangled = KERNEL.finditer(said)
    blocks = re.split(r"Compiling entry function '", plain)[1:]
    for block, entry in zip(blocks, mangled, strict=True):
        text = block.replace("dsp::(anonymous namespace)::", "")
        name, stack, registers = NAME.search(text), STACK.search(text), REGISTERS.search(text)
        shared = SHARED.search(text)
        if (name is None and shared is None) or stack is None or registers is None:
            sys.exit(f"cuda_registers: cannot read {block[:200]}")
        if shared:
            op = f"up to {shared[2]} states" if shared[2] else "all"
            said_of = (op, "both", shared[1], plain_number(shared[3] or "double"))
        elif name:
            op = re.sub(r"(Recursion|Modulated)<(.+)>", r"\2", name[4].replace(" ", ""))
            kernel = f"{name[1]}, large" if name[2] and "::Large" in name[2] else name[1]
            said_of = (op.replace("dsp::", ""), name[5].lower(), kernel, plain_number(name[3]))
        counts = (int(registers[1]), int(stack[1]), int(stack[2]), int(stack[3]))
        found.setdefault(said_of, {})[entry[2]] = counts
    return sorted({arch for counts in found.values() for arch in counts}), found


def plain_number(said: str) -> str:
    """`Dual<float, 1>` to `dual<float>`."""
    return said.replace(", 1>", ">").lower()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m bench.cuda_registers", description=__doc__)
    options.add_argument("--build", type=Path, default=HERE.parent / "build" / "cuda_report")
    options.add_argument(
        "--ops", nargs="*", default=[], help="only these; the table's other rows stay as they are"
    )
    given = options.parse_args()
    if shutil.which("nvcc") is None and "CUDACXX" not in os.environ:
        sys.exit("cuda_registers: no nvcc found; install the CUDA toolkit or set CUDACXX")
    said = compile_ops(given.build, given.ops)
    version = re.search(r"NVIDIA ([\d.]+)", said)
    archs, found = rows(said)
    lines = []
    for (op, way, kernel, number), counts in sorted(found.items()):
        registers = " / ".join(str(counts[arch][0]) for arch in archs)
        most = " | ".join(str(max(c[i] for c in counts.values())) for i in (1, 2, 3))
        lines.append(f"| `{op}` | {way} | `{kernel}` | `{number}` | {registers} | {most} |")
    target = HERE / "cuda_registers.md"
    if given.ops:
        fresh = {line.split("|")[1] for line in lines}
        old = [line for line in target.read_text(encoding="utf-8").splitlines() if "| `" in line]
        lines = sorted([*lines, *(line for line in old if line.split("|")[1] not in fresh)])
    names = " / ".join(f"sm_{arch}" for arch in archs)
    title = TITLE.format(version=version[1] if version else "of unknown version", archs=names)
    target.write_text(title + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} kernels in {target}")


if __name__ == "__main__":
    main()
