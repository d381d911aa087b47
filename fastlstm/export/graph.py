"""A graph of ONNX operators, written down as expressions.

Names of operators and their attributes are those of the ONNX specification; opset 18 and
ai.onnx.ml 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

OPSET, OPSET_ML = 18, 4

# Of the file format: the first with both.
IR_VERSION = 9

_MISSING = (
    "exporting to ONNX needs the package onnx, which is not installed: pip install 'fastlstm[onnx]'"
)


class Graph:
    """Nodes and constants, in the order in which they are made.

    Raises
    ------
    ImportError
        If onnx is not installed.
    """

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise ImportError(_MISSING) from error
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, values: Any, dtype: Any = None) -> str:
        """The name of an array; equal small ones are kept once."""
        array = np.asarray(values, dtype=dtype, order="C")
        if array.dtype.kind == "U":
            return self._named_tensor(array)
        key = str(array.dtype), array.shape, array.tobytes() if array.nbytes <= 64 else b""
        if array.nbytes <= 64 and key in self._known:
            return self._known[key]
        name = f"constant_{len(self._constants)}"
        self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        if array.nbytes <= 64:
            self._known[key] = name
        return name

    def _named_tensor(self, array: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants[name] = self._onnx.helper.make_tensor(
            name, self._onnx.TensorProto.STRING, array.shape,
            [text.encode("utf-8") for text in array.ravel().tolist()],
        )  # fmt: skip
        return name

    def op(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """The name of an operator's first output.

        Parameters
        ----------
        kind : str
        *inputs : str, or number or array
            Names, and constants: a Python int is int64, a float float32. "" leaves one out.
        domain : str
        **attributes
            Those of the operator.
        """
        return self.ops(kind, 1, *inputs, domain=domain, **attributes)[0]

    def ops(
        self, kind: str, n_outputs: int, *inputs: Any, domain: str = "", **attributes: Any
    ) -> list[str]:
        """The names of all outputs."""
        names = [each if isinstance(each, str) else self._constant_of(each) for each in inputs]
        number = len(self._nodes)
        outputs = [f"{kind.lower()}_{number}_{i}" for i in range(n_outputs)]
        self._nodes.append(
            self._onnx.helper.make_node(kind, names, outputs, domain=domain, **attributes)
        )
        return outputs

    def _constant_of(self, value: Any) -> str:
        if isinstance(value, float):
            return self.constant(value, np.float32)
        if isinstance(value, (int, list, tuple)):
            return self.constant(value, np.int64)
        return self.constant(value)

    def cast(self, name: str, dtype: Any) -> str:
        """The same numbers of another type."""
        to = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.op("Cast", name, to=to)

    def rename(self, name: str, output: str) -> None:
        """Give a result the name by which others know it."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [name], [output]))

    def model(
        self, inputs: dict[str, tuple[Any, list[Any]]], outputs: dict[str, tuple[Any, list[Any]]],
        facts: dict[str, str],
    ) -> Any:  # fmt: skip
        """An ``onnx.ModelProto``.

        Parameters
        ----------
        inputs, outputs : dict of str to (dtype, shape)
            Of a name; a str in a shape is a size that may vary. The dtype ``str`` is text.
        facts : dict of str to str
            Properties of the model.
        """
        helper, proto = self._onnx.helper, self._onnx.TensorProto

        def of(name: str, dtype: Any, shape: list[Any]) -> Any:
            kind = (
                proto.STRING if dtype is str else helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            )
            return helper.make_tensor_value_info(name, kind, shape)

        graph = helper.make_graph(
            self._nodes, "fastlstm",
            [of(name, *each) for name, each in inputs.items()],
            [of(name, *each) for name, each in outputs.items()],
            list(self._constants.values()),
        )  # fmt: skip
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        helper.set_model_props(model, facts)
        return model
