"""Makes the data and the model of the example:  python train.py  writes digits.parquet and digits.onnx beside this file.

The images are scikit-learn's bundled digits: 1,797 handwritten digits of 8 x 8 pixels, each from 0 (white) to 16. The
network is a multi-layer perceptron, fitted with scikit-learn to the first 1,200 of them. It is written out as a graph by
hand, as other frameworks export it: one input `pixels` [N, 64], float32, and one output `probability` [N, 10], after a
softmax, without labels. Everything is seeded: the same versions of the packages (requirements.txt) give the same bytes.
"""

from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

TRAINED_ON = 1_200
HIDDEN = 32


def images() -> tuple[np.ndarray, np.ndarray]:
    """Pixels, shape [1797, 64], float32, 0 to 16, and the digits that were meant, shape [1797]."""
    data = load_digits()
    return data.data.astype(np.float32), data.target.astype(np.int8)


def train() -> MLPClassifier:
    """The fitted model object; the same at every call. Its input is scaled to 0 to 1."""
    pixels, digit = images()
    model = MLPClassifier((HIDDEN,), solver="lbfgs", alpha=1.0, max_iter=2_000, random_state=0)
    return model.fit(pixels[:TRAINED_ON] / 16, digit[:TRAINED_ON])


def export(model: MLPClassifier, path: Path) -> None:
    def weights(name: str, values: np.ndarray) -> onnx.TensorProto:
        return numpy_helper.from_array(values.astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Div", ["pixels", "white_to_black"], ["scaled"]),
            helper.make_node("Gemm", ["scaled", "w1", "b1"], ["sums"]),
            helper.make_node("Relu", ["sums"], ["hidden"]),
            helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probability"], axis=1),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 10])],
        [
            weights("white_to_black", np.array(16)),
            weights("w1", model.coefs_[0]),
            weights("b1", model.intercepts_[0]),
            weights("w2", model.coefs_[1]),
            weights("b2", model.intercepts_[1]),
        ],
    )
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(onnx_model)
    path.write_bytes(onnx_model.SerializeToString())


def write_images(path: Path) -> None:
    pixels, digit = images()
    number = np.arange(len(digit), dtype=np.int32)
    table = pa.table(
        {
            "image_id": number,
            "digit": digit,
            "seen_in_training": number < TRAINED_ON,
            "pixels": pa.array(list(pixels), pa.list_(pa.float32())),
        }
    )
    pq.write_table(table, path, compression="zstd")


if __name__ == "__main__":
    here = Path(__file__).parent
    model = train()
    export(model, here / "digits.onnx")
    write_images(here / "digits.parquet")
    pixels, digit = images()
    unseen = model.score(pixels[TRAINED_ON:] / 16, digit[TRAINED_ON:])
    print(f"{unseen:.1%} of the images that it was not trained on are read right")
