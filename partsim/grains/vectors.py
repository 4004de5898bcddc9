"""Operations on 16 or 8 neighbouring numbers, compiled to vectors; plain Python does the same.

numba leaves short runs of equal operations scalar, so that here LLVM is told in its own words what
is meant. Arrays are contiguous, of float32 or float64; places in them count numbers, and nobody
checks them.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

ROW, LINE = 8, 16  # numbers
WEST_OF = [LINE if n % ROW == 0 else n - 1 for n in range(LINE)]  # LINE stands for zero
EAST_OF = [LINE if n % ROW == ROW - 1 else n + 1 for n in range(LINE)]


def copy_row(target, at, source, start):
    """Eight neighbours of source to target."""
    target[at:at + ROW] = source[start:start + ROW]


def copy_line(target, at, source, start):
    """Sixteen neighbours of source to target."""
    target[at:at + LINE] = source[start:start + LINE]


def west_line(target, at, source, start):
    """Two rows of eight, in the place of each number the one before it; zero in the first."""
    for n in range(LINE):
        target[at + n] = 0 if WEST_OF[n] == LINE else source[start + WEST_OF[n]]


def east_line(target, at, source, start):
    """Two rows of eight, in the place of each number the one after it; zero in the last."""
    for n in range(LINE):
        target[at + n] = 0 if EAST_OF[n] == LINE else source[start + EAST_OF[n]]


def square_line(sums, at, source, start):
    """Adds the squares of sixteen neighbours to sums."""
    for n in range(LINE):
        sums[at + n] = sums[at + n] + source[start + n] * source[start + n]


def clear_line(target, at):
    """Sixteen neighbours = 0."""
    target[at:at + LINE] = 0


def occupied(values, at):
    """1 where any of sixteen neighbours is not zero, else 0."""
    return int((values[at:at + LINE] != 0).any())


class Vectors:
    """Emits loads and stores of `count` neighbours in arrays of the numba type `kind`."""

    def __init__(self, context, builder, kind: types.Array, count: int) -> None:
        self.context, self.builder, self.kind = context, builder, kind
        self.type = ir.VectorType(context.get_data_type(kind.dtype), count)
        self.zero = ir.Constant(self.type, None)

    def place(self, array, at):
        data = self.context.make_array(self.kind)(self.context, self.builder, array).data
        return self.builder.bitcast(self.builder.gep(data, [at]), self.type.as_pointer())

    def load(self, array, at):
        return self.builder.load(self.place(array, at), align=self.kind.dtype.bitwidth // 8)

    def store(self, vector, array, at):
        self.builder.store(vector, self.place(array, at), align=self.kind.dtype.bitwidth // 8)

    def shuffled(self, vector, order: list[int]):
        number = ir.IntType(32)
        mask = ir.Constant(ir.VectorType(number, len(order)), [number(n) for n in order])
        return self.builder.shuffle_vector(vector, self.zero, mask)


def two_arrays(plain, emit, count: int) -> None:
    """Compiles plain(target, at, source, start) to emit(vectors, *arguments).

    It is inlined by force: compiled apart, all that is made here would share one name in numba's
    cache.
    """

    @intrinsic
    def code(typing, target, at, source, start):
        return vector_code(emit, count, types.none, target, source)

    @overload(plain, jit_options={"forceinline": True})
    def compiled(target, at, source, start):
        return lambda target, at, source, start: code(target, at, source, start)


def one_array(plain, emit, result: types.Type) -> None:
    """Compiles plain(array, at) to emit(vectors, *arguments) of sixteen neighbours."""

    @intrinsic
    def code(typing, array, at):
        return vector_code(emit, LINE, result, array)

    @overload(plain, jit_options={"forceinline": True})
    def compiled(array, at):
        return lambda array, at: code(array, at)


def vector_code(emit, count: int, result: types.Type, *kinds: types.Array):
    """What an intrinsic returns whose arguments are arrays, each followed by a place in it."""
    assert kinds[0].mutable and all(
        kind.layout == "C" and kind.ndim == 1 and kind.dtype == kinds[0].dtype for kind in kinds)

    def generate(context, builder, signature, arguments):
        found = emit(Vectors(context, builder, kinds[0], count), *arguments)
        return context.get_dummy_value() if result == types.none else found

    return result(*(word for kind in kinds for word in (kind, types.int64))), generate


def copied(order: list[int] | None = None):
    """Emits a copy, in another order if there is one."""

    def emit(vectors, target, at, source, start):
        vector = vectors.load(source, start)
        vectors.store(vectors.shuffled(vector, order) if order else vector, target, at)

    return emit


def squared(vectors, sums, at, source, start):
    """Emits a sum of squares."""
    value, build = vectors.load(source, start), vectors.builder
    vectors.store(build.fadd(vectors.load(sums, at), build.fmul(value, value)), sums, at)


def cleared(vectors, target, at):
    """Emits zeros."""
    vectors.store(vectors.zero, target, at)


def tested(vectors, values, at):
    """Emits a test for zero."""
    build = vectors.builder
    flags = build.fcmp_unordered("!=", vectors.load(values, at), vectors.zero)
    bits = build.bitcast(flags, ir.IntType(LINE))
    return build.zext(build.icmp_unsigned("!=", bits, bits.type(0)), ir.IntType(64))


two_arrays(copy_row, copied(), ROW)
two_arrays(copy_line, copied(), LINE)
two_arrays(west_line, copied(WEST_OF), LINE)
two_arrays(east_line, copied(EAST_OF), LINE)
two_arrays(square_line, squared, LINE)
one_array(clear_line, cleared, types.none)
one_array(occupied, tested, types.int64)
