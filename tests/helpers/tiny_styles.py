"""`styleflax dataset` with a method that compiles at once.

    python tiny_styles.py dataset ...

A style is a mean color, and a stylized picture lies halfway between the content
and it. `STOP_AFTER=N` ends the process without any ado after N parts.
"""

import os
import sys
from types import SimpleNamespace

import jax.numpy as jnp

from styleflax.inference.datasets import image_files, job, maker
from styleflax.methods.base import Method, Variables
from styleflax.methods.model import Model

DIGEST = "0" * 64


def tiny_model():
    def encode_style(variables, frozen, style):
        return {"colour": jnp.mean(style["image"], axis=(1, 2))}

    def transfer(variables, frozen, features, moments, styles, controls):
        color = styles[0]["colour"][:, None, None]
        share = 0.5 * controls.strength[0]
        return {"pixels": (1 - share) * features["pixels"] + share * color}

    method = Method(
        init=None,
        losses={},
        encode_style=encode_style,
        encode_content=lambda variables, frozen, image: {"pixels": image},
        moments=lambda features, masks: {},
        transfer=transfer,
        decode=lambda variables, frozen, features: features["pixels"],
        encoder_layers=(),
        tiling=None,
        controls=frozenset({"strength"}),
    )
    return Model(method, Variables({}, {}), {})


def install(patch=setattr):
    """Makes every model file the tiny model."""
    patch(job, "find_model", lambda name: name)
    patch(job, "load_model", lambda name: SimpleNamespace(defaults={}))
    patch(job, "build_model", lambda file: tiny_model())
    patch(job, "model_digest", lambda file: DIGEST)


def stop_after(parts):
    """Ends this process as kill -9 would, when so many parts are on disk."""
    write, done = maker.write_part, []

    def counting(*arguments):
        note = write(*arguments)
        done.append(note)
        if len(done) == parts:
            os._exit(9)
        return note

    maker.write_part = counting
    write_note, notes = image_files.write_note, []

    def counting_notes(*arguments):
        write_note(*arguments)
        notes.append(arguments)
        if len(notes) == parts:
            os._exit(9)

    image_files.write_note = counting_notes


def install_to_stop_once():
    """For Ray's workers: the first to write a part dies of it."""
    install()
    write, flag = maker.write_part, os.environ["STOP_ONCE"]

    def stopping(*arguments):
        note = write(*arguments)
        try:
            os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return note
        os._exit(9)

    maker.write_part = stopping


if __name__ == "__main__":
    from styleflax.cli.app import run

    install()
    if "STOP_AFTER" in os.environ:
        stop_after(int(os.environ["STOP_AFTER"]))
    run(sys.argv[1:])
