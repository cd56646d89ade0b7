"""Makes models of many kinds in a folder: for each NAME.onnx, NAME.parquet and NAME.expected.parquet, with the answers of
Python's own onnxruntime, key by key. cases.json has what a job says about each. Same numbers every time.

    python make.py FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

from exported import exported_models
from handmade import handmade_models
from trained import trained_models

folder = Path(sys.argv[1])
ROWS = 203


def flat(values):
    """An output as a column: one value for each record, or one list, row-major."""
    if isinstance(values, list):
        return pa.array([[float(row[label]) for label in row] for row in values], pa.list_(pa.float32()))
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    rows = values.reshape(len(values), -1)
    if rows.shape[1] == 1:
        return pa.array(rows[:, 0].tolist(), pa_type(values))
    return pa.array(rows.tolist(), pa.list_(pa_type(values)))


def pa_type(values):
    return pa.string() if values.dtype == object else pa.from_numpy_dtype(values.dtype)


def answers(session, feeds, batch, names):
    """Of all records; a model of fixed batch size gets pieces, and records of different lengths come one by one."""
    records = len(next(iter(feeds.values())))
    if batch is None:
        return session.run(names, feeds)
    parts = []
    for start in range(0, records, batch):
        part = {name: values[start : start + batch] for name, values in feeds.items()}
        short = batch - len(next(iter(part.values())))
        padded = {name: np.concatenate([values] + [values[-1:]] * short) for name, values in part.items()}
        parts.append([output[: batch - short] for output in session.run(names, padded)])
    return [np.concatenate(pieces) for pieces in zip(*parts)]


def make(case):
    name = case["name"]
    (folder / f"{name}.onnx").write_bytes(case["model"])
    session = onnxruntime.InferenceSession(case["model"], providers=["CPUExecutionProvider"])
    outputs = case.get("outputs") or [output.name for output in session.get_outputs()]
    order = np.random.default_rng(5).permutation(ROWS)
    ids = pa.array((order * 7 + 3).tolist(), pa.int64())
    columns = {key: pa.array(values) if not isinstance(values, pa.Array) else values for key, values in case["table"].items()}
    pq.write_table(pa.table({"id": ids, **columns}), folder / f"{name}.parquet", row_group_size=64)
    if "each" in case:
        results = [session.run(outputs, {key: values[row : row + 1] if isinstance(values, np.ndarray) else values[row] for key, values in case["each"].items()}) for row in range(ROWS)]
        found = [flat(np.concatenate([result[at] for result in results])) for at in range(len(outputs))]
    else:
        found = [flat(values) for values in answers(session, case["feeds"], case.get("batch"), outputs)]
    pq.write_table(pa.table({"id": ids, **dict(zip(outputs, found))}), folder / f"{name}.expected.parquet")
    return {key: case[key] for key in ("name", "features", "outputs") if case.get(key) is not None}


cases = [make(case) for case in [*trained_models(ROWS), *handmade_models(ROWS), *exported_models(ROWS)]]
(folder / "cases.json").write_text(json.dumps(cases))
