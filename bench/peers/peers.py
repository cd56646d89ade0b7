"""What people write today for the same work, for a comparison in the same run: Parquet to ONNX Runtime to Parquet.

    python bench/peers/peers.py duckdb  MODEL INPUT OUTPUT [--key id] [--features f0,f1,...]
    python bench/peers/peers.py pyarrow MODEL INPUT OUTPUT [--key id] [--features f0,f1,...]

MODEL   an ONNX model with one float32 input [N, F] and, as its first output, one number per row
INPUT   a folder of Parquet files
OUTPUT  a folder that does not exist yet; gets Parquet files of the key and `score`

`duckdb` reads and writes with DuckDB and scores in between, in one process. `pyarrow` has two processes, each with half
of the row groups. Both use every core, stream, and hold a bounded number of rows; batches are large, which suits them.
Neither retries, resumes, publishes atomically, checks its counts or names a bad row.

Prints one line of JSON: peer, rows, seconds (of the work, without the start of Python and its imports), and peak_rss_mb
(of the largest process; each process counts its shared pages). Measure the whole command from outside as well.
"""

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_BATCH = 65_536
PROCESSES = 2


class Scorer:
    def __init__(self, model: Path, threads: int, features: list[str]):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.output = self.session.get_outputs()[0].name
        self.features = features

    def score(self, batch: pa.RecordBatch) -> pa.Array:
        packed = np.empty((batch.num_rows, len(self.features)), dtype=np.float32)
        for position, name in enumerate(self.features):
            packed[:, position] = batch.column(name).to_numpy(zero_copy_only=False)
        return pa.array(self.session.run([self.output], {self.input: packed})[0].reshape(-1))


def with_duckdb(model: Path, source: Path, target: Path, key: str, features: list[str]) -> int:
    import duckdb

    scorer = Scorer(model, threads=multiprocessing.cpu_count(), features=features)
    reading, writing = duckdb.connect(), duckdb.connect()
    columns = ", ".join(f'"{name}"' for name in [key, *features])
    batches = reading.sql(f"SELECT {columns} FROM read_parquet('{source}/*.parquet')").to_arrow_reader(ROWS_PER_BATCH)

    rows = 0

    def scored():
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield pa.RecordBatch.from_arrays([batch.column(key), scorer.score(batch)], names=[key, "score"])

    schema = pa.schema([batches.schema.field(key), pa.field("score", pa.float32())])
    writing.register("scored", pa.RecordBatchReader.from_batches(schema, scored()))
    target.mkdir(parents=True)
    writing.execute(f"COPY (FROM scored) TO '{target}/part-0.parquet' (FORMAT parquet)")
    return rows


def with_pyarrow(model: Path, source: Path, target: Path, key: str, features: list[str]) -> int:
    groups = [
        (path, group) for path in sorted(source.glob("*.parquet")) for group in range(pq.ParquetFile(path).num_row_groups)
    ]
    target.mkdir(parents=True)
    size = -(-len(groups) // PROCESSES)
    shares = [groups[first : first + size] for first in range(0, len(groups), size)]
    jobs = [(model, share, target / f"part-{number}.parquet", key, features) for number, share in enumerate(shares)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return sum(pool.starmap(score_row_groups, jobs))


def score_row_groups(model: Path, groups: list[tuple[Path, int]], target: Path, key: str, features: list[str]) -> int:
    pa.set_cpu_count(1)
    scorer = Scorer(model, threads=1, features=features)
    rows = 0
    writer = None
    for path, group in groups:
        # Without pre_buffer=False, memory grows with the file.
        file = pq.ParquetFile(path, pre_buffer=False)
        for batch in file.iter_batches(ROWS_PER_BATCH, row_groups=[group], columns=[key, *features]):
            table = pa.table({key: batch.column(key), "score": scorer.score(batch)})
            writer = writer or pq.ParquetWriter(target, table.schema)
            writer.write_table(table)
            rows += batch.num_rows
    if writer is not None:
        writer.close()
    return rows


PEERS = {"duckdb": with_duckdb, "pyarrow": with_pyarrow}


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores Parquet with an ONNX model, the way people do it today.")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--key", default="id")
    parser.add_argument("--features", default=",".join(f"f{number}" for number in range(20)))
    arguments = parser.parse_args()

    started = time.perf_counter()
    features = arguments.features.split(",")
    rows = PEERS[arguments.peer](arguments.model, arguments.input, arguments.output, arguments.key, features)
    seconds = time.perf_counter() - started
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"peer": arguments.peer, "rows": rows, "seconds": round(seconds, 3), "peak_rss_mb": max(own, children) // 1024}))


if __name__ == "__main__":
    main()
