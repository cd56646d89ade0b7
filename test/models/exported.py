"""Models that PyTorch exported, kept in pytorch/ with the script that made them: each by both of its exporters."""

from pathlib import Path

import numpy as np
import pyarrow as pa

EXPORTED = Path(__file__).parent / "pytorch"


def exported_models(rows):
    rng = np.random.default_rng(3)
    normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
    features, sequence, numbers = normal(rows, 20), normal(rows, 12), normal(rows, 5)
    image = (rng.random((rows, 1, 8, 8)) * 16).astype(np.float32)
    category = rng.integers(0, 30, rows).astype(np.int64)
    # Of each: one column for each number, and columns of lists that have the inputs' names.
    return [
        *both("mlp", {"features": features}, columns("f", features), {"features": lists(features)}),
        *both("cnn", {"image": image}, columns("p", image), {"image": nested(image)}),
        *both("lstm", {"sequence": sequence}, columns("t", sequence), {"sequence": lists(sequence)}),
        *both(
            "embedding",
            {"category": category, "numbers": numbers},
            {"shop": category.astype(np.int32), **columns("n", numbers)},
            {"numbers": lists(numbers), "category": category},
            {"category": ["shop"], "numbers": [f"n{at}" for at in range(5)]},
        ),
    ]


def both(name, feeds, wide, narrow, features=None):
    """What the dynamo exporter made with one column for each number, what the TorchScript one made with columns of lists."""
    for exporter, table, named in (("dynamo", wide, features or list(wide)), ("torchscript", narrow, None)):
        model = (EXPORTED / f"{name}-{exporter}.onnx").read_bytes()
        yield {"name": f"pytorch-{name}-{exporter}", "model": model, "table": table, "features": named, "feeds": feeds}


def columns(letter, values):
    """As doubles: the rounding to the model's float32 gives back what they were."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    return {f"{letter}{at}": flat[:, at] for at in range(flat.shape[1])}


def lists(values):
    return pa.array(values.tolist(), pa.list_(pa.float32()))


def nested(images):
    return pa.array(images.tolist(), pa.list_(pa.list_(pa.list_(pa.float32()))))
