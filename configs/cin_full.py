r"""Many styles in one network, as large and as long as Dumoulin et al. 2017 had it.

    python train.py --config=configs/cin_full.py:PAINTINGS --workdir=runs/full \
        --config.data.content=image_folder:PHOTOS

Network, crops, batch, steps and Adam's rate are those of the authors' program
(Magenta); `configs/cin.py` is the small one. The losses are this library's relative
ones, on the packaged VGG-16. For a GPU.
"""

from styleflax.config import CINOptions, Config, Data, Encoder, Phase, Schedule
from styleflax.datasets.sources import picture_files


def get_config(paintings: str = "") -> Config:
    """256 px crops, 40,000 steps of sixteen at a constant rate of 1e-3."""
    source, names = "procedural_art:num_pictures=10,size_px=256,seed=6", None
    if paintings:
        source = f"pictures:{paintings}"
        names = [path.stem for path in picture_files(paintings)]
    return Config(
        method="cin",
        options=CINOptions(styles=tuple(names or map(str, range(1, 11)))),
        encoder=Encoder(weights="sanet"),
        data=Data(style=source, style_px=256),
        phases=(
            Phase(
                steps=40_000,
                batch_size=16,
                crop_px=256,
                resize_px=256,
                losses={"content": 1.0, "gram": 2.0},
                schedule=Schedule("inverse", 1e-3, decay=0.0),
            ),
        ),
    )
