"""How every command reports what went wrong: one line, and an exit code that says why.

1: it could not be done here; 2: a mistake in the arguments; 130: interrupted.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from styleflax.files import is_disk_full
from styleflax.memory import describe_error, is_out_of_memory

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130
TRACEBACK_VARIABLE = "STYLEFLAX_TRACEBACK"
"""Environment variable that adds a traceback to the one line."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Within the block, a user's mistake ends the program with one line on stderr.

    Mistakes are what the library raises for them: ValueError, OSError (a file
    that is missing or cannot be written), ImportError (a package that is not
    there) and WeightsError. Memory that does not suffice is no mistake, and one line
    as well. Everything else is a fault of the program and keeps its traceback.

    Raises:
        SystemExit: With code 2; 1 if memory did not suffice, 130 after Ctrl-C.
    """
    try:
        yield
    except MemoryError as error:
        _fail(error, EXIT_FAILED)
    except (ValueError, OSError, ImportError) as error:
        _fail(error, EXIT_FAILED if is_disk_full(error) else EXIT_MISTAKE)
    except RuntimeError as error:
        if is_out_of_memory(error):
            _fail(error, EXIT_FAILED)
        # Imported late, because it brings in an HTTP library.
        from styleflax.weights.fetch import WeightsError  # noqa: PLC0415

        if not isinstance(error, WeightsError):
            raise
        _fail(error)
    except KeyboardInterrupt:
        print("styleflax: interrupted", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)


def _fail(error: BaseException, code: int = EXIT_MISTAKE) -> NoReturn:
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    print(f"styleflax: {describe_error(error)}", file=sys.stderr)
    sys.exit(code)
