"""Options that say how files are read, and reading them so."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import click

from fastlstm.cli.errors import note
from fastlstm.cli.output import counted

if TYPE_CHECKING:
    from fastlstm.data.tables import Table

_ROWS = {
    "text": click.option("--text-column", metavar="NAME",
                         help="Column with the documents: name, or number from 1."),
    "label": click.option("--label-column", metavar="NAME",
                          help="Column with the labels: name, or number from 1."),
    "unlabelled": click.option("--drop-unlabelled", is_flag=True,
                               help="Leave out rows without a label."),
}  # fmt: skip
_BYTES = (
    click.option("--encoding", metavar="NAME",
                 help="Encoding of files that are not UTF-8, such as gb18030 or latin-1."),
    click.option("--no-header", is_flag=True,
                 help="The first line of csv and tsv is a record; columns have numbers."),
)  # fmt: skip


class Reading(NamedTuple):
    """How a command reads its files: values of the options."""

    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    header: bool = True
    drop_unlabelled: bool = False

    def table(self, path, *, need_labels: bool = True, usual_text: str | None = None) -> Table:
        """A file's documents; says on standard error how many records were left out."""
        from fastlstm.data.tables import read_table

        table = read_table(
            path, need_labels=need_labels, text_column=self.text_column,
            label_column=self.label_column, encoding=self.encoding, header=self.header,
            usual_text=usual_text, drop_unlabelled=self.drop_unlabelled,
        )  # fmt: skip
        if table.n_empty:
            rows = "1 empty row was" if table.n_empty == 1 else f"{table.n_empty:,} empty rows were"
            note(f"{path}: {rows} skipped.")
        if table.n_unlabelled:
            note(f"{path}: {counted(table.n_unlabelled, 'row')} without a label left out.")
        return table

    def like(self, table: Table, *paths) -> Reading:
        """The same for another file, with the columns of the one that was read.

        Plain text has none to name, so that ``paths``, of both, may not be of such files.
        """
        from fastlstm.data.tables import format_of

        if "txt" in map(format_of, paths):
            return self
        names = (self.text_column, table.text_column), (self.label_column, table.label_column)
        text, label = (
            found if given is None and table.columns.count(found) == 1 else given
            for given, found in names
        )
        return self._replace(text_column=text, label_column=label)


def reading_options(*roles: str):
    """Decorate a command: it is passed ``reading``, of options for the columns of ``roles``.

    Parameters
    ----------
    roles : {"text", "label", "unlabelled"}
    """

    def decorated(function):
        @functools.wraps(function)
        def command(
            *args, encoding, no_header, text_column=None, label_column=None, drop_unlabelled=False,
            **kwargs,
        ):  # fmt: skip
            reading = Reading(text_column, label_column, encoding, not no_header, drop_unlabelled)
            return function(*args, reading=reading, **kwargs)

        for option in reversed([*(_ROWS[role] for role in roles), *_BYTES]):
            command = option(command)
        return command

    return decorated
