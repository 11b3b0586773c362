/** The page: what is chosen, what is asked of the engine, and what is shown. */
import { Brush } from "./brush.js";
import { takePhoto } from "./camera.js";
import { Engine } from "./engine.js";
import { Cancelled, UserError } from "./errors.js";
import { watchInputs } from "./inputs.js";
import { MAX_SLOTS, Slots, element } from "./slots.js";
import { setHint, showPhoto, showResult, watchCompare } from "./stage.js";

const $ = (id) => document.getElementById(id);
const PARAMETERS = new URLSearchParams(location.search);

/** Sizes of up to so many pixels are made at every change, larger ones when asked for. */
const LIVE_PX = 600_000;
const PREVIEW_PX = 512;
const SIZES = [256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];

/** All that the page knows; for tests, too. */
export const state = {
  site: null,
  manifest: null,
  photo: null,
  busy: null,
  again: false,
  shown: null,
  renders: 0,
};
const slots = new Slots(slotsChanged, (slot, index) => {
  brush.dropLabel(index + 1);
  engine.ask("forget", { id: slot.id });
});
const brush = new Brush($("brush-canvas"), refresh);
const engine = new Engine({ notice: (words) => say(words), restarted: restoreAll });
Object.assign(state, { slots, brush });
let nextId = 1;

// Words

function say(words) {
  $("message-text").textContent = words;
  $("message").hidden = !words;
}

/** Runs what a person asked for; what fails is said in words. */
async function attempt(work) {
  say("");
  try {
    await work();
  } catch (error) {
    if (error instanceof Cancelled) return;
    say(error instanceof UserError ? error.message : `Something went wrong: ${error.message}`);
  }
}

function setProgress(done, total) {
  $("progress").hidden = total <= 1;
  $("progress").value = total ? done / total : 0;
}

// Rendering

/** The short side that was chosen; null is the photo's own. */
function chosenSize() {
  return Number($("size").value) || null;
}

function pixelsAt(size) {
  const { height, width } = state.photo;
  const scale = size ? Math.min(1, size / Math.min(height, width)) : 1;
  return height * width * scale ** 2;
}

function isLive() {
  return pixelsAt(chosenSize()) <= LIVE_PX;
}

function makeRequest(size) {
  const request = {
    size,
    paintings: slots.all.map((slot) => slot.id),
    weights: slots.weights,
    alpha: Number($("alpha").value) / 100,
    colorMatch: $("controls").colors.value === "style" ? Number($("color-match").value) / 100 : 0,
    photoColors: $("controls").colors.value === "photo",
    detail: state.manifest.defaults.detail ?? 0,
    regions: null,
  };
  const used = brush.used;
  if ($("regions-on").checked && used.some(Boolean)) {
    const { labels, height, width, key } = brush;
    // The feather is in px of the picture that is chosen, also where a smaller one is shown.
    const share = Math.sqrt(pixelsAt(size) / pixelsAt(chosenSize()));
    const feather = Number($("feather").value) * share;
    const elsewhere = $("controls").elsewhere.value;
    request.regions = { labels, height, width, key, wanted: used, feather, elsewhere };
  }
  return request;
}

/** Makes the picture again, soon, as something was changed. */
function refresh() {
  if (!state.photo || !state.manifest || !slots.all.length) return;
  state.again = true;
  if (!state.busy) attempt(renderLive);
  else if (state.busy.full) engine.cancel(state.busy.job);
}

async function renderLive() {
  while (state.again && !state.busy) {
    state.again = false;
    const live = isLive();
    await renderAt(live ? chosenSize() : PREVIEW_PX, live);
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
  const asked = engine.ask("render", makeRequest(size), full ? setProgress : undefined);
  state.busy = { job: asked.job, full };
  $("status").textContent = full ? "Painting the whole picture …" : "Painting …";
  $("cancel").hidden = !full;
  $("make").hidden = true;
  try {
    const result = await asked;
    showResult(result);
    state.shown = { final, height: result.height, width: result.width };
    state.milliseconds = performance.now() - begun;
    state.renders += 1;
    const seconds = (state.milliseconds / 1000).toFixed(1);
    const what = final ? "" : "Preview, ";
    $("status").textContent = `${what}${result.width} × ${result.height} px, in ${seconds} s`;
  } catch (error) {
    $("status").textContent = error instanceof Cancelled ? "Stopped." : "Not painted.";
    throw error;
  } finally {
    state.busy = null;
    setProgress(0, 0);
    $("cancel").hidden = true;
    $("make").hidden = isLive();
    $("download").disabled = false;
    // What was asked for while this was cancelled.
    if (full && state.again) setTimeout(() => attempt(renderLive));
  }
}

async function renderFull() {
  state.again = false;
  if (!state.shown?.final) await renderAt(chosenSize(), true, true);
}

async function download() {
  await renderFull();
  $("status").textContent = "Packing the PNG …";
  const { blob } = await engine.ask("png");
  save(blob, `${baseName(state.photo.name)}-${baseName(slots.current.name)}.png`);
  $("status").textContent = `Saved, ${state.shown.width} × ${state.shown.height} px`;
}

function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function baseName(name) {
  return name.replace(/\.[^.]+$/, "").replace(/[^\p{L}\p{N}]+/gu, "-") || "picture";
}

// Photos

async function openPhoto(blob, name, source = null) {
  const opened = await engine.ask("photo", { blob });
  state.photo = { blob, name, height: opened.height, width: opened.width };
  state.shown = null;
  showPhoto(opened);
  press($("photos"), source);
  brush.resize(opened.height, opened.width);
  brush.draw();
  fillSizes();
  refresh();
}

function fillSizes() {
  const { height, width } = state.photo;
  const short = Math.min(height, width);
  const before = $("size").value;
  const option = (value, words, scale) => {
    const [w, h] = [width, height].map((side) => Math.round(side * scale));
    return element("option", { value, textContent: `${words} (${w} × ${h} px)` });
  };
  const smaller = SIZES.filter((size) => size < short);
  const options = smaller.map((size) => option(size, `${size} px`, size / short));
  $("size").replaceChildren(...options, option("own", "As large as the photo", 1));
  const values = [...$("size").options].map((one) => one.value);
  $("size").value = values.includes(before) ? before : values.includes("384") ? "384" : "own";
}

// Paintings

async function openPainting(blob, name, { source = null, url = null, add = false } = {}) {
  const id = nextId++;
  let slot;
  if (name.endsWith(".style")) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const { painting } = await engine.ask("style", { id, bytes });
    slot = { id, name: painting || name, blob: null, bytes, url: null, source: null };
  } else {
    await engine.ask("painting", { id, blob });
    slot = { id, name, blob, bytes: null, url: url ?? URL.createObjectURL(blob), source };
  }
  const old = add ? null : slots.current;
  slots.put(slot, add);
  if (old) engine.ask("forget", { id: old.id });
  slotsChanged();
}

let slotCount = 0;

function slotsChanged() {
  press($("paintings"), slots.current?.source);
  if (slots.all.length !== slotCount) {
    slotCount = slots.all.length;
    drawBrushes();
  }
  $("save-style").disabled = !slots.current || state.manifest?.style === "features";
  changed();
}

/** A change that makes another picture. */
function changed() {
  if (state.shown) state.shown.final = false;
  refresh();
}

async function choosePainting({ path, title }, add = false) {
  await openPainting(await fetchBlob(path), title, { source: path, url: path, add });
}

function otherPaintings() {
  const used = slots.all.map((slot) => slot.source);
  return state.site.paintings.filter(({ path }) => !used.includes(path));
}

async function saveStyle() {
  const { id, name } = slots.current;
  const { bytes } = await engine.ask("saveStyle", { id, painting: name });
  save(new Blob([bytes]), `${baseName(name)}.style`);
}

async function fetchBlob(path) {
  const response = await fetch(path);
  if (!response.ok) throw new UserError(`The page's file ${path} is missing.`);
  return response.blob();
}

function drawBrushes() {
  const brushes = slots.all.map((slot, index) => [index + 1, `Painting ${index + 1}`]);
  const labels = [...brushes, [0, "Eraser"]].map(([label, words]) => {
    const input = element("input", { type: "radio", name: "brush", value: label });
    input.checked = label === brush.label;
    input.addEventListener("change", () => (brush.label = label));
    const swatch = element("span", { className: label ? `swatch swatch-${label}` : "swatch" });
    const row = element("label");
    row.append(input, swatch, words);
    return row;
  });
  if (brush.label > slots.all.length) brush.label = 1;
  $("brushes").replaceChildren(element("legend", { textContent: "Brush" }), ...labels);
  const chosen = $("brushes").querySelector(`[value="${brush.label}"]`);
  if (chosen) chosen.checked = true;
}

// The gallery

function fillThumbs(group, pictures, choose) {
  const buttons = pictures.map((picture) => {
    const button = element("button", { type: "button", title: picture.title });
    button.dataset.path = picture.path;
    button.setAttribute("aria-pressed", "false");
    button.append(element("img", { src: picture.path, alt: picture.title, loading: "lazy" }));
    button.addEventListener("click", () => attempt(() => choose(picture)));
    return button;
  });
  group.replaceChildren(...buttons);
}

function press(group, path) {
  for (const button of group.children) {
    button.setAttribute("aria-pressed", String(button.dataset.path === path));
  }
}

// Models

async function openModel(name) {
  const entry = state.site.models.find((model) => model.name === name);
  const megabytes = (entry.bytes / 1e6).toFixed(1);
  $("status").textContent = `Loading the model, ${megabytes} MB …`;
  const threads = Number(PARAMETERS.get("threads")) || undefined;
  const { folder, tile_px, whole_px, max_px } = entry;
  const request = { folder, limits: { tile_px, whole_px, max_px }, threads };
  const { manifest, threads: count } = await engine.ask("model", request, setProgress);
  setProgress(0, 0);
  state.manifest = manifest;
  $("model").value = name;
  const most = manifest.max_px;
  const limit = most ? ` Up to ${(most / 1e6).toFixed(1)} million pixels on this page.` : "";
  $("model-hint").textContent = `${entry.words}${limit} License: ${manifest.license || "unknown"}.`;
  $("gpu").checked = false;
  tellEngine("processor", count);
  const match = Math.round(100 * (manifest.defaults.color_match ?? 0));
  $("color-match").value = match;
  tellValues();
}

function tellEngine(device, threads) {
  const many = threads > 1 ? ` on ${threads} threads` : "";
  $("engine-hint").textContent = `Computed by the ${device}${many}.`;
}

async function switchGpu(on) {
  $("status").textContent = on ? "Trying the graphics card …" : "Back to the processor …";
  try {
    const { backend } = await engine.ask("gpu", { on });
    tellEngine(backend === "webgpu" ? "graphics card" : "processor", 1);
    changed();
  } catch (error) {
    $("gpu").checked = false;
    $("status").textContent = "The processor goes on.";
    throw new UserError(`${error.message} The processor goes on.`);
  }
}

/** Gives a fresh worker what the old one had. */
async function restoreAll() {
  await attempt(async () => {
    await openModel($("model").value);
    if (state.photo) await engine.ask("photo", { blob: state.photo.blob });
    for (const { id, blob, bytes } of slots.all) {
      if (blob) await engine.ask("painting", { id, blob });
      else await engine.ask("style", { id, bytes });
    }
    say(
      "Memory ran out, and the work was stopped. Choose a smaller size of the result, or close " +
        "other tabs.",
    );
  });
}

// What people do

function tellValues() {
  $("alpha-value").textContent = `${$("alpha").value} %`;
  $("color-match-value").textContent = `${$("color-match").value} %`;
  $("brush-size-value").textContent = `${$("brush-size").value} %`;
  $("feather-value").textContent = `${$("feather").value} px`;
  $("color-match").disabled = $("controls").colors.value === "photo";
}

function take(kind, file) {
  if (kind === "photo") return attempt(() => openPhoto(file, file.name));
  return attempt(() => openPainting(file, file.name));
}

function takeFile(input, kind) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) take(kind, file);
    input.value = "";
  });
}

function listen() {
  const controls = $("controls");
  controls.addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["alpha", "color-match", "feather"]) {
    $(id).addEventListener("input", () => {
      tellValues();
      changed();
    });
  }
  for (const name of ["colors", "elsewhere"]) {
    for (const input of controls[name]) {
      input.addEventListener("change", () => {
        tellValues();
        changed();
      });
    }
  }
  $("size").addEventListener("change", changed);
  $("brush-size").addEventListener("input", () => {
    brush.share = Number($("brush-size").value) / 100;
    tellValues();
  });
  $("regions-on").addEventListener("change", () => {
    const on = $("regions-on").checked;
    $("regions").hidden = !on;
    $("brush-canvas").hidden = !on;
    brush.draw();
    changed();
  });
  $("undo").addEventListener("click", () => brush.undo());
  $("clear").addEventListener("click", () => brush.clear());
  $("make").addEventListener("click", () => attempt(renderFull));
  $("download").addEventListener("click", () => attempt(download));
  $("cancel").addEventListener("click", () => state.busy && engine.cancel(state.busy.job));
  $("surprise").addEventListener("click", () => {
    const others = otherPaintings();
    attempt(() => choosePainting(others[Math.floor(Math.random() * others.length)]));
  });
  $("save-style").addEventListener("click", () => attempt(saveStyle));
  $("camera").addEventListener("click", () =>
    attempt(async () => {
      const blob = await takePhoto();
      if (blob) await openPhoto(blob, "camera.png");
    }),
  );
  $("model").addEventListener("change", () =>
    attempt(async () => {
      await openModel($("model").value);
      slotsChanged();
    }),
  );
  $("gpu").addEventListener("change", () => attempt(() => switchGpu($("gpu").checked)));
  $("message-close").addEventListener("click", () => say(""));
  $("licenses-open").addEventListener("click", () => attempt(showLicenses));
  slots.whenAdding(() => {
    const [next] = otherPaintings();
    if (slots.all.length < MAX_SLOTS) attempt(() => choosePainting(next, true));
  });
  takeFile($("photo-file"), "photo");
  takeFile($("painting-file"), "painting");
  watchInputs(take);
  watchCompare();
}

async function showLicenses() {
  const text = await (await fetchBlob("LICENSES.txt")).text();
  $("licenses-text").replaceChildren(element("pre", { textContent: text }));
  $("licenses").showModal();
}

async function start() {
  listen();
  tellValues();
  state.site = await (await fetchBlob("site.json")).text().then(JSON.parse);
  fillThumbs($("photos"), state.site.photos, async ({ path, title }) =>
    openPhoto(await fetchBlob(path), title, path),
  );
  fillThumbs($("paintings"), state.site.paintings, (picture) => choosePainting(picture));
  $("model").replaceChildren(
    ...state.site.models.map(({ name, title }) => element("option", { value: name, textContent: title })),
  );
  setHint("Loading the model …");
  const [photo] = state.site.photos;
  await openPhoto(await fetchBlob(photo.path), photo.title, photo.path);
  await openModel(state.site.models[0].name);
  await choosePainting(state.site.paintings[0]);
  if ("serviceWorker" in navigator) await navigator.serviceWorker.register("sw.js");
}

attempt(start);
