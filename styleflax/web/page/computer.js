/** The card of this computer: its switch, its models, and what only it can do. */
import { baseName, $, attempt, save, say, setProgress, state } from "./state.js";
import { Remote, describe, regionsOf, shownPicture } from "./remote.js";
import { local, useRenderer } from "./rendering.js";
import { UserError } from "./errors.js";
import { element } from "./slots.js";

const COLORS = [
  ["", "as chosen under Look"],
  ["coral", "the photo’s, before painting (CORAL)"],
  ["lab", "the photo’s mean and spread (CIELAB)"],
];
/** Of the fields below: what they are called, and their attributes. */
const NUMBERS = [
  ["exaggerate", "Exaggeration, above 1", { min: 1.1, max: 10, step: 0.1 }],
  ["level_balance", "Balance of SANet’s levels, 0 to 1", { min: 0, max: 1, step: 0.1 }],
  ["style_size", "Size of the paintings, px", { min: 16, max: 4096, step: 1 }],
  ["refine", "Refining iterations", { min: 0, max: 2000, step: 1 }],
  ["tile", "Size of windows, px (0: none)", { min: 0, max: 4096, step: 8 }],
];
const WHOLE = new Set(["style_size", "refine", "tile"]);

const WHERE =
  "Where you switch on “Use this computer’s models”, pictures are sent to the machine that serves " +
  "this page, which deletes them afterwards, and nowhere else.";

let remote = null;
let info = null;

/** Offers this computer where the page is served by styleflax. */
export async function offerComputer() {
  if (!state.site.api) return;
  remote = new Remote(state.site.api);
  info = await remote.info();
  $("controls").append(makeCard());
  document.querySelector("footer").prepend(element("p", { textContent: WHERE }));
  $("remote-row").hidden = false;
  $("remote").addEventListener("change", () => attempt(switchComputer));
  for (const field of $("computer").querySelectorAll(".look")) {
    field.addEventListener("change", () => $("remote").checked && useRenderer(renderer));
  }
}

function switchComputer() {
  const on = $("remote").checked;
  $("computer").hidden = !on;
  for (const id of ["model", "gpu"]) $(id).disabled = on;
  const [device] = info.devices;
  if (on) $("engine-hint").textContent = `Computed by the machine that serves this page (${device.kind}).`;
  useRenderer(on ? renderer : local);
}

/** @type {import("./rendering.js").Renderer} */
const renderer = {
  render(request, progress) {
    let job = null;
    const result = (async () => {
      const { options, files } = await optionsOf(request, $("computer-kind").value);
      const tell = (record) => {
        $("status").textContent = describe(record);
        progress(record.progress.done, record.progress.total ?? 0);
      };
      job = remote.start(options, files, tell);
      const { blob, record } = await job.result;
      remote.file = blob;
      tellNotes(record);
      const { height, width } = record.result;
      return { picture: await shownPicture(blob), height, width };
    })();
    return { result, cancel: () => job?.cancel() };
  },
  png: async () => remote.file,
};

/** A request of the page as a job's options and files. */
async function optionsOf(request, kind) {
  const { size, weights, alpha, colorMatch, photoColors, detail, regions } = request;
  const color = $("computer-color").value || (photoColors ? "luminance" : "style");
  const own = $("computer-styles").value;
  const options = { kind, model: $("computer-model").value, alpha, color, detail };
  const files = { content: state.photo.blob, style: own ? [] : state.slots.all.map(styleBlob) };
  if (color === "style") options.color_match = colorMatch;
  const { controls } = info.models.find(({ name }) => name === options.model);
  // The page's own values, of which a model may know nothing.
  for (const name of ["detail", "color_match"]) if (!controls.includes(name)) delete options[name];
  if (own) options.styles = [own];
  else if (files.style.length > 1) options.shares = weights;
  if (size) options.size = size;
  if (request.styleSize && !own) options.style_size = request.styleSize;
  for (const [name] of NUMBERS) {
    const text = $(`computer-${name}`).value;
    if (text) options[name] = WHOLE.has(name) ? Math.round(Number(text)) : Number(text);
  }
  if (kind === "gatys") {
    options.iterations = Number($("computer-iterations").value);
    for (const name of ["model", "detail", "color_match", "refine", "level_balance"]) delete options[name];
  }
  if (regions && !own) {
    delete options.shares;
    const found = await regionsOf(regions, weights);
    Object.assign(options, { regions: found.regions, feather: regions.feather });
    files.mask = found.masks;
  }
  return { options, files };
}

function styleBlob({ blob, bytes }) {
  return blob ?? new Blob([bytes], { type: "application/x-styleflax-style" });
}

function tellNotes({ notes }) {
  if (notes.length) say(notes.join(" "));
}

async function paintVideo(file) {
  if (!state.slots.all.length) throw new UserError("Choose a painting first.");
  const request = {
    alpha: Number($("alpha").value) / 100,
    colorMatch: Number($("color-match").value) / 100,
    photoColors: $("controls").colors.value === "photo",
    weights: state.slots.weights,
    size: Number($("computer-video-size").value) || null,
  };
  const { options, files } = await optionsOf(request, "video");
  for (const name of ["detail", "refine", "tile"]) delete options[name];
  const job = remote.start(options, { ...files, content: file }, (record) => {
    $("computer-video-status").textContent = describe(record);
    setProgress(record.progress.done, record.progress.total ?? 0);
  });
  const stop = () => job.cancel();
  $("computer-video-cancel").hidden = false;
  $("computer-video-cancel").addEventListener("click", stop);
  try {
    const { blob, record } = await job.result;
    save(blob, `${baseName(file.name)}-${baseName(state.slots.current.name)}.mp4`);
    tellNotes(record);
    const { frames, width, height } = record.result;
    $("computer-video-status").textContent = `Saved, ${frames} frames of ${width} × ${height} px`;
  } catch (error) {
    $("computer-video-status").textContent = "";
    throw error;
  } finally {
    setProgress(0, 0);
    $("computer-video-cancel").hidden = true;
    $("computer-video-cancel").removeEventListener("click", stop);
  }
}

function makeCard() {
  const card = element("section", { className: "card", id: "computer", hidden: true });
  card.setAttribute("aria-labelledby", "computer-title");
  card.append(element("h2", { id: "computer-title", textContent: "This computer" }));
  const model = select("computer-model", info.models.map(({ name }) => [name, name]));
  model.addEventListener("change", fillOwnStyles);
  const kinds = [["picture", "a network"], ["gatys", "optimization of pixels (slow)"]];
  card.append(
    field("Model", model),
    field("Style of the model", select("computer-styles", [["", "the paintings above"]])),
    field("Painted by", select("computer-kind", kinds)),
    field("Colors", select("computer-color", COLORS)),
    field("Iterations of optimization", number("computer-iterations", { min: 1, max: 2000, value: 100 })),
    ...NUMBERS.map(([name, words, limits]) => field(words, number(`computer-${name}`, limits))),
  );
  if (info.video) card.append(...videoFields());
  queueMicrotask(fillOwnStyles);
  return card;
}

function fillOwnStyles() {
  const chosen = info.models.find(({ name }) => name === $("computer-model").value);
  const options = chosen.styles.map((name) => [name, name]);
  if (!options.length) options.push(["", "the paintings above"]);
  $("computer-styles").replaceChildren(...options.map(option));
  $("computer-styles").closest("label").hidden = !chosen.styles.length;
}

function videoFields() {
  const open = element("label", { className: "button", textContent: "Stylize a video" });
  const input = element("input", { type: "file", accept: "video/*", className: "cover", id: "computer-video" });
  open.prepend(input);
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) attempt(() => paintVideo(file));
    input.value = "";
  });
  const row = element("div", { className: "row" });
  const cancel = element("button", { type: "button", textContent: "Cancel", hidden: true });
  cancel.id = "computer-video-cancel";
  row.append(open, cancel);
  const status = element("p", { className: "hint", id: "computer-video-status" });
  status.setAttribute("role", "status");
  const size = number("computer-video-size", { min: 16, max: 4096, step: 1, value: 360 });
  return [field("Short side of the video, px", size), row, status];
}

function field(words, input) {
  const label = element("label", { className: "field" });
  input.classList.add("look");
  label.append(element("span", { textContent: words }), input);
  return label;
}

function select(id, options) {
  const list = element("select", { id });
  list.append(...options.map(option));
  return list;
}

function option([value, textContent]) {
  return element("option", { value, textContent });
}

function number(id, properties) {
  return element("input", { type: "number", id, ...properties });
}
