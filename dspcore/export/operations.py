"""What torch's operations are in C++: a line for each, in terms of ``csrc/plugin/tensor.hpp``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from dspcore.export.program import Shown, Step
from dspcore.export.record import CannotExportError


class Writer(Protocol):
    """What the lines need to know of the program around them."""

    def view(self, shown: Shown) -> str:
        """The C++ name of a tensor."""

    def number(self, value: Any) -> str:
        """The C++ name of a tensor () float64 that holds a number of the program."""

    def code(self, value: Any) -> str:
        """A number of the program as a C++ expression."""


_UNARY = {
    "neg": "Neg", "abs": "Abs", "exp": "Exp", "exp2": "Exp2", "expm1": "Expm1", "log": "Log",
    "log2": "Log2", "log10": "Log10", "log1p": "Log1p", "sqrt": "Sqrt", "rsqrt": "Rsqrt",
    "reciprocal": "Reciprocal", "sin": "Sin", "cos": "Cos", "tan": "Tan", "sinh": "Sinh",
    "tanh": "Tanh", "asinh": "Asinh", "atan": "Atan", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "trunc": "Trunc", "sign": "Sign", "sigmoid": "Sigmoid",
    "logical_not": "Not", "bitwise_not": "Not",
}  # fmt: skip
_BINARY = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "atan2": "Atan2",
    "maximum": "Maximum", "minimum": "Minimum", "remainder": "Remainder", "lt": "Less",
    "le": "LessEqual", "gt": "Greater", "ge": "GreaterEqual", "eq": "Equal", "ne": "NotEqual",
    "logical_and": "And", "bitwise_and": "And", "logical_or": "Or", "bitwise_or": "Or",
}  # fmt: skip
_COPIES = ("_to_copy", "clone", "copy_", "_unsafe_view", "lift_fresh_copy")


def ctype(dtype: torch.dtype) -> str:
    """How the numbers of a tensor lie in memory."""
    return "float" if dtype in (torch.float32, torch.bool) else "double"


def line(step: Step, w: Writer) -> list[str]:
    """The statements of one of torch's operations.

    Raises:
        CannotExportError: It has no counterpart.
    """
    name = step.op.split(".")[1]
    in_place = name.endswith("_") and not name.startswith("_") and name != "copy_"
    name = name[:-1] if in_place else name
    for write in (_elementwise, _reductions, _parts, _made):
        found = write(name, step, w)
        if found is not None:
            return found
    raise CannotExportError(f"torch's {step.op} has no counterpart in C++ yet")


def _target(step: Step) -> Shown:
    return step.results[0]


def _map(formula: str, step: Step, w: Writer, operands: Sequence[Any]) -> list[str]:
    """``map<F, computed in, out, in...>(out, in...)``."""
    out = _target(step)
    tensors = [x for x in operands if isinstance(x, Shown)]
    ranked = [x.dtype for x in tensors if x.size] or [x.dtype for x in tensors] or [out.dtype]
    wide = out.dtype == torch.float64 or any(ctype(d) == "double" for d in ranked)
    kinds = [ctype(x.dtype) if isinstance(x, Shown) else "double" for x in operands]
    names = [w.view(x) if isinstance(x, Shown) else w.number(x) for x in operands]
    types = ", ".join([formula, "double" if wide else "float", ctype(out.dtype), *kinds])
    return [f"map<{types}>({', '.join([w.view(out), *names])});"]


def _elementwise(name: str, step: Step, w: Writer) -> list[str] | None:
    args = list(step.args)
    if name in _COPIES:
        source = args[1] if name == "copy_" else args[0]
        return _map("Same", step, w, [source])
    if name in _UNARY:
        if name == "round" and step.kwargs.get("decimals") is not None:
            return None
        return _map(_UNARY[name], step, w, args[:1])
    if name in ("add", "sub", "rsub"):
        alpha = step.kwargs.get("alpha", args[2] if len(args) > 2 else None)
        first, second = args[:2] if name != "rsub" else args[1::-1]
        scaled = alpha is not None and w.code(alpha) not in ("1", "1.0")
        if not scaled:
            return _map("Add" if name == "add" else "Sub", step, w, [first, second])
        if name == "rsub":
            return None
        return _map("AddScaled" if name == "add" else "SubScaled", step, w, [first, second, alpha])
    if name == "div" and step.kwargs.get("rounding_mode") is not None:
        return None
    if name in _BINARY:
        return _map(_BINARY[name], step, w, args[:2])
    if name == "square":
        return _map("Mul", step, w, [args[0], args[0]])
    if name == "where" and len(args) == 3:
        return _map("Where", step, w, args)
    if name in ("clamp", "clamp_min", "clamp_max"):
        low = step.kwargs.get("min", args[1] if len(args) > 1 and name != "clamp_max" else None)
        rest = args[2] if len(args) > 2 else args[1] if name == "clamp_max" else None
        high = step.kwargs.get("max", rest)
        ends = [-float("inf") if low is None else low, float("inf") if high is None else high]
        return _map("Clamp", step, w, [args[0], *ends])
    if name == "addcmul" and not step.kwargs:
        return _map("AddProduct", step, w, args)
    if name == "lerp":
        return _map("Lerp", step, w, args)
    return None


def _reductions(name: str, step: Step, w: Writer) -> list[str] | None:
    out = _target(step)
    if name == "cumsum":
        source = args_shown(step, 0)
        dim = _index(w.code(step.args[1]), len(source.size))
        if source.dtype != out.dtype:
            return None
        return [f"add_up<{ctype(out.dtype)}>({w.view(out)}, {w.view(source)}, {dim});"]
    folds = {
        "sum": ("Add", "0.0"), "mean": ("Add", "0.0"), "amax": ("Maximum", "-INFINITY"),
        "amin": ("Minimum", "INFINITY"), "prod": ("Mul", "1.0"), "all": ("And", "1.0"),
    }  # fmt: skip
    if name not in folds:
        return None
    source = args_shown(step, 0)
    rank = len(source.size)
    dims = step.args[1] if len(step.args) > 1 else None
    listed = list(range(rank))
    if dims not in (None, []):
        listed = [_index(w.code(d), rank) for d in (dims if isinstance(dims, list) else [dims])]
    formula, first = folds[name]
    scale = "1.0"
    if name == "mean":
        scale = "1.0 / double(" + " * ".join(f"{w.view(source)}.size[{d}]" for d in listed) + ")"
    mask = sum(1 << d for d in listed)
    types = f"{formula}, {ctype(out.dtype)}, {ctype(source.dtype)}"
    return [f"reduce<{types}>({w.view(out)}, {w.view(source)}, {mask}u, {first}, {scale});"]


def _parts(name: str, step: Step, w: Writer) -> list[str] | None:
    out = _target(step)
    kind = ctype(out.dtype)
    if name in ("cat", "stack"):
        tensors = step.args[0]
        rank = len(out.size)
        dim = _index(w.code(step.args[1]) if len(step.args) > 1 else "0", rank)
        if any(ctype(t.dtype) != kind for t in tensors):
            return None
        word = "join" if name == "cat" else "stack"
        inner = ", ".join(w.view(t) for t in tensors)
        return [f"{word}<{kind}>({w.view(out)}, {dim}, {{{inner}}});"]
    if name == "constant_pad_nd" and len(step.args[1]) == 2:
        before = w.code(step.args[1][0])
        value = w.code(step.args[2]) if len(step.args) > 2 else "0.0"
        return [f"pad<{kind}>({w.view(out)}, {w.view(args_shown(step, 0))}, {before}, {value});"]
    if name == "repeat":
        return [f"tile<{kind}>({w.view(out)}, {w.view(args_shown(step, 0))});"]
    if name == "flip":
        source = args_shown(step, 0)
        mask = sum(1 << _index(w.code(d), len(source.size)) for d in step.args[1])
        return [f"flip<{kind}>({w.view(out)}, {w.view(source)}, {mask}u);"]
    if name == "_linalg_solve_ex" and len(step.args) == 2:
        a, b = args_shown(step, 0), args_shown(step, 1)
        work = step.results[1]
        if ctype(a.dtype) != kind or len(a.size) not in (2, 3):
            return None
        return [f"solve<{kind}>({w.view(out)}, {w.view(work)}, {w.view(a)}, {w.view(b)});"]
    if name == "cummax" and _is_last(step.args[1], len(out.size), w):
        return [f"largest_so_far<{kind}>({w.view(out)}, {w.view(args_shown(step, 0))});"]
    if name == "gather" and _is_last(step.args[1], len(out.size), w):
        source, places = args_shown(step, 0), args_shown(step, 2)
        if ctype(places.dtype) != "double":
            return None
        return [f"gather<{kind}>({w.view(out)}, {w.view(source)}, {w.view(places)});"]
    if name in ("bmm", "mm"):
        first, second = args_shown(step, 0), args_shown(step, 1)
        return [f"product<{kind}>({w.view(out)}, {w.view(first)}, {w.view(second)});"]
    if name == "convolution":
        x, taps, bias, stride, padding, dilation, transposed, outer, groups = step.args
        plain = [w.code(v) for v in (*padding, *dilation, transposed, *outer, groups)]
        if bias is not None or plain != ["0", "1", "0", "0", "1"] or len(x.size) != 3:
            return None
        step_code = w.code(stride[0])
        return [f"correlate<{kind}>({w.view(out)}, {w.view(x)}, {w.view(taps)}, {step_code});"]
    return None


def _made(name: str, step: Step, w: Writer) -> list[str] | None:
    out = _target(step)
    kind = ctype(out.dtype)
    fills = {"zeros": "0.0", "ones": "1.0", "empty": "0.0"}
    word = name.removeprefix("new_").removesuffix("_like").removesuffix("_")
    if word in fills or name == "zero":
        return [f"fill<{kind}>({w.view(out)}, {fills.get(word, '0.0')});"]
    if name in ("full", "new_full", "full_like", "fill"):
        given = step.args[-1] if name != "new_full" else step.args[2]
        if isinstance(given, Shown):
            return _map("Same", step, w, [given])
        value = w.code(given)
        return [f"fill<{kind}>({w.view(out)}, {value});"]
    if name == "linspace":
        start, end = (w.code(v) for v in step.args[:2])
        return [f"line_up<{kind}>({w.view(out)}, double({start}), double({end}));"]
    if name == "arange":
        numbers = [w.code(v) for v in step.args]
        start = numbers[0] if len(numbers) > 1 else "0"
        by = numbers[2] if len(numbers) > 2 else "1"
        return [f"count_up<{kind}>({w.view(out)}, double({start}), double({by}));"]
    return None


def args_shown(step: Step, index: int) -> Shown:
    """The argument at `index`, which is a tensor."""
    value = step.args[index]
    if not isinstance(value, Shown):
        raise CannotExportError(f"torch's {step.op} has no counterpart in C++ for such arguments")
    return value


def _is_last(dim: Any, rank: int, w: Writer) -> bool:
    return _index(w.code(dim), rank) == rank - 1


def _index(code: str, rank: int) -> int:
    return int(code) % rank if rank else 0
