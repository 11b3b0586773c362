r"""One style in one network by the losses of Johnson et al.'s program, as they were.

    pip install "styleflax[h5]"
    styleflax weights convert vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 \
        -o caffe_vgg16.safetensors
    python train.py --config=configs/johnson_published.py:PAINTING.jpg \
        --workdir=runs/published --config.data.content=image_folder:PHOTOS

The encoder is Caffe's VGG-16 on pixels of 0 to 255 (Keras has it), to which these
weights belong: in fast-neural-style (train.lua, StyleLoss.lua, TotalVariation.lua) a
Gram matrix is divided by c h w, its squared differences are averaged over c^2 entries
and weigh 5 a layer; total variation is half a sum over the batch, times 1e-6, which
`VARIATION` is for this batch and crop only. `configs/johnson_full.py` has
losses that fit the packaged encoder. For a GPU.

Not as in the program: the encoder pads by reflection where Caffe's pads with zeros; the
style is the painting's middle square at 256 px, where the program sees the whole of it;
photographs are cropped, where the program squeezes them into 256 x 256 px. `norm` is
the program's default, `instance`, where the paper of 2016 has batch normalization.
"""

from styleflax.config import Config, Phase, Schedule
from styleflax.presets import gram_losses, one_painting

BATCH, CROP_PX = 4, 256
CHANNELS = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512}
# The program's sum over neighbors in [0, 255], as a factor on a mean in [0, 1].
VARIATION = 1e-6 / 2 * 255**2 * BATCH * 3 * (CROP_PX - 1) ** 2


def get_config(painting: str = "") -> Config:
    """256 px crops, 40,000 steps of four at a constant rate of 1e-3."""
    grams = gram_losses(CHANNELS, 5.0)
    phase = Phase(
        steps=40_000,
        batch_size=BATCH,
        crop_px=CROP_PX,
        resize_px=256,
        losses={"content": 1.0, **grams, "total_variation": VARIATION},
        schedule=Schedule("inverse", 1e-3, decay=0.0),
    )
    return one_painting(painting, "caffe_vgg16.safetensors", phase)
