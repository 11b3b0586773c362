import json

import pytest
from PIL import Image

from styleflax.weights.published.keras_file import dump_arrays
from styleflax.weights.published.mapping import caffe_preprocess
from styleflax.weights.store import load_model, save_model


@pytest.fixture
def keras_path(full_model_file, tmp_path):
    """The encoder of the tests as Keras would save it, named after nothing."""
    arrays = {
        f"block{name[4]}_conv{name[6]}/{leaf}": array
        for name, layer in full_model_file.encoder_params.items()
        for leaf, array in layer.items()
    }
    path = tmp_path / "some.bin"
    path.write_bytes(dump_arrays(arrays))
    return path


def test_an_encoder_becomes_a_model_file_and_an_h5_again(
    command, refuses, keras_path, tmp_path
):
    out = tmp_path / "encoder.safetensors"
    code, output, _ = command("weights", "convert", keras_path, "-o", out)
    assert code == 0
    assert f"{out}: encoder, normalised vgg16 up to conv4_1" in output
    folder = tmp_path / "back"
    arguments = ["weights", "convert", out, "--to", "keras", "-o", folder]
    code, output, _ = command(*arguments)
    assert code == 0
    assert output.startswith(str(folder / "vgg16_notop.h5"))
    assert "is there already" in refuses(*arguments)
    assert "has only an encoder" in refuses(
        *("stylize", keras_path, "--style", keras_path, "-o", tmp_path / "x.png"),
        *("--weights", out),
    )


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_model_file_is_of_the_type_asked_for(command, keras_path, tmp_path, dtype):
    out = tmp_path / "e.safetensors"
    code, _, _ = command("weights", "convert", keras_path, "-o", out, "--dtype", dtype)
    assert code == 0
    bias = load_model(out).encoder_params["preprocess"]["bias"]
    is_exact = bool((bias == caffe_preprocess()["bias"]).all())
    assert is_exact == (dtype == "float32")


def test_mistakes_are_one_line(refuses, keras_path, model_path, tmp_path):
    def error(*arguments):
        return refuses("weights", "convert", *arguments)

    out, folder = tmp_path / "out.safetensors", tmp_path / "folder"
    assert "there is no weight file" in error(tmp_path / "none.pth", "-o", out)
    assert "each hold one encoder" in error(keras_path, model_path, "-o", out)
    assert "must not be one of the files" in error(model_path, "-o", model_path)
    assert "dtype must be one of float16, float32, got 'int8'" in error(
        keras_path, "-o", out, "--dtype", "int8"
    )
    assert "got 'x'" in error(keras_path, "-o", out, "--preset", "x")
    assert (
        "to must be one of model, published, torchvision, keras, got 'onnx'"
        in error(model_path, "-o", out, "--to", "onnx")
    )
    assert "takes one model file, got 2" in error(
        model_path, model_path, "-o", folder, "--to", "published"
    )
    assert "a model file has its own" in error(
        model_path, "-o", folder, "--to", "published", "--preset", "adain-lua"
    )
    assert "its suffix must be one of .safetensors" in error(
        keras_path, "-o", keras_path
    )
    assert "-o must be a folder, got a file's name" in error(
        model_path, "-o", out, "--to", "published"
    )
    assert "must be a folder, got a file" in error(
        keras_path, "-o", keras_path / "m.safetensors"
    )
    assert not out.exists()


def test_a_value_too_large_for_float16_names_the_way_out(refuses, model_file, tmp_path):
    layer = model_file.encoder_params["conv1_1"]
    large = {"kernel": layer["kernel"], "bias": layer["bias"] + 1e5}
    params = {**model_file.encoder_params, "conv1_1": large}
    path, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_model(path, model_file._replace(encoder_params=params), "float32")
    error = refuses("weights", "convert", path, "-o", out)
    assert "too large for float16 (save with dtype float32): encoder/conv1_1" in error


def test_info_says_what_a_file_holds(command, refuses, keras_path, model_path):
    code, output, _ = command("weights", "info", keras_path)
    assert code == 0
    assert json.loads(output) == {
        "format": "Keras vgg16",
        "role": "encoder",
        "tensors": 16,
        "up_to": "conv4_1",
    }
    code, output, _ = command("weights", "info", model_path)
    assert code == 0
    told = json.loads(output)
    assert told["method"] == "adain"
    assert told["encoder"] == "torchvision vgg16 up to conv4_1"
    assert len(told["sha256_of_values"]) == 64
    code, output, _ = command("weights", "info", "adain")
    assert code == 0
    assert json.loads(output)["trained_parts"] == ["model"]
    assert "there is no weight file" in refuses("weights", "info", "none.pth")
    assert "not a PyTorch state dict" in refuses("weights", "info", __file__)


@pytest.mark.parametrize("command_name", ["stylize", "video", "sheet", "dataset"])
def test_published_weights_given_to_weights_are_to_be_converted(
    refuses, pictures, tmp_path, command_name
):
    weights = tmp_path / "decoder.pth"
    weights.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")  # as torch.save's
    clip = tmp_path / "a.gif"
    with Image.open(pictures / "photo.png") as image:
        image.save(clip, save_all=True, append_images=[image.rotate(90)])
    photo = {"video": clip, "dataset": pictures / "photos"}
    style = {"dataset": pictures / "arts"}.get(command_name, pictures / "painting.png")
    out = {"video": "o.gif", "dataset": "o"}.get(command_name, "o.png")
    error = refuses(
        *(command_name, photo.get(command_name, pictures / "photo.png")),
        *("--style", style, "-o", tmp_path / out, "--weights", weights),
    )
    assert "decoder.pth is a PyTorch file, not a model file of styleflax" in error
    assert f"`styleflax weights convert {weights} -o model.safetensors`" in error


def test_a_pointer_of_git_lfs_is_named_by_every_command_of_weights(refuses, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    out = tmp_path / "o.safetensors"
    for arguments in (
        ("info", path),
        ("convert", path, "-o", out),
        ("average", path, path, "-o", out),
        ("fetch", "vgg19", "--from", path),
    ):
        assert "run `git lfs pull`" in refuses("weights", *arguments)
    style = tmp_path / "a.style"
    style.write_bytes(path.read_bytes())
    assert "run `git lfs pull`" in refuses("style", "info", style)
