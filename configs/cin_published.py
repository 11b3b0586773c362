r"""Many styles in one network by the losses of Dumoulin et al.'s program, as they were.

    pip install "styleflax[h5]"
    styleflax weights convert vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 \
        -o caffe_vgg16.safetensors
    python train.py --config=configs/cin_published.py:PAINTINGS \
        --workdir=runs/published --config.data.content=image_folder:PHOTOS

As in Magenta (image_stylization: train.py, learning.py, vgg.py): Caffe's VGG-16 with
average pooling, content at relu3_3, squared differences of Gram matrices over h w
averaged over their entries, 1e-4 for each of four layers, no total variation, no
clipping. `--config.options.style_coefficients=[1,2,...]` are factors on single styles.
`configs/cin_full.py` has losses that fit the packaged encoder. For a GPU.

Not as in the program: the encoder pads by reflection where its pads with zeros; styles
are the paintings' middle squares at 256 px, where the program takes Gram matrices of
whole paintings at their own size; photographs are cropped anywhere along their longer
side, where the program takes the middle.
"""

from styleflax.config import (
    CINOptions,
    Config,
    Data,
    Encoder,
    Optimizer,
    Phase,
    Schedule,
)
from styleflax.datasets.sources import picture_files


def get_config(paintings: str = "") -> Config:
    """256 px crops, 40,000 steps of sixteen at a constant rate of 1e-3."""
    source, names = "procedural_art:num_pictures=10,size_px=256,seed=6", None
    if paintings:
        source = f"pictures:{paintings}"
        names = [path.stem for path in picture_files(paintings)]
    return Config(
        method="cin",
        options=CINOptions(
            styles=tuple(names or map(str, range(1, 11))),
            style_coefficients=(1.0,) * len(names or range(10)),
            pooling="average",
        ),
        encoder=Encoder(weights="caffe_vgg16.safetensors", statistic="none"),
        data=Data(style=source, style_px=256, flip=False),
        optimizer=Optimizer(clip_norm=0.0),
        phases=(
            Phase(
                steps=40_000,
                batch_size=16,
                crop_px=256,
                resize_px=256,
                losses={"content": 1.0, "gram_squared": 1e-4},
                schedule=Schedule("inverse", 1e-3, decay=0.0),
            ),
        ),
    )
