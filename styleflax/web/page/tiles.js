/**
 * Where windows of one size lie in a picture of any size, as `styleflax.inference.tiles` has it.
 *
 * A window is computed with a margin, the halo, that is thrown away; what is left, the core, is far
 * enough from where the window ends and the picture does not. So there is no seam.
 *
 * @typedef {{start: number, end: number, begin: number, stop: number}} Span
 *   Rows or columns from `start` to `end` are computed, those from `begin` to `stop` are kept.
 * @typedef {{rows: Span, columns: Span}} Window
 */

/**
 * The windows along a side of `size` px.
 * @returns {Span[]}
 */
export function cutSpans(size, tile, halo) {
  const step = tile - 2 * halo;
  const count = size <= tile ? 1 : Math.ceil((size - (tile - step)) / step);
  const starts = Array.from({ length: count }, (_, k) => k * step);
  const begins = starts.map((start, k) => (k ? start + halo : 0));
  return starts.map((start, k) => ({
    start,
    end: Math.min(start + tile, size),
    begin: begins[k],
    stop: k + 1 < count ? begins[k + 1] : size,
  }));
}

/** The one window that is all of a picture. */
export function wholeWindow(height, width) {
  const span = (size) => ({ start: 0, end: size, begin: 0, stop: size });
  return { rows: span(height), columns: span(width) };
}

/**
 * The windows of a picture. Each begins at a multiple of the stride, since `tile` and `halo` are.
 * @param {{stride: number, halo: number, tile_px: number, whole_px: number}} tiling of the model;
 *   pictures of up to `whole_px` pixels are one window, others have windows of up to `tile_px`
 * @returns {Window[]}
 */
export function cutWindows(height, width, tiling) {
  const { stride, halo, tile_px: most, whole_px: whole } = tiling;
  if (height * width <= whole) return [wholeWindow(height, width)];
  const step = Math.floor((most - 2 * halo) / stride) * stride;
  const [rows, columns] = [height, width].map((size) => cutSpans(size, step + 2 * halo, halo));
  return rows.flatMap((row) => columns.map((column) => ({ rows: row, columns: column })));
}
