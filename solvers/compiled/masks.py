"""Arithmetic lane by lane, masks as the bits of integers, and rows of a matrix across lanes."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from scq.solvers.compiled.lanes import Lanes, _address


def _lanewise(name, flags=()):
    @intrinsic
    def operate(typing, x, y):
        def generate(context, builder, signature, args):
            return getattr(builder, name)(*args, flags=flags)

        return x(x, y), generate

    return operate


sub = _lanewise("fsub")
"""x - y."""

mul = _lanewise("fmul")
"""x y."""

div = _lanewise("fdiv")
"""x / y."""


def _mask(builder, bits, vector):
    n = vector.count
    return builder.bitcast(builder.trunc(bits, ir.IntType(n)), ir.VectorType(ir.IntType(1), n))


@intrinsic
def blend(typing, bits, x, y):
    """The lanes of x where the bit is set, of y elsewhere; lane 0 is the lowest bit."""

    def generate(context, builder, signature, args):
        bit, a, b = args
        bit = context.cast(builder, bit, bits, types.int64)
        return builder.select(_mask(builder, bit, a.type), a, b)

    return x(bits, x, y), generate


@intrinsic
def transposed(typing, source, rows, stride, target):
    """Writes 16 entries of each of 16 rows, lane l from row ``rows[l]``: entry i of all of them to vector i.

    Four rounds, in each of which pairs of vectors exchange the blocks off their diagonals.
    """
    count = Lanes(source.dtype).count

    def generate(context, builder, signature, args):
        p, numbers, step, q = args
        number = ir.IntType(32)
        kind = ir.VectorType(context.get_value_type(source.dtype), count)
        width = source.dtype.bitwidth // 8
        step = context.cast(builder, step, stride, types.int64)
        vectors = []
        for lane in range(count):
            row = builder.load(builder.gep(numbers, [number(lane)]))
            row = context.cast(builder, row, rows.dtype, types.int64)
            address = _address(context, builder, p, builder.mul(row, step), types.int64)
            x = builder.load(builder.bitcast(address, kind.as_pointer()))
            x.align = width
            vectors.append(x)
        distance = 1
        while distance < count:
            near = [t if not t & distance else count + t - distance for t in range(count)]
            far = [t + distance if not t & distance else count + t for t in range(count)]
            for i in range(count):
                if not i & distance:
                    pair = vectors[i], vectors[i + distance]
                    for place, chosen in ((i, near), (i + distance, far)):
                        mask = ir.Constant(ir.VectorType(number, count), chosen)
                        vectors[place] = builder.shuffle_vector(*pair, mask)
            distance *= 2
        for i, x in enumerate(vectors):
            address = builder.gep(q, [number(i * count)])
            written = builder.store(x, builder.bitcast(address, kind.as_pointer()))
            written.align = width
        return context.get_dummy_value()

    return types.void(source, rows, stride, target), generate
