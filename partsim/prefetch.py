"""Asking the processor for memory that will soon be read; plain Python does nothing."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .compiled import kernel

DOUBLES = 8  # in a line of the cache, 64 bytes
SOON = (0, 3, 1)  # to read, into the nearest cache, data


def fetch(values, at) -> None:
    """Asks for the 64 bytes around values[at], of a contiguous array, to be brought into the cache.

    Nobody checks the place; one outside of the array is fetched in vain.
    """


@intrinsic
def ask(typing, values, at):
    def emit(context, builder, signature, arguments):
        kind, number, byte = signature.args[0], ir.IntType(32), ir.IntType(8).as_pointer()
        data = context.make_array(kind)(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        of_memory = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], of_memory)
        builder.call(prefetch, [place, *map(number, SOON)])
        return context.get_dummy_value()

    return types.none(values, types.int64), emit


@overload(fetch, jit_options={"forceinline": True})
def compiled_fetch(values, at):
    return lambda values, at: ask(values, at)


@kernel(forceinline=True)
def fetch_doubles(values, start, stop):
    """`fetch` of all of values[start:stop], contiguous and of float64."""
    for at in range(start, stop, DOUBLES):
        fetch(values, at)
