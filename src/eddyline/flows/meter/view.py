"""An array over memory that somebody else owns, for kernels without Numba's runtime.

What belongs here: two intrinsics of Numba's; imported only when a kernel is compiled. What does not: kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj


@intrinsic
def view(typing: Any, address: Any, shape: Any, kind: Any) -> tuple[Any, Callable[..., Any]]:  # noqa: ARG001
    """Make an array in C order over the memory at an address.

    ``numba.carray`` does the same, but needs the runtime that counts references.

    Parameters
    ----------
    typing
        Numba's.
    address
        Type of an integer.
    shape
        Type of a tuple of integers.
    kind
        Type of the elements' type.
    """
    array = types.Array(kind.dtype, shape.count, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        element = context.get_data_type(array.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(element))
        lengths = cgutils.unpack_tuple(builder, arguments[1])  # type: ignore[no-untyped-call]
        strides = [size]
        for length in reversed(lengths[1:]):
            strides.insert(0, builder.mul(strides[0], length))
        made = context.make_array(array)(context, builder)
        arrayobj.populate_array(  # type: ignore[no-untyped-call]
            made,
            data=builder.inttoptr(arguments[0], element.as_pointer()),
            shape=lengths,
            strides=strides,
            itemsize=size,
            meminfo=None,
        )
        return made._getvalue()

    return array(address, shape, kind), generate


@intrinsic
def prefetch(typing: Any, array: Any, row: Any, column: Any) -> tuple[Any, Callable[..., Any]]:  # noqa: ARG001
    """Ask the memory for an element that will be read and written soon.

    Parameters
    ----------
    typing
        Numba's.
    array
        Type of an array of one or two dimensions.
    row, column
        Types of integers; with one dimension the second means nothing.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            context,
            builder,
            signature.args[0],
            made,
            list(arguments[1 : 1 + array.ndim]),
            wraparound=False,
        )
        word = ir.IntType(32)
        bytes_of = builder.bitcast(place, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [bytes_of.type, word, word, word])
        ask = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(ask, [bytes_of, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp), generate
