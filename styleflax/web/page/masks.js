/**
 * Regions of a picture: from painted labels to shares at every pixel and on the networks' grids, as
 * `styleflax.inference.masks` has it.
 *
 * @typedef {{shares: Float32Array[], height: number, width: number}} Laid
 *   For every region its share at every pixel; they sum to 1.
 */

/**
 * The share of each label at every pixel of a picture.
 * @param {Uint8Array} labels (labelHeight, labelWidth): the number of a region; 0 is what none has
 * @param {number[]} wanted the labels that get a region, in order
 * @param {number} feather px of the picture over which edges fade on either side
 * @returns {Laid}
 */
export function layMasks(labels, labelHeight, labelWidth, wanted, height, width, feather) {
  const shares = wanted.map((label) => {
    const hard = Float32Array.from(labels, (x) => (x === label ? 1 : 0));
    const laid = averageCells(hard, labelHeight, labelWidth, height, width);
    return feather ? blur(laid, height, width, feather / 2) : laid;
  });
  for (let p = 0; p < height * width; p++) {
    let total = 0;
    for (const share of shares) total += share[p];
    if (total && total !== 1) for (const share of shares) share[p] /= total;
  }
  return { shares, height, width };
}

/**
 * A mask averaged over the cells of another grid that is laid over it: exact means over areas.
 * @param {Float32Array} mask (height, width)
 * @returns {Float32Array} (rows, columns)
 */
export function averageCells(mask, height, width, rows, columns) {
  const down = averageAlong(mask, height, width, rows, width, 1);
  return averageAlong(down, width, rows, columns, 1, width);
}

/** Averages along one side; `stride` is the step along it, `lane` the step across it. */
function averageAlong(values, size, lanes, cells, stride, lane) {
  if (size === cells) return values;
  const along = lane === 1;
  const made = new Float32Array(cells * lanes);
  for (let i = 0; i < cells; i++) {
    const first = Math.floor((i * size) / cells);
    const last = Math.ceil(((i + 1) * size) / cells);
    for (let k = first; k < last; k++) {
      const covered = Math.min((k + 1) * cells, (i + 1) * size) - Math.max(k * cells, i * size);
      const share = covered / size;
      for (let j = 0; j < lanes; j++) {
        const target = along ? i * lanes + j : j * cells + i;
        made[target] += share * values[k * stride + j * lane];
      }
    }
  }
  return made;
}

/**
 * Regions on the grid of one level of the network, over the whole picture.
 * @param {Laid | null} laid null is one region that is everywhere
 * @param {{stride: number, repeat?: number}} grid px of a cell, and cells for each of these
 * @returns {{data: Float32Array, rows: number, columns: number}} (r, rows, columns)
 */
export function levelCells(laid, height, width, { stride, repeat = 1 }) {
  const [rows, columns] = [height, width].map((size) => repeat * Math.ceil(size / stride));
  if (!laid) return { data: new Float32Array(rows * columns).fill(1), rows, columns };
  const data = new Float32Array(laid.shares.length * rows * columns);
  laid.shares.forEach((share, r) => {
    data.set(averageCells(share, height, width, rows, columns), r * rows * columns);
  });
  return { data, rows, columns };
}

/**
 * The part of a level's cells that lies in a window.
 * @param {boolean} core whether cells outside the window's core are to be 0
 * @returns {{data: Float32Array, rows: number, columns: number}}
 */
export function windowCells(cells, regions, window, { stride, repeat = 1 }, core) {
  const [row, column] = [window.rows, window.columns].map((span) => ({
    start: (repeat * span.start) / stride,
    end: repeat * Math.ceil(span.end / stride),
    begin: (repeat * span.begin) / stride,
    stop: repeat * Math.ceil(span.stop / stride),
  }));
  const rows = row.end - row.start;
  const columns = column.end - column.start;
  const data = new Float32Array(regions * rows * columns);
  const [top, bottom] = core ? [row.begin, row.stop] : [row.start, row.end];
  const [left, right] = core ? [column.begin, column.stop] : [column.start, column.end];
  for (let r = 0; r < regions; r++) {
    for (let y = top; y < bottom; y++) {
      const from = (r * cells.rows + y) * cells.columns;
      const to = (r * rows + y - row.start) * columns + left - column.start;
      data.set(cells.data.subarray(from + left, from + right), to);
    }
  }
  return { data, rows, columns };
}

/** A Gaussian blur; edges are repeated. */
function blur(mask, height, width, sigma) {
  const radius = Math.floor(4 * sigma + 0.5);
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const total = kernel.reduce((a, b) => a + b, 0);
  const weights = kernel.map((x) => x / total);
  const along = (values, size, lanes, stride, lane) => {
    const made = new Float32Array(values.length);
    for (let j = 0; j < lanes; j++) {
      for (let i = 0; i < size; i++) {
        let sum = 0;
        for (let k = -radius; k <= radius; k++) {
          const source = Math.min(Math.max(i + k, 0), size - 1);
          sum += weights[k + radius] * values[source * stride + j * lane];
        }
        made[i * stride + j * lane] = sum;
      }
    }
    return made;
  };
  return along(along(mask, height, width, width, 1), width, height, 1, width);
}
