/** Files of pictures as pixels, in a worker. */
import { UserError } from "./errors.js";

const MIN_SIDE_PX = 16;
/** Larger pictures are refused before their pixels fill the memory. */
export const MAX_PX = 100e6;

/**
 * Pixels of a file.
 * @param {Blob} blob
 * @returns {Promise<{image: Uint8Array, height: number, width: number}>} RGB, upright, on white
 * @throws {UserError} if it is no picture, or too small or too large
 */
export async function decodePicture(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new UserError(
      "This file cannot be opened as an image: it is damaged, too large for this browser, or of a " +
        "format that it does not support. JPEG, PNG and WebP of up to 100 million pixels always work.",
    );
  }
  const { height, width } = bitmap;
  if (Math.min(height, width) < MIN_SIDE_PX) {
    throw new UserError(`The image must have at least 16 × 16 px, got ${width} × ${height} px.`);
  }
  if (height * width > MAX_PX) {
    const million = Math.round((height * width) / 1e6);
    throw new UserError(
      `The image must have at most 100 million pixels, got ${million} million. Make it smaller first.`,
    );
  }
  return { image: pixelsOf(bitmap, height, width), height, width };
}

/** By bands of rows, so that four bytes a pixel are never there for the whole of a large picture. */
function pixelsOf(bitmap, height, width) {
  const image = new Uint8Array(height * width * 3);
  const rows = Math.max(1, Math.min(height, Math.floor(2 ** 22 / width)));
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, -top);
    const { data } = context.getImageData(0, 0, width, count);
    for (let from = 0, to = top * width * 3; from < data.length; from += 4, to += 3) {
      image[to] = data[from];
      image[to + 1] = data[from + 1];
      image[to + 2] = data[from + 2];
    }
  }
  bitmap.close();
  return image;
}
