/**
 * The color step and the photo's own colors, as `styleflax.ops.color_match` and `ops.color` have
 * them.
 *
 * The chroma (I and Q of YIQ) of the result is moved to the mean and the covariance that it has in
 * the painting by the optimal linear map between two Gaussians; luma stays. All that it needs are
 * means and covariances of three numbers.
 *
 * @typedef {{mean: number[], covariance: number[][]}} Palette
 */

const TO_CHROMA = [
  [0.595716, -0.274453, -0.321263],
  [0.211456, -0.522591, 0.311135],
];
const LUMA = [0.299, 0.587, 0.114];
const FROM_CHROMA = inverse3([LUMA, ...TO_CHROMA]).map((row) => row.slice(1));
const MIN_VARIANCE = 1e-7;
const FAINT_VARIANCE = (1 / 255) ** 2;
const LUMA_709 = [0.2126, 0.7152, 0.0722];

/** Sums over pixels, of which means and covariances are made. */
export class ColorMoments {
  constructor() {
    this.weight = 0;
    this.first = [0, 0, 0];
    this.second = [0, 0, 0, 0, 0, 0]; // rr, rg, rb, gg, gb, bb
  }

  /**
   * Counts pixels.
   * @param {ArrayLike<number>} image (n, 3)
   * @param {number} scale factor on its values
   * @param {Float32Array | null} mask weight of every pixel
   */
  add(image, scale = 1, mask = null) {
    let [weight, r1, g1, b1, rr, rg, rb, gg, gb, bb] = Array(10).fill(0);
    for (let p = 0, i = 0; i < image.length; p++, i += 3) {
      const m = mask ? mask[p] : 1;
      if (!m) continue;
      const [r, g, b] = [image[i] * scale, image[i + 1] * scale, image[i + 2] * scale];
      weight += m;
      r1 += m * r;
      g1 += m * g;
      b1 += m * b;
      rr += m * r * r;
      rg += m * r * g;
      rb += m * r * b;
      gg += m * g * g;
      gb += m * g * b;
      bb += m * b * b;
    }
    this.weight += weight;
    [r1, g1, b1].forEach((x, i) => (this.first[i] += x));
    [rr, rg, rb, gg, gb, bb].forEach((x, i) => (this.second[i] += x));
    return this;
  }

  /** @returns {Palette} zeros if nothing was counted */
  palette() {
    const weight = this.weight || 1;
    const mean = this.first.map((x) => x / weight);
    const [rr, rg, rb, gg, gb, bb] = this.second.map((x) => x / weight);
    const second = [
      [rr, rg, rb],
      [rg, gg, gb],
      [rb, gb, bb],
    ];
    return { mean, covariance: second.map((row, i) => row.map((x, j) => x - mean[i] * mean[j])) };
  }
}

/**
 * The palette of a mix of paintings: the mean of their means and covariances.
 * @param {Palette[]} palettes
 * @param {number[]} weights that sum to 1
 * @returns {Palette}
 */
export function mixPalettes(palettes, weights) {
  const mix = (of) => palettes.reduce((sum, palette, s) => sum + weights[s] * of(palette), 0);
  return {
    mean: [0, 1, 2].map((c) => mix((p) => p.mean[c])),
    covariance: [0, 1, 2].map((c) => [0, 1, 2].map((d) => mix((p) => p.covariance[c][d]))),
  };
}

/**
 * `color -> color + matrix color + offset`, which moves chroma and leaves luma.
 * @param {Palette} own of the picture
 * @param {Palette} wanted
 * @param {number} strength 0 leaves all as it is
 */
export function colorMap(own, wanted, strength) {
  const [mean, target] = [chroma(own.mean), chroma(wanted.mean)];
  const transport = mongeMap(chromaCovariance(own.covariance), chromaCovariance(wanted.covariance));
  const change = transport.map((row, i) => row.map((x, j) => strength * (x - (i === j ? 1 : 0))));
  const moved = change.map((row) => row[0] * mean[0] + row[1] * mean[1]);
  const shift = target.map((x, i) => strength * (x - mean[i]) - moved[i]);
  return {
    matrix: FROM_CHROMA.map((from) =>
      [0, 1, 2].map((d) => {
        const column = change.map((row) => row[0] * TO_CHROMA[0][d] + row[1] * TO_CHROMA[1][d]);
        return from[0] * column[0] + from[1] * column[1];
      }),
    ),
    offset: FROM_CHROMA.map((from) => from[0] * shift[0] + from[1] * shift[1]),
  };
}

/**
 * Moves the colors of a picture in place.
 * @param {Float32Array} image (n, 3)
 * @param {{matrix: number[][], offset: number[]}[]} maps one for every region
 * @param {Float32Array[] | null} masks share of every region at every pixel
 */
export function applyColorMaps(image, maps, masks) {
  const flat = maps.map(({ matrix, offset }) => [...matrix.flat(), ...offset]);
  for (let p = 0, i = 0; i < image.length; p++, i += 3) {
    const [r, g, b] = [image[i], image[i + 1], image[i + 2]];
    for (let k = 0; k < flat.length; k++) {
      const share = masks ? masks[k][p] : 1;
      if (!share) continue;
      const m = flat[k];
      image[i] += share * (m[0] * r + m[1] * g + m[2] * b + m[9]);
      image[i + 1] += share * (m[3] * r + m[4] * g + m[5] * b + m[10]);
      image[i + 2] += share * (m[6] * r + m[7] * g + m[8] * b + m[11]);
    }
  }
}

/**
 * Gives a picture the photo's hues in place: light and dark stay, and color is made paler only
 * where it would leave what can be shown.
 * @param {Float32Array} image (n, 3)
 * @param {Uint8Array} photo (n, 3)
 */
export function keepHues(image, photo) {
  const [lr, lg, lb] = LUMA_709;
  for (let i = 0; i < image.length; i += 3) {
    const luma = clip(lr * clip(image[i]) + lg * clip(image[i + 1]) + lb * clip(image[i + 2]));
    const [r, g, b] = [photo[i] / 255, photo[i + 1] / 255, photo[i + 2] / 255];
    const gray = lr * r + lg * g + lb * b;
    const share = Math.min(room(r - gray, luma), room(g - gray, luma), room(b - gray, luma));
    image[i] = luma + share * (r - gray);
    image[i + 1] = luma + share * (g - gray);
    image[i + 2] = luma + share * (b - gray);
  }
}

function room(chroma, luma) {
  const free = chroma > 0 ? 1 - luma : luma;
  const size = Math.abs(chroma);
  return size > free ? free / size : 1;
}

/** A number cut to 0 to 1. */
export function clip(x) {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}

function chroma(color) {
  return TO_CHROMA.map((row) => row[0] * color[0] + row[1] * color[1] + row[2] * color[2]);
}

function chromaCovariance(covariance) {
  const half = TO_CHROMA.map((row) =>
    [0, 1, 2].map((d) => [0, 1, 2].reduce((sum, c) => sum + row[c] * covariance[c][d], 0)),
  );
  return half.map((row) => TO_CHROMA.map((to) => row[0] * to[0] + row[1] * to[1] + row[2] * to[2]));
}

/** The symmetric matrix T with T source T = target, of 2x2 matrices, but for faint variances. */
function mongeMap(source, target) {
  const own = middleAndRadius(source);
  const missing = Math.max(MIN_VARIANCE - (own.middle - own.radius), 0);
  const [a, b, d] = [source[0][0] + missing, source[0][1], source[1][1] + missing];
  const size = a * d - b * b;
  const wanted = withoutFaint(target);
  const [[p, q], [, r]] = wanted.matrix;
  const root = Math.sqrt(wanted.determinant / size);
  const scale = Math.sqrt(Math.max(a * p + 2 * b * q + d * r + 2 * root * size, 0));
  if (scale <= 0) return [[0, 0], [0, 0]];
  const adjugate = [[d, -b], [-b, a]];
  return wanted.matrix.map((row, i) => row.map((x, j) => (x + root * adjugate[i][j]) / scale));
}

/** A covariance with faint variances made fainter, and its determinant. */
function withoutFaint(target) {
  const { middle, radius } = middleAndRadius(target);
  const [first, second] = [middle + radius, middle - radius]
    .map((x) => Math.max(x, 0))
    .map((x) => (x < FAINT_VARIANCE ? x ** 2 / FAINT_VARIANCE : x));
  const slope = (first - second) / (radius > 0 ? 2 * radius : 1);
  const shift = (first + second) / 2 - slope * middle;
  const matrix = target.map((row, i) => row.map((x, j) => slope * x + (i === j ? shift : 0)));
  return { matrix, determinant: first * second };
}

/** The mean of both eigenvalues, and half of their difference. */
function middleAndRadius([[a, b], [, d]]) {
  return { middle: (a + d) / 2, radius: Math.hypot((a - d) / 2, b) };
}

/** The inverse of a matrix of 3 x 3. */
export function inverse3(m) {
  const minor = (i, j) => {
    const [p, q] = [0, 1, 2].filter((k) => k !== i);
    const [s, t] = [0, 1, 2].filter((k) => k !== j);
    return m[p][s] * m[q][t] - m[p][t] * m[q][s];
  };
  const sign = (i, j) => ((i + j) % 2 ? -1 : 1);
  const det = [0, 1, 2].reduce((sum, j) => sum + sign(0, j) * m[0][j] * minor(0, j), 0);
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => (sign(i, j) * minor(j, i)) / det));
}
