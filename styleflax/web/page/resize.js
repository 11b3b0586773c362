/**
 * Bicubic resizing with the filter widened where a picture is shrunk, in two passes of 8 bits, as
 * Pillow does it and so the library.
 */

/** The two sides that a picture gets whose short side is to have `size` px. */
export function withShortSide(height, width, size) {
  const scale = size / Math.min(height, width);
  return [height, width].map((side) => Math.max(1, roundHalfEven(side * scale)));
}

/**
 * A picture of another size.
 * @param {Uint8Array} image (height, width, 3)
 * @returns {Uint8Array} (newHeight, newWidth, 3)
 */
export function resize(image, height, width, newHeight, newWidth) {
  let made = image;
  if (newWidth !== width) {
    made = new Uint8Array(height * newWidth * 3);
    const taps = tapsOf(width, newWidth);
    for (let y = 0; y < height; y++) {
      along(image, made, taps, y * width * 3, 3, y * newWidth * 3, 3);
    }
  }
  if (newHeight === height) return made;
  const taps = tapsOf(height, newHeight);
  const stride = newWidth * 3;
  const result = new Uint8Array(newHeight * stride);
  for (let x = 0; x < newWidth; x++) along(made, result, taps, x * 3, stride, x * 3, stride);
  return result;
}

function along(from, to, taps, source, sourceStep, target, targetStep) {
  for (let i = 0; i < taps.length; i++) {
    const { first, weights } = taps[i];
    let [r, g, b] = [0, 0, 0];
    for (let k = 0, at = source + first * sourceStep; k < weights.length; k++, at += sourceStep) {
      r += weights[k] * from[at];
      g += weights[k] * from[at + 1];
      b += weights[k] * from[at + 2];
    }
    const at = target + i * targetStep;
    to[at] = toByte(r);
    to[at + 1] = toByte(g);
    to[at + 2] = toByte(b);
  }
}

function tapsOf(size, newSize) {
  const scale = size / newSize;
  const widened = Math.max(scale, 1);
  const support = 2 * widened;
  return Array.from({ length: newSize }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - support + 0.5));
    const last = Math.min(size, Math.floor(center + support + 0.5));
    const raw = Array.from({ length: last - first }, (_, k) =>
      bicubic((k + first - center + 0.5) / widened),
    );
    const total = raw.reduce((a, b) => a + b, 0);
    return { first, weights: Float64Array.from(raw, (x) => x / total) };
  });
}

function bicubic(x) {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

function toByte(x) {
  return x <= 0 ? 0 : x >= 255 ? 255 : Math.floor(x + 0.5);
}

function roundHalfEven(x) {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 ? floor + 1 : floor;
}
