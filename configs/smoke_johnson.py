"""Johnson's network in a minute on one CPU core, with no data at all.

python train.py --config=configs/smoke_johnson.py --workdir=runs/smoke_johnson
"""

from styleflax.config import Config, Data, Encoder, JohnsonOptions, Phase, Run, Schedule


def get_config() -> Config:
    """An eighth of the channels, small crops, few steps."""
    return Config(
        method="johnson",
        options=JohnsonOptions(styles=("style",), norm="batch", width=0.125),
        encoder=Encoder(weights="sanet"),
        data=Data(
            style="procedural_art:num_pictures=1,size_px=128,seed=6", style_px=64
        ),
        phases=(
            Phase(
                steps=40,
                batch_size=2,
                crop_px=48,
                resize_px=96,
                losses={"content": 1.0, "gram": 2.0},
                schedule=Schedule("cosine", 5e-3),
            ),
        ),
        run=Run(checkpoint_every_steps=20, sample_every_steps=20),
    )
