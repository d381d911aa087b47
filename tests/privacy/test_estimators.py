"""``privacy`` of the estimators: what they refuse, promise, keep and forget."""

import json
import pickle

import numpy as np
import pytest

import fastlstm
from fastlstm import LSTMClassifier, LSTMSentimentClassifier, Predictor, Privacy, WordVectors
from fastlstm.classifier.private import leaks_of
from fastlstm.core.options import Options
from fastlstm.privacy import accounting, noise

pytest.importorskip("dp_accounting")
pytest.importorskip("randomgen")

RNG = np.random.default_rng(0)
X = RNG.integers(2, 50, (200, 8))
Y = (X < 20).sum(axis=1) > 3
IDS = {
    "vocabulary_size": 50, "early_stopping": False, "dropout": 0.0, "embedding_dropout": 0.0,
    "max_epochs": 2, "embedding_dim": 4, "hidden_size": 4,
}  # fmt: skip
WORDS = ["good", "bad", "film", "a"]
TEXTS = ["a good film", "a bad film"] * 20
LABELS = ["good", "bad"] * 20
TEXT = {
    "vocabulary": WORDS, "max_length": 600, "pooling": "max", "segment_state": "fresh",
    "ngrams": 1, "wide": None,
    "calibrate": False, "word_vectors": None, "dropout": 0.0, "embedding_dropout": 0.0,
    "token_dropout": 0.0, "max_epochs": 2, "n_estimators": 2, "embedding_dim": 4, "hidden_size": 4,
}  # fmt: skip


def private(**options):
    return LSTMClassifier(**{**IDS, "privacy": Privacy(epsilon=3.0), **options})


@pytest.fixture(scope="module")
def clf():
    return private().fit(X, Y)


def test_what_is_promised(clf):
    record = clf.privacy_
    assert 2.9 < record.epsilon <= 3.0 and record.delta == 200**-1.1
    assert (record.n_units, record.unit, record.repeatable) == (200, "document", False)
    (part,) = record.parts
    # Less than a batch of documents: all of them, in each of two steps.
    assert (part.sampling_rate, part.steps) == (1.0, 2)


def test_steps_and_rate():
    options = {"privacy": Privacy(noise_multiplier=2.0, expected_batch_size=30), "max_epochs": 3}
    found = private(**options, n_estimators=2).fit(X, Y)
    (part,) = found.privacy_.parts
    assert part.sampling_rate == 30 / 200 and part.steps == 2 * 3 * 7
    assert part.noise_multiplier == 2.0
    assert len(found.networks_) == 2


def test_nothing_is_told_of_the_documents(clf, tmp_path):
    assert clf.class_prior_.tolist() == [0.5, 0.5]
    assert clf.class_count_.tolist() == [1, 1]
    assert (clf.truncated_share_ if hasattr(clf, "truncated_share_") else None) is None
    for record in clf.history_:
        assert set(record) == {"epoch", "network", "learning_rate"}
    clf.save(tmp_path / "model.fastlstm")
    from safetensors import safe_open

    with safe_open(tmp_path / "model.fastlstm", framework="numpy") as file:
        content = json.loads(file.metadata()["content"])
    told = {"history_", "n_iter_", "stopped_by_", "class_count_", "privacy_", "n_features_in_"}
    assert set(content["fitted"]) == told
    assert content["fitted"]["privacy_"]["assumptions"]


def test_it_is_saved_and_pickled(clf, tmp_path):
    clf.save(tmp_path / "model.fastlstm")
    for again in (fastlstm.load(tmp_path / "model.fastlstm"), pickle.loads(pickle.dumps(clf))):
        assert again.privacy_ == clf.privacy_ and again.privacy == clf.privacy
        assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_texts(tmp_path):
    promise = Privacy(epsilon=3.0, delta=1e-3)
    clf = LSTMSentimentClassifier(**TEXT, privacy=promise).fit(TEXTS, LABELS)
    assert "tokens are public" in str(clf.privacy_)
    assert clf.vocabulary_.keys() >= set(WORDS)
    assert clf.truncated_share_ is None and clf.vector_coverage_ is None
    assert clf.privacy_.parts[0].steps == 2 * 2
    clf.save(tmp_path / "model.fastlstm")
    lean = Predictor(tmp_path / "model.fastlstm")
    assert np.array_equal(lean.predict_proba(TEXTS[:2]), clf.predict_proba(TEXTS[:2]))
    clf.quantize().save(tmp_path / "small.fastlstm")
    assert fastlstm.load(tmp_path / "small.fastlstm").privacy_ == clf.privacy_


def test_noise_is_new_each_time_and_repeatable_with_a_seed(monkeypatch):
    with monkeypatch.context() as patch:
        # The same first weights each time, so that nothing but the noise differs.
        patch.setattr(LSTMClassifier, "_fresh_seed", lambda self: 5)
        one, two = (private().fit(X, Y).predict_proba(X) for _ in range(2))
        assert not np.array_equal(one, two)
    seeded = [private(random_state=4).fit(X, Y) for _ in range(2)]
    assert np.array_equal(*(clf.predict_proba(X) for clf in seeded))
    assert seeded[0].privacy_.repeatable
    assert str(seeded[0].privacy_).startswith("NOT PRIVATE")


def test_people():
    unit = np.repeat(["ann", "bob", "cat", "dan"], 50)
    clf = private(privacy=Privacy(epsilon=3.0, delta=1e-3, unit=unit)).fit(X, Y)
    assert (clf.privacy_.n_units, clf.privacy_.unit) == (4, "array")
    with pytest.raises(ValueError, match="1 / n.1.1 = 0.22 for 4 units.*Give delta"):
        private(privacy=Privacy(epsilon=3.0, unit=unit)).fit(X, Y)
    for missing in (None, np.nan):
        names = np.array(["ann", missing] * 100, dtype=object)
        with pytest.raises(ValueError, match="no unit for some documents"):
            private(privacy=Privacy(epsilon=3.0, unit=names)).fit(X, Y)
    with pytest.raises(ValueError, match=r"privacy.unit has shape \(3,\), and there are 200"):
        private(privacy=Privacy(epsilon=3.0, unit=[1, 2, 3])).fit(X, Y)


def test_products_of_bfloat16_are_refused():
    """Whether the CPU has them or not: norms are computed in float32."""
    options = Options(precision="bfloat16", early_stopping=False, dropout=0, embedding_dropout=0)
    assert leaks_of(options, False, False) == ['precision="float32"']


@pytest.mark.parametrize(
    ("leak", "mend"),
    [
        ({"early_stopping": True}, "early_stopping=False"),
        ({"calibrate": True}, "calibrate=False"),
        ({"ngrams": 2}, "ngrams=1"),
        ({"dropout": 0.1}, "dropout=0"),
        ({"embedding_dropout": 0.1}, "embedding_dropout=0"),
        ({"token_dropout": 0.1}, "token_dropout=0"),
        ({"word_vectors": "skipgram"}, "word_vectors=None"),
        ({"pooling": "auto"}, "pooling"),
        ({"segment_state": "auto"}, "segment_state"),
        ({"class_weight": "balanced"}, "class_weight"),
        ({"vocabulary_size": None}, "vocabulary_size"),
    ],
)
def test_a_leak_is_named(leak, mend):
    with pytest.raises(ValueError, match=f"promises nothing.* Or set {mend}[^;]*$"):
        private(**leak).fit(X, Y)


@pytest.mark.parametrize(
    ("leak", "mend"),
    [
        ({"max_length": "auto"}, "max_length"),
        ({"min_df": 2}, "min_df=1"),
    ],
)
def test_a_leak_of_texts_is_named(leak, mend):
    with pytest.raises(ValueError, match=f"promises nothing.* Or set {mend}[^;]*$"):
        LSTMSentimentClassifier(**{**TEXT, **leak}, privacy=Privacy(epsilon=3)).fit(TEXTS, LABELS)


def test_other_documents_are_refused():
    clf = private()
    with pytest.raises(ValueError, match="no X_val"):
        clf.fit(X, Y, X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="no X_unlabelled"):
        clf.fit(X, Y, X_unlabelled=X)
    assert not hasattr(clf, "model_")
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text": TEXTS, "stars": range(len(TEXTS))})
    texts = LSTMSentimentClassifier(**TEXT, privacy=Privacy(epsilon=3))
    with pytest.raises(ValueError, match="side=None"):
        texts.fit(table, LABELS)


def test_all_defaults_are_named_at_once():
    with pytest.raises(ValueError) as caught:
        LSTMSentimentClassifier(privacy=Privacy(noise_multiplier=3)).fit(TEXTS, LABELS)
    for name in ("vocabulary", "max_length", "pooling", "ngrams", "wide", "calibrate",
                 "word_vectors", "dropout=", "embedding_dropout", "token_dropout",
                 "LSTMSentimentClassifier.private(epsilon)"):  # fmt: skip
        assert name in str(caught.value)


MANY = [f"a {word} film, number {i}" for i in range(400) for word in ("good", "bad")]
MANY_LABELS = ["good", "bad"] * 400


def test_everything_by_itself(tmp_path):
    clf = LSTMSentimentClassifier.private(8.0, max_epochs=2, embedding_dim=4, hidden_size=4)
    clf.fit(MANY, MANY_LABELS)
    assert {"a", "good", "bad", "film", "number"} <= set(clf.vocabulary_)
    assert not {str(i) for i in range(400)} & set(clf.vocabulary_)
    whats = [part.what for part in clf.privacy_.parts]
    assert whats == ["vocabulary", "blend", "linear part", "networks"]
    assert clf.privacy_.parts[0].delta == pytest.approx(0.1 * clf.privacy_.delta)
    assert 7.7 < clf.privacy_.epsilon <= 8.0
    assert "tokens are public" not in str(clf.privacy_)
    assert clf.blend_.shares.shape == (2,) and clf.blend_.shares.min() >= 0
    assert clf.score(MANY, MANY_LABELS) > 0.9
    good, bad = (clf.wide_.weights[0, clf.vocabulary_[word]] for word in ("good", "bad"))
    assert good > 0 > bad and not clf.wide_.weights[:, :2].any()
    clf.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert again.privacy_ == clf.privacy_
    assert np.array_equal(again.predict_proba(MANY[:9]), clf.predict_proba(MANY[:9]))


def test_no_warning_tells_of_the_documents(recwarn):
    """Not how many were cut, nor which tokens without a vector are frequent."""
    options = {"max_epochs": 1, "hidden_size": 2, "embedding_dim": 2, "wide": None}
    words = ["zig", "zag", "good", "bad", "film", "a", "number"]
    vectors = WordVectors(["nothing"], np.ones((1, 2)))
    said = []
    for texts in (["zig zag zag a a a"] * 40, ["zag zig zig film film"] * 40):
        for fit in ("fit", "partial_fit"):
            clf = LSTMSentimentClassifier.private(
                Privacy(epsilon=8.0, delta=1e-3), vocabulary=words, word_vectors=vectors,
                max_length=2, **options,
            )  # fmt: skip
            getattr(clf, fit)(texts, LABELS)
            said.append([str(warning.message) for warning in recwarn.list])
            recwarn.clear()
    assert all(each == said[0] for each in said)
    assert [line.partition(" has a vector")[0] for line in said[0]] == ["none of the 7 tokens"]


def test_a_weight_beyond_all_bounds_spoils_nothing():
    weight = np.ones(len(MANY))
    weight[0] = 1e308
    clf = LSTMSentimentClassifier.private(
        20.0, vocabulary=WORDS, max_epochs=1, embedding_dim=2, hidden_size=2
    )
    labels = ["bad", *MANY_LABELS[1:]]
    assert np.isfinite(clf.fit(MANY, labels, sample_weight=weight).predict_proba(MANY)).all()


def test_too_few_documents_for_a_vocabulary():
    clf = LSTMSentimentClassifier.private(Privacy(epsilon=0.5, delta=1e-6))
    with pytest.raises(ValueError, match="no token stands in so many documents .* vocabulary="):
        clf.fit(TEXTS, LABELS)
    assert not hasattr(clf, "model_")


def test_a_persons_words_are_chosen_once():
    # A person who writes the same name in every message does not make it known.
    texts = [f"hello {'zork ' * (i < 300)}" for i in range(600)]
    for unit in ("document", np.maximum(np.arange(600) - 299, 0)):
        clf = LSTMSentimentClassifier.private(
            Privacy(epsilon=8.0, unit=unit), max_epochs=1, embedding_dim=2, hidden_size=2
        )
        clf.fit(texts, MANY_LABELS[:600])
        assert "hello" in clf.vocabulary_
        assert ("zork" in clf.vocabulary_) == isinstance(unit, str)


def test_parameters_of_one_s_own():
    clf = LSTMClassifier.private(Privacy(noise_multiplier=1.0), vocabulary_size=50, max_epochs=1)
    assert clf.get_params()["dropout"] == 0.0 and clf.get_params()["vocabulary_size"] == 50
    assert clf.fit(X, Y).privacy_.parts[0].noise_multiplier == 1.0


def test_vectors_that_stay_as_they_are():
    clf = private(train_vectors=False).fit(X, Y)
    table, later = (private(train_vectors=False, max_epochs=n, random_state=0).fit(X, Y)
                    .networks_[0].embedding for n in (1, 3))  # fmt: skip
    assert np.array_equal(table, later) and table[2:].std() > 0.01
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("further", ["fit", "partial_fit"])
def test_going_on_adds_to_the_budget(clf, further):
    copy = pickle.loads(pickle.dumps(clf)).set_params(warm_start=True)
    before = clf.privacy_
    getattr(copy, further)(X, Y)
    record = copy.privacy_
    assert len(record.parts) == 2 and record.parts[0] == before.parts[0]
    steps = {"fit": 2, "partial_fit": 1}[further]
    assert record.parts[1].steps == steps and record.delta == before.delta
    assert before.epsilon < record.epsilon < 2 * before.epsilon
    assert record.epsilon == pytest.approx(accounting.epsilon_of(record.parts, record.delta))
    assert copy.class_count_.tolist() == [1, 1]
    assert all("loss" not in epoch for epoch in copy.history_)
    assert not np.array_equal(copy.predict_proba(X), clf.predict_proba(X))


def test_parts_from_the_first_on():
    clf = private(n_estimators=2)
    for number in range(1, 4):
        clf.partial_fit(X, Y, classes=[False, True])
        assert [part.steps for part in clf.privacy_.parts] == [2] * number


def test_each_call_has_noise_of_its_own(monkeypatch):
    """Also where it can be repeated: a noise that comes back can be taken away."""
    seeds = []

    def noted(count, seed):
        seeds.append(seed)
        return noise.streams(count, seed)

    monkeypatch.setattr("fastlstm.privacy.training.streams", noted)
    clf = private(random_state=5, n_estimators=2)
    for _ in range(3):
        clf.partial_fit(X, Y)
    assert len(set(seeds)) == len(seeds) == 6
    one, other = (noise.streams(1, seeds[call])[0].random(9) for call in (0, 2))
    assert not np.array_equal(one, other)


def test_networks_that_are_added():
    clf = private(warm_start=True).fit(X, Y)
    clf.set_params(n_estimators=3).fit(X, Y)
    assert [part.steps for part in clf.privacy_.parts] == [2, 2 * 2]


def test_words_stay_where_texts_go_on(monkeypatch):
    # Promises of so many parts take long to compute exactly, and are no matter here.
    exactly = accounting._epsilon
    monkeypatch.setattr(accounting, "_epsilon", lambda parts, d, kind: exactly(parts, d, "rdp"))
    clf = LSTMSentimentClassifier.private(8.0, max_epochs=1, embedding_dim=4, hidden_size=4)
    clf.fit(MANY, MANY_LABELS)
    known = dict(clf.vocabulary_)
    linear = clf.wide_
    clf.partial_fit(["zork"] * 500 + MANY, ["bad"] * 500 + MANY_LABELS)
    assert clf.vocabulary_ == known and clf.wide_ is linear
    clf.set_params(warm_start=True).fit(["zork"] * 500 + MANY, ["bad"] * 500 + MANY_LABELS)
    assert clf.vocabulary_ == known and clf.wide_ is not linear
    whats = [part.what for part in clf.privacy_.parts]
    both = ["blend", "linear part", "networks"]
    assert whats == ["vocabulary", *both, "networks", *both]
    clf.set_params(n_estimators=2).fit(MANY, MANY_LABELS)
    assert [part.what for part in clf.privacy_.parts][len(whats) :] == ["blend", "networks"]
    assert clf.wide_ is not None
    clf.set_params(wide=None).fit(MANY, MANY_LABELS)
    assert clf.wide_ is None and clf.blend_.shares.tolist() == [1.0]


def test_going_on_under_another_promise_is_refused(clf):
    copy = pickle.loads(pickle.dumps(clf))
    plain = LSTMClassifier(**IDS, warm_start=True).fit(X, Y)
    for each, privacy in ((copy, None), (plain, Privacy(epsilon=1.0))):
        each.set_params(privacy=privacy, warm_start=True)
        for further in (each.fit, each.partial_fit):
            with pytest.raises(ValueError, match="nothing would be promised"):
                further(X, Y)
    copy.set_params(privacy=Privacy(epsilon=1.0, unit=np.arange(200)))
    with pytest.raises(ValueError, match="promises to documents and to persons do not add up"):
        copy.partial_fit(X, Y)
    with pytest.raises(ValueError, match="early_stopping=False"):
        private(early_stopping=True).partial_fit(X, Y)


def test_a_missing_package_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "randomgen", None)
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[privacy\]'"):
        noise.streams(1, None)
    assert len(noise.streams(3, 0)) == 3
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    accounting._epsilon.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'fastlstm\[privacy\]'"):
        private().fit(X, Y)


def test_it_learns():
    rng = np.random.default_rng(1)
    many = rng.integers(2, 30, (4000, 10))
    right = (many < 12).sum(axis=1) > 3
    settings = {"embedding_dim": 16, "hidden_size": 16, "max_epochs": 5, "learning_rate": 0.05}
    privacy = Privacy(epsilon=8.0, expected_batch_size=256, max_grad_norm=1.0)
    clf = private(**settings, privacy=privacy).fit(many, right)
    assert clf.privacy_.epsilon <= 8
    # Always the more frequent answer would be right in about 62 of 100.
    assert clf.score(many, right) > 0.8


def test_progress_tells_no_loss(capsys):
    private(verbose=1).fit(X, Y)
    said = capsys.readouterr().err
    assert "epoch 2: " in said and "loss" not in said
