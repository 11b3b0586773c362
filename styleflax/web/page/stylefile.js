/**
 * Style files, the same as `styleflax style save` writes: what a model keeps of a painting, in the
 * format of safetensors, with the digest of its model.
 */
import { UserError } from "./errors.js";

const KEY = "styleflax-style";
const VERSION = 2;
const MAX_HEADER = 2 ** 20;

/**
 * @typedef {{method: string, model: string, model_digest: string, painting: string}} Description
 * @typedef {Record<string, {shape: number[], data: Float32Array | Uint16Array}>} Tensors by name;
 *   numbers of 16 bits are in their bits
 */

/**
 * A style as a file.
 * @param {Tensors} tensors
 * @param {Description} description
 * @returns {Promise<Uint8Array>}
 */
export async function writeStyle(tensors, description) {
  const names = Object.keys(tensors).sort();
  const header = {};
  let offset = 0;
  const sha256 = await digest(tensors, description);
  const facts = { ...description, sha256, version: VERSION };
  header.__metadata__ = { [KEY]: pythonJson(facts) };
  for (const name of names) {
    const { shape, data } = tensors[name];
    const end = offset + data.byteLength;
    header[name] = { dtype: isHalf(data) ? "F16" : "F32", shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(header);
  const head = new TextEncoder().encode(text + " ".repeat(-byteLength(text) & 7));
  const bytes = new Uint8Array(8 + head.length + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(head.length), true);
  bytes.set(head, 8);
  let at = 8 + head.length;
  for (const name of names) {
    bytes.set(bytesOf(tensors[name].data), at);
    at += tensors[name].data.byteLength;
  }
  return bytes;
}

/**
 * What a style file holds.
 * @param {Uint8Array} bytes
 * @returns {Promise<{tensors: Tensors, description: Description}>}
 * @throws {UserError} if it is damaged, no style file or of a newer version
 */
export async function readStyle(bytes) {
  let tensors;
  let facts;
  try {
    ({ tensors, facts } = parse(bytes));
  } catch {
    throw new UserError("This file is damaged or is not a style file of styleflax.");
  }
  const { version, sha256, ...description } = facts;
  if (version > VERSION) {
    throw new UserError("This style file is of a newer version of styleflax: reload the page.");
  }
  if ((await digest(tensors, description)) !== sha256) {
    throw new UserError("This style file is damaged: its checksum is not the recorded one.");
  }
  return { tensors, description };
}

function parse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > Math.min(MAX_HEADER, bytes.length - 8)) throw new Error("header");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const facts = JSON.parse(header.__metadata__[KEY]);
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    const [first, last] = offsets.map((x) => x + 8 + length);
    const count = shape.reduce((a, b) => a * b, 1);
    const Numbers = { F16: Uint16Array, F32: Float32Array }[dtype];
    const size = count * Numbers.BYTES_PER_ELEMENT;
    if (last - first !== size || last > bytes.length) throw new Error(name);
    const data = new Numbers(bytes.slice(first, last).buffer);
    if (!data.every(isHalf(data) ? (x) => (x & 0x7c00) !== 0x7c00 : Number.isFinite)) {
      throw new Error(name);
    }
    tensors[name] = { shape, data };
  }
  return { tensors, facts };
}

/** The SHA-256 that the library records: of the description, and of every tensor. */
async function digest(tensors, description) {
  if (!globalThis.crypto?.subtle) {
    throw new UserError("Style files need a page that was opened by https or on this computer.");
  }
  const encoder = new TextEncoder();
  const parts = [encoder.encode(pythonJson(description))];
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = tensors[name];
    const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
    const type = isHalf(data) ? "float16" : "float32";
    parts.push(encoder.encode(`\n${name} ${type} ${tuple} `), bytesOf(data));
  }
  const whole = await new Blob(parts).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isHalf(data) {
  return data instanceof Uint16Array;
}

/** A flat object as Python's json.dumps writes it with sorted keys. */
function pythonJson(object) {
  const ascii = (value) =>
    JSON.stringify(value).replace(
      /[\u007f-\uffff]/g,
      (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"),
    );
  const keys = Object.keys(object).sort();
  return `{${keys.map((key) => `${ascii(key)}: ${ascii(object[key])}`).join(", ")}}`;
}

function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

function bytesOf(data) {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
