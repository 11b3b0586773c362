/**
 * A PNG of any size, written by rows and packed by the browser's own deflate: a canvas would
 * refuse large pictures on some phones.
 */

const SIGNATURE = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/**
 * A picture as a PNG file.
 * @param {Uint8Array} image (height, width, 3)
 * @returns {Promise<Blob>}
 */
export async function encodePng(image, height, width) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const packed = await deflate(filteredRows(image, height, width));
  const parts = [SIGNATURE, ...chunk("IHDR", header)];
  parts.push(...chunk("sRGB", Uint8Array.of(0)), ...chunk("IDAT", packed));
  parts.push(...chunk("IEND", new Uint8Array(0)));
  return new Blob(parts, { type: "image/png" });
}

/** Rows as differences from the pixel to the left, which pack better. */
function* filteredRows(image, height, width) {
  const stride = width * 3;
  for (let y = 0; y < height; y++) {
    const row = new Uint8Array(stride + 1);
    row[0] = 1;
    const from = y * stride;
    row.set(image.subarray(from, from + 3), 1);
    for (let i = 3; i < stride; i++) row[i + 1] = image[from + i] - image[from + i - 3];
    yield row;
  }
}

async function deflate(rows) {
  const packer = new CompressionStream("deflate");
  const packed = new Response(packer.readable).arrayBuffer();
  const writer = packer.writable.getWriter();
  for (const row of rows) await writer.write(row);
  await writer.close();
  return new Uint8Array(await packed);
}

function chunk(name, data) {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, data.length);
  for (let i = 0; i < 4; i++) head[4 + i] = name.charCodeAt(i);
  const tail = new Uint8Array(4);
  let crc = 0xffffffff;
  for (const bytes of [head.subarray(4), data]) {
    for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  }
  new DataView(tail.buffer).setUint32(0, ~crc >>> 0);
  return [head, data, tail];
}
