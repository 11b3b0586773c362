/**
 * The photo's colors in other ways than by hue, as `styleflax.ops.color` has them: given to the
 * painting before it is looked at (CORAL), or to the result on the whole (CIELAB).
 */
import { ColorMoments, clip, inverse3 } from "./color.js";

const CORAL_EPS = 1e-5;
const LAB_EPS = 1e-2;
const EDGE = 6 / 29;
/** Linear sRGB to CIE XYZ over that of white (D65). */
const TO_XYZ = [
  [0.412453, 0.35758, 0.180423],
  [0.212671, 0.71516, 0.072169],
  [0.019334, 0.119193, 0.950227],
].map((row) => row.map((x) => x / row.reduce((a, b) => a + b)));
const FROM_XYZ = inverse3(TO_XYZ);

/**
 * A painting with the mean and the covariance of other colors.
 * @param {Float32Array} painting (n, 3), 0 to 1
 * @param {import("./color.js").Palette} wanted
 * @returns {Float32Array} the same, cut to 0 to 1
 */
export function alignColors(painting, wanted) {
  const own = new ColorMoments().add(painting).palette();
  const white = power(own.covariance, -0.5);
  const colored = power(wanted.covariance, 0.5);
  const matrix = white.map((row) => [0, 1, 2].map((j) => row.reduce((s, x, k) => s + x * colored[k][j], 0)));
  const made = new Float32Array(painting.length);
  for (let i = 0; i < painting.length; i += 3) {
    const centered = own.mean.map((mean, c) => painting[i + c] - mean);
    for (let j = 0; j < 3; j++) {
      made[i + j] = clip(centered.reduce((sum, x, k) => sum + x * matrix[k][j], wanted.mean[j]));
    }
  }
  return made;
}

/**
 * Gives a picture the photo's mean and deviation of each coordinate of CIELAB, region by region, in
 * place.
 * @param {Float32Array} image (n, 3)
 * @param {Uint8Array} photo (n, 3)
 * @param {Float32Array[] | null} masks share of every region at every pixel
 */
export function matchLab(image, photo, masks) {
  const own = new Float32Array(image.length);
  const target = new Float32Array(image.length);
  for (let i = 0; i < image.length; i += 3) {
    toLab(clip(image[i]), clip(image[i + 1]), clip(image[i + 2]), own, i);
    toLab(photo[i] / 255, photo[i + 1] / 255, photo[i + 2] / 255, target, i);
  }
  const shifts = (masks ?? [null]).map((mask) => {
    const [from, to] = [own, target].map((lab) => new ColorMoments().add(lab, 1, mask).palette());
    const spread = ({ covariance }, c) => Math.max(covariance[c][c], 0) + LAB_EPS;
    const scale = [0, 1, 2].map((c) => Math.sqrt(spread(to, c) / spread(from, c)));
    return { from: from.mean, to: to.mean, scale };
  });
  const rgb = new Float32Array(3);
  for (let p = 0, i = 0; i < image.length; p++, i += 3) {
    image.fill(0, i, i + 3);
    shifts.forEach(({ from, to, scale }, r) => {
      const share = masks ? masks[r][p] : 1;
      if (!share) return;
      toRgb([0, 1, 2].map((c) => (own[i + c] - from[c]) * scale[c] + to[c]), rgb);
      for (let c = 0; c < 3; c++) image[i + c] += share * clip(rgb[c]);
    });
  }
}

function toLab(r, g, b, lab, at) {
  const linear = [r, g, b].map((x) => (x > 0.04045 ? ((x + 0.055) / 1.055) ** 2.4 : x / 12.92));
  const [x, y, z] = TO_XYZ.map((row) => {
    const sum = row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2];
    return sum > EDGE ** 3 ? Math.cbrt(sum) : sum / (3 * EDGE ** 2) + 4 / 29;
  });
  lab[at] = 116 * y - 16;
  lab[at + 1] = 500 * (x - y);
  lab[at + 2] = 200 * (y - z);
}

function toRgb([l, a, b], rgb) {
  const y = (l + 16) / 116;
  const xyz = [y + a / 500, y, y - b / 200].map((f) =>
    f > EDGE ? f ** 3 : 3 * EDGE ** 2 * (f - 4 / 29),
  );
  FROM_XYZ.forEach((row, c) => {
    const linear = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2];
    const size = Math.abs(linear);
    const curve = size > 0.0031308 ? 1.055 * size ** (1 / 2.4) - 0.055 : 12.92 * size;
    rgb[c] = Math.sign(linear) * curve;
  });
}

/** A power of a symmetric matrix of 3 x 3, by Jacobi's rotations; variances are floored a little. */
function power(symmetric, exponent) {
  const m = symmetric.map((row) => [...row]);
  const axes = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 30; sweep++) {
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (!m[p][q]) continue;
      const theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
      const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
      const [cos, sin] = [1 / Math.hypot(t, 1), t / Math.hypot(t, 1)];
      const turn = (a, b) => [cos * a - sin * b, sin * a + cos * b];
      for (const row of m) [row[p], row[q]] = turn(row[p], row[q]);
      for (let k = 0; k < 3; k++) [m[p][k], m[q][k]] = turn(m[p][k], m[q][k]);
      for (const row of axes) [row[p], row[q]] = turn(row[p], row[q]);
    }
  }
  const scales = [0, 1, 2].map((k) => (Math.max(m[k][k], 0) + CORAL_EPS) ** exponent);
  return axes.map((a) => axes.map((b) => scales.reduce((sum, s, k) => sum + s * a[k] * b[k], 0)));
}
