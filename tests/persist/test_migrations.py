"""Old files are brought up to date when they are read."""

from pathlib import Path

import numpy as np
import pytest

import fastlstm
from fastlstm.core.errors import ModelFormatError
from fastlstm.explain.documents import explain_documents
from fastlstm.persist import migrations
from fastlstm.persist.container import read_container, write_container


def test_steps_run_in_order_from_the_version_of_the_file(tmp_path, monkeypatch):
    def rename(arrays, metadata):
        return {f"lstm.{name}": array for name, array in arrays.items()}, {"steps": [1]}

    def extend(arrays, metadata):
        return arrays, {"steps": [*metadata["steps"], 2]}

    path = tmp_path / "model.fastlstm"
    monkeypatch.setattr(migrations, "CURRENT_VERSION", 1)
    write_container(path, {"bias": np.array([1.0, 2.0])}, {"steps": []})
    written = path.read_bytes()

    monkeypatch.setattr(migrations, "CURRENT_VERSION", 3)
    monkeypatch.setattr(migrations, "MIGRATIONS", {1: rename, 2: extend})
    arrays, metadata = read_container(path)
    assert list(arrays) == ["lstm.bias"]
    assert arrays["lstm.bias"].tolist() == [1.0, 2.0]
    assert metadata == {"steps": [1, 2]}
    assert path.read_bytes() == written
    assert migrations.migrate({}, {"steps": []}, 2) == ({}, {"steps": [2]})


def test_a_file_of_the_current_version_meets_no_step(tmp_path, monkeypatch):
    path = tmp_path / "model.fastlstm"
    monkeypatch.setattr(migrations, "CURRENT_VERSION", 2)
    monkeypatch.setattr(migrations, "MIGRATIONS", {1: lambda arrays, metadata: ({}, {})})
    write_container(path, {}, {"new": True})
    assert read_container(path) == ({}, {"new": True})

    monkeypatch.setattr(migrations, "CURRENT_VERSION", 1)
    with pytest.raises(ModelFormatError, match="version 2.* up to 1; upgrade fastlstm"):
        read_container(path)


def test_every_old_version_has_its_step():
    assert sorted(migrations.MIGRATIONS) == list(range(1, migrations.CURRENT_VERSION))


@pytest.mark.parametrize("version", [-1, 0, migrations.CURRENT_VERSION + 1])
def test_migrate_refuses_an_unknown_version(version):
    with pytest.raises(ModelFormatError, match=f"version {version}"):
        migrations.migrate({}, {}, version)


# Files that version 0.1.0 wrote, before n-grams and before several networks, and what it
# predicted with them.
OLD = Path(__file__).parent
TEXTS = ["great film", "a dull day at all", ""]
PROBABILITIES = {
    1: [[0.49661063, 0.50338937], [0.51170701, 0.48829299], [0.5, 0.5]],
    2: [[0.13248859, 0.86751141], [0.92631694, 0.07368306], [0.5, 0.5]],
}
IDS = [[2, 3, 0], [4, 4, 3]]
PROBABILITIES_OF_IDS = {
    1: [[0.49824372, 0.50175628], [0.50507386, 0.49492614]],
    3: [[0.49997877, 0.50002123], [0.50848099, 0.49151901]],
    4: [[0.50157261, 0.49842739], [0.50594535, 0.49405465]],
    6: [[0.50058928, 0.49941072], [0.50937953, 0.49062047]],
}
# Before the text rules had names: what version 3 read differently from the rules of today.
TEXTS_OF_3 = [
    "great film",
    "I don’t like it <br /> at all",
    "a <happy> great film, 很好！",
    "a <happy> <dull> film &amp; ｂａｄ",
    "Ｔｅｒｒｉｂｌｅ, don`t go",
    "sooooo #dull @home http://a.b/c?d=e",
    "good ❤ \\u2019 don #39;t goooood",
    "",
]
PROBABILITIES_OF_3 = [
    [0.42498663, 0.57501337],
    [0.83375888, 0.16624112],
    [0.21057654, 0.78942346],
    [0.47119981, 0.52880019],
    [0.5301657, 0.4698343],
    [0.3297979, 0.6702021],
    [0.37047313, 0.62952687],
    [0.5, 0.5],
]
HTTP = ["http", ":", "//", "a", ".", "b", "/", "c", "?", "d", "=", "e"]
TOKENS_OF_3 = [
    ["great", "film"],
    ["i", "don't", "like", "it", "at", "all"],
    ["a", "great", "film", ",", "很", "好", "！"],
    ["a", "film", "&", "ｂａｄ"],
    ["ｔｅｒｒｉｂｌｅ", ",", "don", "`", "t", "go"],
    ["sooooo", "#", "dull", "@", "home", *HTTP],
    ["good", "❤", "\\", "u2019", "don", "#", "39", ";", "t", "goooood"],
    [],
]


@pytest.mark.parametrize("version", PROBABILITIES)
@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_an_old_text_model_predicts_as_it_did(read, version):
    model = read(OLD / f"text_version_{version}.fastlstm")
    expected = np.array(PROBABILITIES[version])
    assert model.predict_proba(TEXTS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_a_text_model_of_version_3_reads_and_predicts_as_it_did(read):
    model = read(OLD / "text_version_3.fastlstm")
    assert model.predict_proba(TEXTS_OF_3) == pytest.approx(np.array(PROBABILITIES_OF_3), abs=1e-6)
    assert [list(found.tokens) for found in explain(model, TEXTS_OF_3)] == TOKENS_OF_3


def explain(model, texts):
    return explain_documents(model.scorer_, texts, "gradient_x_input")


@pytest.mark.parametrize(
    ("version", "wide", "networks", "hidden"),
    [(1, None, 1, 0), (2, "nb", 1, 0), (3, "nb", 2, 0.2)],
)
def test_an_old_text_model_can_be_written_anew(version, wide, networks, hidden, tmp_path):
    model = fastlstm.load(OLD / f"text_version_{version}.fastlstm")
    assert (model.n_estimators, model.wide, model.token_dropout) == (networks, wide, hidden)
    assert model.normalize == ["tags"]
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    texts = [*TEXTS, *TEXTS_OF_3]
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))
    assert again.encoder_.state() == model.encoder_.state()


def test_an_old_text_model_goes_on_with_its_text_rules():
    model = fastlstm.load(OLD / "text_version_3.fastlstm")
    model.partial_fit(["a <happy> film", "Ｔｅｒｒｉｂｌｅ"], ["good", "bad"])
    assert model.encoder_.tokenize("a <happy> film") == ["a", "film"]


@pytest.mark.parametrize("version", PROBABILITIES_OF_IDS)
def test_an_old_model_of_ids_predicts_as_it_did(version):
    model = fastlstm.load(OLD / f"ids_version_{version}.fastlstm")
    expected = np.array(PROBABILITIES_OF_IDS[version])
    assert model.predict_proba(IDS) == pytest.approx(expected, abs=1e-6)
    if version == 1:
        assert (model.ngrams, model.segment_length, model.word_vectors) == (1, None, None)


# Before there were models of 8 bits.
TEXTS_OF_4 = ["great film", "a dull day at all", "no good, fun fun film", ""]
PROBABILITIES_OF_4 = [
    [0.20007163, 0.79992837],
    [0.79809495, 0.20190505],
    [0.49008594, 0.50991406],
    [0.5, 0.5],
]


@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_a_text_model_of_version_4_predicts_as_it_did(read):
    model = read(OLD / "text_version_4.fastlstm")
    expected = np.array(PROBABILITIES_OF_4)
    assert model.predict_proba(TEXTS_OF_4) == pytest.approx(expected, abs=1e-6)
    assert not model.scorer_.model.quantized


# Before anything stood beside a text: an ordinary model, and the same with weights of 8 bits.
PROBABILITIES_OF_5 = {
    "text": [
        [0.13586414, 0.86413586],
        [0.84391612, 0.15608388],
        [0.40424938, 0.59575062],
        [0.5, 0.5],
    ],
    "quantized": [
        [0.13586164, 0.86413836],
        [0.84393837, 0.15606163],
        [0.40423027, 0.59576973],
        [0.5, 0.5],
    ],
}


@pytest.mark.parametrize("kind", PROBABILITIES_OF_5)
@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_a_model_of_version_5_predicts_as_it_did(read, kind):
    model = read(OLD / f"{kind}_version_5.fastlstm")
    expected = np.array(PROBABILITIES_OF_5[kind])
    assert model.predict_proba(TEXTS_OF_4) == pytest.approx(expected, abs=1e-6)
    fitted = model.scorer_.model
    assert (fitted.reader, fitted.side, fitted.config.n_side) == (None, None, 0)
    assert fitted.quantized == (kind == "quantized")


def test_a_model_of_version_5_can_be_written_anew(tmp_path):
    model = fastlstm.load(OLD / "text_version_5.fastlstm")
    assert (model.text_column, model.side) == (None, "auto")
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert np.array_equal(again.predict_proba(TEXTS_OF_4), model.predict_proba(TEXTS_OF_4))


# Before anything stood beside a step: a text with columns beside it.
COLUMNS_OF_6 = {
    "text": ["great film", "a dull day at all", ""],
    "stars": [5, None, 2],
    "shop": ["b", "c", "a"],
}
PROBABILITIES_OF_6 = [
    [0.31184713, 0.68815287], [0.71012716, 0.28987284], [0.46038023, 0.53961977],
]  # fmt: skip


@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_a_model_of_version_6_predicts_as_it_did(read):
    pandas = pytest.importorskip("pandas")
    model = read(OLD / "columns_of_6.fastlstm")
    found = model.predict_proba(pandas.DataFrame(COLUMNS_OF_6))
    assert found == pytest.approx(np.array(PROBABILITIES_OF_6), abs=1e-6)
    assert model.scorer_.model.steps is None


# Before there was another cell than the LSTM's: a text in segments, and features of steps.
PROBABILITIES_OF_7 = {
    "text": [
        [0.27722956, 0.72277044],
        [0.82819813, 0.17180187],
        [0.48016228, 0.51983772],
        [0.5, 0.5],
    ],
    "steps": [[0.49881569, 0.50118431], [0.49740208, 0.50259792]],
}
STEPS = fastlstm.SequenceData(
    features=[np.array([[0.5, 1.0], [0.25, -1.0]]), np.array([[-1.0, 0.5]])]
)


@pytest.mark.parametrize("kind", PROBABILITIES_OF_7)
def test_a_model_of_version_7_predicts_as_it_did(kind, tmp_path):
    model = fastlstm.load(OLD / f"{kind}_version_7.fastlstm")
    X = TEXTS_OF_4 if kind == "text" else STEPS
    expected = np.array(PROBABILITIES_OF_7[kind])
    assert model.predict_proba(X) == pytest.approx(expected, abs=1e-6)
    config = model.scorer_.model.config
    assert (config.cell, config.segment_state) == (model.cell, model.segment_state)
    assert (model.cell, model.segment_state) == ("lstm", "fresh")
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))


# Before there were promises of privacy: a plain RNN with attention, whose state is handed on.
PROBABILITIES_OF_8 = [
    [0.29854414, 0.70145586], [0.91308474, 0.08691526], [0.42711789, 0.57288211], [0.5, 0.5],
]  # fmt: skip


def test_a_model_of_version_8_predicts_as_it_did(tmp_path):
    model = fastlstm.load(OLD / "text_version_8.fastlstm")
    expected = np.array(PROBABILITIES_OF_8)
    assert model.predict_proba(TEXTS_OF_4) == pytest.approx(expected, abs=1e-6)
    assert (model.cell, model.pooling, model.max_length) == ("rnn", "attention", 20)
    assert (model.privacy, model.privacy_) == (None, None)
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert np.array_equal(again.predict_proba(TEXTS_OF_4), model.predict_proba(TEXTS_OF_4))


# A private model, from before vectors could be left as they are.
PROBABILITIES_OF_9 = [
    [0.51214515, 0.48785485], [0.50657206, 0.49342794], [0.5, 0.5], [0.50673947, 0.49326053],
]  # fmt: skip


def test_a_model_of_version_9_predicts_as_it_did(tmp_path):
    model = fastlstm.load(OLD / "text_version_9.fastlstm")
    texts = ["great film", "a dull day at all", "", "unknown words only"]
    assert model.predict_proba(texts) == pytest.approx(np.array(PROBABILITIES_OF_9), abs=1e-6)
    assert model.train_vectors is True
    assert (model.privacy_.parts[0].steps, model.privacy_.parts[0].delta) == (12, 0.0)
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert again.privacy_ == model.privacy_
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 7, 8, 9])
def test_an_old_text_model_can_be_quantized(version, tmp_path):
    model = fastlstm.load(OLD / f"text_version_{version}.fastlstm")
    model.quantize().save(tmp_path / "model.fastlstm")
    found = fastlstm.Predictor(tmp_path / "model.fastlstm").predict_proba(TEXTS)
    assert found == pytest.approx(model.predict_proba(TEXTS), abs=0.01)


# A model of Chinese words that version 3 of the file holds, where words of two scripts were cut.
CHINESE = ["这件T恤不错", "恤", "这条裤子很差"]
PROBABILITIES_OF_CHINESE = [
    [0.24433051, 0.75566949], [0.35176486, 0.64823514], [0.70609918, 0.29390082],
]  # fmt: skip


@pytest.mark.parametrize("read", [fastlstm.load, fastlstm.Predictor])
def test_an_old_model_of_chinese_words_keeps_its_rules(read):
    pytest.importorskip("rjieba")
    model = read(OLD / "jieba_version_3.fastlstm")
    expected = np.array(PROBABILITIES_OF_CHINESE)
    assert model.predict_proba(CHINESE) == pytest.approx(expected, abs=1e-6)


def test_an_old_model_of_chinese_words_goes_on_under_its_rules(tmp_path):
    pytest.importorskip("rjieba")
    model = fastlstm.load(OLD / "jieba_version_3.fastlstm")
    assert model.encoder_.tokenize("T恤") == ["t", "恤"]
    (explanation,) = model.explain(["<i>T</i>恤 T恤"], method="gradient_x_input")
    assert [explanation.text[a:b] for a, b in explanation.offsets] == ["T", "恤", "T", "恤"]
    model.save(tmp_path / "model.fastlstm")
    again = fastlstm.load(tmp_path / "model.fastlstm")
    assert np.array_equal(again.predict_proba(CHINESE), model.predict_proba(CHINESE))
    model.set_params(warm_start=True).fit(CHINESE * 4, [1, 1, 0] * 4)
    assert model.encoder_.tokenize("T恤") == ["t", "恤"]
    model.set_params(warm_start=False).fit(CHINESE * 4, [1, 1, 0] * 4)
    assert model.encoder_.tokenize("T恤") == ["t恤"]


@pytest.mark.parametrize("version", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "metadata",
    [{}, {"config": None, "settings": {}}, {"config": {}}, {"settings": 3, "encoder": {}}],
)
def test_incomplete_content_of_an_old_version_is_refused(metadata, version):
    with pytest.raises(ModelFormatError, match="incomplete"):
        migrations.migrate({}, metadata, version)
