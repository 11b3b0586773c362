r"""One style by the losses and the schedule of Ulyanov et al.'s improved texture nets.

    pip install "styleflax[h5]"
    styleflax weights convert vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 \
        -o caffe_vgg19.safetensors
    python train.py --config=configs/ulyanov_published.py:PAINTING.jpg \
        --workdir=runs/ulyanov --config.data.content=image_folder:PHOTOS

Numbers as pystiche's replication has them for the authors' program with instance
normalization (ulyanov_et_al_2016, `_loss.py` and `_utils.py`; steps and decay from its
table): Caffe's VGG-19, relu4_2 for content, Gram matrices divided by c h w at relu1_1
to relu4_1, each weight 1, batches of one, 50,000 steps, the rate times 0.8 after every
2,000. The network is Johnson et al.'s with instance normalization, not the pyramid of
texture nets. For a GPU.

Not as there: the encoder pads by reflection where Caffe's pads with zeros; the style is
the painting's middle square at 256 px, where the program sees the whole of it; and
photographs are brought to a short side of 480 px, about that of most in COCO, where the
program cuts 256 px out of them as they are.
"""

from styleflax.config import Config, Phase, Schedule
from styleflax.presets import gram_losses, one_painting

CHANNELS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512}


def get_config(painting: str = "") -> Config:
    """256 px crops, 50,000 steps of one from a rate of 1e-3."""
    phase = Phase(
        steps=50_000,
        batch_size=1,
        crop_px=256,
        resize_px=480,
        losses={"content": 1.0, **gram_losses(CHANNELS, 1.0)},
        schedule=Schedule("steps", 1e-3, decay=0.8, every_steps=2_000),
    )
    layers = {"content_layer": "relu4_2", "style_layers": tuple(CHANNELS)}
    return one_painting(painting, "caffe_vgg19.safetensors", phase, **layers)
