"""The published networks in PyTorch, under the names of the published weights.

Written from their lists of layers (pytorch-AdaIN's net.py, SANET's Eval.py), with
random weights. One thing differs: where relu4_1 has an odd side, SANet's doubled
relu5_1 is cut to it, where the public code fails.
"""

import torch
from torch import nn

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
ENDS = (4, 11, 18, 31, 44)
"""Children of the encoder up to each of the layers."""


def conv(ins, outs):
    return [nn.ReflectionPad2d(1), nn.Conv2d(ins, outs, 3), nn.ReLU()]


def make_encoder():
    """vgg_normalised: 53 children, of which 17 have weights."""
    children = [nn.Conv2d(3, 3, 1)]
    ins = 3
    for block, (depth, outs) in enumerate(
        zip((2, 2, 4, 4, 4), (64, 128, 256, 512, 512), strict=True)
    ):
        if block:
            children.append(nn.MaxPool2d(2, 2, 0, ceil_mode=True))
        for _ in range(depth):
            children += conv(ins, outs)
            ins = outs
    network = nn.Sequential(*children)
    randomise(network)
    with torch.no_grad():
        network[0].weight.copy_(255.0 * torch.eye(3).flip(0)[:, :, None, None])
        network[0].bias.copy_(-torch.tensor([103.939, 116.779, 123.68]))
        network[2].weight.mul_(0.01)  # its inputs reach 150
    return network.requires_grad_(False)


def make_decoder():
    """29 children, of which 9 have weights."""
    children = conv(512, 256)
    children.append(nn.Upsample(scale_factor=2, mode="nearest"))
    for _ in range(3):
        children += conv(256, 256)
    children += [*conv(256, 128), nn.Upsample(scale_factor=2, mode="nearest")]
    children += [*conv(128, 128), *conv(128, 64)]
    children.append(nn.Upsample(scale_factor=2, mode="nearest"))
    children += [*conv(64, 64), *conv(64, 3)[:2]]
    network = nn.Sequential(*children)
    randomise(network)
    with torch.no_grad():
        network[-1].weight.mul_(0.2)  # pictures about as wide as [0, 1]
    return network


def randomise(network):
    """Weights that keep the size of activations, as trained ones do."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0.0, (2 / fan_in) ** 0.5)
                module.bias.normal_(0.0, 0.1)


def mean_std(x, eps=1e-5):
    flat = x.flatten(2)
    std = (flat.var(dim=2) + eps).sqrt()  # unbiased
    return flat.mean(dim=2)[..., None, None], std[..., None, None]


def normalise(x):
    mean, std = mean_std(x)
    return (x - mean) / std


def adain(content, style):
    mean, std = mean_std(style)
    return normalise(content) * std + mean


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Conv2d(512, 512, 1), nn.Conv2d(512, 512, 1)
        self.h, self.out_conv = nn.Conv2d(512, 512, 1), nn.Conv2d(512, 512, 1)

    def forward(self, content, style):
        query = self.f(normalise(content)).flatten(2)
        key = self.g(normalise(style)).flatten(2)
        scores = torch.softmax(query.transpose(1, 2) @ key, dim=-1)
        found = self.h(style).flatten(2) @ scores.transpose(1, 2)
        return self.out_conv(found.reshape(content.shape)) + content


class Transform(nn.Module):
    """SANet's `transformer_iter_*.pth`."""

    def __init__(self):
        super().__init__()
        self.sanet4_1, self.sanet5_1 = Attention(), Attention()
        self.merge_conv_pad = nn.ReflectionPad2d(1)
        self.merge_conv = nn.Conv2d(512, 512, 3)
        randomise(self)
        with torch.no_grad():
            for block in (self.sanet4_1, self.sanet5_1):
                for layer in (block.f, block.g):
                    layer.weight.mul_(0.2)  # scores of a few units

    def forward(self, content, style):
        shallow = self.sanet4_1(content["relu4_1"], style["relu4_1"])
        deep = self.sanet5_1(content["relu5_1"], style["relu5_1"])
        doubled = nn.functional.interpolate(deep, scale_factor=2, mode="nearest")
        doubled = doubled[:, :, : shallow.shape[2], : shallow.shape[3]]
        return self.merge_conv(self.merge_conv_pad(shallow + doubled))


def encode(encoder, images):
    """Features by layer of pictures (b, 3, h, w)."""
    features, start = {}, 0
    for layer, end in zip(LAYERS, ENDS, strict=True):
        images = encoder[start:end](images)
        features[layer] = images
        start = end
    return features


def adain_losses(encoder, decoder, content, style):
    """Content and style term of pytorch-AdaIN's training."""
    of_style = encode(encoder, style)
    target = adain(encode(encoder, content)["relu4_1"], of_style["relu4_1"])
    made = encode(encoder, decoder(target))
    mse = nn.functional.mse_loss
    return {
        "content_loss": mse(made["relu4_1"], target),
        "style_loss": style_loss(made, of_style, LAYERS[:4]),
    }


def style_loss(made, style, layers):
    return sum(
        nn.functional.mse_loss(a, b)
        for layer in layers
        for a, b in zip(mean_std(made[layer]), mean_std(style[layer]), strict=True)
    )


def sanet_losses(encoder, decoder, transform, content, style):
    """The four terms of SANET's training."""
    mse = nn.functional.mse_loss
    of_content, of_style = encode(encoder, content), encode(encoder, style)
    made = encode(encoder, decoder(transform(of_content, of_style)))
    pixels = features = 0.0
    for pictures, before in ((content, of_content), (style, of_style)):
        again = decoder(transform(before, before))
        after = encode(encoder, again)
        pixels += mse(again, pictures)
        features += sum(mse(after[layer], before[layer]) for layer in LAYERS)
    return {
        "content_loss": sum(
            mse(normalise(made[layer]), normalise(of_content[layer]))
            for layer in LAYERS[3:]
        ),
        "style_loss": style_loss(made, of_style, LAYERS),
        "identity_pixels_loss": pixels,
        "identity_features_loss": features,
    }
