"""HEIC and AVIF, pictures in the boxes of ISO/IEC 23008-12."""

from PIL import Image as PillowImage

# Brands of pictures that are coded by HEVC, and the two general ones that telephones
# write before them; of pictures coded by AV1.
_HEVC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_AV1_BRANDS = frozenset({b"avif", b"avis"})


def is_heif(head: bytes) -> bool:
    """Returns whether a file that begins so is one of HEIC's or HEIF's."""
    return _major_brand(head) in _HEVC_BRANDS and not is_avif(head)


def is_avif(head: bytes) -> bool:
    """Returns whether a file that begins so is an AVIF picture or sequence."""
    major = _major_brand(head)
    if major not in {b"mif1", b"msf1"}:
        return major in _AV1_BRANDS
    # After the major brand and its version come those that the file agrees with.
    end = min(int.from_bytes(head[:4], "big"), len(head))
    compatible = {head[i : i + 4] for i in range(16, end - 3, 4)}
    return bool(compatible & _AV1_BRANDS)


def _major_brand(head: bytes) -> bytes:
    return head[8:12] if head[4:8] == b"ftyp" else b""


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


def require_avif() -> None:
    """Makes sure that Pillow reads AVIF.

    Raises:
        ImportError: It does not; the message says what to install.
    """
    from PIL import features  # noqa: PLC0415  (of rare use)

    PillowImage.init()
    # Asked only where Pillow knows the name, since it warns of others.
    if "AVIF" not in PillowImage.OPEN or not features.check("avif"):
        raise ImportError(
            "AVIF needs Pillow 11.3 or later with its decoder: "
            'pip install "pillow>=11.3"'
        )
