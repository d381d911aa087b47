"""How a model reads documents that have something beside their text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlstm.core.records import Encoded
from fastlstm.side.encoder import VECTORS, SideColumn, SideEncoder
from fastlstm.side.tables import (
    Layout,
    check_vectors,
    find_layout,
    is_table,
    n_rows,
    side_values,
    texts_of,
)
from fastlstm.text.containers import FROM_0, type_name
from fastlstm.text.documents import OF_ESTIMATOR, check_documents


class Documents(NamedTuple):
    """Texts, and the numbers beside them.

    Attributes
    ----------
    texts : list of str
    side : float32 array, shape (n_documents, n_side), or None
    """

    texts: list[str]
    side: np.ndarray | None = None

    def take(self, rows: Sequence[int] | np.ndarray) -> Documents:
        """The documents ``rows``."""
        side = None if self.side is None else self.side[list(rows)]
        return Documents([self.texts[row] for row in rows], side)

    def then(self, others: Documents) -> Documents:
        """These documents, and others behind them."""
        side = self.side
        if side is not None and others.side is not None:
            side = np.concatenate([side, others.side])
        return Documents([*self.texts, *others.texts], side)

    def of(self, encoded: Encoded) -> Encoded:
        """The texts, encoded, with what stands beside them."""
        return encoded if self.side is None else encoded.beside(self.side)


class SideReader(NamedTuple):
    """What was learned of a table, or of vectors beside documents.

    Attributes
    ----------
    layout : Layout or None
        None where X holds documents alone.
    encoder : SideEncoder
        Of the columns, and of vectors.
    transformer : object or None
        Of the user, fitted: it encodes the columns instead.
    own : tuple of str
        Names of the numbers that the transformer gives.
    relevance : tuple of float, or None
        Of each column of ``slices``: what its numbers are multiplied by.
    """

    layout: Layout | None
    encoder: SideEncoder
    transformer: Any = None
    own: tuple[str, ...] = ()
    relevance: tuple[float, ...] | None = None

    @property
    def takes_vectors(self) -> bool:
        """Whether X_side stands beside each document."""
        return any(column.kind == "vector" for column in self.encoder.columns)

    @property
    def _reads_text_alone(self) -> bool:
        """Whether one column of a table is read, so that documents alone will do."""
        return self.layout is not None and self.layout.side == () and len(self.layout.text) == 1

    @property
    def n_side(self) -> int:
        """Numbers beside a document."""
        return len(self.features)

    @property
    def features(self) -> list[str]:
        """Their names."""
        return [*self.own, *self.encoder.features]

    def state(self) -> dict[str, Any]:
        """As JSON can hold it; without a user's transformer."""
        layout = None if self.layout is None else [list(names) for names in self.layout]
        relevance = None if self.relevance is None else list(self.relevance)
        return {"layout": layout, "columns": self.encoder.state(), "relevance": relevance}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> SideReader:
        """From what ``state`` gave.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is not of that form.
        """
        encoder = SideEncoder.from_state(state["columns"])
        if state["layout"] is None:
            reader = cls(None, encoder)
            wanted = [VECTORS]
        else:
            text, side = map(tuple, state["layout"])
            reader = cls(Layout(text, side), encoder)
            wanted = [*side, VECTORS] if VECTORS in encoder.names else [*side]
            names = (*text, *side)
            if not text or not all(type(name) is str for name in names):
                raise ValueError("columns of the text are not names")
            if len(set(names)) < len(names):
                raise ValueError("a column has two places")
        if encoder.names != wanted:
            raise ValueError(f"columns are encoded as {encoder.names}, not {wanted}")
        relevance = state["relevance"]
        if relevance is None:
            return reader
        if len(relevance) != len(wanted) or not all(
            type(value) in (int, float) and 0 <= value <= 1 for value in relevance
        ):
            raise ValueError("the relevance of columns is not a number from 0 to 1 for each")
        return reader._replace(relevance=tuple(relevance))

    @property
    def slices(self) -> dict[str, slice]:
        """Where the numbers of each column are, or each number of a transformer."""
        found, first = {}, 0
        widths = [(name, 1) for name in self.own]
        widths += [(column.name, len(column.features)) for column in self.encoder.columns]
        for name, width in widths:
            found[name] = slice(first, first + width)
            first += width
        return found

    def columns(self, side: np.ndarray) -> dict[str, np.ndarray]:
        """The numbers of each of ``slices``; views."""
        return {name: side[:, own] for name, own in self.slices.items()}

    def weighed(self, side: np.ndarray) -> np.ndarray:
        """The numbers times the relevance of their columns, float32."""
        if self.relevance is None:
            return side
        found = side.copy()
        for own, relevance in zip(self.slices.values(), self.relevance, strict=True):
            found[:, own] *= np.float32(relevance)
        return found

    def read(
        self, X: Any, vectors: Any, missing: str, name: str = "X", allow_empty: bool = False,
        mend: str = OF_ESTIMATOR,
    ) -> Documents:  # fmt: skip
        """Documents as those that the model was fitted with.

        Raises
        ------
        ValueError, TypeError
            If X or X_side is not what the model was fitted with.
        """
        if self.layout is None or (self._reads_text_alone and not is_table(X, name)):
            texts = check_documents(
                X, missing=missing, name=name, allow_empty=allow_empty, mend=mend
            )[0]
            values: dict[str, Any] = {}
        else:
            _need_table(X, self.layout, name)
            texts = texts_of(X, self.layout, missing, name)
            missing_columns = missing if self.transformer is None else "error"
            values = dict(side_values(X, self.layout.side, missing_columns, name))
        if not texts and not allow_empty:
            raise ValueError(f"{name} holds no documents; pass at least one")
        values[VECTORS] = _vectors(vectors, self.takes_vectors, len(texts), missing)
        encoded = self.encoder.encode(values, len(texts), name)
        if self.transformer is not None and self.layout is not None:
            own = np.zeros((0, len(self.own)), dtype=np.float32)
            if texts:  # most transformers refuse no rows
                selected = _selected(X, self.layout.side)
                own = as_numbers(self.transformer, self.transformer.transform(selected), X)
            encoded = np.concatenate([own, encoded], axis=1)
        return Documents(texts, self.weighed(encoded) if encoded.shape[1] else None)


def read_documents(
    reader: SideReader | None, X: Any, vectors: Any = None, *, missing: str, name: str = "X",
    allow_empty: bool = False, mend: str = OF_ESTIMATOR,
) -> Documents:  # fmt: skip
    """Documents for a fitted model, whether it reads texts alone or more; see ``SideReader``."""
    if reader is not None:
        return reader.read(X, vectors, missing, name, allow_empty, mend)
    refuse_side(vectors)
    return Documents(
        check_documents(X, missing=missing, name=name, allow_empty=allow_empty, mend=mend)[0]
    )


def refuse_side(vectors: Any) -> None:
    """Refuse vectors where a model was fitted without."""
    if vectors is not None:
        raise ValueError("the model was fitted without X_side; leave it out.")


def _vectors(vectors: Any, wanted: bool, n: int, missing: str) -> np.ndarray | None:
    if not wanted:
        refuse_side(vectors)
        return None
    if vectors is None:
        if missing == "empty":
            return None
        raise ValueError(
            "the model was fitted with X_side; pass a vector for each document, or "
            "set_params(missing='empty'), which takes them as missing."
        )
    return check_vectors(vectors, n)


def _need_table(X: Any, layout: Layout, name: str) -> None:
    if not is_table(X, name):
        columns = ", ".join(map(repr, [*layout.text, *layout.side][:10]))
        raise TypeError(
            f"{name} is a {type_name(X)}, and the model was fitted with a table: pass one with "
            f"the columns {columns}."
        )


def learn_reader(
    X: Any, vectors: Any, y: Any, text_column: str | Sequence[str] | None, side: Any,
    missing: str,
) -> tuple[Documents, SideReader | None]:  # fmt: skip
    """Read the documents of a first fit.

    Parameters
    ----------
    X : documents, or a table with a column of them
    vectors : 2-D array of numbers, or None
    y : labels
        For the user's transformer.
    text_column : str, list or tuple of str, or None
    side : "auto", None, or a transformer
    missing : {"error", "empty"}

    Returns
    -------
    documents : Documents
    reader : SideReader or None
        None where there is text alone.
    """
    from fastlstm.side.learning import fitted_transformer, learn_columns, learn_vectors

    layout: Layout | None = None
    transformer: Any = None
    columns: tuple[SideColumn, ...] = ()
    of_transformer: np.ndarray | None = None
    if is_table(X) and (text_column is not None or _is_wide(X)):
        layout = find_layout(X, text_column, side is not None)
        texts = texts_of(X, layout, missing)
        if not texts:
            raise ValueError("X holds no documents; pass at least one")
        if VECTORS in (*layout.text, *layout.side):
            raise ValueError(
                f"X has a column named {VECTORS!r}, which is the name of vectors beside texts; "
                "rename the column."
            )
        if layout.side and side == "auto":
            columns = learn_columns(side_values(X, layout.side, "error")).columns
            layout = layout._replace(side=tuple(column.name for column in columns))
        elif layout.side:
            transformer, made = fitted_transformer(side, _selected(X, layout.side), y)
            of_transformer = as_numbers(transformer, made, X)
    else:
        if text_column is not None:
            raise TypeError(
                f"text_column={text_column!r} names a column of a table, and X is a "
                f"{type_name(X)}; pass a table, or leave text_column out."
            )
        texts = check_documents(X, missing=missing)[0]
    if vectors is not None:
        columns = (*columns, *learn_vectors(check_vectors(vectors, len(texts)), VECTORS).columns)
    if layout is None and not columns:
        return Documents(texts), None
    own = () if of_transformer is None else names_of(transformer, of_transformer.shape[1])
    reader = SideReader(layout, SideEncoder(tuple(columns)), transformer, own)
    documents = reader.read(X, vectors if reader.takes_vectors else None, missing)
    if of_transformer is not None and documents.side is not None:
        # Not what ``transform`` gives of the same rows, which may have seen their labels.
        documents.side[:, : len(own)] = of_transformer
    return documents, reader


def _is_wide(X: Any) -> bool:
    shape = X.shape
    return int(shape[1]) > 1


def _selected(X: Any, names: Sequence[str]) -> Any:
    if hasattr(type(X), "select") and not hasattr(type(X), "iloc"):
        return X.select(list(names))
    return X[list(names)]


def as_numbers(transformer: Any, found: Any, X: Any) -> np.ndarray:
    """What the user's transformer has made of the columns of X, float32.

    Raises
    ------
    ValueError
        If that is not one finite row of numbers for each row of X.
    """
    if hasattr(found, "toarray"):
        found = found.toarray()
    try:
        numbers = np.asarray(found, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"side={transformer!r} gives values that are no numbers: {error}. Let it encode "
            "every column as numbers."
        ) from error
    if numbers.ndim != 2 or len(numbers) != n_rows(X):
        raise ValueError(
            f"side={transformer!r} gives an array of shape {numbers.shape} for {n_rows(X)} rows."
        )
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, place = bad[0]
        raise ValueError(
            f"side={transformer!r} gives {numbers[row, place]} in row {row}, column {place}; let "
            f"it impute what is missing. {FROM_0}"
        )
    return numbers


def names_of(transformer: Any, width: int) -> tuple[str, ...]:
    """Names of the numbers that a transformer gives: its own, or their places."""
    try:
        found = tuple(map(str, transformer.get_feature_names_out()))
    except Exception:  # whatever it may raise, it has no names
        found = ()
    if len(set(found)) == len(found) == width:
        return found
    return tuple(f"side[{number}]" for number in range(width))
