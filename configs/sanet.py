r"""SANet with a VGG-16 encoder, from AdaIN's weights: runs everywhere.

    python train.py --config=configs/sanet.py --workdir=runs/sanet \
        --config.init_from=adain \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

The decoder begins as AdaIN's and the encoder is AdaIN's, made deeper by the layers of
the packaged `sanet` (where that is not there, `--config.encoder.weights=vgg16` takes
them from the extra `eval`); the attention begins where content and style are alike
(`models.sanet.likeness_params`).
"""

from styleflax.config import Config, Data, Encoder, Phase, Schedule
from styleflax.presets import PRESETS


def get_config() -> Config:
    """128 px crops, 3,000 steps with the losses of the paper's erratum."""
    return Config(
        method="sanet",
        encoder=Encoder(weights="sanet"),
        data=Data(content="sample_photos", style="procedural_art"),
        phases=(
            Phase(
                steps=3_000,
                batch_size=4,
                crop_px=128,
                resize_px=256,
                losses=dict(PRESETS["sanet-public"].losses),
                schedule=Schedule("cosine", 2e-4, warmup_steps=50),
            ),
        ),
    )
