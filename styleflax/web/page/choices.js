/** The photo and the paintings: opened, chosen, put aside. */
import { Brush } from "./brush.js";
import { changed, refresh } from "./rendering.js";
import { MAX_SLOTS, Slots, element } from "./slots.js";
import { $, attempt, baseName, fetchBlob, save, state } from "./state.js";
import { showPhoto } from "./stage.js";

const SIZES = [256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];

const slots = new Slots(slotsChanged, (slot, index) => {
  brush.dropLabel(index + 1);
  state.engine.ask("forget", { id: slot.id });
});
const brush = new Brush($("brush-canvas"), changed);
Object.assign(state, { slots, brush });
let nextId = 1;
let last = Promise.resolve();

/** Does one thing after another, so that the last picture that was chosen stays. */
function inTurn(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

export const openPhoto = (blob, name) => inTurn(() => putPhoto(blob, name));

export const choosePhoto = ({ path, title }) =>
  inTurn(async () => putPhoto(await fetchBlob(path), title, path));

export const openPainting = (blob, name, options) => inTurn(() => putPainting(blob, name, options));

export const choosePainting = (painting) => inTurn(() => putOfGallery(painting));

/** Another painting of the gallery in the place of the selected one. */
export const surprise = () =>
  inTurn(() => {
    const others = otherPaintings();
    return putOfGallery(others[Math.floor(Math.random() * others.length)]);
  });

/** The next painting of the gallery, beside the chosen ones. */
export const addPainting = () =>
  inTurn(async () => {
    const [next] = otherPaintings();
    if (slots.all.length < MAX_SLOTS) await putOfGallery(next, true);
  });

async function putOfGallery({ path, title }, add = false) {
  await putPainting(await fetchBlob(path), title, { source: path, url: path, add });
}

async function putPhoto(blob, name, source = null) {
  const opened = await state.engine.ask("photo", { blob });
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
  $("size").replaceChildren(...options, option("own", "As the photo", 1));
  const values = [...$("size").options].map((one) => one.value);
  $("size").value = values.includes(before) ? before : values.includes("512") ? "512" : "own";
}

async function putPainting(blob, name, { source = null, url = null, add = false } = {}) {
  const id = nextId++;
  let slot;
  if (name.endsWith(".style")) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const foreign = $("remote").checked;
    const { painting } = await state.engine.ask("style", { id, bytes, foreign });
    slot = { id, name: painting || name, blob: null, bytes, url: null, source: null };
  } else {
    await state.engine.ask("painting", { id, blob });
    slot = { id, name, blob, bytes: null, url: url ?? URL.createObjectURL(blob), source };
  }
  const old = add ? null : slots.current;
  slots.put(slot, add);
  if (old) state.engine.ask("forget", { id: old.id });
  slotsChanged();
}

let slotCount = 0;

export function slotsChanged() {
  press($("paintings"), slots.current?.source);
  if (slots.all.length !== slotCount) {
    slotCount = slots.all.length;
    drawBrushes();
  }
  $("save-style").disabled = !slots.current?.blob;
  changed();
}

function otherPaintings() {
  const used = slots.all.map((slot) => slot.source);
  return state.site.paintings.filter(({ path }) => !used.includes(path));
}

export async function saveStyle() {
  const { id, name } = slots.current;
  const styleSize = Number($("style-size").value) || null;
  const { bytes } = await state.engine.ask("saveStyle", { id, painting: name, styleSize });
  save(new Blob([bytes]), `${baseName(name)}.style`);
}

function drawBrushes() {
  const brushes = slots.all.map((slot, index) => [index + 1, `Painting ${index + 1}`]);
  const labels = [...brushes, [0, "Eraser"]].map(([label, words]) => {
    const input = element("input", { type: "radio", name: "brush", value: label });
    input.checked = label === brush.label;
    input.addEventListener("change", () => (brush.label = label));
    const row = element("label");
    row.append(input);
    if (label) row.append(element("span", { className: `swatch swatch-${label}` }));
    row.append(words);
    return row;
  });
  if (brush.label > slots.all.length) brush.label = 1;
  $("brushes").replaceChildren(element("legend", { textContent: "Brush" }), ...labels);
  const chosen = $("brushes").querySelector(`[value="${brush.label}"]`);
  if (chosen) chosen.checked = true;
}

export function fillThumbs(group, pictures, choose) {
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
