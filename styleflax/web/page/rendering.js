/** When the picture is made, at which size, and by whom. */
import { Cancelled } from "./errors.js";
import { $, attempt, baseName, save, setProgress, state } from "./state.js";
import { showResult } from "./stage.js";

const PREVIEW_PX = 512;

/**
 * Who makes the picture.
 * @typedef {object} Renderer
 * @property {(request: object, progress: (done: number, total: number) => void) =>
 *   {result: Promise<{picture: {rgba: Uint8ClampedArray, height: number, width: number},
 *   height: number, width: number}>, cancel: () => void}} render of what `makeRequest` returns
 * @property {() => Promise<Blob>} file the last result in its full size, with its type
 */

/** @type {Renderer} This browser. */
export const local = {
  render(request, progress) {
    const result = state.engine.ask("render", request, progress);
    return { result, cancel: () => state.engine.cancel(result.job) };
  },
  file: async () => (await state.engine.ask("png")).blob,
};

let renderer = local;

/** Lets another one make the pictures from now on. */
export function useRenderer(other) {
  renderer = other;
  changed();
}

/** The short side that was chosen; null is the photo's own. */
function chosenSize() {
  return Number($("size").value) || null;
}

function pixelsAt(size) {
  const { height, width } = state.photo;
  const scale = size ? Math.min(1, size / Math.min(height, width)) : 1;
  return height * width * scale ** 2;
}

/** Whether the picture is made at every change, not only when it is asked for. */
function isLive() {
  return pixelsAt(chosenSize()) <= state.manifest.live_px;
}

/** The short side of a preview, less than usual where a photo is very long. */
function previewSize() {
  const { height, width } = state.photo;
  const most = Math.min(height, width) * Math.sqrt(state.manifest.live_px / (height * width));
  return Math.max(16, Math.min(PREVIEW_PX, Math.floor(most)));
}

export function makeRequest(size) {
  const request = {
    size,
    paintings: state.slots.all.map((slot) => slot.id),
    weights: state.slots.weights,
    styleSize: Number($("style-size").value) || null,
    alpha: Number($("alpha").value) / 100,
    colorMatch: $("controls").colors.value === "style" ? Number($("color-match").value) / 100 : 0,
    colors: $("controls").colors.value,
    detail: state.manifest.defaults.detail ?? 0,
    regions: null,
  };
  const used = state.brush.used;
  if ($("regions-on").checked && used.some(Boolean)) {
    const { labels, height, width, key } = state.brush;
    // The feather is in px of the picture that is chosen, also where a smaller one is shown.
    const share = Math.sqrt(pixelsAt(size) / pixelsAt(chosenSize()));
    const feather = Number($("feather").value) * share;
    const elsewhere = $("controls").elsewhere.value;
    request.regions = { labels, height, width, key, wanted: used, feather, elsewhere };
  }
  return request;
}

/** Makes the picture again, soon, as something was changed. */
export function refresh() {
  if (!state.photo || !state.manifest || !state.slots.all.length) return;
  state.again = true;
  if (!state.busy) attempt(renderLive);
  else if (state.busy.full) state.busy.cancel();
}

async function renderLive() {
  while (state.again && !state.busy) {
    state.again = false;
    const live = isLive();
    await renderAt(live ? chosenSize() : previewSize(), live);
  }
}

/**
 * Renders at one size and shows the result.
 * @param {number | null} size
 * @param {boolean} final whether this is the size that was chosen
 * @param {boolean} full whether any change cancels it
 */
async function renderAt(size, final, full = false) {
  const begun = performance.now();
  const asked = renderer.render(makeRequest(size), full ? setProgress : () => {});
  state.busy = { cancel: asked.cancel, full };
  $("status").textContent = full ? "Painting the whole image …" : "Painting …";
  $("cancel").hidden = !full;
  $("make").hidden = true;
  try {
    const result = await asked.result;
    showResult(result);
    state.shown = { final: final && !state.again, height: result.height, width: result.width };
    state.milliseconds = performance.now() - begun;
    const seconds = (state.milliseconds / 1000).toFixed(1);
    const what = final ? "" : "Preview, ";
    $("status").textContent = `${what}${result.width} × ${result.height} px, in ${seconds} s`;
  } catch (error) {
    $("status").textContent = error instanceof Cancelled ? "Stopped." : "The result could not be painted.";
    throw error;
  } finally {
    state.busy = null;
    setProgress(0, 0);
    $("cancel").hidden = true;
    $("make").hidden = isLive() || Boolean(state.shown?.final);
    $("download").disabled = !state.shown;
    // What was asked for while this was cancelled.
    if (full && state.again) setTimeout(() => attempt(renderLive));
  }
}

/** Makes the picture at the size that was chosen, if it is not there. */
export async function renderFull() {
  while (state.busy) await new Promise((resolve) => setTimeout(resolve, 20));
  state.again = false;
  if (!state.shown?.final) await renderAt(chosenSize(), true, true);
}

export async function download() {
  await renderFull();
  $("status").textContent = "Writing the file …";
  const names = [state.photo.name, state.slots.current.name].map(baseName);
  const file = await renderer.file();
  const suffix = file.type === "image/jpeg" ? "jpg" : file.type.replace("image/", "");
  save(file, `${names.join("-")}.${suffix}`);
  $("status").textContent = `Saved, ${state.shown.width} × ${state.shown.height} px`;
}

/** Makes another picture after a change. */
export function changed() {
  if (state.shown) state.shown.final = false;
  refresh();
}
