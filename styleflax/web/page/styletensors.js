/**
 * Converts an encoded style to the tensors of its style file, and back.
 *
 * @typedef {{statistics: import("./network.js").Statistics, palette: import("./color.js").Palette,
 *   features?: Record<string, Float32Array>, sides?: Record<string, number[]>,
 *   bias?: Record<string, Float32Array>}} Style
 *   A model that attends keeps features, position by position, and sides of their maps.
 */
import { UserError } from "./errors.js";
import { fromHalves, toHalves } from "./float16.js";

/** @returns {import("./stylefile.js").Tensors} of a style */
export function tensorsOfStyle(network, style) {
  const { mean, covariance } = style.palette;
  const tensors = {
    "palette/mean": { shape: [1, 3], data: Float32Array.from(mean) },
    "palette/covariance": { shape: [1, 3, 3], data: Float32Array.from(covariance.flat()) },
  };
  for (const { name, channels } of network.levels) {
    if (network.attends) {
      const shape = [1, ...style.sides[name], channels];
      const kept = style.features[name];
      tensors[name] = { shape, data: network.keepsHalves ? toHalves(kept) : kept };
      continue;
    }
    for (const [part, data] of Object.entries(style.statistics[name])) {
      tensors[tensorName(network, name, part)] = { shape: [1, channels], data };
    }
  }
  return tensors;
}

/** @returns {Style} of a file's tensors */
export function styleOfTensors(network, tensors) {
  const data = (name, count) => {
    const found = tensors[name]?.data;
    if (!found?.length || (count && found.length !== count)) {
      throw new UserError("This style file does not hold what the model needs: make it again.");
    }
    return found instanceof Uint16Array ? fromHalves(found) : found;
  };
  const covariance = Array.from(data("palette/covariance", 9));
  const rows = [0, 3, 6].map((first) => covariance.slice(first, first + 3));
  const palette = { mean: Array.from(data("palette/mean", 3)), covariance: rows };
  if (network.attends) return { palette, ...attendedOf(network, tensors, data) };
  const statistics = {};
  for (const { name, channels } of network.levels) {
    const part = (which) => data(tensorName(network, name, which), channels);
    statistics[name] = { mean: part("mean"), std: part("std") };
  }
  return { statistics, palette };
}

function attendedOf(network, tensors, data) {
  const [features, sides, parts] = [{}, {}, {}];
  for (const { name, channels } of network.levels) {
    features[name] = data(name);
    const { shape } = tensors[name];
    if (shape.length !== 4 || shape[3] !== channels) data("");
    sides[name] = shape.slice(1, 3);
    const part = `${name}_part`;
    if (tensors[part]) parts[name] = data(part, features[name].length / channels);
  }
  return network.styleOfPositions(features, sides, parts);
}

/** The library's names of what a style file holds: without the level where there is one. */
function tensorName(network, level, part) {
  return network.levels.length > 1 ? `${level}/${part}` : part;
}
