"""A minute or two of AdaIN on one CPU core, with no data at all.

    python train.py --config=configs/smoke.py --workdir=runs/smoke

Photographs come with scikit-image; the paintings are four procedural ones, few
enough for their colors to be learned in so short a time.
"""

from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule


def get_config() -> Config:
    """Small crops, few steps."""
    return Config(
        data=Data(
            content="sample_photos", style="procedural_art:num_pictures=4,seed=6"
        ),
        encoder=Encoder(num_images=16),
        phases=(
            Phase(
                steps=420,
                batch_size=2,
                crop_px=64,
                resize_px=128,
                losses={"pixel": 1.0},
                schedule=Schedule("cosine", 1.5e-3, warmup_steps=10),
            ),
            Phase(
                steps=60,
                batch_size=2,
                crop_px=64,
                resize_px=128,
                losses={"content": 1.0, "style": 2.0, "identity": 20.0},
                schedule=Schedule("cosine", 3e-4, warmup_steps=10),
            ),
        ),
        run=Run(checkpoint_every_steps=100, sample_every_steps=100),
    )
