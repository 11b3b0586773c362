"""Cards of the packaged weights in the format of the Hugging Face Hub."""

import re
from pathlib import Path

import pytest
import yaml

from styleflax.weights.store import load_model, packaged_models

ROOT = Path(__file__).parents[2]
CARDS = ROOT / "docs" / "model_cards"
NAMES = sorted(packaged_models())

pytestmark = pytest.mark.skipif(
    not (ROOT / "MODEL_CARD.md").is_file(), reason="needs a checkout"
)


def read(name):
    path = CARDS / f"{name}.md"
    assert path.is_file(), f"docs/model_cards lacks the card of the weights {name}"
    _, front, text = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), text


@pytest.mark.parametrize("name", NAMES)
def test_cards_have_the_fields_that_the_hub_reads(name):
    fields, text = read(name)
    assert fields["library_name"] == "styleflax"
    assert fields["pipeline_tag"] == "image-to-image"
    assert fields["license"] == "other"
    assert (ROOT / fields["license_link"]).is_file()
    assert {"style-transfer", load_model(packaged_models()[name]).method} <= {
        *fields["tags"]
    }
    assert f'Stylizer.load("{name}")' in text
    for heading in ("Use", "Training", "Evaluation", "Known failures", "Terms"):
        assert f"\n## {heading}\n" in text


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_cards_are_those_of_the_projects_card(name):
    known = (ROOT / "MODEL_CARD.md").read_text("utf-8")
    _, text = read(name)
    numbers = re.findall(r"\d+\.\d+ \(\d\.\d+ to \d\.\d+|\d[\d.,]* (?:MB|dB|%)", text)
    measured = [number for number in numbers if not number.startswith("95 ")]
    assert len(measured) >= 7
    for number in measured:
        value, unit = number.rsplit(" ", 1)
        assert number in known or value in known, f"{value} {unit}"


@pytest.mark.parametrize("name", NAMES)
def test_the_hubs_own_client_reads_the_cards(name):
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard.load(CARDS / f"{name}.md")
    assert card.data.library_name == "styleflax"
