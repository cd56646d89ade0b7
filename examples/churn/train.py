"""Trains the model of the example and exports it:  python train.py  writes churn.onnx beside this file.

A gradient-boosted classifier on six numeric features, fitted to customers drawn from the distribution of generate.ts,
with a churn that follows from the features by a logistic law. Everything is seeded: the same versions of the packages
(requirements.txt) fit the same trees.

The export is skl2onnx's default. So the model has one input of shape [N, 6], float32, and two outputs: `output_label`
and, because of the ZipMap that is on by default, `output_probability` as a sequence of maps {"churned": p, "stayed": 1 - p}.
"""

from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

# In this order: it is the order of the model's columns, and of `features` in job.yaml.
FEATURES = ["tenure", "monthly_charges", "total_charges", "support_calls", "contract_months", "paperless_billing"]

TRAINING_ROWS = 20_000
SEED = 20_260_101


def draw_customers(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Features of `rows` customers, shape [rows, 6], float64, in the order of FEATURES; as generate.ts draws them."""
    contract_months = rng.choice([1, 12, 24], size=rows, p=[0.55, 0.21, 0.24])
    squared = rng.random(rows) ** 2
    tenure = np.minimum(72, np.floor(73 * np.where(contract_months == 1, squared, 1 - squared)))
    monthly_charges = (1825 + np.floor(10025 * rng.random(rows))) / 100
    total_charges = np.round(tenure * monthly_charges * (0.95 + 0.1 * rng.random(rows)), 2)
    support_calls = np.floor(10 * rng.random(rows) ** 3)
    paperless_billing = rng.random(rows) < 0.6
    return np.column_stack(
        [tenure, monthly_charges, total_charges, support_calls, contract_months, paperless_billing]
    ).astype(np.float64)


def draw_churn(features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """"churned" or "stayed" for each row of `features`."""
    tenure, monthly, _, calls, months, paperless = features.T
    logit = -1.6 + 1.3 * (months == 1) - 0.9 * (months == 24) - 0.03 * tenure
    logit = logit + 0.02 * (monthly - 70) + 0.35 * calls + 0.3 * paperless
    return np.where(rng.random(len(features)) < 1 / (1 + np.exp(-logit)), "churned", "stayed")


def train() -> GradientBoostingClassifier:
    """The fitted model object; the same at every call."""
    rng = np.random.default_rng(SEED)
    features = draw_customers(TRAINING_ROWS, rng)
    churn = draw_churn(features, rng)
    return GradientBoostingClassifier(n_estimators=60, max_depth=4, random_state=0).fit(features, churn)


def export(model: GradientBoostingClassifier, path: Path) -> None:
    from skl2onnx import to_onnx

    onnx_model = to_onnx(model, np.zeros((1, len(FEATURES)), dtype=np.float32), name="churn")
    # With a name given (it is random otherwise) and the opsets in order, the same model is the same bytes.
    opsets = sorted(onnx_model.opset_import, key=lambda opset: opset.domain)
    del onnx_model.opset_import[:]
    onnx_model.opset_import.extend(opsets)
    path.write_bytes(onnx_model.SerializeToString())


if __name__ == "__main__":
    target = Path(__file__).with_name("churn.onnx")
    export(train(), target)
    print(f"{target}: {target.stat().st_size:,} bytes")
