"""SANet once more, in NumPy float64, sharing nothing with the library."""

import numpy as np
import numpy_adain
from numpy_adain import conv3x3, mean_std

VGG16_TO_RELU5_1 = (
    *numpy_adain.VGG16_TO_RELU4_1,
    "conv4_2",
    "conv4_3",
    "pool",
    "conv5_1",
)
ENCODER_WIDTHS = numpy_adain.ENCODER_WIDTHS
CHANNELS = ENCODER_WIDTHS[4]
ATTENDED = ("relu4_1", "relu5_1")
LAYERS = ("relu1_1", "relu2_1", "relu3_1", *ATTENDED)


def random_encoder(seed=0):
    return numpy_adain.random_network(VGG16_TO_RELU5_1, ENCODER_WIDTHS, 3, seed)


def random_transform(seed=5, channels=CHANNELS):
    rng = np.random.default_rng(seed)

    def layer(*shape, deviation):
        return {
            "kernel": rng.normal(0, deviation, shape).astype("f4"),
            "bias": rng.normal(0, 0.3, shape[-1]).astype("f4"),
        }

    of_block = ("f", "g", "h", "out_conv")
    square = (channels, channels)
    deviation = channels**-0.5
    params = {
        block: {name: layer(*square, deviation=deviation) for name in of_block}
        for block in ("sanet4_1", "sanet5_1")
    }
    params["merge_conv"] = layer(3, 3, *square, deviation=deviation / 3)
    return params


def random_model(seed=5):
    """Transform and narrow decoder in one tree."""
    return {**random_transform(seed), **numpy_adain.random_decoder()}


def encode(params, images):
    return numpy_adain.encode(params, images, VGG16_TO_RELU5_1)


def attention(query, key, value, mask=None, bias=None):
    """Batches (b, n, c), (b or 1, m, c), (b or 1, m, d), one query after another."""
    query, key, value = (np.asarray(x, float) for x in (query, key, value))
    batch, num_queries, _ = query.shape
    full = (batch, num_queries, key.shape[1])
    allowed = np.broadcast_to(True if mask is None else np.asarray(mask), full)
    added = np.broadcast_to(0.0 if bias is None else np.asarray(bias, float), full)
    result = np.zeros((batch, num_queries, value.shape[2]))
    for b in range(batch):
        keys, values = key[b % len(key)], value[b % len(value)]
        for i in range(num_queries):
            scores = keys @ query[b, i] + added[b, i]
            chosen = allowed[b, i] & (scores > -np.inf)
            if chosen.any():
                exponentials = np.exp(scores[chosen] - scores[chosen].max())
                weights = exponentials / exponentials.sum()
                result[b, i] = weights @ values[chosen]
    return result


def project(params, x):
    return x @ np.asarray(params["kernel"], float) + np.asarray(params["bias"], float)


def normalize(x, region=None, ddof=0):
    """By the moments of the positions in `region`, (h, w), or of all."""
    x = np.asarray(x, float)
    if region is None:
        region = np.ones(x.shape[1:3], bool)
    mean, std = (v[:, None, None] for v in mean_std(x[:, region][:, None], ddof))
    return (x - mean) / std


def attend(params, content, style, region=None, ddof=0):
    """What one block adds to its content, at all positions."""
    b, h, w, c = np.shape(content)
    style = np.asarray(style, float)
    query = project(params["f"], normalize(content, region, ddof)).reshape(b, -1, c)
    normalized = normalize(style, None, ddof)
    key = project(params["g"], normalized).reshape(len(style), -1, c)
    value = project(params["h"], style).reshape(len(style), -1, c)
    found = attention(query, key, value)
    return project(params["out_conv"], found).reshape(b, h, w, c)


def attend_both(params, content, style, ddof=0):
    return {
        layer: attend(
            params[layer.replace("relu", "sanet")],
            content[layer],
            style[layer],
            ddof=ddof,
        )
        for layer in ATTENDED
    }


def merge(params, content, attended, level_weights=(1.0, 1.0)):
    """The decoder's input from what both blocks attended to."""
    shallow, deep = (
        np.asarray(content[layer], float) + weight * attended[layer]
        for layer, weight in zip(ATTENDED, level_weights, strict=True)
    )
    _, h, w, _ = shallow.shape
    doubled = deep.repeat(2, axis=1).repeat(2, axis=2)[:, :h, :w]
    return conv3x3(shallow + doubled, **params["merge_conv"])


def mix(parts, shares):
    return {
        layer: sum(
            share * part[layer] for share, part in zip(shares, parts, strict=True)
        )
        for layer in ATTENDED
    }


def transfer(params, content, styles, shares, alpha=1.0, balance=0.5, ddof=0):
    """From features to features; `styles` are features by layer."""
    of_styles = [attend_both(params, content, style, ddof) for style in styles]
    itself = attend_both(params, content, content, ddof)
    mixed = mix([*of_styles, itself], [*(alpha * s for s in shares), 1 - alpha])
    return merge(params, content, mixed, (2 * (1 - balance), 2 * balance))


def stylize(encoder, params, content, styles, shares=(1.0,), **controls):
    """Pictures in a mix of styles, each a picture of any size."""
    features = encode(encoder, content)
    of_styles = [encode(encoder, style) for style in styles]
    merged = transfer(params, features, of_styles, shares, **controls)
    image = numpy_adain.decode(params, merged)
    return image[:, : content.shape[1], : content.shape[2]]


def mse(a, b):
    return ((np.asarray(a, float) - np.asarray(b, float)) ** 2).mean()


def loss_terms(encoder, params, content, style, ddof=0):
    """Every term of the training loss, for a batch."""
    of_content, of_style = encode(encoder, content), encode(encoder, style)

    def put(features, into):
        attended = attend_both(params, features, into, ddof)
        return numpy_adain.decode(params, merge(params, features, attended))

    stylized = put(of_content, of_style)
    made = encode(encoder, stylized)
    style_term = 0.0
    for layer in LAYERS:
        pairs = zip(
            mean_std(made[layer], ddof), mean_std(of_style[layer], ddof), strict=True
        )
        style_term += sum(mse(a, b) for a, b in pairs)
    pixels = features = 0.0
    for pictures, before in ((content, of_content), (style, of_style)):
        again = put(before, before)
        after = encode(encoder, again)
        pixels += mse(again, pictures)
        features += sum(mse(after[layer], before[layer]) for layer in LAYERS)
    return {
        "content_loss": sum(
            mse(normalize(made[k], ddof=ddof), normalize(of_content[k], ddof=ddof))
            for k in ATTENDED
        ),
        "style_loss": style_term,
        "gram_loss": numpy_adain.gram_loss(made, of_style, LAYERS),
        "identity_pixels_loss": pixels,
        "identity_features_loss": features,
        "total_variation_loss": sum(
            (np.diff(stylized, axis=axis) ** 2).mean() for axis in (1, 2)
        ),
        "out_of_range_loss": ((stylized - stylized.clip(0, 1)) ** 2).mean(),
        "grid_loss": 0.0,  # which images of less than 50 px have
        "spectrum_loss": 0.0,  # which images of less than 32 px have
    }
