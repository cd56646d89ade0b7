"""Graphs like those of deep-learning frameworks, written with onnx.helper: images, sequences, several inputs, all types."""

import numpy as np
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, DOUBLE, BOOL, INT64, STRING = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.BOOL,
    TensorProto.INT64,
    TensorProto.STRING,
)


def graph(nodes, inputs, outputs, weights):
    info = lambda specs: [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in specs]
    initializers = [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()]
    built = helper.make_graph(nodes, "graph", info(inputs), info(outputs), initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(built, opset_imports=opsets, ir_version=8).SerializeToString()


node = helper.make_node


def lists(values, kind=pa.float32()):
    """A column of flat lists."""
    return pa.array([np.ravel(value).tolist() for value in values], pa.list_(kind))


def handmade_models(rows):
    rng = np.random.default_rng(2)
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
    cases = []

    def add(name, model, table, features, feeds, **more):
        cases.append({"name": name, "model": model, "table": table, "features": features, "feeds": feeds, **more})

    # A convolutional network on images of 8 x 8, from lists, nested lists and one column for each pixel.
    images = (rng.random((rows, 1, 8, 8)) * 16).astype(np.float32)
    conv = graph(
        [
            node("Conv", ["image", "k", "kb"], ["c"], pads=[1, 1, 1, 1]),
            node("Relu", ["c"], ["r"]),
            node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", ["p"], ["flat"]),
            node("Gemm", ["flat", "w", "b"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        [("image", FLOAT, ["N", 1, 8, 8])],
        [("probabilities", FLOAT, ["N", 10]), ("p", FLOAT, ["N", 4, 4, 4])],
        {"k": normal(4, 1, 3, 3) / 9, "kb": normal(4), "w": normal(64, 10) / 8, "b": normal(10)},
    )
    nested = pa.array(images.tolist(), pa.list_(pa.list_(pa.list_(pa.float64()))))
    pixels = {f"p{at}": images.reshape(rows, 64)[:, at].astype(np.int16) for at in range(64)}
    whole = np.floor(images)
    add("conv-flat-list", conv, {"pixels": lists(images)}, ["pixels"], {"image": images})
    add("conv-nested-list", conv, {"image": nested}, None, {"image": images})
    add("conv-64-columns", conv, pixels, list(pixels), {"image": whole})
    add("conv-auto", conv, pixels, "auto", {"image": whole})

    # Token ids of different lengths: an embedding, its mean, a linear layer.
    tokens = [rng.integers(0, 50, rng.integers(1, 9)).astype(np.int64) for _ in range(rows)]
    embedding = graph(
        [
            node("Gather", ["table", "tokens"], ["embedded"]),
            node("ReduceMean", ["embedded"], ["mean"], axes=[1], keepdims=0),
            node("Gemm", ["mean", "w", "b"], ["logits"]),
        ],
        [("tokens", INT64, ["N", "T"])],
        [("logits", FLOAT, ["N", 3])],
        {"table": normal(50, 8), "w": normal(8, 3), "b": normal(3)},
    )
    ids = pa.array([row.tolist() for row in tokens], pa.list_(pa.int32()))
    add("embedding-free-length", embedding, {"tokens": ids}, None, None, each={"tokens": [row.reshape(1, -1) for row in tokens]})

    # Self-attention over 6 steps of 4 numbers; with a mask as a second input.
    steps, mask = normal(rows, 6, 4), rng.random((rows, 6)) < 0.8
    attention = graph(
        [
            node("MatMul", ["steps", "wq"], ["q"]),
            node("MatMul", ["steps", "wk"], ["k"]),
            node("MatMul", ["steps", "wv"], ["v"]),
            node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
            node("MatMul", ["q", "kt"], ["scores"]),
            node("Unsqueeze", ["mask", "one"], ["wide"]),
            node("Where", ["wide", "scores", "low"], ["masked"]),
            node("Softmax", ["masked"], ["weights"], axis=2),
            node("MatMul", ["weights", "v"], ["attended"]),
        ],
        [("steps", FLOAT, ["N", 6, 4]), ("mask", BOOL, ["N", 6])],
        [("attended", FLOAT, ["N", 6, 4])],
        {"wq": normal(4, 4), "wk": normal(4, 4), "wv": normal(4, 4), "one": np.array([1]), "low": np.float32(-1e9)},
    )
    mask_column = pa.array(mask.tolist(), pa.list_(pa.bool_()))
    mapping = {"steps": ["signal"], "mask": ["valid"]}
    add("attention", attention, {"valid": mask_column, "signal": lists(steps)}, mapping, {"steps": steps, "mask": mask})

    # An LSTM; ONNX has it by time first.
    series = normal(rows, 5, 3)
    lstm = graph(
        [
            node("Transpose", ["series"], ["byTime"], perm=[1, 0, 2]),
            node("LSTM", ["byTime", "w", "r"], ["", "last"], hidden_size=4),
            node("Squeeze", ["last", "zero"], ["hidden"]),
            node("Gemm", ["hidden", "wo"], ["y"]),
        ],
        [("series", FLOAT, ["batch", "time", 3])],
        [("y", FLOAT, ["batch", 1])],
        {"w": normal(1, 16, 3), "r": normal(1, 16, 4), "zero": np.array([0]), "wo": normal(4, 1)},
    )
    add("lstm", lstm, {"series": lists(series, pa.float64())}, None, {"series": series})

    # Wide and deep: several columns for each of two inputs, one column in both.
    wide, deep = normal(rows, 2), normal(rows, 3)
    deep[:, 0] = wide[:, 1]
    both = graph(
        [
            node("MatMul", ["wide", "ww"], ["a"]),
            node("MatMul", ["deep", "wd"], ["h"]),
            node("Tanh", ["h"], ["t"]),
            node("ReduceSum", ["t", "one"], ["s"], keepdims=1),
            node("Add", ["a", "s"], ["y"]),
        ],
        [("wide", FLOAT, ["N", 2]), ("deep", FLOAT, ["N", 3])],
        [("y", FLOAT, ["N", 1])],
        {"ww": normal(2, 1), "wd": normal(3, 4), "one": np.array([1])},
    )
    parts = {"a": wide[:, 0], "b": wide[:, 1], "c": deep[:, 1], "d": deep[:, 2]}
    add("wide-and-deep", both, parts, {"deep": ["b", "c", "d"], "wide": ["a", "b"]}, {"wide": wide, "deep": deep})

    # Batches of a fixed size, and records that need each other's copies to fill the last one.
    x = normal(rows, 3)
    three = {"x0": x[:, 0], "x1": x[:, 1], "x2": x[:, 2]}
    for size in (1, 8, 64):
        fixed = graph(
            [node("Gemm", ["x", "w"], ["h"]), node("Sigmoid", ["h"], ["y"])],
            [("x", FLOAT, [size, 3])],
            [("y", FLOAT, [size, 2])],
            {"w": normal(3, 2)},
        )
        add(f"fixed-batch-{size}", fixed, three, ["x0", "x1", "x2"], {"x": x}, batch=size)
    fixed_image = graph([node("ReduceMax", ["image"], ["top"], axes=[1, 2, 3], keepdims=0)], [("image", FLOAT, [5, 1, 8, 8])], [("top", FLOAT, [5])], {})
    add("fixed-batch-image", fixed_image, {"image": lists(images)}, None, {"image": images}, batch=5)

    # Half precision in and out.
    half = graph(
        [node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])],
        [("x", HALF, ["N", 3])],
        [("y", HALF, ["N", 2])],
        {"w": normal(3, 2).astype(np.float16)},
    )
    add("half-precision", half, three, ["x0", "x1", "x2"], {"x": x.astype(np.float16)})

    # Each type by itself: an input for each, one output for each.
    kinds = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, np.float64, np.bool_]
    edges = {}
    for kind in kinds:
        info = (0, 1) if kind == np.bool_ else (-1e300, 1e300) if kind == np.float64 else (np.iinfo(kind).min, np.iinfo(kind).max)
        edges[f"x_{np.dtype(kind).name}"] = np.array([info[at % 2] for at in range(rows)], kind)
    edges["x_text"] = np.array(["", "ä b", "🍎" * 40] * rows, object)[:rows]
    onnx_kind = lambda values: STRING if values.dtype == object else helper.np_dtype_to_tensor_dtype(values.dtype)
    every = graph(
        [node("Identity", [name], [f"y{name[1:]}"]) for name in edges],
        [(name, onnx_kind(values), ["N", 1]) for name, values in edges.items()],
        [(f"y{name[1:]}", onnx_kind(values), ["N", 1]) for name, values in edges.items()],
        {},
    )
    add("every-type", every, {name: pa.array(values.tolist(), pa.string() if values.dtype == object else None or pa.from_numpy_dtype(values.dtype)) for name, values in edges.items()}, None, {name: values.reshape(-1, 1) for name, values in edges.items()})

    # An optional input (its value is in the model), outputs of one and of several places, a scalar inside.
    shapes = graph(
        [
            node("Mul", ["x", "scale"], ["y"]),
            node("Reshape", ["y", "grid"], ["cube"]),
            node("ReduceMean", ["y"], ["one"], axes=[1], keepdims=1),
            node("Unsqueeze", ["one", "last"], ["deep"]),
        ],
        [("x", FLOAT, ["N", 4]), ("scale", FLOAT, [1])],
        [("cube", FLOAT, ["N", 2, 2]), ("deep", FLOAT, ["N", 1, 1])],
        {"scale": np.array([2.5], np.float32), "grid": np.array([-1, 2, 2]), "last": np.array([2])},
    )
    vector = normal(rows, 4)
    add("output-shapes", shapes, {"x": lists(vector)}, None, {"x": vector})
    return cases
