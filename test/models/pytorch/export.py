"""Trains four small networks for some steps and exports each with both of PyTorch's exporters: NAME-dynamo.onnx by
torch.export (`dynamo=True`, the default since PyTorch 2.9), NAME-torchscript.onnx by tracing (`dynamo=False`, deprecated).
The files beside this script were made with PyTorch 2.15.0, onnxscript 0.7.2 and onnx 1.23.2. Tests use the files; none needs PyTorch.

    pip install torch onnx onnxscript onnxruntime numpy
    python export.py
"""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

folder = Path(__file__).parent


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 16), nn.GELU(), nn.Linear(16, 4))

    def forward(self, features):
        return torch.softmax(self.layers(features), dim=1)


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(16, 10)

    def forward(self, image):
        return self.head(torch.flatten(self.convolutions(image), 1))


class Sequence(nn.Module):
    """Its answer is of one dimension: [N]."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, sequence):
        steps, _ = self.lstm(sequence.unsqueeze(-1))
        return self.head(steps[:, -1]).squeeze(-1)


class Categories(nn.Module):
    """An input of one dimension, [N], beside one of two; two answers."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.hidden = nn.Sequential(nn.Linear(8 + 5, 16), nn.LayerNorm(16), nn.SiLU())
        self.heads = nn.ModuleList([nn.Linear(16, 1), nn.Linear(16, 3)])

    def forward(self, category, numbers):
        hidden = self.hidden(torch.cat([self.embedding(category), numbers], dim=1))
        return torch.sigmoid(self.heads[0](hidden)), self.heads[1](hidden)


def examples(rows):
    """Of each network: itself, its inputs by name, the names of its outputs."""
    category = torch.randint(0, 30, (rows,))
    return {
        "mlp": (Classifier(), {"features": torch.randn(rows, 20)}, ["probabilities"]),
        "cnn": (Images(), {"image": torch.rand(rows, 1, 8, 8) * 16}, ["logits"]),
        "lstm": (Sequence(), {"sequence": torch.randn(rows, 12)}, ["forecast"]),
        "embedding": (Categories(), {"category": category, "numbers": torch.randn(rows, 5)}, ["bought", "scores"]),
    }


def train(model, inputs):
    """Some steps towards answers that mean nothing: weights and running means are no longer those of a new network."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model.train()
    targets = [torch.rand_like(answer) for answer in answers(model, inputs)]
    for _ in range(60):
        optimizer.zero_grad()
        sum(nn.functional.mse_loss(*pair) for pair in zip(answers(model, inputs), targets)).backward()
        optimizer.step()
    return model.eval()


def answers(model, inputs):
    found = model(*inputs.values())
    return found if isinstance(found, tuple) else (found,)


def export(path, model, inputs, outputs, dynamo):
    rows = {0: "rows"} if not dynamo else {0: torch.export.Dim("rows")}
    names = {"input_names": list(inputs), "output_names": outputs}
    free = (
        {"dynamic_shapes": {name: rows for name in inputs}}
        if dynamo
        else {"dynamic_axes": {name: rows for name in [*inputs, *outputs]}}
    )
    torch.onnx.export(model, tuple(inputs.values()), path, dynamo=dynamo, external_data=False, **names, **free)


def without_folders(path):
    """The dynamo exporter writes the stack of each node into the file, with the paths of the machine: their last parts stay."""
    model = onnx.load(path)
    graph = model.graph
    for item in [model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        for entry in item.metadata_props:
            entry.value = re.sub(r'File "[^"]*/(site-packages/)?', 'File "', entry.value)
    path.write_bytes(model.SerializeToString())
    assert str(folder).encode() not in path.read_bytes()


def check(path, model, inputs):
    """Of another number of rows than it was exported with, ONNX Runtime's answers are PyTorch's."""
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = answers(model, inputs)
    found = session.run(None, {name: values.numpy() for name, values in inputs.items()})
    for each, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(each, other.numpy(), rtol=1e-4, atol=1e-5)
    assert path.stat().st_size < 60_000, f"{path} is too large to keep"
    print(path.name, path.stat().st_size, [(item.name, item.shape) for item in session.get_outputs()])


torch.manual_seed(0)
others = examples(7)
for name, (model, inputs, outputs) in examples(64).items():
    train(model, inputs)
    for exporter in ("dynamo", "torchscript"):
        path = folder / f"{name}-{exporter}.onnx"
        export(path, model, inputs, outputs, exporter == "dynamo")
        without_folders(path)
        check(path, model, others[name][1])
