/** The card of the machine that serves the page: its fields, and what they say to it. */
import { UserError } from "./errors.js";
import { field, group, number, option, select, tick } from "./fields.js";
import { MAX_SLOTS, element } from "./slots.js";
import { $ } from "./state.js";

const ALL = ["picture", "gatys", "video"];
const WHOLE = { step: 1 };
/** Numbers: name in the API, words, kinds of jobs, attributes. */
const NUMBERS = {
  more: [
    ["exaggerate", "Exaggeration, above 1", ALL, { min: 1.1, max: 10, step: 0.1 }],
    ["detail", "Detail of the photo below strength 1, 0 to 1", ["picture"], { min: 0, max: 1, step: 0.1 }],
    ["level_balance", "Balance of SANet’s levels, 0 to 1", ["picture", "video"], { min: 0, max: 1, step: 0.1 }],
    ["style_size", "Short side of the paintings, px", ALL, { min: 16, max: 4096, ...WHOLE }],
    ["refine", "Refining iterations after the network", ["picture"], { min: 0, max: 2000, ...WHOLE }],
    ["tile", "Side of windows, px (0: none)", ["picture"], { min: 0, max: 4096, step: 8 }],
  ],
  gatys: [
    ["iterations", "Iterations", ["gatys"], { min: 1, max: 2000, ...WHOLE, value: 100 }],
    ["levels", "Levels of the pyramid", ["gatys"], { min: 1, max: 6, ...WHOLE }],
    ["content_weight", "Weight of the photo", ["gatys"], { min: 0, step: "any" }],
    ["style_weight", "Weight of the paintings", ["gatys"], { min: 0, step: "any" }],
    ["seed", "Seed of the noise", ["gatys"], { min: 0, max: 2 ** 32 - 1, ...WHOLE }],
  ],
  video: [
    ["smooth", "Smoothing over time, seconds", ["video"], { min: 0, max: 10, step: 0.05 }],
    ["steady", "Steadiness against flicker, 0 to 1", ["video"], { min: 0, max: 1, step: 0.1 }],
    ["crf", "Compression, 0 (best) to 51", ["video"], { min: 0, max: 51, ...WHOLE }],
  ],
};
const SHOWN_FORMATS = ["png", "jpg", "webp"];
const BEGINNINGS = [
  ["", "as the preset says"],
  ["content", "the photo"],
  ["style", "the painting"],
  ["noise", "noise"],
];
const ELSEWHERE = [
  ["mix", "the mix of all paintings"],
  ["photo", "the photo as it is"],
];
const SOURCES = [
  ["", "the brush, where it is on"],
  ["files", "mask files, one for each painting"],
  ["labels", "the labels of one mask file"],
  ["alpha", "the photo’s opaque parts"],
];

/**
 * The card.
 * @param {object} info what the machine offers
 * @param {(file: File) => void} paintVideo called with a video that was chosen
 */
export function makeCard(info, paintVideo) {
  const card = element("section", { className: "card", id: "computer", hidden: true });
  card.setAttribute("aria-labelledby", "computer-title");
  const model = select("computer-model", info.models.map(({ name }) => [name, name]));
  const styles = select("computer-styles", []);
  const fill = () => fillOwnStyles(info, model.value, styles);
  model.addEventListener("change", fill);
  const kinds = [["picture", "a network"], ["gatys", "optimization of pixels (slow)"]];
  card.append(
    element("h2", { id: "computer-title", textContent: "This computer" }),
    field("Model", model),
    field("Style of the model", styles),
    field("Method", select("computer-kind", kinds)),
    group("More options of the result", ...numbers("more"), ...resultFields(info)),
    group("Masks from files", ...maskFields()),
    group("Optimization of pixels", ...gatysFields(info), ...numbers("gatys")),
  );
  if (info.video) card.append(group("Videos", ...numbers("video"), ...videoFields(paintVideo)));
  fill();
  return card;
}

function fillOwnStyles(info, name, styles) {
  const chosen = info.models.find((model) => model.name === name);
  const options = chosen.styles.map((style) => [style, style]);
  if (!options.length) options.push(["", "the paintings above"]);
  styles.replaceChildren(...options.map(option));
  styles.closest("label").hidden = !chosen.styles.length;
}

function numbers(which) {
  return NUMBERS[which].map(([name, words, , limits]) => field(words, number(`computer-${name}`, limits)));
}

function resultFields({ formats }) {
  const shown = formats.filter((name) => SHOWN_FORMATS.includes(name));
  return [
    field("Format", select("computer-format", shown.map((name) => [name, name.toUpperCase()]))),
    tick("Keep the photo’s EXIF data and color profile", "computer-metadata"),
    tick("Enlarge the result to the photo’s own size", "computer-restore_size"),
  ];
}

function maskFields() {
  const file = (id) => element("input", { type: "file", accept: "image/*", id });
  const parts = Array.from({ length: MAX_SLOTS }, (_, i) =>
    field(`Part of painting ${i + 1} to use`, file(`computer-part-${i + 1}`)),
  );
  const masks = Object.assign(file("computer-masks"), { multiple: true });
  const labels = element("input", { type: "text", id: "computer-labels" });
  labels.placeholder = "3, #ff0000";
  return [
    field("Where paintings go", select("computer-regions", SOURCES)),
    field("Mask files of the photo", masks),
    field("Labels, one for each painting, by number or color", labels),
    field("Elsewhere", select("computer-elsewhere", ELSEWHERE)),
    field("Soft edges of these masks, px", number("computer-feather", { min: 0, max: 1000, step: 1, value: 0 })),
    ...parts,
  ];
}

function gatysFields({ gatys_presets: presets }) {
  return [
    field("Preset", select("computer-preset", presets.map((name) => [name, name]))),
    field("Start from", select("computer-init", BEGINNINGS)),
  ];
}

function videoFields(paintVideo) {
  const open = element("label", { className: "button", textContent: "Stylize a video" });
  const input = element("input", { type: "file", accept: "video/*", className: "cover", id: "computer-video" });
  open.prepend(input);
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) paintVideo(file);
    input.value = "";
  });
  const row = element("div", { className: "row" });
  const cancel = element("button", { type: "button", textContent: "Cancel", hidden: true });
  cancel.id = "computer-video-cancel";
  row.append(open, cancel);
  const status = element("p", { className: "hint", id: "computer-video-status" });
  status.setAttribute("role", "status");
  const keyframes = element("textarea", { id: "computer-keyframes", rows: 3 });
  keyframes.placeholder = "0: 1 0\n2.5: 0 1";
  const size = number("computer-video-size", { min: 16, max: 4096, step: 1, value: 360 });
  return [
    field("Short side of the video, px", size),
    field("Keyframes: seconds, a colon, a share for each painting", keyframes),
    tick("Keep the sound", "computer-sound", true),
    row,
    status,
  ];
}

/** What the fields say of a job of a kind, as options of the API. */
export function fieldOptions(kind) {
  const options = {};
  for (const [name, , kinds] of Object.values(NUMBERS).flat()) {
    const input = $(`computer-${name}`);
    if (!input?.value || !kinds.includes(kind)) continue;
    const value = Number(input.value);
    options[name] = input.step === "1" || input.step === "8" ? Math.round(value) : value;
  }
  if (kind === "video") {
    const keyframes = keyframesOf($("computer-keyframes").value);
    if (keyframes.length) options.keyframes = keyframes;
    if (!$("computer-sound").checked) options.sound = false;
    return options;
  }
  if ($("computer-format").value !== "png") options.format = $("computer-format").value;
  if ($("computer-metadata").checked) options.metadata = "keep";
  if ($("computer-restore_size").checked) options.restore_size = true;
  if (kind === "gatys") {
    options.preset = $("computer-preset").value;
    if ($("computer-init").value) options.init = $("computer-init").value;
  }
  return options;
}

/**
 * Regions of the masks that were chosen as files; null where the brush says it.
 * @param {number[]} weights of all paintings
 * @returns {{regions: object[], masks: File[], feather: number} | null}
 */
export function fileRegions(weights) {
  const source = $("computer-regions").value;
  if (!source) return null;
  const masks = [...$("computer-masks").files];
  let regions = [{ mask: "alpha", style: 0 }];
  if (source !== "alpha" && !masks.length) throw new UserError("Choose the mask files first.");
  if (source === "files") regions = masks.map((_, mask) => ({ mask, style: mask }));
  if (source === "labels") {
    const labels = $("computer-labels").value.split(/[\s,]+/).filter(Boolean);
    if (!labels.length) throw new UserError("Write the labels first, such as 3, #ff0000.");
    regions = labels.map((label, style) => ({ mask: 0, label, style }));
  }
  if (regions.length > weights.length) {
    throw new UserError(
      `There are ${regions.length} masks or labels and ${weights.length} paintings: add paintings to the mix.`,
    );
  }
  if ($("computer-elsewhere").value === "mix") regions.push({ mask: "rest", style: weights });
  const feather = Number($("computer-feather").value);
  return { regions, masks: source === "alpha" ? [] : masks, feather };
}

/**
 * Which parts of paintings count.
 * @param {number} count of paintings
 * @returns {{places: (number | null)[], files: File[]} | null} null for all of each
 */
export function styleParts(count) {
  const files = [];
  const places = Array.from({ length: count }, (_, i) => {
    const [file] = $(`computer-part-${i + 1}`).files;
    return file ? files.push(file) - 1 : null;
  });
  return files.length ? { places, files } : null;
}

/** Keyframes of text: a line of each, "seconds: shares". */
function keyframesOf(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return lines.map((line) => {
    const [time, shares = ""] = line.split(":");
    const numbers = shares.split(/[\s,]+/).filter(Boolean).map(Number);
    if (!time.trim() || !numbers.length || ![Number(time), ...numbers].every(Number.isFinite)) {
      throw new UserError(
        `A keyframe must be seconds, a colon and a share for each painting, such as “2.5: 1 0”; got “${line}”.`,
      );
    }
    return [Number(time), numbers];
  });
}
