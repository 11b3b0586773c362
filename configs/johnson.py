r"""One style in one network (Johnson et al. 2016), small: runs everywhere.

    python train.py --config=configs/johnson.py:PAINTING.jpg --workdir=runs/johnson \
        --config.data.content=image_folder:PHOTOS
    styleflax weights export runs/johnson -o painting.safetensors
    styleflax stylize photo.jpg --weights painting.safetensors -o out.png

The encoder that judges is that of the packaged `sanet`, which reaches relu4_3. Half
the channels, instance normalization, mirrored borders, nearest upsampling and a sigmoid
are Ulyanov et al.'s and Dumoulin et al.'s improvements; for the network of the paper:
`--config.options.norm=batch --config.options.width=1.0
--config.options.padding=reflect-start --config.options.upsampling=transposed
--config.options.output=tanh`. The paper's training is 40,000 steps of 4 crops of 256 px
at a constant rate of 1e-3.
Without a painting the style is a procedural one.
"""

from pathlib import Path

from styleflax.config import Config, Data, Encoder, JohnsonOptions, Phase, Run, Schedule


def get_config(painting: str = "") -> Config:
    """128 px crops, 600 steps of two: some ten minutes on two CPU cores."""
    source = "procedural_art:num_pictures=1,size_px=256,seed=6"
    return Config(
        method="johnson",
        options=JohnsonOptions(
            styles=(Path(painting).stem or "style",),
            norm="instance",
            width=0.5,
            padding="mirror",
            upsampling="nearest",
            output="sigmoid",
            content_layer="relu3_3",
        ),
        encoder=Encoder(weights="sanet"),
        data=Data(style=f"pictures:{painting}" if painting else source, style_px=160),
        phases=(
            Phase(
                steps=600,
                batch_size=2,
                crop_px=128,
                resize_px=256,
                losses={"content": 1.0, "gram": 2.0, "total_variation": 1.0},
                schedule=Schedule("cosine", 1e-3, warmup_steps=20),
            ),
        ),
        run=Run(checkpoint_every_steps=100, sample_every_steps=200),
    )
