"""Columns, and vectors, beside the texts: from a table to a prediction."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor
from fastlstm.core.errors import SideColumnWarning

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 3, "random_state": 0, "n_jobs": 2}
WORDS = (
    "the", "film", "was", "long", "and", "we", "saw", "it", "with", "friends", "on", "a", "cold",
)  # fmt: skip
N = 240


def drawn(n=N, seed=0):
    """Reviews whose words say half of the truth, and their shop and price the rest."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    texts = []
    for label in y:
        words = list(rng.choice(WORDS, 8))
        if rng.random() < 0.5:
            words[3] = "great" if label else "awful"
        texts.append(" ".join(words))
    shop = np.where(rng.random(n) < 0.8, np.where(y == 1, "north", "south"), "east")
    price = rng.normal(20 + 4 * y, 5, n).round(2)
    return pd.DataFrame({"text": texts, "shop": shop, "price": price, "id": np.arange(n)}), y


X, Y = drawn()
X_NEW, Y_NEW = drawn(100, 1)


@pytest.fixture(scope="module")
def fitted():
    return LSTMSentimentClassifier(**SMALL).fit(X, Y)


def test_columns_make_it_better(fitted):
    alone = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y)
    assert fitted.score(X_NEW, Y_NEW) > alone.score(X_NEW["text"], Y_NEW) + 0.1
    assert fitted.reader_.layout == (("text",), ("shop", "price", "id"))
    assert fitted.reader_.features == ["shop=east", "shop=north", "shop=south", "price", "id"]
    assert fitted.config_.n_side == 5
    assert fitted.side_.weights.shape == (1, 5)
    assert fitted.model_.components == ["networks", "linear_part", "side_columns"]


@pytest.mark.parametrize(
    "container",
    [polars.from_pandas, pyarrow.Table.from_pandas, lambda df: df.set_index("id", drop=False),
     lambda df: df[["price", "id", "text", "shop"]], lambda df: df.assign(more=1)],
    ids=["polars", "pyarrow", "another index", "another order", "more columns"],
)  # fmt: skip
def test_rows_go_by_place_and_columns_by_name(fitted, container):
    same = fitted.predict_proba(X_NEW)
    assert np.array_equal(fitted.predict_proba(container(X_NEW)), same)
    few = X_NEW.iloc[[5, 2]]
    assert np.array_equal(fitted.predict_proba(container(few)), same[[5, 2]])


@pytest.mark.parametrize("container", [polars.from_pandas, pyarrow.Table.from_pandas])
def test_any_library_gives_the_same_model(fitted, container):
    other = LSTMSentimentClassifier(**SMALL).fit(container(X), Y)
    assert np.array_equal(other.predict_proba(X_NEW), fitted.predict_proba(X_NEW))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_threads_do_not_matter(fitted, n_jobs):
    other = LSTMSentimentClassifier(**{**SMALL, "n_jobs": n_jobs}).fit(X, Y)
    assert np.array_equal(other.predict_proba(X_NEW), fitted.predict_proba(X_NEW))


def test_a_row_does_not_depend_on_its_neighbours(fitted):
    whole = fitted.predict_proba(X_NEW)
    for row in (0, 17):
        assert np.array_equal(fitted.predict_proba(X_NEW.iloc[row : row + 1])[0], whole[row])


def test_side_none_reads_the_text_alone():
    clf = LSTMSentimentClassifier(**SMALL, side=None).fit(X, Y)
    alone = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y)
    assert np.array_equal(clf.predict_proba(X_NEW), alone.predict_proba(X_NEW["text"]))
    assert np.array_equal(clf.predict_proba(X_NEW[["text"]]), clf.predict_proba(X_NEW))
    assert clf.config_.n_side == 0


def test_parts_add_up(fitted):
    parts = fitted.decision_parts(X_NEW)
    assert set(parts) == {"networks", "linear_part", "side_columns", "bias"}
    np.testing.assert_allclose(sum(parts.values()), fitted.decision_function(X_NEW), rtol=1e-6)


def test_an_empty_text_is_answered_by_its_columns(fitted):
    some = X_NEW.assign(text="").iloc[:40]
    assert fitted.score(some, Y_NEW[:40]) > 0.7


@pytest.mark.parametrize("how", ["file", "predictor", "pickle", "quantized"])
def test_models_are_kept(fitted, tmp_path, how):
    path, few = tmp_path / "model.fastlstm", X_NEW.iloc[:20]
    expected = fitted.predict_proba(few)
    if how == "pickle":
        other = pickle.loads(pickle.dumps(fitted))
    elif how == "quantized":
        fitted.quantize().save(path)
        other, expected = fastlstm.load(path), fitted.quantize().predict_proba(few)
    else:
        fitted.save(path)
        other = fastlstm.load(path) if how == "file" else Predictor(path)
    assert np.array_equal(other.predict_proba(few), expected)
    if how == "predictor":
        assert np.array_equal(other.predict_proba(other.encode(few)), expected)


def test_a_loaded_model_goes_on(fitted, tmp_path):
    fitted.save(tmp_path / "model.fastlstm")
    clf = fastlstm.load(tmp_path / "model.fastlstm")
    before = clf.predict_proba(X_NEW)
    clf.partial_fit(X, Y)
    assert not np.array_equal(clf.predict_proba(X_NEW), before)
    assert clf.score(X_NEW, Y_NEW) > 0.7
    more = LSTMSentimentClassifier(**SMALL, warm_start=True).fit(X, Y)
    more.set_params(n_estimators=4).fit(X, Y)
    assert len(more.networks_) == 4 and more.side_ is not None


@pytest.mark.parametrize("method", ["integrated_gradients", "lrp", "gradient_x_input", "occlusion"])
def test_explanations_name_the_columns(fitted, method):
    few = X_NEW.iloc[:6]
    logits = fitted.decision_function(few)
    for row, found in enumerate(fitted.explain(few, method=method, target=1)):
        assert found.columns == ("shop", "price", "id")
        total = found.baseline + found.contributions.sum(axis=0) + found.beside.sum(axis=0)
        np.testing.assert_allclose(total + found.gap, found.logits, atol=1e-9)
        np.testing.assert_allclose(found.logits, logits[row], atol=1e-5)
        assert "column shop" in str(found)
        assert "Beside the text" in found._repr_html_()
        shown = dict(found.columns_by_strength())
        assert abs(shown["shop"]) > abs(shown["id"])


def test_explanations_of_empty_texts(fitted):
    few = X_NEW.iloc[:3].assign(text=["", "great film", ""])
    logits = fitted.decision_function(few)
    for row, found in enumerate(fitted.explain(few, target=1)):
        assert len(found.tokens) == (2 if row == 1 else 0)
        total = found.baseline + found.contributions.sum(axis=0) + found.beside.sum(axis=0)
        np.testing.assert_allclose(total + found.gap, found.logits, atol=1e-9)
        np.testing.assert_allclose(found.logits, logits[row], atol=1e-5)
        assert abs(found.gap[0]) < 0.05


def test_what_a_column_adds_is_exact(fitted):
    """Another shop moves the logit by the difference of what the explanations say of it."""
    one = X_NEW.iloc[:1].assign(shop="north")
    other = one.assign(shop="south")
    difference = fitted.decision_function(one) - fitted.decision_function(other)
    said = [fitted.explain(x, method="lrp", target=1)[0].beside[0, 0] for x in (one, other)]
    assert difference[0] == pytest.approx(said[0] - said[1], abs=1e-4)


def test_three_classes():
    rng = np.random.default_rng(0)
    y = np.where(Y == 1, "good", np.where(rng.random(N) < 0.5, "bad", "so so"))
    clf = LSTMSentimentClassifier(**SMALL).fit(X, y)
    assert clf.predict_proba(X_NEW).shape == (100, 3)
    (found,) = clf.explain(X_NEW.iloc[:1], method="lrp")
    assert found.beside.shape == (3, 3)
    total = found.baseline + found.contributions.sum(axis=0) + found.beside.sum(axis=0)
    np.testing.assert_allclose(total + found.gap, found.logits, atol=1e-9)
    np.testing.assert_allclose(found.logits, clf.decision_function(X_NEW.iloc[:1])[0], atol=1e-5)


def test_a_transformer_of_the_user(tmp_path):
    side = ColumnTransformer([
        ("shop", OneHotEncoder(handle_unknown="ignore"), ["shop"]),
        ("price", StandardScaler(), ["price"]),
    ])  # fmt: skip
    clf = LSTMSentimentClassifier(**SMALL, side=side).fit(X, Y)
    assert clf.score(X_NEW, Y_NEW) > 0.75
    assert clf.reader_.features[-1] == "price__price"
    with pytest.raises(ValueError, match="compose.*ColumnTransformer, which a model file cannot"):
        clf.save(tmp_path / "model.fastlstm")
    other = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(other.predict_proba(X_NEW), clf.predict_proba(X_NEW))
    assert not hasattr(side, "transformers_")


def test_vectors_beside_texts(tmp_path):
    rng = np.random.default_rng(0)
    vectors, later = (
        np.c_[y + rng.normal(0, 0.5, len(y)), rng.normal(size=(len(y), 3))] for y in (Y, Y_NEW)
    )
    clf = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y, X_side=vectors)
    found = clf.predict(X_NEW["text"], X_side=later)
    assert np.mean(found == Y_NEW) > 0.8
    clf.save(tmp_path / "model.fastlstm")
    other = Predictor(tmp_path / "model.fastlstm")
    expected = clf.predict_proba(X_NEW["text"], X_side=later)
    assert np.array_equal(other.predict_proba(X_NEW["text"], X_side=later), expected)
    (explained,) = clf.explain(["great"], X_side=later[:1])
    assert explained.columns == ("X_side",)
    with pytest.raises(ValueError, match="fitted with X_side; pass a vector for each document"):
        clf.predict(X_NEW["text"])
    clf.set_params(missing="empty").predict(X_NEW["text"])
    with pytest.raises(ValueError, match="fitted without X_side; leave it out"):
        LSTMSentimentClassifier(**SMALL).fit(X["text"], Y).predict(["a"], X_side=[[1.0]])
    both = LSTMSentimentClassifier(**SMALL).fit(X, Y, X_side=vectors)
    assert both.config_.n_side == 5 + 4
    with pytest.raises(ValueError, match="LSTMClassifier reads sequences alone"):
        LSTMClassifier().fit([[2], [3]], [0, 1], X_side=[[1.0], [2.0]])


def test_explanations_of_many_documents_read_vectors():
    rng = np.random.default_rng(0)
    vectors = np.column_stack([Y + rng.normal(0, 0.2, N), rng.normal(size=N)])
    texts = X["text"].tolist()
    clf = LSTMSentimentClassifier(**SMALL).fit(texts, Y, X_side=vectors)
    misled = vectors * [-1, 1] + [1, 0]
    wrong = np.flatnonzero(clf.predict(texts, misled) != Y)
    errors = fastlstm.explain.confident_errors(clf, texts, Y, n=N, X_side=misled)
    assert sorted(error.row for error in errors) == wrong.tolist()
    chances = [p.max() for p in clf.predict_proba(texts, misled)[[e.row for e in errors]]]
    assert chances == sorted(chances, reverse=True)
    curves = fastlstm.explain.faithfulness(clf, texts[:5], "occlusion", X_side=vectors[:5])
    assert curves.deletion[:, 0] == pytest.approx(clf.predict_proba(texts[:5], vectors[:5]).max(1))
    for call in (fastlstm.explain.faithfulness, fastlstm.explain.confident_errors):
        with pytest.raises(ValueError, match="X_side"):
            call(clf, texts[:5], *([Y[:5]] if "errors" in call.__name__ else []))


def test_validation_and_unlabelled_documents():
    rng = np.random.default_rng(0)
    clf = LSTMSentimentClassifier(**SMALL).fit(X, Y, X_val=X_NEW, y_val=Y_NEW, X_unlabelled=X_NEW)
    assert clf.score(X_NEW, Y_NEW) > 0.75
    vectors, of_valid = rng.normal(size=(N, 2)), rng.normal(size=(100, 2))
    clf.fit(X, Y, X_side=vectors, X_val=X_NEW, y_val=Y_NEW, X_side_val=of_valid)
    assert "val_loss" in clf.history_[0]


def test_a_column_that_gives_the_label_away():
    told = X.assign(stars=Y * 4 + 1)
    with pytest.warns(SideColumnWarning, match=r"column 'stars' alone classifies 100.0% right"):
        LSTMSentimentClassifier(**SMALL).fit(told, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SideColumnWarning)
        LSTMSentimentClassifier(**SMALL).fit(X, Y)


def test_in_tools_of_scikit_learn():
    clf = LSTMSentimentClassifier(**{**SMALL, "n_estimators": 1})
    scores = cross_val_score(clone(clf), X, Y, cv=3)
    assert scores.mean() > 0.7
    assert clf.set_params(side=None).get_params()["side"] is None


def test_columns_are_checked(fitted):
    refused = {
        "has no column 'price', which the model was fitted with": X_NEW.drop(columns="price"),
        "has no column 'text'": X_NEW.drop(columns="text"),
        r"X is a list, and the model was fitted with a table: pass one with the columns 'text'": [
            "a"
        ],
        r"'dear' \(str\) in row 1 of column 'price'": X_NEW.assign(
            price=[1.0, "dear", *[2.0] * 98]
        ),
        "infinite in row 0 of column 'price'": X_NEW.assign(price=np.inf),
    }
    for message, wrong in refused.items():
        with pytest.raises((ValueError, TypeError), match=message):
            fitted.predict(wrong)
    unknown = X_NEW.assign(shop="west", price=[None] * 100)
    assert np.isfinite(fitted.predict_proba(unknown)).all()
    fewer = clone(fitted).set_params(missing="empty").fit(X, Y)
    assert np.isfinite(fewer.predict_proba(X_NEW[["text"]])).all()
    with pytest.raises(
        TypeError, match="text_column='text' names a column of a table, and X is a list"
    ):
        LSTMSentimentClassifier(text_column="text").fit(["a", "b"], [0, 1])


def test_a_model_of_texts_reads_no_table():
    clf = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y)
    with pytest.raises(ValueError, match=r"X has 4 columns .* probably X\['text'\]"):
        clf.predict(X_NEW)


def test_columns_of_noise_change_nothing():
    """A column that tells nothing has the relevance 0, and networks are those of the text."""
    rng = np.random.default_rng(0)
    noisy = X[["text"]].assign(**{f"noise {n}": rng.normal(size=N) for n in range(2)})
    clf = LSTMSentimentClassifier(**SMALL).fit(noisy, Y)
    alone = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y)
    assert clf.reader_.relevance == (0, 0)
    width = clf.config_.pooled_width
    for one, other in zip(clf.networks_, alone.networks_, strict=True):
        for name, weights in one.named.items():
            kept = weights[:width] if name == "dense.w" else weights
            assert np.array_equal(kept, other.named[name]), name
        assert not one.named["dense.w"][width:].any()


def test_names_that_are_taken():
    with pytest.raises(ValueError, match="a column named 'X_side'.*rename"):
        LSTMSentimentClassifier(**SMALL).fit(X.assign(X_side=1), Y)


def test_transformers_of_all_kinds():
    from sklearn.preprocessing import FunctionTransformer, TargetEncoder

    numbers = X[["text", "price"]]
    nameless = LSTMSentimentClassifier(**SMALL, side=FunctionTransformer()).fit(numbers, Y)
    assert nameless.reader_.features == ["side[0]"]
    assert len(nameless.predict(numbers.iloc[:0])) == 0
    with pytest.raises(ValueError, match="no column 'price'"):
        nameless.set_params(missing="empty").predict(numbers[["text"]])
    # Of the rows it was fitted on, ``transform`` of this one would tell the labels.
    keys = X[["text"]].assign(key=[f"k{n}" for n in range(N)])
    clf = LSTMSentimentClassifier(**SMALL, side=TargetEncoder()).fit(keys, Y)
    assert clf.reader_.relevance[0] < 0.5


def test_documents_for_a_table_of_nothing_but_text():
    clf = LSTMSentimentClassifier(**SMALL, side=None).fit(X, Y)
    texts = X_NEW["text"].tolist()
    assert np.array_equal(clf.predict_proba(texts), clf.predict_proba(X_NEW))


def test_small_data_and_weights_of_0():
    few = X.iloc[:60].assign(stars=Y[:60])
    with pytest.warns(SideColumnWarning, match="'stars' alone classifies 100.0% right"):
        LSTMSentimentClassifier(**{**SMALL, "n_estimators": 1}).fit(few, Y[:60])
    weight = np.zeros(N)
    weight[[np.flatnonzero(Y == 0)[0], np.flatnonzero(Y == 1)[0]]] = 1
    clf = LSTMSentimentClassifier(**{**SMALL, "n_estimators": 1}).fit(X, Y, sample_weight=weight)
    assert np.isfinite(clf.predict_proba(X_NEW)).all()


def test_numbers_far_away_have_an_answer(fitted):
    found = fitted.predict_proba(X_NEW.assign(price=1e300, id=-1e300))
    assert np.isfinite(found).all()


def test_what_reads_columns_stays_without_the_linear_part():
    clf = LSTMSentimentClassifier(**SMALL).fit(X, Y)
    clf.set_params(wide=None).partial_fit(X, Y)
    assert clf.model_.components == ["networks", "side_columns"]
    assert clf.score(X_NEW, Y_NEW) > 0.75


def test_vectors_are_asked_for_wherever_documents_are():
    vectors = np.random.default_rng(0).normal(size=(N, 2))
    clf = LSTMSentimentClassifier(**SMALL).fit(X["text"], Y, X_side=vectors)
    assert clf.score(X["text"], Y, X_side=vectors) > 0.5
    refused = {
        "X_side_val stands beside X_val": {"X_side_val": vectors},
        "X_side_val is missing": {"X_val": X["text"], "y_val": Y},
        "X_unlabelled and X_side do not go together": {"X_unlabelled": X["text"]},
    }
    for message, more in refused.items():
        with pytest.raises(ValueError, match=message):
            LSTMSentimentClassifier(**SMALL).fit(X["text"], Y, X_side=vectors, **more)
