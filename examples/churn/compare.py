"""Compares published scores with scikit-learn's own, customer by customer:

    python compare.py --customers data --scores scores

The model is trained again (train.py: the same seed and data give the same trees) and asked directly, as the Python
object it is before any export; so the reference knows nothing of ONNX, or of what scored the customers. Exit code 0:
the two have exactly the same keys, each once, and no probability differs by more than 1e-5. Else 1.

Everything is held in memory: meant for some millions of customers at the most.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from train import FEATURES, train

KEY = "customer_id"
SCORE = "p_churn"
TOLERANCE = 1e-5
ROWS_PER_CALL = 100_000


def read(folder: Path, columns: list[str]) -> pa.Table:
    # By name, not as a dataset: names that begin with a dot or an underscore are no data.
    files = sorted(path for path in folder.rglob("*.parquet") if not hidden(path.relative_to(folder)))
    if not files:
        sys.exit(f"{folder}: no Parquet files")
    return pa.concat_tables(pq.ParquetFile(path).read(columns=columns) for path in files).sort_by(KEY)


def hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def report_keys(what: str, keys: np.ndarray) -> None:
    if len(keys):
        print(f"{len(keys):,} {what}, such as {', '.join(map(str, keys[:3]))}")


def reference(customers: pa.Table) -> np.ndarray:
    """scikit-learn's probability of churn for each customer, float64."""
    features = np.column_stack([pc.cast(customers[name], pa.float64(), safe=False).to_numpy() for name in FEATURES])
    model = train()
    churned = list(model.classes_).index("churned")
    starts = range(0, len(features), ROWS_PER_CALL)
    parts = [model.predict_proba(features[start : start + ROWS_PER_CALL])[:, churned] for start in starts]
    return np.concatenate([np.empty(0), *parts])


def main() -> int:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Compares published scores with scikit-learn's own.")
    parser.add_argument("--customers", type=Path, default=here / "data", help="folder of the input")
    parser.add_argument("--scores", type=Path, default=here / "scores", help="folder of the published result")
    arguments = parser.parse_args()

    customers = read(arguments.customers, [KEY, *FEATURES])
    scores = read(arguments.scores, [KEY, SCORE])
    keys = customers[KEY].to_numpy()
    if len(np.unique(keys)) != len(keys):
        sys.exit(f"{arguments.customers}: {KEY} is not unique")
    if scores[KEY].null_count or scores[SCORE].null_count:
        print(f"{scores[KEY].null_count:,} keys and {scores[SCORE].null_count:,} scores are null")
        return 1
    if not np.array_equal(keys, scores[KEY].to_numpy()):
        scored, times = np.unique(scores[KEY].to_numpy(), return_counts=True)
        print(f"keys differ: {len(keys):,} customers, {len(scores):,} scores")
        report_keys("customers without a score", np.setdiff1d(keys, scored))
        report_keys("scores without a customer", np.setdiff1d(scored, keys))
        report_keys("customers scored more than once", scored[times > 1])
        return 1

    expected = reference(customers)
    difference = np.abs(expected - scores[SCORE].to_numpy().astype(np.float64))
    worst = int(np.argmax(difference)) if len(difference) else None
    # A NaN compares as false: such a score is not within the tolerance.
    wrong = np.flatnonzero(~(difference <= TOLERANCE))
    if worst is not None:
        print(f"largest difference: {difference[worst]:.3g} ({KEY} {keys[worst]})")
    for row in wrong[:10]:
        print(f"{KEY} {keys[row]}: scikit-learn {expected[row]:.9f}, published {scores[SCORE][row].as_py()}")
    print(f"{len(keys) - len(wrong):,} of {len(keys):,} scores within {TOLERANCE}")
    return 1 if len(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
