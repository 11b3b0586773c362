/** The machine that serves the page as the one that paints, also videos. */
import { fieldOptions, fileRegions, makeCard, styleParts } from "./computercard.js";
import { UserError } from "./errors.js";
import { Remote, describe, regionsOf, shownPicture } from "./remote.js";
import { local, useRenderer } from "./rendering.js";
import { element } from "./slots.js";
import { $, attempt, baseName, save, say, setProgress, state } from "./state.js";

const WHERE =
  "If you switch on “Use this computer’s models”, images are sent to the machine that serves " +
  "this page, which deletes them afterwards, and nowhere else.";
/** Controls of networks, of which optimization and some models know nothing. */
const OF_NETWORKS = ["detail", "color_match"];

let remote = null;
let info = null;

/** Offers this computer where the page is served by styleflax. */
export async function offerComputer() {
  if (!state.site.api) return;
  remote = new Remote(state.site.api);
  info = await remote.info();
  const card = makeCard(info, (file) => attempt(() => paintVideo(file)));
  $("controls").append(card);
  document.querySelector("footer").prepend(element("p", { textContent: WHERE }));
  $("remote-row").hidden = false;
  $("remote").addEventListener("change", () => attempt(switchComputer));
  card.addEventListener("change", ({ target }) => {
    if (target.id !== "computer-video" && $("remote").checked) useRenderer(renderer);
    tellFormat();
  });
}

function switchComputer() {
  const on = $("remote").checked;
  $("computer").hidden = !on;
  for (const id of ["model", "gpu"]) $(id).disabled = on;
  const [device] = info.devices;
  if (on) $("engine-hint").textContent = `Computed by the machine that serves this page (${device.kind}).`;
  tellFormat();
  useRenderer(on ? renderer : local);
}

function tellFormat() {
  const format = $("remote").checked ? $("computer-format").value : "png";
  $("download").textContent = `Download ${format.toUpperCase()}`;
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
  file: async () => remote.file,
};

/** A request of the page as a job's options and files. */
async function optionsOf(request, kind) {
  const { size, weights, alpha, colorMatch, colors, detail, regions } = request;
  const own = kind === "gatys" ? "" : $("computer-styles").value;
  const options = { kind, alpha, color: colors };
  const files = { content: state.photo.blob, style: own ? [] : state.slots.all.map(styleBlob) };
  if (kind !== "gatys") {
    options.model = $("computer-model").value;
    Object.assign(options, networkOptions(options.model, { detail, color_match: colorMatch }, colors));
  }
  if (own) options.styles = [own];
  else if (files.style.length > 1) options.shares = weights;
  if (size) options.size = size;
  if (request.styleSize && !own) options.style_size = request.styleSize;
  Object.assign(options, fieldOptions(kind));
  if (own) return { options, files };
  await addMasks(options, files, regions, weights);
  return { options, files };
}

function networkOptions(name, given, colors) {
  const { controls } = info.models.find((model) => model.name === name);
  const known = OF_NETWORKS.filter((control) => controls.includes(control));
  const wanted = known.filter((control) => control !== "color_match" || colors === "style");
  return Object.fromEntries(wanted.map((control) => [control, given[control]]));
}

/** Where paintings go, and which parts of them count. */
async function addMasks(options, files, regions, weights) {
  const byFiles = fileRegions(weights);
  const found = byFiles ?? (regions && (await regionsOf(regions, weights)));
  if (found) {
    delete options.shares;
    files.mask = found.masks;
    Object.assign(options, { regions: found.regions, feather: found.feather });
  }
  const parts = styleParts(weights.length);
  if (parts) {
    options.style_masks = parts.places;
    files.style_mask = parts.files;
  }
}

function styleBlob({ blob, bytes }) {
  return blob ?? new Blob([bytes], { type: "application/x-styleflax-style" });
}

function tellNotes({ notes }) {
  if (notes.length) say(notes.join(" "));
}

async function paintVideo(file) {
  if (!state.slots.all.length) throw new UserError("Choose a painting first.");
  const colors = $("controls").colors.value;
  const request = {
    alpha: Number($("alpha").value) / 100,
    colorMatch: colors === "style" ? Number($("color-match").value) / 100 : 0,
    colors,
    weights: state.slots.weights,
    size: Number($("computer-video-size").value) || null,
  };
  const { options, files } = await optionsOf(request, "video");
  delete options.detail;
  if (options.keyframes) delete options.shares;
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
