import pytest


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Random networks of the published kinds in PyTorch, and their files."""
    import torch
    import torch_published

    torch.manual_seed(0)
    networks = {
        "vgg_normalised.pth": torch_published.make_encoder(),
        "decoder.pth": torch_published.make_decoder(),
        "transformer_iter_500000.pth": torch_published.Transform(),
    }
    folder = tmp_path_factory.mktemp("published")
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / name)
    return networks, folder


@pytest.fixture(scope="session")
def files(published):
    """Paths by number: 1 is the encoder, 2 are AdaIN, 3 are SANet."""
    networks, folder = published
    return lambda number: [folder / name for name in list(networks)[:number]]


@pytest.fixture(scope="session")
def converted(files, shared_programs):
    """`converted(number)`: the model file's content, made of so many of the files."""
    from styleflax.weights.published.convert import convert_files

    made = {}

    def convert(number):
        if number not in made:
            made[number] = convert_files(files(number))
        return made[number]

    return convert
