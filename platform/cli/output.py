"""What a command prints: data on stdout as a table, JSON, JSON lines or CSV; everything else on stderr."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import click
import msgspec
from msgspec import Raw, Struct

from cli.exits import defanged
from domain.orders.money import CURRENCIES, Money

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
_PIPED_WIDTH: Final = 100_000
_LONGEST_CELL: Final = 80
_WHOLE: Final = frozenset({"id", "kind", "state", "name"})  # columns a narrow terminal does not cut
_FRACTION: Final = re.compile(r"(?<=T\d\d:\d\d:\d\d)\.\d+(?=Z$)")


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Output(Struct, frozen=True):
    """Prints in one format. Columns are dotted paths into each thing: `error.code`."""

    format: Format

    def things(self, things: Iterable[bytes | Raw], columns: Sequence[str]) -> None:
        """Print a list, each line as soon as it is there where the format allows."""
        match self.format:
            case Format.JSON:
                show_json(b"[" + b",".join(bytes(each) for each in things) + b"]")
            case Format.JSONL:
                for each in things:
                    click.echo(msgspec.json.format(bytes(each), indent=-1))
            case Format.CSV:
                _show_csv(columns, (cells_of(each, columns) for each in things))
            case Format.TABLE:
                show_table(columns, [cells_of(each, columns) for each in things])

    def thing(self, thing: bytes | Raw, columns: Sequence[str] | None = None) -> None:
        """Print one thing; as a table, a line for each field that has a value."""
        match self.format:
            case Format.JSON:
                show_json(bytes(thing))
            case Format.JSONL:
                click.echo(msgspec.json.format(bytes(thing), indent=-1))
            case Format.CSV:
                names = columns or _names(thing)
                _show_csv(names, [cells_of(thing, names)])
            case Format.TABLE:
                names = columns or _names(thing)
                pairs = zip(names, cells_of(thing, names), strict=True)
                show_pairs([(name, cell) for name, cell in pairs if cell])


def note(text: str) -> None:
    """Say something that is no data."""
    click.echo(defanged(text), err=True)


def show_json(text: bytes) -> None:
    """Print JSON for reading."""
    click.echo(msgspec.json.format(text, indent=2))


def cells_of(thing: bytes | Raw, columns: Sequence[str]) -> list[str]:
    """A cell for each column; empty where the thing has nothing."""
    decoded = msgspec.json.decode(thing)
    return [_cell(_at(decoded, column)) for column in columns]


def defused(cell: str) -> str:
    """`cell` made harmless to spreadsheets, which would run one that starts like a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns; headings stand even above nothing, so a reader sees there is nothing."""
    _print(table_of(headings, rows))


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> "Table":
    """Aligned columns, ready to be printed or drawn."""
    from rich.table import Table  # noqa: PLC0415 - only who prints a table waits for rich

    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = [[_styled(_shortened(cell)) for cell in row] for row in rows]
    for index, heading in enumerate(headings):
        widest = max((line[index].cell_len for line in lines), default=0)
        table.add_column(heading, no_wrap=True, min_width=widest if heading in _WHOLE else None)
    for line in lines:
        table.add_row(*line)
    return table


def show_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print one name and value a line, values whole."""
    from rich.table import Table  # noqa: PLC0415 - only who prints a table waits for rich

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, cell in pairs:
        table.add_row(name, _styled(cell))
    _print(table)


def terminal(*, stderr: bool = False) -> "Console":
    """What prints on a terminal; with NO_COLOR nothing but letters, where rich by itself would leave bold."""
    from rich.console import Console  # noqa: PLC0415 - only who prints a table waits for rich

    console = Console(stderr=stderr, highlight=False)
    return Console(stderr=stderr, highlight=False, color_system=None) if console.no_color else console


def _print(table: "Table") -> None:
    from rich.console import Console  # noqa: PLC0415 - only who prints a table waits for rich

    # Piped, nothing is cut or wrapped: programs read it, and `grep job_` must find whole ids.
    if sys.stdout.isatty():
        terminal().print(table)
        return
    text = io.StringIO()
    Console(file=text, width=_PIPED_WIDTH, highlight=False, color_system=None).print(table)
    click.echo("\n".join(line.rstrip() for line in text.getvalue().splitlines()))


def _styled(cell: str) -> "Text":
    from rich.text import Text  # noqa: PLC0415 - only who prints a table waits for rich

    # A Text, not a string: square brackets in somebody's input are no markup of ours.
    return Text(defanged(cell), style=_STYLES.get(cell, ""))


def _show_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([defused(cell) for cell in row])


def _names(thing: bytes | Raw) -> list[str]:
    decoded = msgspec.json.decode(thing)
    return list(decoded) if isinstance(decoded, dict) else ["value"]


def _at(thing: object, column: str) -> object:
    if isinstance(thing, dict):
        for step in column.split("."):
            thing = thing.get(step) if isinstance(thing, dict) else None
        return thing
    return thing if column == "value" else None


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case {"amount": int(amount), "currency": str(currency)} if currency in CURRENCIES and amount >= 0:
            return str(Money(amount=amount, currency=currency))
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case _:
            return msgspec.json.encode(value).decode()


def _shortened(cell: str) -> str:
    line = _FRACTION.sub("", " ".join(cell.split()))
    return line if len(line) <= _LONGEST_CELL else f"{line[: _LONGEST_CELL - 1]}…"


_STYLES: Final = {
    "succeeded": "green",
    "ok": "green",
    "running": "cyan",
    "scheduled": "yellow",
    "failed": "red",
    "problem": "red",
    "cancelled": "magenta",
    "expired": "magenta",
}
