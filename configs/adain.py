r"""AdaIN with a VGG-16 encoder: runs everywhere, from a laptop's CPU upwards.

    python train.py --config=configs/adain.py --workdir=runs/adain \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

An autoencoder phase first, which makes colours right within hundreds of steps,
then the paper's losses with a pixel identity term that keeps them right. On two
CPU cores an hour and a half, by the measured time of a step; see docs/training.md
for the losses to expect. The encoder is that of the packaged `adain`, a VGG-16 with
scaled filters; `--config.encoder.weights=vgg16` scales torchvision's anew.
"""

from styleflax.config import Config, Data, Phase, Schedule


def get_config() -> Config:
    """128 px crops, 1,500 autoencoder steps and 3,000 style steps."""
    return Config(
        data=Data(content="sample_photos", style="procedural_art"),
        phases=(
            Phase(
                steps=1_500,
                batch_size=2,
                crop_px=128,
                resize_px=192,
                losses={"pixel": 1.0},
                schedule=Schedule("cosine", 1e-3, warmup_steps=50),
            ),
            Phase(
                steps=3_000,
                batch_size=4,
                crop_px=128,
                resize_px=192,
                losses={"content": 1.0, "style": 7.0, "identity": 10.0},
                schedule=Schedule("cosine", 5e-4, warmup_steps=50),
            ),
        ),
    )
