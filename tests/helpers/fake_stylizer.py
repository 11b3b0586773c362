"""A stylizer that costs nothing, for tests of what is around it."""

import numpy as np

from styleflax.inference.contents import Stylized


class FakeStylizer:
    """Inverts the photographs; knows what styles it was given."""

    num_devices = 1

    def __init__(self):
        self.styles, self.masks, self.loads = [], [], []

    def check_plan(self, plan):
        pass

    def expect(self, num_sizes):
        self.num_sizes = num_sizes

    def watch(self, announce, on_window, on_step):
        pass

    def prepare_style(self, style, color, size, mask, *, refine=False):
        self.styles.append(style)
        self.refined = refine
        self.masks.append(mask)
        return {}

    def read_styles(self, styles, plan, masks):
        looks, refine = (plan.color, plan.style_size), plan.refine > 0
        return [
            self.prepare_style(style, *looks, mask, refine=refine)
            for style, mask in zip(styles, masks, strict=True)
        ]

    def run(self, plan, styles, pictures):
        self.plan, size = plan, plan.size
        made = 1 - np.stack([x.rgb_u8 for x in pictures]) / np.float32(255)
        made = made if size is None else made[:, :size, :size]
        return Stylized(made)
