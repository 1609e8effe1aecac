"""LiteRT, TensorFlow Lite's interpreter: what any .tflite file, float or int8, says of images.

Its int8 kernels may round otherwise than TFLite Micro's and the generated C: it serves for float models,
and where the C cannot be generated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mcu_nas.errors import ModelError


def litert_outputs(tflite: bytes, name: str, samples: np.ndarray) -> np.ndarray:
    """Real outputs float32 (N, values) for real inputs float32 (N, ...), one inference a sample.

    Raises:
        ModelError: LiteRT cannot run the file.
    """
    try:
        # A delegate would announce itself on stderr.
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_content=tflite, experimental_op_resolver_type=resolver)
        (source,), (result, *_) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.allocate_tensors()
        outputs = []
        for sample in samples:
            interpreter.set_tensor(source["index"], _quantized(sample[None], source))
            interpreter.invoke()
            outputs.append(_real(interpreter.get_tensor(result["index"]), result).ravel())
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(f"{name}: LiteRT cannot run it: {reason}") from error
    return np.stack(outputs)


def _quantized(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values.astype(np.float32)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(tensor["dtype"])


def _real(values: np.ndarray, tensor: dict[str, Any]) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)
