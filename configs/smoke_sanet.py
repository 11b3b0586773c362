"""SANet in a minute on one CPU core, with no data at all.

python train.py --config=configs/smoke_sanet.py --workdir=runs/smoke_sanet
"""

from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule


def get_config() -> Config:
    """Starts from the bundled weights; small crops, few steps."""
    return Config(
        method="sanet",
        encoder=Encoder(weights="sanet"),
        init_from="sanet",
        data=Data(
            content="sample_photos", style="procedural_art:num_pictures=4,seed=6"
        ),
        phases=(
            Phase(
                steps=20,
                batch_size=2,
                crop_px=48,
                resize_px=96,
                losses={"content": 1.5, "style": 2.0, "identity_pixels": 20.0},
                schedule=Schedule("cosine", 5e-5, warmup_steps=5),
            ),
        ),
        run=Run(checkpoint_every_steps=10, sample_every_steps=10),
    )
