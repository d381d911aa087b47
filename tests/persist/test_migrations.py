"""Old files are brought up to date when they are read."""

import numpy as np
import pytest

from fastlstm.core.errors import ModelFormatError
from fastlstm.persist import migrations
from fastlstm.persist.container import read_container, write_container


def test_steps_run_in_order_from_the_version_of_the_file(tmp_path, monkeypatch):
    def rename(arrays, metadata):
        return {f"lstm.{name}": array for name, array in arrays.items()}, {"steps": [1]}

    def extend(arrays, metadata):
        return arrays, {"steps": [*metadata["steps"], 2]}

    path = tmp_path / "model.fastlstm"
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


@pytest.mark.parametrize("version", [-1, 0, 2])
def test_migrate_refuses_an_unknown_version(version):
    with pytest.raises(ModelFormatError, match=f"version {version}"):
        migrations.migrate({}, {}, version)
