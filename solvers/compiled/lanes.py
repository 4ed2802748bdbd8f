"""Pointers, and vectors of a fixed number of lanes, for functions that Numba compiles.

Numba's arrays cost what a short loop cannot pay: a reference count for each use, checks for negative indices, and loops
whose remainder of up to 15 entries runs one entry at a time. A kernel therefore reads and writes through pointers, in
vectors of 64 bytes, on arrays padded to whole vectors. LLVM maps a vector to what the processor has: one register of
AVX-512, two of AVX, four of NEON.

A pointer does not keep its array alive: whoever calls the kernel does.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

BYTES = 64


def padded(n: int) -> int:
    """n rounded up to two whole vectors of any dtype."""
    return -(-n // 32) * 32


class Lanes(types.Type):
    """A vector: 16 numbers in float32, 8 in float64."""

    def __init__(self, scalar: types.Float) -> None:
        self.scalar = scalar
        self.count = 8 * BYTES // scalar.bitwidth
        super().__init__(name=f"Lanes({scalar})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.scalar).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.count))


def _splatted(builder, vector, scalar):
    undefined, number = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(undefined, scalar, number(0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(number, vector.count), [0] * vector.count)
    )


def _address(context, builder, p, i, i_type):
    return builder.gep(p, [context.cast(builder, i, i_type, types.intp)])


def _cast(builder, x, element):
    if x.type.element == element:
        return x
    to = ir.VectorType(element, x.type.count)
    return builder.fptrunc(x, to) if element == ir.FloatType() else builder.fpext(x, to)


@intrinsic
def pointer(typing, array):
    """The address of the first entry of an array."""
    result = types.CPointer(array.dtype)

    def generate(context, builder, signature, args):
        return context.make_array(array)(context, builder, args[0]).data

    return result(array), generate


@intrinsic
def at(typing, p, i):
    """The address of entry i."""

    def generate(context, builder, signature, args):
        return _address(context, builder, *args, i)

    return p(p, i), generate


@intrinsic
def lanes(typing, p):
    """How many of what p points at make a vector: a constant for the compiler."""
    count = Lanes(p.dtype).count

    def generate(context, builder, signature, args):
        return ir.IntType(64)(count)

    return types.int64(p), generate


def _load(p, i, scalar):
    result = Lanes(scalar)

    def generate(context, builder, signature, args):
        stored = ir.VectorType(context.get_value_type(p.dtype), result.count)
        x = builder.load(builder.bitcast(_address(context, builder, *args, i), stored.as_pointer()))
        x.align = p.dtype.bitwidth // 8
        return _cast(builder, x, context.get_value_type(scalar))

    return result(p, i), generate


@intrinsic
def load(typing, p, i):
    """The vector that starts at entry i."""
    return _load(p, i, p.dtype)


@intrinsic
def load_double(typing, p, i):
    """The 8 entries that start at entry i, in float64."""
    return _load(p, i, types.float64)


@intrinsic
def store(typing, p, i, x):
    """Writes the lanes of x to p from entry i on, in the dtype of p."""

    def generate(context, builder, signature, args):
        value = _cast(builder, args[2], context.get_value_type(p.dtype))
        address = _address(context, builder, *args[:2], i)
        written = builder.store(value, builder.bitcast(address, value.type.as_pointer()))
        written.align = p.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(p, i, x), generate


@intrinsic
def splat(typing, p, a):
    """The scalar a in every lane, in the dtype of what p points at."""
    result = Lanes(p.dtype)

    def generate(context, builder, signature, args):
        return _splatted(builder, context.get_value_type(result), context.cast(builder, args[1], a, p.dtype))

    return result(p, a), generate


@intrinsic
def axpy(typing, a, x, y):
    """a x + y with a scalar a."""

    def generate(context, builder, signature, args):
        factor = _splatted(builder, args[1].type, context.cast(builder, args[0], a, x.scalar))
        return builder.fadd(builder.fmul(factor, args[1], flags=("contract",)), args[2], flags=("contract",))

    return x(a, x, y), generate


@intrinsic
def fma(typing, x, y, z):
    """x y + z, lane by lane."""

    def generate(context, builder, signature, args):
        return builder.fadd(builder.fmul(args[0], args[1], flags=("contract",)), args[2], flags=("contract",))

    return x(x, y, z), generate


@intrinsic
def add(typing, x, y):
    """x + y, lane by lane."""

    def generate(context, builder, signature, args):
        return builder.fadd(*args)

    return x(x, y), generate


def _chosen(relation):
    @intrinsic
    def choose(typing, x, y):
        def generate(context, builder, signature, args):
            return builder.select(builder.fcmp_ordered(relation, *args), *args)

        return x(x, y), generate

    return choose


smaller = _chosen("<")
"""The smaller of two lanes; the second where one of them is NaN."""

larger = _chosen(">")
"""The larger of two lanes; the second where one of them is NaN."""


def _reduced(name, start, flags):
    @intrinsic
    def reduce(typing, x):
        def generate(context, builder, signature, args):
            vector = args[0].type
            first = [] if start is None else [ir.Constant(vector.element, start)]
            kind = ir.FunctionType(vector.element, [*(c.type for c in first), vector])
            full = f"llvm.vector.reduce.{name}.v{vector.count}f{x.scalar.bitwidth}"
            function = cgutils.get_or_insert_function(builder.module, kind, full)
            return builder.call(function, [*first, args[0]], fastmath=flags)

        return x.scalar(x), generate

    return reduce


total = _reduced("fadd", -0.0, ("reassoc",))
"""The sum over the lanes."""

lowest = _reduced("fmin", None, ("nnan",))
"""The smallest lane."""

highest = _reduced("fmax", None, ("nnan",))
"""The largest lane."""


@intrinsic
def below(typing, x, y):
    """The lanes where x < y, as the bits of an integer, lane 0 the lowest."""

    def generate(context, builder, signature, args):
        bits = builder.bitcast(builder.fcmp_ordered("<", *args), ir.IntType(args[0].type.count))
        return builder.zext(bits, ir.IntType(64))

    return types.int64(x, y), generate


@intrinsic
def first_bit(typing, bits):
    """The number of the lowest bit that is set; bits must not be 0."""

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(bits), generate
