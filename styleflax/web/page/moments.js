/**
 * Count, mean and sum of squared deviations of feature maps by region and channel, merged over
 * windows by the pairwise update of Chan, Golub and LeVeque (1979).
 *
 * @typedef {{count: Float64Array, mean: Float64Array, m2: Float64Array, channels: number}} Moments
 *   `count` has one number for each region, the others one for each region and channel.
 */

/** @returns {Moments} of nothing */
export function noMoments(regions, channels) {
  const zeros = () => new Float64Array(regions * channels);
  return { count: new Float64Array(regions), mean: zeros(), m2: zeros(), channels };
}

/**
 * Moments of every region of a feature map.
 * @param {Float32Array} feature (c, h, w)
 * @param {Float32Array} masks (r, h, w): how much each position counts in each region
 * @returns {Moments}
 */
export function momentsOf(feature, channels, masks, regions) {
  const found = noMoments(regions, channels);
  const positions = feature.length / channels;
  for (let r = 0; r < regions; r++) {
    const mask = masks.subarray(r * positions, (r + 1) * positions);
    const count = mask.reduce((sum, weight) => sum + weight, 0);
    found.count[r] = count;
    if (!count) continue;
    for (let c = 0; c < channels; c++) {
      const plane = feature.subarray(c * positions, (c + 1) * positions);
      let mean = 0;
      for (let p = 0; p < positions; p++) mean += mask[p] * plane[p];
      mean /= count;
      let m2 = 0;
      for (let p = 0; p < positions; p++) m2 += mask[p] * (plane[p] - mean) ** 2;
      found.mean[r * channels + c] = mean;
      found.m2[r * channels + c] = m2;
    }
  }
  return found;
}

/** Adds moments of other positions to `total`. */
export function mergeMoments(total, part) {
  const { channels } = total;
  for (let r = 0; r < total.count.length; r++) {
    const count = total.count[r] + part.count[r];
    if (!count) continue;
    const share = part.count[r] / count;
    for (let i = r * channels; i < (r + 1) * channels; i++) {
      const difference = part.mean[i] - total.mean[i];
      total.mean[i] += difference * share;
      total.m2[i] += part.m2[i] + difference * difference * total.count[r] * share;
    }
    total.count[r] = count;
  }
}

/**
 * Mean and standard deviation as the networks want them.
 * @param {{ddof: number, eps: number}} statistics of the model
 * @returns {{mean: Float32Array, std: Float32Array}} (r, c)
 */
export function meanStd(moments, { ddof, eps }) {
  const { channels } = moments;
  const std = moments.m2.map((m2, i) => {
    const divisor = Math.max(moments.count[Math.floor(i / channels)] - ddof, 1);
    return Math.sqrt(m2 / divisor + eps);
  });
  return { mean: Float32Array.from(moments.mean), std: Float32Array.from(std) };
}
