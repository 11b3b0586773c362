/** Numbers of 16 bits, as style files keep features: IEEE 754 half precision. */

const LARGEST = 65504;
const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/**
 * The nearest halves, ties to even; what is larger than any becomes the largest.
 * @param {Float32Array} values
 * @returns {Uint16Array} their bits
 */
export function toHalves(values) {
  return Uint16Array.from(values, halfOf);
}

function halfOf(value) {
  floats[0] = Math.min(Math.max(value, -LARGEST), LARGEST);
  const sign = (bits[0] >>> 16) & 0x8000;
  const exponent = ((bits[0] >>> 23) & 0xff) - 112;
  const fraction = bits[0] & 0x7fffff;
  if (exponent < -10) return sign;
  // Below the normal numbers the leading 1 is written out.
  const [whole, shift] =
    exponent > 0 ? [(exponent << 23) | fraction, 13] : [fraction | 0x800000, 14 - exponent];
  const half = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (half + Number(rest > middle || (rest === middle && half & 1)));
}

/**
 * The numbers that halves stand for.
 * @param {Uint16Array} halves
 * @returns {Float32Array}
 */
export function fromHalves(halves) {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}
