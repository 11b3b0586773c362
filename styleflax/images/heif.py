"""HEIC and HEIF, the format of many telephones; Pillow reads it with a package more."""

# Major brands of ISO/IEC 23008-12 files that hold pictures coded by HEVC, and the
# two general ones that telephones write before them.
_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
HEAD_BYTES = 12
"""How much of a file's beginning `is_heif` looks at."""


def is_heif(head: bytes) -> bool:
    """Returns whether a file that begins so is one of HEIC's or HEIF's."""
    return head[4:8] == b"ftyp" and head[8:12] in _BRANDS


def register_heif() -> None:
    """Teaches Pillow the format `HEIF`.

    Raises:
        ImportError: pillow-heif is not installed; the message names the extra.
    """
    try:
        import pillow_heif  # noqa: PLC0415  (only who reads HEIC has it)
    except ImportError:
        raise ImportError(
            'HEIC needs pillow-heif: pip install "styleflax[heif]"'
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)
