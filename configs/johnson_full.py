r"""One style in one network, as large and as long as Johnson et al. 2016 had it.

    python train.py --config=configs/johnson_full.py:PAINTING.jpg --workdir=runs/full \
        --config.data.content=image_folder:PHOTOS

Network, crops, batch, steps and Adam's rate are those of the authors' program
(fast-neural-style); `configs/johnson.py` is the small one. The losses are this
library's relative ones, on the packaged VGG-16, as the published weights of the terms
belong to Caffe's VGG-16 on pixels of 0 to 255. For a GPU.
"""

from pathlib import Path

from styleflax.config import Config, Data, Encoder, JohnsonOptions, Phase, Schedule


def get_config(painting: str = "") -> Config:
    """256 px crops, 40,000 steps of four at a constant rate of 1e-3."""
    source = "procedural_art:num_pictures=1,size_px=256,seed=6"
    return Config(
        method="johnson",
        options=JohnsonOptions(styles=(Path(painting).stem or "style",), norm="batch"),
        encoder=Encoder(weights="sanet"),
        data=Data(style=f"pictures:{painting}" if painting else source, style_px=256),
        phases=(
            Phase(
                steps=40_000,
                batch_size=4,
                crop_px=256,
                resize_px=256,
                losses={"content": 1.0, "gram": 2.0, "total_variation": 1.0},
                schedule=Schedule("inverse", 1e-3, decay=0.0),
            ),
        ),
    )
