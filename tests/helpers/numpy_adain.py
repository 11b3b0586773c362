"""AdaIN's network once more, in NumPy float64, sharing nothing with the library.

Layout NHWC; kernels (3, 3, in, out). Networks are lists of layer names, so that a
mistake in the library's tables is not repeated here.
"""

import numpy as np

POOL, UP = "pool", "up"
VGG16_TO_RELU4_1 = (
    "conv1_1",
    "conv1_2",
    "pool",
    "conv2_1",
    "conv2_2",
    "pool",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "pool",
    "conv4_1",
)
VGG19_TO_RELU4_1 = (
    "conv1_1",
    "conv1_2",
    "pool",
    "conv2_1",
    "conv2_2",
    "pool",
    "conv3_1",
    "conv3_2",
    "conv3_3",
    "conv3_4",
    "pool",
    "conv4_1",
)
DECODER = (
    "conv4_1",
    "up",
    "conv3_4",
    "conv3_3",
    "conv3_2",
    "conv3_1",
    "up",
    "conv2_2",
    "conv2_1",
    "up",
    "conv1_2",
    "conv1_1",
)
WIDTH = 1 / 32
"""Width of these networks, as methods have it; no layer has less than 4 channels."""
ENCODER_WIDTHS = (4, 4, 8, 16, 16)
DECODER_WIDTHS = {
    "conv4_1": 8,
    "conv3_4": 8,
    "conv3_3": 8,
    "conv3_2": 8,
    "conv3_1": 4,
    "conv2_2": 4,
    "conv2_1": 4,
    "conv1_2": 4,
    "conv1_1": 3,
}


def random_network(names, widths, channels, seed=0):
    """Random float32 parameters for the convolutions among `names`."""
    rng = np.random.default_rng(seed)
    params = {}
    for name in names:
        if name in (POOL, UP):
            continue
        out = widths[name] if isinstance(widths, dict) else widths[int(name[4]) - 1]
        deviation = np.sqrt(2 / (9 * channels))
        params[name] = {
            "kernel": rng.normal(0, deviation, (3, 3, channels, out)).astype("f4"),
            "bias": rng.normal(0, 0.2, out).astype("f4"),
        }
        channels = out
    return params


def random_encoder(names=VGG16_TO_RELU4_1, seed=0):
    return random_network(names, ENCODER_WIDTHS, 3, seed)


def random_decoder(seed=1):
    return random_network(DECODER, DECODER_WIDTHS, ENCODER_WIDTHS[3], seed)


def random_images(height, width, number=1, seed=2):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(number, height, width, 3)).astype("f4")


def reflected(index, size):
    if size == 1:
        return 0
    index = abs(index)
    return index if index < size else 2 * (size - 1) - index


def conv3x3(x, kernel, bias):
    _, height, width, _ = x.shape
    out = np.zeros((*x.shape[:3], kernel.shape[3])) + np.asarray(bias, float)
    for i in range(3):
        rows = [reflected(r + i - 1, height) for r in range(height)]
        for j in range(3):
            columns = [reflected(c + j - 1, width) for c in range(width)]
            out += x[:, rows][:, :, columns] @ np.asarray(kernel[i, j], float)
    return out


def max_pool_ceil(x):
    b, height, width, c = x.shape
    out = np.empty((b, -(-height // 2), -(-width // 2), c))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            window = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            out[:, i, j] = window.max(axis=(1, 2))
    return out


def torchvision_input(images):
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return (np.asarray(images, float) - mean) / deviation


def encode(params, images, names=VGG16_TO_RELU4_1):
    x, features = torchvision_input(images), {}
    for name in names:
        if name == POOL:
            x = max_pool_ceil(x)
            continue
        x = np.maximum(conv3x3(x, **params[name]), 0)
        features["relu" + name[4:]] = x
    return features


def decode(params, x):
    x = np.asarray(x, float)
    for name in DECODER:
        if name == UP:
            x = x.repeat(2, axis=1).repeat(2, axis=2)
            continue
        x = conv3x3(x, **params[name])
        if name != "conv1_1":
            x = np.maximum(x, 0)
    return x


def mean_std(x, ddof=0, eps=1e-5):
    x = np.asarray(x, float)
    positions = x.reshape(x.shape[0], -1, x.shape[-1])
    mean = positions.sum(axis=1) / positions.shape[1]
    squares = ((positions - mean[:, None]) ** 2).sum(axis=1)
    return mean, np.sqrt(squares / max(positions.shape[1] - ddof, 1) + eps)


def adain(content, style, alpha=1.0, ddof=0, eps=1e-5):
    content = np.asarray(content, float)
    mean, std = (v[:, None, None] for v in mean_std(content, ddof, eps))
    new_mean, new_std = (v[:, None, None] for v in mean_std(style, ddof, eps))
    moved = (content - mean) / std * new_std + new_mean
    return alpha * moved + (1 - alpha) * content


def stylize(encoder, decoder, content, style, alpha=1.0, ddof=0):
    features = [encode(encoder, images)["relu4_1"] for images in (content, style)]
    image = decode(decoder, adain(*features, alpha, ddof))
    return image[:, : content.shape[1], : content.shape[2]]


def pixel_loss(image, target):
    """Squared differences of JPEG's Y, Cb and Cr, by weights 1, 10 and 10."""
    red, green, blue = np.moveaxis(np.asarray(image, float) - np.asarray(target), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = ((blue - luma) / 1.772) ** 2 + ((red - luma) / 1.402) ** 2
    return (luma**2 + 10 * chroma).mean()


def gram_loss(made, style, layers):
    """Relative distances of Gram matrices, summed over layers."""
    total = 0.0
    for layer in layers:
        got, aim = (
            np.einsum("bhwc,bhwd->bcd", x[layer], x[layer])
            / np.prod(x[layer].shape[1:3])
            for x in (made, style)
        )
        apart = np.linalg.norm(got - aim, axis=(1, 2))
        total += (apart / np.linalg.norm(aim, axis=(1, 2))).mean()
    return total


def loss_terms(encoder, decoder, content, style, ddof=0, *, sums_channels=False):
    """Every term of the training loss, for a batch."""
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    of_content, of_style = encode(encoder, content), encode(encoder, style)
    target = adain(of_content["relu4_1"], of_style["relu4_1"], ddof=ddof)
    made = encode(encoder, decode(decoder, target))
    of_made_style = 0.0
    for layer in layers:
        pairs = zip(
            mean_std(made[layer], ddof), mean_std(of_style[layer], ddof), strict=True
        )
        by_channel = sum((a - b) ** 2 for a, b in pairs)
        by_image = by_channel.sum(1) if sums_channels else by_channel.mean(1)
        of_made_style += by_image.mean()
    images = np.concatenate([content, style]).astype(float)
    top, left = (side // 4 for side in images.shape[1:3])  # of sides of 16 n px
    middle = images[:, top:-top, left:-left]
    again, middle_again = (
        decode(decoder, encode(encoder, x)["relu4_1"]) for x in (images, middle)
    )
    seen, wanted = encode(encoder, middle_again), encode(encoder, middle)
    lacking = (((seen[layer] - wanted[layer]) ** 2).mean() for layer in layers)
    stylized = decode(decoder, target)
    steps = (np.diff(stylized, axis=axis) for axis in (1, 2))
    return {
        "content_loss": ((made["relu4_1"] - target) ** 2).mean(),
        "style_loss": of_made_style,
        "gram_loss": gram_loss(made, of_style, layers),
        "pixel_loss": pixel_loss(again, images),
        "identity_loss": pixel_loss(middle_again, middle),
        "identity_features_loss": sum(lacking),
        "total_variation_loss": sum((step**2).mean() for step in steps),
        "out_of_range_loss": ((stylized - stylized.clip(0, 1)) ** 2).mean(),
        "grid_loss": 0.0,  # which images of less than 50 px have
        "spectrum_loss": 0.0,  # which images of less than 32 px have
    }
