/**
 * A photo in styles: whole or through windows in two passes, as `styleflax.inference.tiles` does it.
 *
 * The first pass gathers the statistics of the whole photo, the second transfers and decodes; the
 * color step follows over the pixels of the result. What depends on the photo alone is kept, so that
 * another strength or painting costs no more than the decoder.
 */
import { ColorMoments, applyColorMaps, clip, colorMap, keepHues, mixPalettes } from "./color.js";
import { Cancelled } from "./errors.js";
import { levelCells, windowCells } from "./masks.js";
import { matchLab } from "./recolor.js";
import { cutWindows, wholeWindow } from "./tiles.js";

/** Features and reproductions up to so many numbers are kept, 256 MB each. */
const MAX_KEPT = 64 * 2 ** 20;

/**
 * What depends on a photo at one size and on nothing else but the model.
 */
export class SeenPhoto {
  /**
   * @param {import("./network.js").Network} network
   * @param {Uint8Array} image (height, width, 3)
   */
  constructor(network, image, height, width) {
    Object.assign(this, { network, image, height, width });
    this.windows = network.attends
      ? [wholeWindow(height, width)]
      : cutWindows(height, width, network.manifest);
    const perPixel = network.levels.reduce((sum, l) => sum + l.channels / l.stride ** 2, 0);
    this.keepsFeatures = perPixel * height * width <= MAX_KEPT;
    this.features = new Map();
    this.moments = new Map();
    this.reproduction = null;
  }

  /** Features of a window. */
  async encoded(index) {
    if (this.features.has(index)) return this.features.get(index);
    const { rows, columns } = this.windows[index];
    const [height, width] = [rows.end - rows.start, columns.end - columns.start];
    const part = new Float32Array(height * width * 3);
    for (let y = 0; y < height; y++) {
      const from = ((rows.start + y) * this.width + columns.start) * 3;
      for (let i = 0; i < width * 3; i++) part[y * width * 3 + i] = this.image[from + i] / 255;
    }
    const features = await this.network.encode(part, height, width);
    if (this.keepsFeatures) this.features.set(index, features);
    return features;
  }
}

/**
 * @typedef {object} Look
 * @property {object[]} styles as `Network.styleOf` made them, each with a `palette`
 * @property {number[][]} weights of every style in every region; rows sum to 1
 * @property {number[]} strength of every region
 * @property {import("./masks.js").Laid | null} laid the regions; null is the whole photo
 * @property {string} masksKey the same for the same regions
 * @property {boolean} keepsLast whether the last region keeps the photo's pixels
 * @property {number} colorMatch how far the result's chroma moves to the paintings'
 * @property {number} detail share of lost detail that returns below strength 1
 * @property {"style" | "luminance" | "coral" | "lab"} colors whose the result has; for "coral" the
 *   styles have been given the photo's before
 */

/**
 * The stylized photo.
 * @param {SeenPhoto} seen
 * @param {Look} look
 * @param {{progress: (done: number, total: number) => void, cancelled: () => boolean}} watch
 * @returns {Promise<Uint8Array>} (height, width, 3)
 */
export async function render(seen, look, watch) {
  const { network, height, width, windows } = seen;
  const regions = look.strength.length;
  const counted = regionsOn(network.levels, look.laid, height, width, true);
  const masks = regionsOn(network.manifest.masks, look.laid, height, width, false);
  const passes = seen.moments.has(look.masksKey) ? 1 : 2;
  const total = windows.length * passes;
  let done = 0;
  const step = async () => {
    done += 1;
    watch.progress(done, total);
    if (windows.length > 1) await new Promise((resolve) => setTimeout(resolve));
    if (watch.cancelled()) throw new Cancelled();
  };
  if (passes === 2) {
    const moments = network.noMoments(regions);
    for (let i = 0; i < windows.length; i++) {
      network.countMoments(moments, await seen.encoded(i), counted(windows[i]), regions);
      await step();
    }
    remember(seen.moments, look.masksKey, network.statistics(moments, "content"));
  }
  const content = seen.moments.get(look.masksKey);
  const image = new Float32Array(height * width * 3);
  const decode = async (index, strength) => {
    const features = await seen.encoded(index);
    const cells = masks(windows[index]);
    return network.decode(features, content, look.styles, look.weights, strength, cells);
  };
  const lost = lostDetail(seen, look, decode);
  for (let i = 0; i < windows.length; i++) {
    paste(image, width, windows[i], await decode(i, look.strength));
    await lost.see(i);
    await step();
  }
  lost.addTo(image);
  return finish(image, seen.image, look);
}

/**
 * A function that gives the regions in a window, on each of some grids.
 * @param {{name: string, stride: number, repeat?: number}[]} grids
 * @param {boolean} core whether positions outside the window's core are to be 0
 */
function regionsOn(grids, laid, height, width, core) {
  const whole = grids.map((grid) => [grid, levelCells(laid, height, width, grid)]);
  const regions = laid ? laid.shares.length : 1;
  return (window) =>
    Object.fromEntries(
      whole.map(([grid, cells]) => [grid.name, windowCells(cells, regions, window, grid, core)]),
    );
}

/** Keeps the newest few of a map. */
function remember(map, key, value) {
  map.set(key, value);
  if (map.size > 4) map.delete(map.keys().next().value);
}

/**
 * What the network loses of the photo, which returns below strength 1.
 */
function lostDetail(seen, look, decode) {
  const shares = look.strength.map((strength) => look.detail * Math.max(1 - strength, 0));
  // Where the photo stays, it is put back as it is in the end.
  if (!shares.slice(0, look.keepsLast ? -1 : undefined).some(Boolean)) return { see: async () => {}, addTo: () => {} };
  const size = seen.height * seen.width * 3;
  const known = seen.reproduction;
  const made = known ?? new Float32Array(size);
  const nothing = look.strength.map(() => 0);
  return {
    see: async (index) => {
      if (!known) paste(made, seen.width, seen.windows[index], await decode(index, nothing));
    },
    addTo: (image) => {
      for (let p = 0, i = 0; i < size; p++) {
        let share = shares[0];
        if (look.laid) share = shares.reduce((s, x, r) => s + x * look.laid.shares[r][p], 0);
        for (let c = 0; c < 3; c++, i++) image[i] += share * (seen.image[i] / 255 - made[i]);
      }
      if (size <= MAX_KEPT) seen.reproduction = made;
    },
  };
}

/** Puts the core of a window into the picture. */
function paste(image, width, { rows, columns }, { data, dims }) {
  const stride = dims[2] * 3;
  const [left, length] = [(columns.begin - columns.start) * 3, (columns.stop - columns.begin) * 3];
  for (let y = rows.begin; y < rows.stop; y++) {
    const from = (y - rows.start) * stride + left;
    image.set(data.subarray(from, from + length), (y * width + columns.begin) * 3);
  }
}

/** The color step, the photo's hues, the photo where it stays, and 8 bits. */
function finish(image, photo, look) {
  const masks = look.laid ? look.laid.shares : null;
  const matched = look.strength.map((s) => look.colorMatch * (1 - (1 - Math.min(s, 1)) ** 2));
  if (matched.some(Boolean)) {
    const maps = matched.map((strength, r) => {
      const own = new ColorMoments().add(image, 1, masks ? masks[r] : null).palette();
      const palettes = look.styles.map((style) => style.palette);
      return colorMap(own, mixPalettes(palettes, look.weights[r]), strength);
    });
    applyColorMaps(image, maps, masks);
  }
  if (look.colors === "luminance") keepHues(image, photo);
  if (look.colors === "lab") matchLab(image, photo, masks);
  const kept = look.keepsLast ? masks[masks.length - 1] : null;
  const made = new Uint8Array(image.length);
  for (let i = 0; i < image.length; i++) {
    let value = clip(image[i]);
    if (kept) {
      const share = kept[Math.floor(i / 3)];
      value = share * (photo[i] / 255) + (1 - share) * value;
    }
    made[i] = Math.round(value * 255);
  }
  return made;
}
