"""Float .tflite files as a converter writes them, made with the official schema."""

from __future__ import annotations

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_CODES, _TAGS, _FUSED = schema.BuiltinOperator, schema.BuiltinOptions, schema.ActivationFunctionType
FLOAT, INT32 = schema.TensorType.FLOAT32, schema.TensorType.INT32


@dataclass
class FloatFile:
    """Builds a file tensor by tensor; activations have a batch of any size, stored as 1."""

    tensors: list[schema.TensorT] = field(default_factory=list)
    buffers: list[schema.BufferT] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[schema.OperatorT] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def activation(self, *shape: int, dtype: int = FLOAT) -> int:
        """A new activation."""
        return self._tensor(shape, dtype, 0)

    def constant(self, values: np.ndarray) -> int:
        """A new constant, float32 or int32."""
        self.buffers.append(schema.BufferT(data=values.tobytes()))
        dtype = FLOAT if values.dtype == np.float32 else INT32
        return self._tensor(values.shape, dtype, len(self.buffers) - 1)

    def op(self, name: str, inputs: list[int], output: int, options: object = None) -> int:
        """A new operator; returns its output."""
        code = getattr(_CODES, name)
        if code not in self.codes:
            self.codes.append(code)
        tag = type(options).__name__.removesuffix("T") if options else "NONE"
        self.operators.append(
            schema.OperatorT(
                opcodeIndex=self.codes.index(code),
                inputs=inputs,
                outputs=[output],
                builtinOptionsType=getattr(_TAGS, tag),
                builtinOptions=options,
            )
        )
        return output

    def serialize(self, source: int, output: int) -> bytes:
        """The file from one input to one output."""
        subgraph = schema.SubGraphT(
            tensors=self.tensors, inputs=[source], outputs=[output], operators=self.operators
        )
        model = schema.ModelT(
            version=3,
            operatorCodes=[
                schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=1)
                for code in self.codes
            ],
            subgraphs=[subgraph],
            buffers=self.buffers,
        )
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def _tensor(self, shape: tuple[int, ...], dtype: int, buffer: int) -> int:
        name = f"tensor{len(self.tensors)}"
        self.tensors.append(
            schema.TensorT(
                name=name, shape=np.array(shape, np.int32), type=dtype, buffer=buffer, hasRank=True
            )
        )
        return len(self.tensors) - 1


def small_classifier(seed: int = 0) -> bytes:
    """28×28×1 pixels in ten classes: normalised by a MUL and an ADD, a convolution, a pool, and a classifier
    without bias behind a reshape whose shape is computed from the batch.
    """
    rng = np.random.default_rng(seed)
    file = FloatFile()
    pixels = file.activation(1, 28, 28, 1)
    normalised = file.activation(1, 28, 28, 1)
    file.op("MUL", [pixels, file.constant(np.float32([3.0]))], normalised, schema.MulOptionsT())
    shifted = file.activation(1, 28, 28, 1)
    file.op("ADD", [normalised, file.constant(np.array(-0.5, np.float32))], shifted, schema.AddOptionsT())
    weights = file.constant(rng.normal(0, 0.3, (6, 3, 3, 1)).astype(np.float32))
    bias = file.constant(rng.normal(0, 0.1, 6).astype(np.float32))
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 2
    options.padding, options.fusedActivationFunction = schema.Padding.VALID, _FUSED.RELU
    image = file.op("CONV_2D", [shifted, weights, bias], file.activation(1, 13, 13, 6), options)
    pool = schema.Pool2DOptionsT()
    pool.strideH = pool.strideW = pool.filterHeight = pool.filterWidth = 4
    pool.padding = schema.Padding.VALID
    image = file.op("MAX_POOL_2D", [image], file.activation(1, 3, 3, 6), pool)
    shape = schema.ShapeOptionsT()
    shape.outType = INT32
    size = file.op("SHAPE", [image], file.activation(4, dtype=INT32), shape)
    row = file.op("RESHAPE", [image, size], file.activation(1, 54), schema.ReshapeOptionsT())
    weights = file.constant(rng.normal(0, 0.3, (10, 54)).astype(np.float32))
    output = file.activation(1, 10)
    file.op("FULLY_CONNECTED", [row, weights, -1], output, schema.FullyConnectedOptionsT())
    return file.serialize(pixels, output)
