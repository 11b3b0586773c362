/**
 * Everything that takes time: pictures are decoded, networks run and files are packed here, so that
 * the page never freezes. Messages are handled one after another; only a cancellation is heard at
 * once.
 */
import { ColorMoments } from "./color.js";
import { Cancelled, UserError, inWords, isMemory } from "./errors.js";
import { layMasks } from "./masks.js";
import { styleOfTensors, tensorsOfStyle } from "./styletensors.js";
import { Network } from "./network.js";
import { decodePicture } from "./pictures.js";
import { encodePng } from "./png.js";
import { alignColors } from "./recolor.js";
import { SeenPhoto, render } from "./render.js";
import { resize, withShortSide } from "./resize.js";
import { checkParity, wasmRuntime, webgpuRuntime } from "./runtime.js";
import { readStyle, writeStyle } from "./stylefile.js";

/** Paintings are seen at up to this short side, as the library sees them. */
const STYLE_SIZE_PX = 512;
/** The longest side of what is sent to the screen. */
const SHOWN_PX = 2048;

const cancelled = new Set();
let wasm = null;
let network = null;
let files = null;
let photo = null;
let seen = null;
let result = null;
let key = 0;
const paintings = new Map();

const methods = {
  /** Opens a model. */
  async model({ folder, limits, threads }, job) {
    wasm ??= await wasmRuntime(threads);
    const base = new URL(folder, import.meta.url);
    const described = await (await fetched(new URL("manifest.json", base))).json();
    const manifest = { ...described, ...limits };
    files = await loadFiles(manifest, base, job);
    const opened = await Network.open(manifest, wasm, files);
    await network?.close();
    [network, seen] = [opened, null];
    for (const painting of paintings.values()) painting.styles.clear();
    return { manifest, threads: wasm.threads };
  },

  /** Opens a photo. */
  async photo({ blob }) {
    const opened = await decodePicture(blob);
    [photo, seen, result] = [{ ...opened, key: ++key }, null, null];
    return shown(photo.image, photo.height, photo.width);
  },

  /** Opens a painting under a name. */
  async painting({ id, blob }) {
    const pixels = fitStyle(await decodePicture(blob), null);
    paintings.set(id, { blob, pixels, styles: new Map() });
    return {};
  },

  /** Takes a style file in the place of a painting; `foreign` lets it be another model's. */
  async style({ id, bytes, foreign }) {
    const file = await readStyle(bytes);
    if (!foreign) checkModel(file);
    paintings.set(id, { blob: null, file, styles: new Map() });
    return { painting: file.description.painting };
  },

  async forget({ id }) {
    paintings.delete(id);
    return {};
  },

  /** The style file of a painting. */
  async saveStyle({ id, painting, styleSize }) {
    const { method, name, digest } = network.manifest;
    const tensors = tensorsOfStyle(network, await styleOf(id, styleSize));
    const described = { method, model: name, model_digest: digest, painting };
    const bytes = await writeStyle(tensors, described);
    return { bytes };
  },

  /** Renders the photo; see `engine.js` for the request. */
  async render(request, job) {
    if (!photo) throw new UserError("Choose a photo first.");
    const [height, width] = sizeOf(request.size);
    const { max_px: most, name } = network.manifest;
    if (most && height * width > most) {
      throw new UserError(
        `${name} renders pictures of up to ${most.toLocaleString("en")} pixels on this page; ` +
          `this one has ${(height * width).toLocaleString("en")}. Choose a smaller size.`,
      );
    }
    const view = seePhoto(height, width);
    const look = lookOf(request);
    look.styles = [];
    for (let s = 0; s < request.paintings.length; s++) {
      const colors = look.colors === "coral" ? colorsUnder(look, s) : null;
      look.styles.push(await styleOf(request.paintings[s], request.styleSize, colors));
    }
    const image = await rendered(view, look, job);
    result = { image, height, width };
    return shown(image, height, width);
  },

  /** The last result as a PNG file of its full size. */
  async png() {
    if (!result) throw new UserError("There is no result yet.");
    return { blob: await encodePng(result.image, result.height, result.width) };
  },

  /** Computes on the graphics card if that gives what the processor gives, or no longer does. */
  async gpu({ on }) {
    if (!on) {
      const opened = await Network.open(network.manifest, wasm, files);
      await network.close();
      [network, seen] = [opened, null];
      return { backend: "wasm" };
    }
    const tried = await openOnGpu();
    await network.close();
    [network, seen] = [tried, null];
    return { backend: "webgpu" };
  },
};

/** The model on the graphics card, where that gives what the processor gives. */
async function openOnGpu() {
  const runtime = await webgpuRuntime();
  let tried;
  try {
    tried = await Network.open(network.manifest, runtime, files);
    checkParity(await sample(network), await sample(tried));
  } catch (error) {
    await tried?.close();
    if (error instanceof UserError) throw error;
    throw new UserError(`The graphics card failed: ${error.message}.`);
  }
  return tried;
}

/** The photo at a size, with all that is kept of it; the photo's own size for none. */
function seePhoto(height, width) {
  if (seen && seen.height === height && seen.width === width) return seen;
  seen = null; // so that its memory is free before more is taken
  const { image } = photo;
  const same = height === photo.height && width === photo.width;
  const pixels = same ? image : resize(image, photo.height, photo.width, height, width);
  seen = new SeenPhoto(network, pixels, height, width);
  return seen;
}

function sizeOf(size) {
  const { height, width } = photo;
  return size && size < Math.min(height, width) ? withShortSide(height, width, size) : [height, width];
}

async function rendered(view, look, job) {
  const watch = {
    progress: (done, total) => self.postMessage({ job, progress: [done, total] }),
    cancelled: () => cancelled.has(job),
  };
  try {
    return await render(view, look, watch);
  } catch (error) {
    const fails = !(error instanceof Cancelled) && network.runtime.kind === "webgpu";
    if (!fails) throw error;
    await methods.gpu({ on: false });
    self.postMessage({ notice: "The graphics card failed; the processor continues." });
    return render(seePhoto(view.height, view.width), look, watch);
  }
}

/** What `render.js` calls a look, of what the page asks for. */
function lookOf(request) {
  const { weights, alpha, regions, colorMatch, colors, detail } = request;
  const base = { detail, colorMatch, colors };
  if (!regions) {
    const plain = { laid: null, masksKey: "", keepsLast: false };
    return { ...base, ...plain, weights: [weights], strength: [alpha] };
  }
  const { labels, height, width, wanted, feather, elsewhere } = regions;
  const size = [seen.height, seen.width];
  const laid = layMasks(labels, height, width, wanted, ...size, feather);
  const keepsLast = elsewhere === "photo" && wanted.includes(0);
  const even = weights.map(() => 1 / weights.length);
  return {
    ...base,
    laid,
    masksKey: `${regions.key}/${feather}/${wanted}`,
    keepsLast,
    weights: wanted.map((label) => {
      if (label === 0) return keepsLast ? even : weights;
      return weights.map((_, s) => Number(s === label - 1));
    }),
    strength: wanted.map((label) => (label === 0 && keepsLast ? 0 : alpha)),
  };
}

/** The photo's colors where a painting goes, and a key for them; null where it goes nowhere. */
function colorsUnder({ laid, masksKey, weights, keepsLast }, s) {
  const shares = weights.slice(0, keepsLast ? -1 : undefined).map((row) => row[s]);
  if (!shares.some(Boolean)) return null;
  const mask = laid && new Float32Array(seen.height * seen.width);
  if (laid) {
    shares.forEach((share, r) => {
      if (share) laid.shares[r].forEach((x, p) => (mask[p] += share * x));
    });
  }
  const key = `${photo.key}/${seen.height}/${laid ? `${masksKey}/${shares}` : ""}`;
  return { key, palette: new ColorMoments().add(seen.image, 1 / 255, mask).palette() };
}

function checkModel({ description }) {
  const { digest, name } = network.manifest;
  if (description.model_digest === digest) return;
  throw new UserError(
    `This style file belongs to another model, “${description.model}”; this one is “${name}”.`,
  );
}

/**
 * What the model keeps of a painting.
 * @param {number | null} size the short side at which it is seen; up to 512 px for null
 * @param {{key: string, palette: object} | null} colors what it is given before
 */
async function styleOf(id, size, colors = null) {
  const painting = paintings.get(id);
  if (!painting) throw new UserError("Choose a painting first.");
  const name = `${size}/${colors?.key}`;
  if (painting.styles.has(name)) return painting.styles.get(name);
  const style = painting.blob
    ? await encodeStyle(painting, size, colors)
    : styleOfFile(painting.file, size, colors);
  if (painting.styles.size > 8) painting.styles.clear();
  painting.styles.set(name, style);
  return style;
}

function styleOfFile(file, size, colors) {
  checkModel(file);
  if (size || colors) {
    throw new UserError(
      "A style file has no pixels, so the size and the colors of the painting cannot be changed. " +
        "Choose the painting itself.",
    );
  }
  return styleOfTensors(network, file.tensors);
}

async function encodeStyle(painting, size, colors) {
  const pixels = size ? fitStyle(await decodePicture(painting.blob), size) : painting.pixels;
  const { image, height, width } = pixels;
  let floats = Float32Array.from(image, (x) => x / 255);
  if (colors) floats = alignColors(floats, colors.palette);
  const style = network.styleOf(await network.encode(floats, height, width));
  style.palette = new ColorMoments().add(floats).palette();
  return style;
}

/** A painting at a short side; null shrinks those above `STYLE_SIZE_PX` to it. */
function fitStyle({ image, height, width }, size) {
  const short = Math.min(height, width);
  const wanted = size ?? Math.min(short, STYLE_SIZE_PX);
  if (wanted === short) return { image, height, width };
  const [newHeight, newWidth] = withShortSide(height, width, wanted);
  const small = resize(image, height, width, newHeight, newWidth);
  return { image: small, height: newHeight, width: newWidth };
}

/** A picture as the screen shows it. */
function shown(image, height, width) {
  const longest = Math.max(height, width);
  let [rows, columns, pixels] = [height, width, image];
  if (longest > SHOWN_PX) {
    [rows, columns] = [height, width].map((side) => Math.round((side * SHOWN_PX) / longest));
    pixels = resize(image, height, width, rows, columns);
  }
  const rgba = new Uint8ClampedArray(rows * columns * 4).fill(255);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    rgba[to] = pixels[from];
    rgba[to + 1] = pixels[from + 1];
    rgba[to + 2] = pixels[from + 2];
  }
  return { height, width, picture: { rgba, height: rows, width: columns } };
}

/** What a network makes of a small drawn picture, to compare backends by. */
async function sample(of) {
  const side = 64;
  const image = Float32Array.from({ length: side * side * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
    return 0.5 + 0.5 * Math.sin((x * (1 + (i % 3)) + y * 2) / 9);
  });
  const features = await of.encode(image, side, side);
  const style = of.styleOf(features);
  const cells = Object.fromEntries(
    [...of.levels, ...of.manifest.masks].map(({ name, stride, repeat = 1 }) => {
      const count = repeat * Math.ceil(side / stride);
      return [name, { data: new Float32Array(count ** 2).fill(1), rows: count, columns: count }];
    }),
  );
  const total = of.noMoments(1);
  of.countMoments(total, features, onLevels(of, side), 1);
  const content = of.statistics(total, "content");
  const made = await of.decode(features, content, [style], [[1]], [0.5], cells);
  return Float32Array.from(made.data);
}

function onLevels(of, side) {
  return Object.fromEntries(
    of.levels.map(({ name, stride }) => [
      name,
      { data: new Float32Array(Math.ceil(side / stride) ** 2).fill(1) },
    ]),
  );
}

async function loadFiles(manifest, base, job) {
  const entries = Object.entries(manifest.files);
  const total = entries.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  let done = 0;
  const loaded = {};
  for (const [name, { path }] of entries) {
    const { body } = await fetched(new URL(path, base));
    const chunks = [];
    for (const reader = body.getReader(); ; ) {
      const { value, done: end } = await reader.read();
      if (end) break;
      chunks.push(value);
      done += value.length;
      self.postMessage({ job, progress: [done, total] });
    }
    loaded[name] = new Uint8Array(await new Blob(chunks).arrayBuffer());
  }
  return loaded;
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new UserError(`The page's file ${url.pathname} is missing.`);
  return response;
}

const DOING = {
  model: "opening the model",
  photo: "opening the photo",
  painting: "opening the painting",
  style: "opening the style file",
  saveStyle: "making the style file",
  render: "painting",
  png: "making the PNG",
  gpu: "trying the graphics card",
};

let last = Promise.resolve();

self.onmessage = ({ data }) => {
  if (data.cancel) {
    cancelled.add(data.cancel);
    return;
  }
  last = last.then(() => answer(data));
};

async function answer({ job, method, request }) {
  try {
    if (cancelled.has(job)) throw new Cancelled();
    const value = await methods[method](request, job);
    const transfer = [value.picture?.rgba.buffer, value.bytes?.buffer].filter(Boolean);
    self.postMessage({ job, value }, transfer);
  } catch (error) {
    const words = inWords(error, DOING[method] ?? "working");
    const stopped = error instanceof Cancelled;
    self.postMessage({ job, error: { words, stopped, broken: !stopped && isMemory(error) } });
  }
  cancelled.delete(job);
}
