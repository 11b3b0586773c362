import hashlib
import re

import ml_dtypes
import numpy as np
import pytest

from styleflax.files import file_sha256
from styleflax.models.vgg import conv_names
from styleflax.weights.published import formats
from styleflax.weights.published.mapping import read_part, recognize

TORCH_FORMATS = {
    "vgg_normalised": "encoder",
    "torchvision vgg16": "encoder",
    "torchvision vgg19": "encoder",
    "decoder": "decoder",
    "SANet transformer": "transformer",
    formats.TRANSFORMER_NET: "network",
}


def shapes_of(name):
    return {entry.name: entry.shape for entry in formats.find_format(name).entries}


def test_published_networks_have_their_published_numbers_of_values():
    # Counted over the layers that the public repositories list.
    expected = {
        "vgg_normalised": (34, 20_024_396),
        "decoder": (18, 3_505_219),
        "SANet transformer": (18, 4_461_056),
        "torchvision vgg16": (26, 14_714_688),
        "torchvision vgg19": (32, 20_024_384),
    }
    for name, counts in expected.items():
        sizes = [int(np.prod(shape)) for shape in shapes_of(name).values()]
        assert (len(sizes), sum(sizes)) == counts


def test_published_networks_have_their_published_names():
    def positions(name):
        return [key[: -len(".weight")] for key in shapes_of(name) if "weight" in key]

    # Positions of the convolutions in the public code's nn.Sequential.
    text = "0 2 5 9 12 16 19 22 25 29 32 35 38 42 45 48 51"
    assert positions("vgg_normalised") == text.split()
    assert positions("decoder") == ["1", "5", "8", "11", "14", "18", "21", "25", "28"]
    text = "0 2 5 7 10 12 14 17 19 21 24 26 28"
    assert positions("torchvision vgg16") == [f"features.{n}" for n in text.split()]
    text = "0 2 5 7 10 12 14 16 19 21 23 25 28 30 32 34"
    assert positions("torchvision vgg19") == [f"features.{n}" for n in text.split()]
    assert "sanet5_1.out_conv.bias" in shapes_of("SANet transformer")


@pytest.mark.parametrize(("name", "role"), TORCH_FORMATS.items())
@pytest.mark.parametrize(
    ("prefix", "wrappers"),
    [
        ("", ()),
        ("module.", ("state_dict",)),
        ("decoder.", ()),
        ("module.decoder.", ()),
        ("", ("decoder",)),
        ("", ("net",)),
        ("net.", ("model",)),
        ("module.", ("state_dict", "decoder")),
    ],
)
def test_a_format_is_told_by_names_and_shapes(
    tmp_path, write_zip, make_state, name, role, prefix, wrappers
):
    state = {prefix + key: value for key, value in make_state(name).items()}
    for key in reversed(wrappers):
        state = {"epoch": 1, key: state}
    write_zip(tmp_path / "anything", state)
    part = read_part(tmp_path / "anything")
    assert (part.format, part.role) == (name, role)


def test_every_tensor_keeps_its_values_in_this_library_s_layout(
    tmp_path, write_zip, make_state
):
    state = make_state("vgg_normalised")
    write_zip(tmp_path / "v.pth", state)
    params = read_part(tmp_path / "v.pth").params
    assert tuple(params) == ("preprocess", *conv_names("vgg19"))
    kernel = params["preprocess"]["kernel"]
    np.testing.assert_array_equal(kernel[0, 0].T, state["0.weight"][:, :, 0, 0])
    kernel = params["conv2_1"]["kernel"]
    assert kernel.shape == (3, 3, 2, 3)
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), state["9.weight"])
    np.testing.assert_array_equal(params["conv5_4"]["bias"], state["51.bias"])

    state = make_state("SANet transformer")
    write_zip(tmp_path / "t.pth", state)
    params = read_part(tmp_path / "t.pth").params
    assert params.keys() == {"sanet4_1", "sanet5_1", "merge_conv"}
    matrix = params["sanet5_1"]["out_conv"]["kernel"]
    np.testing.assert_array_equal(
        matrix.T, state["sanet5_1.out_conv.weight"][..., 0, 0]
    )
    np.testing.assert_array_equal(
        params["sanet4_1"]["h"]["bias"], state["sanet4_1.h.bias"]
    )

    state = make_state("decoder")
    write_zip(tmp_path / "d.pth", state)
    params = read_part(tmp_path / "d.pth").params
    assert list(params) == list(formats.DECODER_LAYERS)
    np.testing.assert_array_equal(
        params["conv3_1"]["kernel"].transpose(3, 2, 0, 1), state["14.weight"]
    )


@pytest.mark.parametrize("num_convs", [1, 5, 9, 13])
def test_an_encoder_may_end_after_any_convolution(
    tmp_path, write_zip, make_state, num_convs
):
    whole = list(make_state("vgg_normalised").items())
    write_zip(tmp_path / "a.pth", dict(whole[: 2 * num_convs + 2]))
    part = read_part(tmp_path / "a.pth")
    assert tuple(part.params) == ("preprocess", *conv_names("vgg19")[:num_convs])
    assert part.spec.architecture == "vgg19"


def test_an_encoder_cut_where_both_architectures_agree_counts_as_a_vgg16():
    shapes = dict(list(shapes_of("torchvision vgg19").items())[:14])
    assert recognize(shapes, "x").spec.architecture == "vgg16"
    shapes = dict(list(shapes_of("torchvision vgg19").items())[:16])
    assert recognize(shapes, "x").spec.architecture == "vgg19"


def test_the_features_of_torchvision_alone_are_known():
    shapes = shapes_of("torchvision vgg19")
    alone = {name.removeprefix("features."): shape for name, shape in shapes.items()}
    assert recognize(alone, "x").spec == ("vgg19", "torchvision")


def _drop(*names):
    return lambda shapes: [shapes.pop(name) for name in names]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("decoder", _drop("28.weight", "28.bias"), "2 missing: 28.bias, 28.weight"),
        ("decoder", lambda s: s.update({"30.bias": (1,)}), "1 extra: 30.bias"),
        (
            "decoder",
            lambda s: s.update({"1.weight": (512, 512, 3, 3)}),
            "1 misshapen: 1.weight is (512, 512, 3, 3), not (256, 512, 3, 3)",
        ),
        ("vgg_normalised", _drop("5.bias"), "1 missing: 5.bias"),
        ("vgg_normalised", _drop("51.bias"), "1 missing: 51.bias"),
        ("vgg_normalised", _drop("0.weight", "0.bias"), "2 missing: 0.bias, 0.weight"),
        ("SANet transformer", _drop("merge_conv.bias"), "missing: merge_conv.bias"),
        ("torchvision vgg19", _drop("features.0.bias"), "missing: features.0.bias"),
        (
            "torchvision vgg16",
            lambda s: s.update({"head.weight": (10, 512)}),
            "1 extra: head.weight",
        ),
        (
            "Keras vgg19",
            _drop("block2_conv1/kernel"),
            "1 missing: block2_conv1/kernel",
        ),
    ],
)
def test_names_that_do_not_fit_are_listed(name, change, message):
    shapes = shapes_of(name)
    change(shapes)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        recognize(shapes, "file.pth")
    assert f"file.pth, taken for {name} weights" in str(caught.value)


def test_names_are_listed_as_the_file_has_them():
    shapes = {f"module.{name}": shape for name, shape in shapes_of("decoder").items()}
    del shapes["module.8.bias"]
    with pytest.raises(ValueError, match=r"1 missing: module\.8\.bias"):
        recognize(shapes, "x")


def test_batch_normalization_is_named_as_the_reason():
    shapes = shapes_of("torchvision vgg19") | {"features.1.running_mean": (64,)}
    with pytest.raises(ValueError, match="batch normalization"):
        recognize(shapes, "x")


@pytest.mark.parametrize("shapes", [{}, {"conv1.weight": (64, 3, 7, 7)}])
def test_an_unknown_network_lists_what_it_holds_and_what_is_known(shapes):
    held = "conv1.weight .64, 3, 7, 7." if shapes else "no tensors"
    with pytest.raises(ValueError, match=f"it holds {held}; known are vgg_normalised"):
        recognize(shapes, "x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(tmp_path, write_zip, make_state, value):
    state = make_state("decoder")
    state["5.weight"][1, 1, 1, 1] = value
    write_zip(tmp_path / "a.pth", state)
    with pytest.raises(ValueError, match=r"not finite, in 5\.weight"):
        read_part(tmp_path / "a.pth")


def test_values_too_large_for_float32_are_not_finite(tmp_path, write_zip, make_state):
    state = make_state("decoder")
    state["5.bias"] = np.full_like(state["5.bias"], 1e300, np.float64)
    write_zip(tmp_path / "a.pth", state)
    with pytest.raises(ValueError, match=r"not finite, in 5\.bias"):
        read_part(tmp_path / "a.pth")


def test_whole_numbers_are_no_weights(tmp_path, write_zip, make_state):
    state = make_state("decoder")
    state["5.bias"] = np.ones_like(state["5.bias"], np.int64)
    write_zip(tmp_path / "a.pth", state)
    with pytest.raises(ValueError, match=r"not floating-point: 5\.bias \(int64\)"):
        read_part(tmp_path / "a.pth")


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_any_floating_type_becomes_float32(tmp_path, write_zip, make_state, dtype):
    state = {name: x.astype(dtype) for name, x in make_state("decoder").items()}
    write_zip(tmp_path / "a.pth", state)
    bias = read_part(tmp_path / "a.pth").params["conv1_1"]["bias"]
    assert bias.dtype == np.float32
    np.testing.assert_array_equal(bias, state["28.bias"].astype(np.float32))


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no weight file"):
        read_part(tmp_path / "none.pth")
    with pytest.raises(ValueError, match="got the folder"):
        read_part(tmp_path)


def test_a_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_a_decoder_among_other_networks_is_found_by_its_prefix(
    tmp_path, write_zip, make_state
):
    decoder = make_state("decoder")
    state = {f"decoder.{key}": value for key, value in decoder.items()}
    state |= {f"enc_1.{i}.weight": np.ones((2, 3, 3, 3), np.float32) for i in (0, 2)}
    write_zip(tmp_path / "whole.pth", state)
    part = read_part(tmp_path / "whole.pth")
    assert part.role == "decoder"
    kernel = part.params["conv1_1"]["kernel"]
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), decoder["28.weight"])


def test_several_networks_in_one_file_are_named(tmp_path, write_zip, make_state):
    both = {"decoder": make_state("decoder"), "encoder": make_state("vgg_normalised")}
    write_zip(tmp_path / "both.pth", both)
    with pytest.raises(
        ValueError, match=r"holds several networks \(decoder, encoder\)"
    ):
        read_part(tmp_path / "both.pth")


def test_statistics_of_an_instance_norm_and_undone_biases_are_left_out(
    tmp_path, write_zip, make_state
):
    state = make_state(formats.TRANSFORMER_NET)
    assert sum(value.size for value in state.values()) == 1_677_635
    rest = {"in1.running_mean": (32,), "res3.in2.running_var": (128,)}
    rest |= {"conv1.conv2d.bias": (32,), "res5.conv1.conv2d.bias": (128,)}
    extra = {name: np.ones(shape, np.float32) for name, shape in rest.items()}
    write_zip(tmp_path / "mosaic.pth", state | extra)
    part = read_part(tmp_path / "mosaic.pth")
    assert part.role == "network"
    assert part.params["residual3_2_norm"].keys() == {"scale", "bias"}
    assert part.params["conv1"].keys() == {"kernel"}
    assert part.params["conv_out"].keys() == {"kernel", "bias"}


def test_a_part_of_a_transformer_net_lists_what_is_missing():
    shapes = {"conv1.conv2d.weight": (32, 3, 9, 9), "conv1.conv2d.bias": (32,)}
    shapes |= {f"in1.{n}": (32,) for n in ("weight", "bias", "running_mean")}
    with pytest.raises(ValueError, match=r"TransformerNet .* missing") as error:
        recognize(shapes, "mosaic.pth")
    assert "batch" not in str(error.value)
    assert "extra" not in str(error.value)
