"""Images: reading, writing, resizing and arranging them."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.images.decoding import ImageError
    from styleflax.images.files import (
        encode_picture,
        load_image_u8,
        resize_short_side,
        save_image,
        write_picture,
    )
    from styleflax.images.grid import image_grid
    from styleflax.images.listing import (
        ExcludedPath,
        held_out_photo,
        list_images,
        training_photos,
    )
    from styleflax.images.read import Picture, read_picture

__all__ = [
    "ExcludedPath",
    "ImageError",
    "Picture",
    "encode_picture",
    "held_out_photo",
    "image_grid",
    "list_images",
    "load_image_u8",
    "read_picture",
    "resize_short_side",
    "save_image",
    "training_photos",
    "write_picture",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ImageError": "decoding",
        "ExcludedPath": "listing",
        "Picture": "read",
        "encode_picture": "files",
        "held_out_photo": "listing",
        "image_grid": "grid",
        "list_images": "listing",
        "load_image_u8": "files",
        "read_picture": "read",
        "resize_short_side": "files",
        "save_image": "files",
        "training_photos": "listing",
        "write_picture": "files",
    },
)
