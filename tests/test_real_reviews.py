"""The whole way on real reviews; skips where their folder is missing.

Scores are on development files. The bounds lie some points under what was
measured: they find a broken engine, not a change of fortune.
"""

from __future__ import annotations

import numpy as np
import pytest

import fastlstm
from fastlstm.data.tables import read_table
from fastlstm.text.encoder import TextEncoder, TextOptions

pd = pytest.importorskip("pandas")


def reviews(folder, name, split):
    return read_table(folder / name / f"{split}.tsv.gz")


@pytest.mark.parametrize(
    ("name", "bound"), [("sst2", 0.76), ("zh_waimai", 0.83)], ids=["English", "Chinese"]
)
def test_defaults_learn(review_sets, tmp_path, name, bound):
    train, dev = (reviews(review_sets, name, split) for split in ("train", "dev"))
    clf = fastlstm.LSTMSentimentClassifier(random_state=0).fit(train.texts, train.labels)
    assert clf.score(dev.texts, dev.labels) > bound
    path = tmp_path / "model.fastlstm"
    clf.save(path)
    probabilities = clf.predict_proba(dev.texts)
    predictor = fastlstm.Predictor(path)
    np.testing.assert_array_equal(predictor.predict_proba(dev.texts), probabilities)


@pytest.mark.parametrize("name", ["airline", "chnsenticorp", "clothing", "mr", "umsab_arabic"])
def test_tables_are_read_as_pandas_reads_them(review_sets, name):
    path = review_sets / name / "dev.tsv.gz"
    expected = pd.read_csv(path, sep="\t", quoting=3, keep_default_na=False, dtype=str)
    table = read_table(path, text_column="text", label_column="label")
    assert table.texts == expected.text.tolist()
    assert table.labels == expected.label.tolist()


def test_tokens_of_film_reviews(review_sets):
    """58 % of them carry <br />, and none of it is left."""
    texts = reviews(review_sets, "imdb", "test").texts[:3000]
    assert np.mean(["<br />" in text for text in texts]) > 0.5
    encoder, encoded = TextEncoder.learn(texts, TextOptions(max_features=None, max_length=None))
    sequences = encoded.sequences
    assert "br" not in encoder.vocabulary.ids
    assert {"don't", "movie", "10", "..."} <= encoder.vocabulary.ids.keys()
    assert sequences.lengths.min() > 5
    words = np.mean([len(text.split()) for text in texts])
    assert words < sequences.lengths.mean() < 1.4 * words


def test_tokens_of_chinese_reviews(review_sets):
    texts = reviews(review_sets, "chnsenticorp", "dev").texts
    encoder, encoded = TextEncoder.learn(texts, TextOptions(max_features=None, max_length=None))
    sequences = encoded.sequences
    han = [token for token in encoder.vocabulary.tokens if "\u4e00" <= token[0] <= "\u9fff"]
    assert len(han) > 1000 and all(len(token) == 1 for token in han)
    characters = np.mean([len(text) for text in texts])
    assert 0.6 * characters < sequences.lengths.mean() <= characters
