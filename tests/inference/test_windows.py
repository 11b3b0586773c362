import numpy as np
import numpy_adain
import numpy_sanet
import pytest

from styleflax.inference.tiles.windows import cut_spans, cut_windows
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Tiling
from styleflax.methods.sanet import make_sanet

TILING = Tiling(stride_px=16, halo_px=48)
DEEPER = ("conv4_2", "conv4_3", "conv4_4", "pool", "conv5_1")


@pytest.mark.parametrize("size", [1, 16, 127, 128, 129, 160, 161, 1000])
def test_cores_are_every_px_once_and_keep_away_from_where_windows_end(size):
    side, halo = 128, 48
    spans = cut_spans(size, side, halo)
    covered = np.concatenate([np.arange(s.begin, s.end) for s in spans])
    np.testing.assert_array_equal(covered, np.arange(size))
    for span in spans:
        assert span.start % 16 == span.begin % 16 == 0
        assert span.begin == 0 or span.begin >= span.start + halo
        assert span.end == size or span.end <= span.start + side - halo
        assert span.end <= span.start + side


def test_a_last_window_may_bring_17_px():
    *_, before, last = cut_spans(128 + 3 * 32 + 17, 128, 48)
    seen_before = before.start + 128
    assert last.end - seen_before == 17


@pytest.mark.parametrize(
    ("size", "number"), [((60, 33), 1), ((256, 20), 1), ((257, 20), 2), ((300, 300), 4)]
)
def test_windows_are_as_many_as_needed(size, number):
    windows = cut_windows(*size, 256, TILING)
    assert {window.side for window in windows} == {256}
    assert len(windows) == number


@pytest.mark.parametrize("tile_px", [250, 96, 0, -16])
def test_a_tile_without_a_core_is_refused(tile_px):
    with pytest.raises(ValueError, match="multiple of 16 and at least 112"):
        cut_windows(100, 100, tile_px, TILING)


def decode_both(params, features):
    """The decoder's picture of relu4_1 and, if there is one, relu5_1."""
    merged = features["relu4_1"]
    if "relu5_1" in features:
        doubled = features["relu5_1"].repeat(2, axis=1).repeat(2, axis=2)
        merged = numpy_adain.conv3x3(merged + doubled, **params["merge_conv"])
    return numpy_adain.decode(params, merged)


@pytest.mark.parametrize(("make", "deeper"), [(make_adain, ()), (make_sanet, DEEPER)])
def test_the_margin_is_what_a_vgg19_and_the_decoder_see(make, deeper):
    halo = make().tiling.halo_px
    names = (*numpy_adain.VGG19_TO_RELU4_1, *deeper)
    encoder = numpy_adain.random_network(names, numpy_sanet.ENCODER_WIDTHS, 3)
    params = numpy_sanet.random_model()
    for layer in (*encoder.values(), *(params[k] for k in numpy_adain.DECODER_WIDTHS)):
        # Then no ReLU hides where anything comes from.
        layer["kernel"] = np.abs(layer["kernel"])
        layer["bias"] = np.abs(layer["bias"])
    params["merge_conv"]["kernel"] = np.abs(params["merge_conv"]["kernel"])
    picture = numpy_adain.random_images(352, 16).astype(float) + 2.0
    changed = picture.copy()
    changed[:, 176:] = 1e30  # wins every pool, and is not lost in rounding
    keep = ("relu4_1", "relu5_1")
    one, other = (
        decode_both(params, {k: v for k, v in features.items() if k in keep})
        for features in (
            numpy_adain.encode(encoder, image, names) for image in (picture, changed)
        )
    )
    reached = np.flatnonzero((one != other).any(axis=(0, 2, 3)))
    above = 176 - reached.min()
    assert halo - 16 < above <= halo
