r"""The small network of its own encoder and decoder, for arbitrary styles in real time.

    python train.py --config=configs/lite.py --workdir=runs/lite \
        --config.data.content=image_folder:PHOTOS \
        --config.data.style=image_folder:PAINTINGS

VGG-16 judges as torchvision has it (extra `eval`): only Gram matrices relative to the
style's and normalized features are compared, for which the scale of its filters does
not count. Without the term `grid`, stripes of 4 px grew from step 2,000 on and were in
81 % of the pictures at step 3,000; then, without `spectrum`, ripples of 3.2 px. With
`spectrum` alone the stripes came back within 500 steps; with a `grid` of 4 px, rings of
8 px grew in flat areas. The network begins with random
weights: one that had learned to reproduce pictures first kept the photograph for 600
steps and more.
"""

from styleflax.config import Config, Data, Encoder, Optimizer, Phase, Schedule

LOSSES = {
    "content": 1.0,
    "gram": 4.0,
    "total_variation": 2.0,
    "out_of_range": 100.0,
    "grid": 5_000.0,
    "spectrum": 5.0,
}
MORE_STYLE = {**LOSSES, "content": 0.6}
WITH_IDENTITY = {**MORE_STYLE, "identity": 10.0}


def get_config(which: str = "1-4") -> Config:
    """Crops of 128 px, later with less weight on the content, then of 192 and 256 px.

    Args:
        which: Numbers of the first and the last phase, 1 to 4.
    """
    first, _, last = which.partition("-")
    phases = (
        _phase(4_500, 128, 4, LOSSES, 1e-3),
        _phase(1_500, 128, 4, MORE_STYLE, 5e-4),
        _phase(1_000, 192, 2, WITH_IDENTITY, 4e-4),
        _phase(300, 256, 2, WITH_IDENTITY, 2e-4),
    )
    return Config(
        method="lite",
        encoder=Encoder(weights="vgg16", statistic="none"),
        data=Data(content="sample_photos", style="procedural_art"),
        phases=phases[int(first) - 1 : int(last or first)],
        optimizer=Optimizer(ema=0.998),
    )


def _phase(
    steps: int, crop_px: int, batch_size: int, losses: dict[str, float], rate: float
) -> Phase:
    return Phase(
        steps=steps,
        batch_size=batch_size,
        crop_px=crop_px,
        resize_px=max(384, 2 * crop_px),
        losses=dict(losses),
        schedule=Schedule("cosine", rate, warmup_steps=50),
    )
