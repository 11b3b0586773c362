"""The `styleflax` command as a whole: its commands, its arguments, its errors."""

import atexit
import gc
import importlib
import logging
import os
import shlex
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Literal, NamedTuple, NoReturn

import typer

import styleflax
from styleflax import cli
from styleflax.cli.options import SWITCHES
from styleflax.compile_cache.folder import keep_programs
from styleflax.files import is_disk_full
from styleflax.memory import describe_error, is_out_of_memory

GARBAGE_THRESHOLD = 50_000
"""Objects made between searches for garbage: importing makes many, and none of it."""

_SUBJECTS = {"stylize": "photo", "sheet": "photo", "video": "video"}
"""What the commands that take several `--style` stylize."""
_MAX_NAMES = 4

Kind = Literal["option", "painting", "follower", "photo"]


def main() -> None:
    """Entry point of the `styleflax` command."""
    cli.started = cli.imported
    gc.set_threshold(GARBAGE_THRESHOLD)
    # Nor at the end, where Python would look through all of it several times.
    atexit.register(gc.freeze)
    keep_programs()
    run()


class _Word(NamedTuple):
    """One argument.

    Attributes:
        text: As given.
        kind: `follower` for a name that stands directly after a painting of `--style`
            or after another follower; `photo` for any other name; `option` for flags
            and their values.
    """

    text: str
    kind: Kind


def spread_styles(arguments: Sequence[str]) -> list[str]:
    """Returns arguments where `--style A B` is `--style A --style B`.

    A shell's `photo.jpg --style paintings/*.jpg` works that way. Names after the first
    painting are paintings only where a photo stands before `--style` or after `--`. A
    single name that may be either is the photo.

    Args:
        arguments: Those after `styleflax`, the command first.

    Raises:
        ValueError: Several names after `--style` can be read in two ways.
    """
    if not arguments or arguments[0] not in _SUBJECTS:
        return list(arguments)
    command, *rest = arguments
    end = rest.index("--") if "--" in rest else len(rest)
    words = list(_words(rest[:end]))
    has_photo = len(rest) > end + 1
    if not has_photo:
        _refuse_two_readings(words, command)
    spread: list[str] = []
    for word in words:
        has_photo |= word.kind == "photo"
        if word.kind == "follower" and has_photo:
            spread.append("--style")
        spread.append(word.text)
    return [command, *spread, *rest[end:]]


def _words(arguments: Sequence[str]) -> Iterator[_Word]:
    waiting: Kind | None = None
    """What the next name is, if it is no photo."""
    for text in arguments:
        if text.startswith("-") and text != "-":
            # As in --size=9 and -oOUT; what follows a switch is no value of it.
            has_value = "=" in text or not (text.startswith("--") or len(text) == 2)
            closed = has_value or text in SWITCHES
            waiting = None if closed else "option"
            if text == "--style":
                waiting = "painting"
            yield _Word(text, "option")
            continue
        yield _Word(text, waiting or "photo")
        waiting = "follower" if waiting in {"painting", "follower"} else None


def _refuse_two_readings(words: Sequence[_Word], command: str) -> None:
    kinds = [word.kind for word in words]
    if "follower" not in kinds:
        return
    first = kinds.index("follower")
    found = [word.text for word in words if word.kind in {"follower", "photo"}]
    names = [shlex.quote(name) for name in found]
    if "photo" in kinds[:first] or len(names) == 1:
        return
    subject = _SUBJECTS[command]
    painting, last = shlex.quote(words[first - 1].text), names[-1]
    others = _shown(names[:-1])
    raise ValueError(
        f"{_shown(names, ' and ')} after --style {painting} may be paintings or "
        f"{subject}s. If only {last} is a {subject}, put it first: styleflax {command} "
        f"{last} --style {painting} {others}. If all of them are {subject}s, put -- "
        f"before them: styleflax {command} --style {painting} -- {others} {last}"
    )


def _shown(names: Sequence[str], last: str = " ") -> str:
    if len(names) > _MAX_NAMES:
        return f"{names[0]} ... {names[-1]}"
    joint = ", " if last != " " else " "
    return last.join(filter(None, [joint.join(names[:-1]), names[-1]]))


def call(command: typer.Typer, arguments: list[str], name: str) -> None:
    """Runs a program; a user's mistake is one line on stderr and exit code 2."""
    with one_line_errors(), _told_warnings():
        try:
            code = command(arguments, prog_name=name, standalone_mode=False)
        except typer.Abort:
            sys.exit(130)
        except Exception as error:
            # Typer's errors are click's in some versions and its own copy of them
            # in others; what they share is this method.
            if not hasattr(error, "format_message"):
                raise
            text = error.format_message()
            if type(error).__name__ == "NoArgsIsHelpError":
                print(text)
                sys.exit(0)
            raise ValueError(" ".join(text.split())) from error
    sys.exit(code or 0)


class _Teller(logging.Handler):
    """Prints warnings of the library, unless another handler does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line on standard error without breaking a progress bar."""
        if any(type(h) is logging.StreamHandler for h in logging.getLogger().handlers):
            return
        from tqdm import tqdm  # noqa: PLC0415  (of rare use)

        text = " ".join(record.getMessage().split())
        tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)


@contextmanager
def _told_warnings() -> Iterator[None]:
    library, teller = logging.getLogger("styleflax"), _Teller(logging.WARNING)
    library.addHandler(teller)
    try:
        yield
    finally:
        library.removeHandler(teller)


_COMMANDS = (
    *("stylize", "video", "gatys", "sheet", "serve", "dataset", "eval", "demo"),
    *("doctor", "train", "style", "weights", "export", "site"),
)
"""Names of the commands, in the order of --help."""

_FUNCTIONS = {"eval": "evaluate.evaluate", "site": "serve.site"}
"""Module and function of commands that differ from their names."""

_GROUPS = ("style", "weights")
"""Commands with subcommands."""


def _make_app(names: Collection[str]) -> typer.Typer:
    """The program with these commands; modules of others are not imported."""
    app = typer.Typer(
        name="styleflax",
        help="Put photos into the style of paintings, with JAX.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name in names:
        if name == "train":
            add = app.command(name, add_help_option=False, context_settings=_ANY)
            add(_train)
            continue
        module_name, _, function = _FUNCTIONS.get(name, f"{name}.{name}").partition(".")
        module = importlib.import_module(f"styleflax.cli.{module_name}")
        if name in _GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, function))
    return app


_ANY = {"allow_extra_args": True, "ignore_unknown_options": True}


def _train(context: typer.Context) -> None:
    """Train a model from a configuration file."""
    from styleflax.cli import train as training  # noqa: PLC0415  (defines absl flags)

    training.main(["styleflax train", *context.args])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"styleflax {styleflax.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    del version


def run(arguments: list[str] | None = None) -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    # Importing all commands takes as long as half of JAX.
    names = [name for name in _COMMANDS if name in given[:1]] or _COMMANDS
    with one_line_errors():
        arguments = spread_styles(given)
    call(_make_app(names), arguments, "styleflax")


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
