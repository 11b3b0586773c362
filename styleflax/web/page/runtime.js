/**
 * onnxruntime in a worker: WebAssembly always, WebGPU where it is asked for and gives the same.
 */
import { UserError } from "./errors.js";

const FOLDER = new URL("./runtime/", import.meta.url).href;
const MAX_THREADS = 4;
/** How far a graphics card's result may be from that of the processor, of 1. */
const TOLERANCE = 2 / 255;

/**
 * Sessions and tensors of one backend.
 * @typedef {{kind: "wasm" | "webgpu", ort: object, threads: number,
 *   open: (bytes: Uint8Array) => Promise<object>}} Runtime
 */

/**
 * The runtime that computes on the processor.
 * @param {number | undefined} threads by default as many as the page may have
 * @returns {Promise<Runtime>}
 */
export async function wasmRuntime(threads) {
  const ort = await import("./runtime/ort.wasm.min.mjs");
  const cores = Math.min(navigator.hardwareConcurrency || 1, MAX_THREADS);
  ort.env.wasm.wasmPaths = FOLDER;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? threads || cores : 1;
  return makeRuntime("wasm", ort, ort.env.wasm.numThreads);
}

/**
 * The runtime that computes on the graphics card; its files are loaded only now.
 * @returns {Promise<Runtime>}
 * @throws {UserError} if the browser has no WebGPU or finds no graphics card
 */
export async function webgpuRuntime() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new UserError("This browser offers no WebGPU here.");
  const ort = await import("./runtime/ort.webgpu.min.mjs");
  ort.env.wasm.wasmPaths = FOLDER;
  ort.env.wasm.numThreads = 1;
  return makeRuntime("webgpu", ort, 1);
}

function makeRuntime(kind, ort, threads) {
  ort.env.logLevel = "error";
  const options = { executionProviders: [kind], graphOptimizationLevel: "all" };
  const open = (bytes) => ort.InferenceSession.create(bytes, options);
  return { kind, ort, threads, open };
}

/**
 * Refuses results that are not those of the processor.
 * @param {Float32Array} expected
 * @param {Float32Array} found
 * @throws {UserError}
 */
export function checkParity(expected, found) {
  let worst = expected.length === found.length ? 0 : Infinity;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(expected[i] - found[i]);
    if (!(distance <= worst)) worst = distance; // also if it is no number
  }
  if (!(worst <= TOLERANCE)) {
    throw new UserError("The graphics card's results differ from the processor's.");
  }
}
