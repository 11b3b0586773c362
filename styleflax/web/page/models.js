/** Models, and what computes them. */
import { changed } from "./rendering.js";
import { UserError } from "./errors.js";
import { $, attempt, say, setProgress, state } from "./state.js";

const PARAMETERS = new URLSearchParams(location.search);

/** Opens a model, with its own color step. */
export async function openModel(name) {
  await loadModel(name);
  $("color-match").value = Math.round(100 * (state.manifest.defaults.color_match ?? 0));
  $("color-match").dispatchEvent(new Event("change"));
}

async function loadModel(name) {
  const entry = state.site.models.find((model) => model.name === name);
  const megabytes = (entry.bytes / 1e6).toFixed(1);
  $("status").textContent = `Loading the model, ${megabytes} MB …`;
  const threads = Number(PARAMETERS.get("threads")) || undefined;
  const { folder, tile_px, whole_px, live_px, max_px } = entry;
  const request = { folder, limits: { tile_px, whole_px, live_px, max_px }, threads };
  const { manifest, threads: count } = await state.engine.ask("model", request, setProgress);
  setProgress(0, 0);
  state.manifest = manifest;
  $("model").value = name;
  const most = manifest.max_px;
  const limit = most ? ` Up to ${(most / 1e6).toFixed(1)} million pixels on this page.` : "";
  $("model-hint").textContent = `${entry.words}${limit} License: ${manifest.license || "unknown"}.`;
  $("gpu").checked = false;
  tellEngine("processor", count);
}

function tellEngine(device, threads) {
  const many = threads > 1 ? ` on ${threads} threads` : "";
  $("engine-hint").textContent = `Computed by the ${device}${many}.`;
}

export async function switchGpu(on) {
  $("status").textContent = on ? "Trying the graphics card …" : "Back to the processor …";
  try {
    const { backend } = await state.engine.ask("gpu", { on });
    tellEngine(backend === "webgpu" ? "graphics card" : "processor", 1);
    changed();
  } catch (error) {
    $("gpu").checked = false;
    $("status").textContent = "The processor goes on.";
    throw new UserError(`${error.message} The processor goes on.`);
  }
}

let restoring = false;

/** Gives a fresh worker what the old one had; once, as that may be what does not fit. */
export async function restoreAll() {
  if (restoring) return;
  restoring = true;
  await attempt(async () => {
    try {
      // All at once, so that the worker has everything before what is asked for meanwhile.
      await Promise.all([loadModel($("model").value), ...restorePictures()]);
    } catch {
      throw new UserError("The page could not go on after memory ran out. Close other tabs, and reload it.");
    } finally {
      restoring = false;
      if (state.shown) state.shown.final = false; // the worker no longer has it
    }
    say(
      "Memory ran out, and the work was stopped. Choose a smaller picture or a smaller size of the " +
        "result, or close other tabs.",
    );
  });
}

function restorePictures() {
  const { engine, photo, slots } = state;
  const opened = photo ? [engine.ask("photo", { blob: photo.blob })] : [];
  for (const { id, blob, bytes } of slots.all) {
    if (blob) opened.push(engine.ask("painting", { id, blob }));
    else opened.push(engine.ask("style", { id, bytes, foreign: true }));
  }
  return opened;
}
