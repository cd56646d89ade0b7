"""Models trained with scikit-learn and LightGBM and converted to ONNX, as people do it."""

import warnings

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType as LightgbmFloats
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import BayesianRidge, Lasso, LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

warnings.simplefilter("ignore")
OPSET = {"": 17, "ai.onnx.ml": 3}


def trained_models(rows):
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(rows, 5)).astype(np.float32)
    two = (numbers[:, 0] + numbers[:, 1] > 0).astype(np.int64)
    three = np.array(["low", "mid", "high"])[np.digitize(numbers[:, 2], [-0.5, 0.5])]
    target = numbers @ np.array([1, -2, 0.5, 0, 3], np.float32) + 1
    names = [f"f{at}" for at in range(5)]
    # Stored as doubles in another order than the model's: names decide, and rounding to float32 is the model's own.
    table = {name: numbers[:, at].astype(np.float64) for at, name in reversed(list(enumerate(names)))}
    cases = []

    def add(name, model, y, options=None, outputs=None, initial=None, target_opset=OPSET):
        model.fit(numbers, y)
        converted = to_onnx(
            model,
            numbers[:1] if initial is None else None,
            initial_types=initial,
            options=options(model) if options else None,
            target_opset=target_opset,
        )
        feeds = {converted.graph.input[0].name: numbers}
        cases.append(case(name, converted.SerializeToString(), table, names, feeds, outputs))

    zip_off = lambda model: {id(model): {"zipmap": False}}
    add("logistic", LogisticRegression(), two)
    add("logistic-tensor", LogisticRegression(), two, zip_off)
    add("logistic-text-labels", LogisticRegression(), three)
    add("linear", LinearRegression(), target)
    add("ridge-two-targets", Ridge(), np.stack([target, -target], 1))
    add("forest-classifier", RandomForestClassifier(12, random_state=0), three)
    add("forest-regressor", RandomForestRegressor(12, random_state=0), target)
    add("extra-trees", ExtraTreesRegressor(12, random_state=0), target)
    add("boosting", GradientBoostingClassifier(n_estimators=15, random_state=0), three)
    add("bayesian-ridge", BayesianRidge(), target)
    add("svc", SVC(), two, zip_off)
    add("svr", SVR(), target)
    add("calibrated", CalibratedClassifierCV(LinearSVC(), cv=2), two)
    add("one-vs-rest", OneVsRestClassifier(LogisticRegression()), three)
    add("mlp-classifier", MLPClassifier(hidden_layer_sizes=(16, 8), max_iter=60, random_state=0), three)
    add("mlp-regressor", MLPRegressor(hidden_layer_sizes=(16,), max_iter=60, random_state=0), target)
    add("k-means", KMeans(4, n_init=1, random_state=0), None)
    add("isolation-forest", IsolationForest(n_estimators=15, random_state=0), None)
    add("neighbours-classifier", KNeighborsClassifier(3), two, zip_off)
    add("neighbours-regressor", KNeighborsRegressor(3), target)
    add("naive-bayes", GaussianNB(), three)
    add("discriminant", LinearDiscriminantAnalysis(), three)
    add("ada-boost", AdaBoostClassifier(n_estimators=8, random_state=0), two)
    add("sgd", SGDClassifier(loss="log_loss", random_state=0), two, zip_off)
    add("pca-pipeline", make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), three)
    add("polynomial", make_pipeline(PolynomialFeatures(2), Lasso(0.01)), target)
    add("bins", make_pipeline(KBinsDiscretizer(4, encode="onehot-dense"), LogisticRegression()), two)
    vote = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3, random_state=0))]
    add("voting", VotingClassifier(vote, voting="soft", flatten_transform=False), two)
    add("stacking", StackingClassifier(vote, cv=2), two, zip_off)
    # Its probabilities are [2, N, K]: labels alone are one answer for each record.
    add("tree-two-labels", DecisionTreeClassifier(max_depth=4, random_state=0), np.stack([two, 1 - two], 1), zip_off, ["label"])

    doubles = numbers.astype(np.float64)
    process = GaussianProcessRegressor(RBF(), alpha=1e-3).fit(doubles[:40], target[:40])
    converted = to_onnx(process, initial_types=[("X", DoubleTensorType([None, 5]))], target_opset=OPSET)
    cases.append(case("gaussian-process-double", converted.SerializeToString(), table, names, {"X": doubles}))

    counts = rng.integers(0, 6, size=(rows, 3)).astype(np.int64)
    encoded = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(counts, two)
    converted = to_onnx(encoded, initial_types=[("counts", Int64TensorType([None, 3]))], target_opset=OPSET)
    integers = {f"c{at}": counts[:, at].astype(np.int32) for at in range(3)}
    cases.append(case("ordinal-int64", converted.SerializeToString(), integers, list(integers), {"counts": counts}))

    cases.append(mixed_columns(rng, rows, two))
    cases.append(texts(rng, rows))
    cases.extend(lightgbm_models(numbers, names, table, two, three, target))
    return cases


def case(name, model, table, features, feeds, outputs=None):
    return {"name": name, "model": model, "table": table, "features": features, "feeds": feeds, "outputs": outputs}


def mixed_columns(rng, rows, labels):
    """One input for each column, texts and numbers: columns are found by their names."""
    data = {
        "city": np.array(["Zürich", "", "bern", "東京"], object)[rng.integers(0, 4, rows)],
        "plan": np.array(["a", "b"], object)[rng.integers(0, 2, rows)],
        "age": rng.integers(18, 90, rows).astype(np.float32),
        "paid": rng.normal(size=rows).astype(np.float32),
    }
    columns = ColumnTransformer(
        [("text", OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("number", StandardScaler(), [2, 3])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(np.stack(list(data.values()), 1), labels)
    types = [(name, StringTensorType([None, 1]) if name in ("city", "plan") else FloatTensorType([None, 1])) for name in data]
    converted = to_onnx(model, initial_types=types, target_opset=OPSET)
    feeds = {name: values.reshape(-1, 1) for name, values in data.items()}
    table = {name: values.tolist() for name, values in data.items()}
    return case("mixed-columns", converted.SerializeToString(), {"other": [1] * rows, **table}, None, feeds)


def texts(rng, rows):
    words = ["grün", "blue", "red", "apple", "pear", "plum", "old", "new"]
    lines = [" ".join(np.array(words)[rng.integers(0, len(words), rng.integers(1, 7))]) for _ in range(rows)]
    model = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression()).fit(lines, ["red" in line for line in lines])
    converted = to_onnx(model, initial_types=[("line", StringTensorType([None, 1]))], target_opset=OPSET)
    feeds = {"line": np.array(lines, object).reshape(-1, 1)}
    return case("tf-idf", converted.SerializeToString(), {"line": lines}, ["line"], feeds)


def lightgbm_models(numbers, names, table, two, three, target):
    settings = {"n_estimators": 15, "num_leaves": 7, "verbose": -1, "n_jobs": 1}
    models = {
        "lightgbm-binary": LGBMClassifier(**settings).fit(numbers, two),
        "lightgbm-classes": LGBMClassifier(**settings).fit(numbers, np.unique(three, return_inverse=True)[1]),
        "lightgbm-regressor": LGBMRegressor(**settings).fit(numbers, target),
    }
    for name, model in models.items():
        converted = convert_lightgbm(model, initial_types=[("input", LightgbmFloats([None, 5]))], target_opset=15)
        yield case(name, converted.SerializeToString(), table, names, {"input": numbers})
