r"""Many styles in one network (Dumoulin et al. 2017), small: runs everywhere.

    python train.py --config=configs/cin.py:PAINTINGS --workdir=runs/cin \
        --config.data.content=image_folder:PHOTOS
    styleflax weights export runs/cin -o cin.safetensors
    styleflax stylize photo.jpg --weights cin.safetensors --style wave -o out.png
    styleflax style train new.jpg --weights cin.safetensors -o new.style

PAINTINGS is a folder; each of its pictures is a style, called like its file. The
encoder that judges is that of the packaged `sanet`, which reaches relu4_3. The
paper's networks have all channels (`--config.options.width=1.0`) and were trained for
40,000 steps of 16 crops of 256 px. Without a folder the styles are procedural ones.
"""

from styleflax.config import CINOptions, Config, Data, Encoder, Phase, Run, Schedule
from styleflax.datasets.sources import picture_files


def get_config(paintings: str = "") -> Config:
    """128 px crops, 500 steps of two: some ten minutes on two CPU cores."""
    source, names = "procedural_art:num_pictures=4,size_px=256,seed=6", list("1234")
    if paintings:
        source = f"pictures:{paintings}"
        names = [path.stem for path in picture_files(paintings)]
    return Config(
        method="cin",
        options=CINOptions(styles=tuple(names), width=0.5, content_layer="relu3_3"),
        encoder=Encoder(weights="sanet"),
        data=Data(style=source, style_px=160),
        phases=(
            Phase(
                steps=500,
                batch_size=2,
                crop_px=128,
                resize_px=256,
                losses={"content": 1.0, "gram": 2.0, "total_variation": 1.0},
                schedule=Schedule("cosine", 2e-3, warmup_steps=20),
            ),
        ),
        run=Run(checkpoint_every_steps=100, sample_every_steps=200),
    )
