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
    randomize(network)
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
    randomize(network)
    with torch.no_grad():
        network[-1].weight.mul_(0.2)  # pictures about as wide as [0, 1]
    return network


def randomize(network):
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


def normalize(x):
    mean, std = mean_std(x)
    return (x - mean) / std


def adain(content, style):
    mean, std = mean_std(style)
    return normalize(content) * std + mean


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Conv2d(512, 512, 1), nn.Conv2d(512, 512, 1)
        self.h, self.out_conv = nn.Conv2d(512, 512, 1), nn.Conv2d(512, 512, 1)

    def forward(self, content, style):
        query = self.f(normalize(content)).flatten(2)
        key = self.g(normalize(style)).flatten(2)
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
        randomize(self)
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
            mse(normalize(made[layer]), normalize(of_content[layer]))
            for layer in LAYERS[3:]
        ),
        "style_loss": style_loss(made, of_style, LAYERS),
        "identity_pixels_loss": pixels,
        "identity_features_loss": features,
    }


class PaddedConv(nn.Module):
    """A convolution of pytorch/examples: reflected around, its weights in `conv2d`."""

    def __init__(self, ins, outs, size, stride=1, upsample=None):
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(ins, outs, size, stride)

    def forward(self, x):
        if self.upsample:
            x = nn.functional.interpolate(x, scale_factor=self.upsample)
        return self.conv2d(self.reflection_pad(x))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1, self.conv2 = (
            PaddedConv(width, width, 3),
            PaddedConv(width, width, 3),
        )
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.in2 = nn.InstanceNorm2d(width, affine=True)

    def forward(self, x):
        inner = torch.relu(self.in1(self.conv1(x)))
        return x + self.in2(self.conv2(inner))


class TransformerNet(nn.Module):
    """fast_neural_style of pytorch/examples: RGB of [0, 255] in and out."""

    def __init__(self):
        super().__init__()
        self.conv1 = PaddedConv(3, 32, 9)
        self.conv2, self.conv3 = PaddedConv(32, 64, 3, 2), PaddedConv(64, 128, 3, 2)
        for i in range(1, 6):
            setattr(self, f"res{i}", Residual(128))
        self.deconv1 = PaddedConv(128, 64, 3, upsample=2)
        self.deconv2 = PaddedConv(64, 32, 3, upsample=2)
        self.deconv3 = PaddedConv(32, 3, 9)
        for i, width in enumerate((32, 64, 128, 64, 32), 1):
            setattr(self, f"in{i}", nn.InstanceNorm2d(width, affine=True))
        randomize(self)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.InstanceNorm2d):
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0.0, 0.2)
            self.conv1.conv2d.weight.mul_(0.01)  # its inputs reach 255
            self.deconv3.conv2d.weight.mul_(20.0)
            self.deconv3.conv2d.bias.fill_(120.0)

    def forward(self, x):
        layers = (
            (self.conv1, self.in1),
            (self.conv2, self.in2),
            (self.conv3, self.in3),
        )
        for conv, norm in layers:
            x = torch.relu(norm(conv(x)))
        for i in range(1, 6):
            x = getattr(self, f"res{i}")(x)
        for conv, norm in ((self.deconv1, self.in4), (self.deconv2, self.in5)):
            x = torch.relu(norm(conv(x)))
        return self.deconv3(x)
