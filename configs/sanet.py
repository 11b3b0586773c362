r"""SANet with a VGG-16 encoder, from AdaIN's weights: runs everywhere.

    python train.py --config=configs/sanet.py --workdir=runs/sanet \
        --config.init_from=adain \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

The decoder begins as AdaIN's and the encoder is AdaIN's, made deeper by the layers of
the packaged `sanet`; the attention begins where content and style are alike
(`models.sanet.likeness_params`). `configs/sanet_vgg19.py` has the published losses.
"""

from styleflax.config import Config, Data, Encoder, Phase, Schedule


def get_config() -> Config:
    """112 px crops, 900 steps; the paper's terms, balanced for a short training."""
    return Config(
        method="sanet",
        encoder=Encoder(weights="sanet"),
        data=Data(content="sample_photos", style="procedural_art"),
        phases=(
            Phase(
                steps=900,
                batch_size=4,
                crop_px=112,
                resize_px=352,
                losses={
                    "content": 1.5,
                    "style": 2.0,
                    "gram": 6.0,
                    "identity_pixels": 20.0,
                    "identity_features": 0.25,
                },
                schedule=Schedule("cosine", 8e-5, warmup_steps=150),
            ),
        ),
    )
