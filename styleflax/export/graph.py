"""Building blocks of ONNX graphs: the layers of our networks, channels first.

Only operators that ONNX Runtime implements for CPU, WebAssembly and WebGPU are used:
padding is an explicit node, and pooling rounds down over a padded map.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from jaxtyping import Float
from onnx import TensorProto, helper, numpy_helper

from styleflax.export.storage import Storage, check_storage, quantize
from styleflax.types import Params

OPSET = 17
IR_VERSION = 8
"""Version of the file format, as old as the opset, so that old runtimes accept it."""
Dims = Sequence[str | int]


class Graph:
    """An ONNX graph under construction; its methods return names of tensors.

    Args:
        storage: Storage type of weights: float32, float16 or int8.

    Raises:
        ValueError: If the storage is unknown.
    """

    def __init__(self, storage: Storage = "float32") -> None:
        check_storage(storage)
        self._storage = storage
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, dims: Dims) -> str:
        """Adds a float32 input; a text in `dims` names a size known at run time."""
        described = helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        self._inputs.append(described)
        return name

    def output(self, tensor: str, name: str, dims: Dims) -> None:
        """Makes a tensor an output of the graph under this name."""
        self._nodes.append(helper.make_node("Identity", [tensor], [name]))
        described = helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        self._outputs.append(described)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node, and returns its first result."""
        name = f"{operator.lower()}_{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [name], name, **attributes)
        self._nodes.append(node)
        return name

    def numbers(self, values: Any, dtype: Any = np.float32) -> str:
        """Returns a constant in full precision; equal constants are stored once."""
        array = np.ascontiguousarray(np.asarray(values, dtype))
        array = array.reshape(np.shape(values))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(array, name)
        return self._constants[key].name

    def integers(self, *values: int) -> str:
        """Returns a constant list of integers, for shapes and padding."""
        return self.numbers(values, np.int64)

    def weights(self, values: Any, inputs: int, *, sensitive: bool = False) -> str:
        """Returns float32 weights, converted from their storage type.

        The converting nodes depend on constants alone, so runtimes evaluate them once,
        when they load the file.

        Args:
            values: The weights.
            inputs: The axis of the input channels; see `storage.quantize`.
            sensitive: Whether to use 16 bits where the storage type has only 8.
        """
        array = np.asarray(values, np.float32)
        if self._storage == "float32":
            return self.numbers(array)
        if self._storage == "float16" or sensitive:
            return self._cast(array.astype(np.float16))
        whole, scale = (self._cast(part) for part in quantize(array, inputs))
        product = self.add("Mul", whole, scale)
        return self.add("Reshape", product, self.integers(*array.shape))

    def _cast(self, stored: np.ndarray) -> str:
        constant = self.numbers(stored, stored.dtype)
        return self.add("Cast", constant, to=TensorProto.FLOAT)

    # Layers of networks. Maps are (b, c, h, w); parameters are those of Flax.

    def pad(self, x: str, width: int = 1, mode: str = "reflect") -> str:
        """Pads a map on all four sides; its sides must be longer than `width`."""
        border = (0, 0, width, width)
        return self.add("Pad", x, self.integers(*border, *border), mode=mode)

    def conv(
        self,
        x: str,
        params: Params,
        stride: int = 1,
        zeros: int = 0,
        *,
        sensitive: bool = False,
    ) -> str:
        """Convolves a map, which is padded already except for `zeros` zeros a side."""
        kernel = np.asarray(params["kernel"])
        turned = kernel.transpose(3, 2, 0, 1)
        operands = [x, self.weights(turned, 1, sensitive=sensitive)]
        if "bias" in params:
            operands.append(self.numbers(params["bias"]))
        size = list(kernel.shape[:2])
        return self.add(
            "Conv", *operands, kernel_shape=size, strides=[stride] * 2, pads=[zeros] * 4
        )

    def reflect_conv(
        self, x: str, params: Params, stride: int = 1, *, sensitive: bool = False
    ) -> str:
        """Adds `models.vgg.ReflectConv`, or with a stride of 2 `HalvingConv`."""
        width = np.asarray(params["kernel"]).shape[0] // 2
        return self.conv(self.pad(x, width), params, stride, sensitive=sensitive)

    def upsample_conv(self, x: str, params: Params) -> str:
        """Adds `ops.conv.upsample_conv3x3_reflect` as four convolutions of 2x2 in one.

        The kernel is stored as 3x3; runtimes sum it into the four when they load the
        file.
        """
        kernel = np.asarray(params["kernel"])
        i, o = kernel.shape[2:]
        stored = self.weights(kernel.reshape(9, i, o).transpose(2, 1, 0), 1)
        by_phase = self.add("MatMul", stored, self.numbers(phase_matrix()))
        split = self.add("Reshape", by_phase, self.integers(o, i, 4, 2, 2))
        turned = self.add("Transpose", split, perm=[0, 2, 1, 3, 4])
        four = self.add("Reshape", turned, self.integers(4 * o, i, 2, 2))
        operands = [self.pad(x, mode="edge"), four]
        if "bias" in params:
            operands.append(self.numbers(np.repeat(np.asarray(params["bias"]), 4)))
        y = self.add("Conv", *operands, kernel_shape=[2, 2])
        y = self.add("DepthToSpace", y, blocksize=2, mode="CRD")
        bounds = [self.integers(*ends) for ends in ((1, 1), (-1, -1), (2, 3))]
        return self.add("Slice", y, *bounds)

    def doubling_conv(self, x: str, params: Params) -> str:
        """Adds `ops.conv.doubling_conv3x3` and the bias."""
        kernel = np.asarray(params["kernel"])
        operands = [x, self.weights(kernel.transpose(2, 3, 0, 1), 0)]
        if "bias" in params:
            operands.append(self.numbers(params["bias"]))
        settings = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0]}
        return self.add("ConvTranspose", *operands, **settings)

    def enlarge(self, x: str) -> str:
        """Repeats every position of a map twice along both sides."""
        scales = self.numbers([1, 1, 2, 2])
        settings = {"mode": "nearest", "nearest_mode": "floor"}
        return self.add(
            *("Resize", x, "", scales),
            coordinate_transformation_mode="asymmetric",
            **settings,
        )

    def pool(self, x: str) -> str:
        """Adds `ops.conv.max_pool_ceil`, whose output sides are rounded up.

        Padding after the end with the lowest number has the effect of rounding up.
        """
        settings = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]}
        return self.add("MaxPool", x, **settings)

    def cut_like(self, x: str, other: str) -> str:
        """Crops a map to the size of another, keeping its upper left part."""
        size = self.add("Shape", other)
        ends = self.add(
            *("Slice", size, self.integers(2), self.integers(4), self.integers(0))
        )
        return self.add("Slice", x, self.integers(0, 0), ends, self.integers(2, 3))

    def channels_first(self, image: str) -> str:
        """Transposes (b, h, w, c) to (b, c, h, w)."""
        return self.add("Transpose", image, perm=[0, 3, 1, 2])

    def channels_last(self, image: str) -> str:
        """Transposes (b, c, h, w) to (b, h, w, c)."""
        return self.add("Transpose", image, perm=[0, 2, 3, 1])

    def dense(self, x: str, params: Params) -> str:
        """Adds a dense layer over the last axis; its weights have at least 16 bits."""
        kernel = self.weights(params["kernel"], 0, sensitive=True)
        product = self.add("MatMul", x, kernel)
        return self.add("Add", product, self.numbers(params["bias"]))

    def unsqueeze(self, x: str, *axes: int) -> str:
        """Inserts axes of length 1 at these positions of the result."""
        return self.add("Unsqueeze", x, self.integers(*axes))

    def spread(self, rows: str, masks: str) -> str:
        """Returns values of regions, mixed at every position by the masks.

        Args:
            rows: Value of every region, (b, r, c).
            masks: Share of every region at every position, (r, h, w).

        Returns:
            A map (b, c, h, w).
        """
        flat = self.add("Reshape", masks, self.integers(0, -1))
        turned = self.add("Transpose", rows, perm=[0, 2, 1])
        product = self.add("MatMul", turned, flat)
        size = self.add("Shape", masks)
        sides = self.add(
            *("Slice", size, self.integers(1), self.integers(3), self.integers(0))
        )
        shape = self.add("Concat", self.integers(0, 0), sides, axis=0)
        return self.add("Reshape", product, shape)

    def model(self, name: str, metadata: Mapping[str, str]) -> onnx.ModelProto:
        """Returns the finished graph as a model, after ONNX has checked it.

        Args:
            name: Name of the graph, for users.
            metadata: Entries to write into the file.
        """
        graph = helper.make_graph(
            *(self._nodes, name, self._inputs, self._outputs),
            initializer=list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="styleflax",
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs, in order."""
        return [value.name for value in self._inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs, in order."""
        return [value.name for value in self._outputs]


def phase_matrix() -> Float[np.ndarray, "9 16"]:
    """Returns the matrix that sums a 3x3 kernel into four 2x2 kernels, one per phase.

    Columns are ordered by row and column of the phase, odd positions first (see
    `ops.conv.upsample_conv3x3_reflect`), then by row and column of its kernel.
    """
    odd, even = [[1, 0], [1, 0], [0, 1]], [[1, 0], [0, 1], [0, 1]]
    side = np.stack([odd, even], axis=1).astype(np.float32)
    return np.einsum("apk,bql->abpqkl", side, side).reshape(9, 16)
