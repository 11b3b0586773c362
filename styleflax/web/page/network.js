/**
 * A model's two ONNX files: the encoder, and the transfer with the decoder.
 *
 * @typedef {Record<string, {data: Float32Array, dims: number[]}>} Features by level, (1, c, h, w)
 * @typedef {Record<string, {mean: Float32Array, std: Float32Array}>} Statistics by level
 */
import { fromHalves, toHalves } from "./float16.js";
import { meanStd, mergeMoments, momentsOf, noMoments } from "./moments.js";

/** Stands for a position that is not there in what is attended to. */
const NOWHERE = -1e30;

export class Network {
  /**
   * @param {object} manifest of the export
   * @param {import("./runtime.js").Runtime} runtime
   * @param {{encoder: object, decoder: object}} sessions
   */
  constructor(manifest, runtime, sessions) {
    Object.assign(this, { manifest, runtime, sessions });
  }

  /** @returns {Promise<Network>} of files that were loaded */
  static async open(manifest, runtime, files) {
    const encoder = await runtime.open(files.encoder);
    return new Network(manifest, runtime, { encoder, decoder: await runtime.open(files.decoder) });
  }

  /** Whether a style is the paintings' feature maps, which are attended to. */
  get attends() {
    return this.manifest.style === "features";
  }

  /** Whether what is kept of a painting has 16 bits. */
  get keepsHalves() {
    return this.manifest.style_dtype === "float16";
  }

  get levels() {
    return this.manifest.levels;
  }

  /** Frees what the runtime holds. */
  async close() {
    await Promise.all(Object.values(this.sessions).map((session) => session.release()));
  }

  /**
   * Features of a picture or of a window of it.
   * @param {Float32Array} image (height, width, 3), 0 to 1
   * @returns {Promise<Features>}
   */
  async encode(image, height, width) {
    const feeds = { image: this.#tensor(image, [1, height, width, 3]) };
    const outputs = await this.sessions.encoder.run(feeds);
    return Object.fromEntries(
      this.levels.map(({ name }) => {
        const { data, dims } = outputs[`features.${name}`];
        return [name, { data, dims: [...dims] }];
      }),
    );
  }

  /** Moments of nothing, by level. */
  noMoments(regions) {
    return Object.fromEntries(this.levels.map((l) => [l.name, noMoments(regions, l.channels)]));
  }

  /**
   * Adds the moments of features to a total.
   * @param {Record<string, {data: Float32Array}>} cells regions on every level's grid
   */
  countMoments(total, features, cells, regions) {
    for (const { name, channels } of this.levels) {
      const part = momentsOf(features[name].data, channels, cells[name].data, regions);
      mergeMoments(total[name], part);
    }
  }

  /** @param {"content" | "style"} of @returns {Statistics} */
  statistics(moments, of) {
    const settings = this.manifest.statistics[of];
    return Object.fromEntries(Object.entries(moments).map(([k, m]) => [k, meanStd(m, settings)]));
  }

  /**
   * What the model keeps of a painting: statistics, and where it attends its features, with the
   * digits of style files.
   * @param {Features} features
   */
  styleOf(features) {
    if (this.attends) {
      const kept = mapLevels(features, (map) =>
        this.keepsHalves ? fromHalves(toHalves(positions(map))) : positions(map),
      );
      return this.styleOfPositions(kept, mapLevels(features, ({ dims }) => dims.slice(2)));
    }
    return { statistics: this.#statisticsOf(features) };
  }

  /**
   * The same of features that are in order of positions, (h w, c).
   * @param {Record<string, Float32Array>} features
   * @param {Record<string, number[]>} sides heights and widths of the maps
   * @param {Record<string, Float32Array>} parts how much each position counts; all alike by default
   */
  styleOfPositions(features, sides, parts = {}) {
    const total = this.noMoments(1);
    for (const { name, channels } of this.levels) {
      const planes = transposed(features[name], features[name].length / channels, channels);
      const part = parts[name] ?? new Float32Array(planes.length / channels).fill(1);
      mergeMoments(total[name], momentsOf(planes, channels, part, 1));
    }
    const bias = mapLevels(parts, (part) => part.map((x) => Math.max(Math.log(x), NOWHERE)));
    return { statistics: this.statistics(total, "style"), features, sides, bias };
  }

  /** The photo as a style, of all digits. */
  #itself(features) {
    const flat = mapLevels(features, positions);
    return { statistics: this.#statisticsOf(features), features: flat, bias: {} };
  }

  #statisticsOf(features) {
    const cells = mapLevels(features, ({ data, dims }) => ({
      data: new Float32Array(data.length / dims[1]).fill(1),
    }));
    const total = this.noMoments(1);
    this.countMoments(total, features, cells, 1);
    return this.statistics(total, "style");
  }

  /**
   * The picture that the decoder makes, not clipped; it may be larger than its part of the photo.
   * @param {Features} features of the content
   * @param {Statistics} content
   * @param {object[]} styles as `styleOf` made them
   * @param {number[][]} weights of every style in every region
   * @param {number[]} strength of every region
   * @param {Record<string, {data: Float32Array, rows: number, columns: number}>} cells
   * @returns {Promise<{data: Float32Array, dims: number[]}>}
   */
  async decode(features, content, styles, weights, strength, cells) {
    const regions = strength.length;
    const feeds = {};
    const columns = this.attends ? this.#withPhoto(features, styles, weights, strength) : weights;
    const seen = this.attends ? columns.styles : styles;
    const shares = this.attends ? columns.weights : weights;
    feeds.weights = this.#tensor(Float32Array.from(shares.flat()), [regions, seen.length]);
    if (this.attends) feeds.level_balance = this.#tensor(Float32Array.of(0.5), [1]);
    else feeds.strength = this.#tensor(Float32Array.from(strength), [regions]);
    for (const { name, channels } of this.levels) {
      const { data, dims } = features[name];
      feeds[`features.${name}`] = this.#tensor(data, dims);
      for (const part of ["mean", "std"]) {
        const stacked = concat(seen.map((style) => style.statistics[name][part]));
        feeds[`content.${name}.${part}`] = this.#tensor(content[name][part], [1, regions, channels]);
        feeds[`style.${name}.${part}`] = this.#tensor(stacked, [seen.length, channels]);
      }
      if (this.attends) this.#attended(feeds, name, channels, seen);
    }
    for (const { name } of this.manifest.masks) {
      const { data, rows, columns } = cells[name];
      feeds[`masks.${name}`] = this.#tensor(data, [regions, rows, columns]);
    }
    const wanted = this.sessions.decoder.inputNames;
    const given = Object.fromEntries(wanted.map((name) => [name, feeds[name]]));
    const { image } = await this.sessions.decoder.run(given);
    return { data: image.data, dims: image.dims };
  }

  /** Below strength 1 the photo itself is the last of the styles. */
  #withPhoto(features, styles, weights, strength) {
    if (strength.every((share) => share === 1)) return { styles, weights };
    return {
      styles: [...styles, this.#itself(features)],
      weights: weights.map((row, r) => [...row.map((w) => w * strength[r]), 1 - strength[r]]),
    };
  }

  /** Features of all styles at one level, filled up to the longest. */
  #attended(feeds, name, channels, styles) {
    const lengths = styles.map((style) => style.features[name].length / channels);
    const longest = Math.max(...lengths);
    const data = new Float32Array(styles.length * longest * channels);
    const bias = new Float32Array(styles.length * longest).fill(NOWHERE);
    styles.forEach((style, s) => {
      data.set(style.features[name], s * longest * channels);
      if (style.bias[name]) bias.set(style.bias[name], s * longest);
      else bias.fill(0, s * longest, s * longest + lengths[s]);
    });
    feeds[`style.${name}.features`] = this.#tensor(data, [styles.length, longest, channels]);
    feeds[`style.${name}.bias`] = this.#tensor(bias, [styles.length, longest]);
  }

  #tensor(data, dims) {
    return new this.runtime.ort.Tensor("float32", data, dims);
  }
}

function mapLevels(levels, change) {
  return Object.fromEntries(Object.entries(levels).map(([name, value]) => [name, change(value)]));
}

/** A map (1, c, h, w) as positions (h w, c). */
function positions({ data, dims }) {
  return transposed(data, dims[1], data.length / dims[1]);
}

function transposed(data, rows, columns) {
  const made = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) made[c * rows + r] = data[r * columns + c];
  }
  return made;
}

function concat(arrays) {
  const made = new Float32Array(arrays.reduce((sum, array) => sum + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    made.set(array, at);
    at += array.length;
  }
  return made;
}
