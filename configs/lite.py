r"""The small network of its own encoder and decoder, for arbitrary styles in real time.

    python train.py --config=configs/lite.py --workdir=runs/lite \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

It learns to reproduce pictures first, which needs no judge and takes minutes; then
styles, on crops that grow. VGG-16 judges as torchvision has it (extra `eval`): only
Gram matrices relative to the style's and normalized features are compared, for which
the scale of its filters does not count.
"""

from styleflax.config import Config, Data, Encoder, Optimizer, Phase, Schedule

LOSSES = {
    "content": 2.0,
    "gram": 2.0,
    "identity": 10.0,
    "total_variation": 2.0,
    "out_of_range": 100.0,
}


def get_config(which: str = "1-3") -> Config:
    """Crops of 128 px, then of 192 px.

    Args:
        which: Numbers of the first and the last phase, 1 to 3.
    """
    first, _, last = which.partition("-")
    phases = _phases()[int(first) - 1 : int(last or first)]
    return Config(
        method="lite",
        encoder=Encoder(weights="vgg16", statistic="none"),
        data=Data(content="sample_photos", style="procedural_art"),
        phases=phases,
        optimizer=Optimizer(ema=0.998),
    )


def _phases() -> tuple[Phase, ...]:
    return (
        Phase(
            steps=150,
            batch_size=8,
            crop_px=128,
            resize_px=320,
            losses={"identity": 10.0},
            schedule=Schedule("cosine", 2e-3, warmup_steps=50),
        ),
        _phase(steps=900, batch_size=4, crop_px=128, rate=1e-3),
        _phase(steps=200, batch_size=2, crop_px=192, rate=3e-4),
    )


def _phase(steps: int, batch_size: int, crop_px: int, rate: float) -> Phase:
    return Phase(
        steps=steps,
        batch_size=batch_size,
        crop_px=crop_px,
        resize_px=384,
        losses=dict(LOSSES),
        schedule=Schedule("cosine", rate, warmup_steps=50),
    )
