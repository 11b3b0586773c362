"""Tables on standard output: drawn on terminals, plain lines in pipes."""

import sys
from collections.abc import Sequence


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; in a pipe each row is one line, however long.

    Args:
        columns: What stands above; empty for no heading. The last one may be long.
        rows: Cells of one line each.
    """
    # Late, because every command reads this file, and few want tables.
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if sys.stdout.isatty():
        table = Table(*columns, show_header=bool(columns))
        for _ in range(0 if columns else len(rows[0])):
            table.add_column()
        table.columns[-1].overflow = "fold"
        for row in rows:
            table.add_row(*row)
        Console(markup=False, highlight=False).print(table)
        return
    lines = [*([columns] if columns else []), *rows]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        pairs = zip(line, widths, strict=True)
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in pairs)
        print("  ".join(padded).rstrip())
