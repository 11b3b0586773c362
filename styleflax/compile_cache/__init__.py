"""Compiled programs that are kept between runs of a command."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.compile_cache.folder import keep_programs, program_folder
    from styleflax.compile_cache.jit import cached_jit
    from styleflax.compile_cache.options import describe_options, set_compiler_options

__all__ = [
    "cached_jit",
    "describe_options",
    "keep_programs",
    "program_folder",
    "set_compiler_options",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "describe_options": "options",
        "keep_programs": "folder",
        "cached_jit": "jit",
        "program_folder": "folder",
        "set_compiler_options": "options",
    },
)
