"""Counts the floating-point operations of a kernel by running it plain, on numbers that count.

    points = counted(points)                    # arrays and tuples of arrays, copied
    with counting(kernels) as count:
        kernels.sweep(points, dt, law, 0)       # by its name in the module
    count.flops, values(points[0])

What is a flop is said in partsim/work.py. The rules of counting:
- What executes is counted, every time it executes: a repeated expression counts again, though
  the compiler may keep its value; a loop that is not entered counts nothing.
- Of `a if condition else b` both sides execute, as in the vector code that it becomes. So the
  count of a loop over lanes does not depend on the values in them.
- An operation counts if an operand is a counted number, and gives one. What is passed uncounted
  is constant to the kernel: an expression of constants alone, such as 1.0 / law.largest_alpha,
  counts nothing, as the compiler takes it out of the loop. Pass laws and steps uncounted for the
  count of the compiled kernel, and counted(law) to count them as data.
- A function of the math module other than sqrt is a call, not a flop.
"""

import __future__
import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, wraps
from types import BuiltinFunctionType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher


@dataclass
class Count:
    """Flops, those of them that are divisions and square roots, and calls of the C library."""

    flops: int = 0
    divisions: int = 0
    roots: int = 0
    calls: int = 0


def operation(compute: Callable[[float, float], float]) -> Callable:
    """A method that counts one flop and gives a counted number, or an array of these."""

    def operate(self, other):
        if isinstance(other, np.ndarray):
            return np.frompyfunc(lambda item: operate(self, item), 1, 1)(other).view(CountedArray)
        value = compute(float(self), float(other))
        Counted.count.flops += 1
        return Counted(value)

    return operate


def quotient(a: float, b: float) -> float:
    """a / b, infinite or NaN for b = 0 like numba's error model "numpy"."""
    Counted.count.divisions += 1
    with np.errstate(all="ignore"):
        return a / b if b else np.divide(a, b)


def refuse(self, *others):
    """An operation that no kernel uses, and whose flops nobody has declared."""
    raise TypeError("this operation is not counted")


class Counted(float):
    """A number whose operations are booked to `Counted.count`."""

    __slots__ = ()
    __array_ufunc__ = None  # NumPy's scalars and arrays leave operations to this class
    dtype = np.dtype(np.float64)  # what the class means where NumPy wants a type
    count = Count()

    __add__, __radd__ = operation(float.__add__), operation(float.__radd__)
    __sub__, __rsub__ = operation(float.__sub__), operation(float.__rsub__)
    __mul__, __rmul__ = operation(float.__mul__), operation(float.__rmul__)
    __truediv__ = operation(quotient)
    __rtruediv__ = operation(lambda self, other: quotient(other, self))
    __mod__ = __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = refuse
    __rpow__ = refuse

    def __pow__(self, exponent):
        return self * self if exponent == 2 else refuse(self)

    def __neg__(self):
        return Counted(float.__neg__(self))

    def __abs__(self):
        return Counted(float.__abs__(self))

    def view(self, kind) -> np.int64:
        """The 64 bits as an integer."""
        return np.float64(self).view(np.int64)


class Integer(np.int64):
    """What np.int64 makes in a kernel."""

    def view(self, kind) -> Counted:
        """The number with these 64 bits."""
        return Counted(np.int64(self).view(np.float64))


class CountedArray(np.ndarray):
    """An array of counted numbers; whatever is stored becomes one."""

    def __setitem__(self, place, value):
        if not isinstance(value, (Counted, CountedArray)):
            value = counted(value) if isinstance(value, np.ndarray) else Counted(value)
        super().__setitem__(place, value)


def counted(data: Any) -> Any:
    """A copy in which floats count: a number, an array, or a (named) tuple of these."""
    if isinstance(data, np.ndarray) and data.dtype == float:
        return np.frompyfunc(Counted, 1, 1)(data).view(CountedArray)
    if isinstance(data, np.ndarray):
        return data.copy()
    if isinstance(data, float):
        return Counted(data)
    if isinstance(data, tuple):
        items = map(counted, data)
        return type(data)(*items) if hasattr(data, "_fields") else tuple(items)
    return data


def values(array: np.ndarray) -> np.ndarray:
    """The array as plain float64."""
    return np.asarray(array).astype(np.float64)


def making(function: Callable) -> Callable:
    """A function of NumPy that makes arrays, of counted numbers instead of float64."""
    return lambda *arguments, **options: counted(function(*arguments, **options))


def root(x: float) -> float:
    """The square root, NaN for a negative number."""
    if not isinstance(x, Counted):
        return math.sqrt(x)
    Counted.count.flops += 1
    Counted.count.roots += 1
    return Counted(math.sqrt(x) if x >= 0 else math.nan)


def library(function: Callable) -> Callable:
    """A function of math that counts as a call where it turns counted numbers into a float."""

    @wraps(function)
    def call(*arguments):
        value = function(*arguments)
        counts = isinstance(value, float) and any(isinstance(x, Counted) for x in arguments)
        Counted.count.calls += counts
        return Counted(value) if counts else value

    return call


# NumPy as a kernel and the Python beside it see it; its functions of numbers, such as np.exp,
# refuse counted ones
NUMPY = SimpleNamespace(
    **vars(np)
    | {name: making(getattr(np, name)) for name in ("array", "empty", "full", "ones", "zeros")}
    | {"float64": Counted, "int64": Integer, "floor": math.floor, "sqrt": root}
)


def either(condition, a, b):
    """`a if condition else b` of two values that are both computed; which one it is, is data."""
    chosen = a if condition else b
    return Counted(chosen) if isinstance(chosen, float) else chosen


class BothSides(ast.NodeTransformer):
    """Makes each conditional expression a call of `either`, under the name EITHER."""

    EITHER = "_either_"

    def visit_IfExp(self, node: ast.IfExp) -> ast.Call:
        self.generic_visit(node)
        return ast.Call(ast.Name(self.EITHER, ast.Load()), [node.test, node.body, node.orelse], [])


@lru_cache(maxsize=None)
def plain(kernel: Dispatcher) -> FunctionType:
    """The Python function of a kernel, with both sides of its conditional expressions executed."""
    function = kernel.py_func
    assert function.__closure__ is None, f"{function.__name__} is not a function of a module"
    tree = ast.parse(inspect.getsource(function))
    tree.body[0].decorator_list = []
    tree = ast.fix_missing_locations(BothSides().visit(tree))
    ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
    flags = __future__.annotations.compiler_flag  # annotations need no names then
    scope: dict[str, Any] = {}
    exec(compile(tree, inspect.getsourcefile(function), "exec", flags, True), scope)
    code = scope[function.__name__].__code__
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__)


def reached(modules: tuple[ModuleType, ...]) -> list[ModuleType]:
    """The modules, and those in which the kernels that they use stand."""
    found = list(modules)
    for module in found:  # grows on the way
        for value in list(vars(module).values()):
            if isinstance(value, Dispatcher):
                home = sys.modules[value.py_func.__module__]
                found += [home] * (home not in found)
    return found


def counting_form(value: Any) -> Any:
    """What stands for a name of a module while its kernels are counted."""
    if isinstance(value, Dispatcher):
        return plain(value)
    if value is np:
        return NUMPY
    if value is math:
        return SimpleNamespace(**{name: counting_form(item) for name, item in vars(math).items()})
    if value is math.sqrt:
        return root
    if isinstance(value, BuiltinFunctionType) and value.__module__ == "math":
        return library(value)
    return value


@contextmanager
def counting(*modules: ModuleType) -> Iterator[Count]:
    """Runs the kernels of the modules, and those that they call, plain inside the `with`."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):  # integers wrap
        for module in reached(modules):
            forms = {name: counting_form(value) for name, value in vars(module).items()}
            for name, form in forms.items():
                patch.setattr(module, name, form)
            patch.setattr(module, BothSides.EITHER, either, raising=False)
        patch.setattr(Counted, "count", Count())
        yield Counted.count
