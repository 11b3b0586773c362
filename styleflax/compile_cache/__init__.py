"""Compiled programs that are kept between runs of a command."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.compile_cache.folder import keep_programs, program_folder
    from styleflax.compile_cache.jit import kept_jit
    from styleflax.compile_cache.options import describe_options, tell_compiler

__all__ = [
    "describe_options",
    "keep_programs",
    "kept_jit",
    "program_folder",
    "tell_compiler",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "describe_options": "options",
        "keep_programs": "folder",
        "kept_jit": "jit",
        "program_folder": "folder",
        "tell_compiler": "options",
    },
)
