"""Makes the published model files run as they should; ARCHITECTURE, hazards 3 and 4, and ADR 4 say why.

Each repair is a pure function from bytes to bytes. The arithmetic is two correctly rounded float32 operations an
element, and tensors and nodes are written in a fixed order, so the bytes are the same on every machine; the manifest
holds their SHA-256.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[Any]


class Repair(StrEnum):
    """What a file needs before it is of use."""

    NONE = "none"
    FOLD = "fold"
    """int8 weights become float32 once, here, instead of in every run; weights that nobody reads are dropped."""
    FOLD_ANY_SIZE = "fold_any_size"
    """As `FOLD`, and the picture may have any height and width that are multiples of 32."""
    JUDGE_RGB = "judge_rgb"
    """The three-class model of BGR 0..255 becomes one of RGB 0..1 that says P(bona fide)."""
    UNZIP_LANDMARKS = "unzip_landmarks"
    """The landmark network is taken out of MediaPipe's bundle."""


LANDMARKS_IN_BUNDLE = "face_landmarks_detector.tflite"


def repaired(obtained: bytes, repair: Repair) -> bytes:
    """Return the file as it is used.

    Raises:
        ValueError: these bytes are not a file that this repair is for.
    """
    return _REPAIRS[repair](obtained)


def _folded(obtained: bytes) -> ModelProto:
    """The model with everything computed that depends on weights alone."""
    model = onnx.load_from_string(obtained)
    graph = model.graph
    known: dict[str, Array] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type in _FOLDS and known.keys() >= set(node.input):
            known[node.output[0]] = _FOLDS[node.op_type](node, [known[name] for name in node.input])
        else:
            kept.append(node)
    read = {name for node in kept for name in node.input}
    _replace(graph.node, kept)
    _replace(graph.initializer, [_tensor(known[name], name) for name in sorted(read & known.keys())])
    _replace(graph.input, [each for each in graph.input if each.name in read and each.name not in known])
    del graph.value_info[:]
    return model


def _dequantized(node: NodeProto, inputs: list[Array]) -> Array:
    """DequantizeLinear, ONNX operator set 21: (x - zero point) * scale, by blocks along an axis."""
    weights, scales, zeros = inputs
    attributes = _attributes(node)
    axis, block = attributes.get("axis", 1), attributes.get("block_size", 0)
    if block == 0:
        raise ValueError(f"{node.name} is not quantized by blocks")
    scale = _by_block(scales, block, axis, weights.shape)
    zero = _by_block(zeros, block, axis, weights.shape)
    return (weights.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)


def _by_block(values: Array, block: int, axis: int, shape: tuple[int, ...]) -> Array:
    """One value an element from one a block; the last block may be shorter."""
    spread: Array = np.repeat(values, block, axis=axis)
    return spread[tuple(slice(size) for size in shape)]


def _reshaped(_: NodeProto, inputs: list[Array]) -> Array:
    weights, shape = inputs
    return weights.reshape(shape)


_FOLDS: Mapping[str, Callable[[NodeProto, list[Array]], Array]] = {
    "DequantizeLinear": _dequantized,
    "Reshape": _reshaped,
}


def _fold(obtained: bytes) -> bytes:
    return _serialized(_folded(obtained))


def _fold_any_size(obtained: bytes) -> bytes:
    model = _folded(obtained)
    picture = model.graph.input[0].type.tensor_type.shape.dim
    for dimension, name in ((picture[2], "height"), (picture[3], "width")):
        dimension.dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"{output.name}_places"
    return _serialized(model)


def _judge_rgb(obtained: bytes) -> bytes:
    """Wrap the model so that `insightface.addons.Liveness` can use it as its own."""
    model = onnx.load_from_string(obtained)
    graph = model.graph
    picture, classes = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        _replace(node.input, ["bgr_255" if name == picture else name for name in node.input])
    before = [
        helper.make_node("Mul", [picture, "full_scale"], ["rgb_255"], "FullScale"),
        helper.make_node("Gather", ["rgb_255", "bgr_order"], ["bgr_255"], "SwapChannels", axis=1),
    ]
    after = [
        helper.make_node("Softmax", [classes], ["probabilities"], "Probabilities", axis=1),
        helper.make_node("Gather", ["probabilities", "bona_fide_class"], ["bona_fide"], "BonaFide", axis=1),
    ]
    _replace(graph.node, [*before, *graph.node, *after])
    constants: dict[str, Array] = {
        "full_scale": np.array(255, np.float32),
        "bgr_order": np.array([2, 1, 0], np.int64),
        "bona_fide_class": np.array(1, np.int64),  # Silent-Face-Anti-Spoofing, test.py: label 1 is a real face
    }
    graph.initializer.extend(_tensor(value, name) for name, value in constants.items())
    _replace(graph.output, [helper.make_tensor_value_info("bona_fide", TensorProto.FLOAT, [1])])
    del graph.value_info[:]
    return _serialized(model)


def _unzip_landmarks(obtained: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(obtained)) as bundle:
        return bundle.read(LANDMARKS_IN_BUNDLE)


def _serialized(model: ModelProto) -> bytes:
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized


def _tensor(values: Array, name: str) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _replace(repeated: Any, values: list[Any]) -> None:
    copies = list(values)
    del repeated[:]
    repeated.extend(copies)


_REPAIRS: Mapping[Repair, Callable[[bytes], bytes]] = {
    Repair.NONE: lambda obtained: obtained,
    Repair.FOLD: _fold,
    Repair.FOLD_ANY_SIZE: _fold_any_size,
    Repair.JUDGE_RGB: _judge_rgb,
    Repair.UNZIP_LANDMARKS: _unzip_landmarks,
}
