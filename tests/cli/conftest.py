"""The command, run within the test's process."""

import pytest
from json_output import check_output

from styleflax.cli.app import run


@pytest.fixture
def command(capsys):
    """`command(*arguments)` -> (exit code, stdout, stderr)."""

    def call(*arguments):
        with pytest.raises(SystemExit) as exit_:
            run([str(argument) for argument in arguments])
        output, error = capsys.readouterr()
        if exit_.value.code != 2:
            check_output([str(argument) for argument in arguments], output)
        return exit_.value.code or 0, output, error

    return call


@pytest.fixture
def refuses(command):
    """`refuses(*arguments)` -> the one line of a mistake."""

    def call(*arguments):
        code, _, error = command(*arguments)
        assert code == 2
        assert error.startswith("styleflax: ")
        assert error.count("\n") == 1
        assert error.endswith("\n")
        return error

    return call


@pytest.fixture
def pictures(write_picture, tmp_path):
    """A folder with photo.png, painting.png and other pictures below."""
    folder = tmp_path / "pictures"
    for seed, name in enumerate(
        ("photo.png", "painting.png", "photos/a.png", "photos/b.jpg", "arts/s.png")
    ):
        write_picture(folder / name, seed=seed)
    return folder


@pytest.fixture
def fake(monkeypatch):
    """A stylizer for the command that costs nothing; see `fake_stylizer`."""
    from fake_stylizer import FakeStylizer

    import styleflax

    stylizer = FakeStylizer()

    def load(weights, *, split_rows=False, tile_px=None):
        stylizer.loads.append(weights)
        return stylizer

    monkeypatch.setattr(styleflax.Stylizer, "load", load)
    return stylizer


@pytest.fixture
def stylize_fake(fake, command, pictures, tmp_path):
    """`stylize(photo, *flags)` with one painting, into the folder out."""

    def call(photo, *flags):
        style = "--style", pictures / "painting.png"
        return command("stylize", photo, *style, "-o", tmp_path / "out", *flags)

    return call
