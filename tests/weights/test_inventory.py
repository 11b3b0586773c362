import pytest

from styleflax.files import file_sha256
from styleflax.weights import inventory, packaged, registry, store
from styleflax.weights.fetch import CACHE_VARIABLE
from styleflax.weights.inventory import list_weights, verify


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty folder for downloads."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path, monkeypatch, model_path):
    """A folder in place of the package's, with one model and its digest."""
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "mine.safetensors").write_bytes(model_path.read_bytes())
    digest = file_sha256(folder / "mine.safetensors")
    (folder / "SHA256SUMS").write_text(f"{digest}  mine.safetensors\n")
    monkeypatch.setattr(store, "FOLDER", folder)
    return folder


def entry(name):
    return next(entry for entry in list_weights() if entry.name == name)


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 64
    path.write_bytes(data)


def test_the_files_in_the_package_are_those_in_its_list():
    # After a change: cd styleflax/weights/files && sha256sum *.safetensors > SHA256SUMS
    names = store.packaged_models()
    assert names.keys() == inventory.read_sums().keys()
    assert [verify(name).problem for name in names] == [""] * len(names)


def test_weights_are_listed_with_what_they_are_and_where(folder, cache, model_path):
    mine = entry("mine")
    assert mine.kind == "model adain"
    assert mine.path == folder / "mine.safetensors"
    assert mine.num_bytes == model_path.stat().st_size
    assert (mine.is_here, mine.state) == (True, "ready")
    vgg19 = entry("vgg19")
    assert (vgg19.source, vgg19.is_here) == ("download", False)
    assert vgg19.path == cache / "vgg19-dcbb9e9d.pth"
    assert "styleflax weights fetch vgg19" in vgg19.state
    assert entry("vgg16").source == entry("alexnet").source == "extra eval"


def test_networks_of_an_extra_that_is_absent_name_it(monkeypatch):
    def raise_missing(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(packaged, "find_packaged_file", raise_missing)
    vgg16 = entry("vgg16")
    assert (vgg16.path, vgg16.is_here) == (None, False)
    assert 'pip install "styleflax[eval]"' in vgg16.state
    with pytest.raises(FileNotFoundError):
        verify("vgg16")


def test_damage_shows_in_list_and_verdict(folder):
    damage(folder / "mine.safetensors")
    assert entry("mine").state.startswith("damaged: ")
    assert not entry("mine").is_here
    assert "SHA-256 is not the recorded one" in verify("mine").problem


def test_a_whole_model_that_is_not_the_listed_one_is_bad(folder, sanet_path):
    (folder / "mine.safetensors").write_bytes(sanet_path.read_bytes())
    assert "SHA256SUMS has" in verify("mine").problem
    (folder / "SHA256SUMS").write_text("")
    assert "SHA256SUMS beside it does not list it" in verify("mine").problem


def test_a_listed_model_that_is_missing_is_bad(folder):
    (folder / "mine.safetensors").unlink()
    assert entry("mine").state == "missing: reinstall styleflax"
    assert verify("mine").problem


def test_downloads_are_checked_against_the_published_digest(cache, monkeypatch):
    cache.mkdir()
    path = cache / "vgg19-dcbb9e9d.pth"
    path.write_bytes(b"weights")
    assert entry("vgg19").state == "ready"
    assert "is not vgg19-dcbb9e9d.pth" in verify("vgg19").problem
    known = registry.DOWNLOADS["vgg19"]._replace(sha256=file_sha256(path))
    monkeypatch.setitem(registry.DOWNLOADS, "vgg19", known)
    assert verify("vgg19") == inventory.Verdict("vgg19", known.sha256, "")


def test_networks_of_the_extra_are_checked(tmp_path, monkeypatch):
    assert verify("alexnet").problem == ""
    other = tmp_path / "alexnet.ckpt"
    other.write_bytes(b"other")
    monkeypatch.setattr(packaged, "find_packaged_file", lambda name: other)
    assert "has the SHA-256" in verify("alexnet").problem


def test_any_model_file_is_checked_by_its_header(tmp_path, model_path):
    assert verify(str(model_path)).problem == ""
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model_path.read_bytes())
    damage(copy)
    assert "is damaged" in verify(str(copy)).problem
    other = tmp_path / "notes.txt"
    other.write_text("text of some length")
    assert "no digest to compare with" in verify(str(other)).problem


def test_what_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(FileNotFoundError, match="nor weights of that name; there are"):
        verify("vgg11")
    with pytest.raises(FileNotFoundError, match="styleflax weights fetch vgg19"):
        verify("vgg19")
