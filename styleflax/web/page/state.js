/** What the page knows, and how it speaks; tests look at it, too. */
import { Cancelled, UserError, inWords } from "./errors.js";

export const $ = (id) => document.getElementById(id);

/**
 * @property {object | null} site what site.json says
 * @property {object | null} manifest of the model
 * @property {{blob: Blob, name: string, height: number, width: number} | null} photo
 * @property {import("./slots.js").Slots} slots the chosen paintings
 * @property {import("./brush.js").Brush} brush the regions
 * @property {import("./engine.js").Engine} engine the worker
 * @property {{cancel: () => void, full: boolean} | null} busy what is being rendered
 * @property {boolean} again whether something was changed since that began
 * @property {number} pending how many things that a person asked for are not done yet
 * @property {{height: number, width: number, final: boolean} | null} shown the result; `final` if it
 *   is of the size and the settings that are chosen
 */
export const state = {
  site: null,
  manifest: null,
  photo: null,
  slots: null,
  brush: null,
  engine: null,
  busy: null,
  again: false,
  pending: 0,
  shown: null,
};

/** Tells a person something; nothing for an empty text. */
export function say(words) {
  $("message-text").textContent = words;
  $("message").hidden = !words;
}

/** Runs what a person asked for; what fails is said in words. */
export async function attempt(work) {
  say("");
  state.pending += 1;
  try {
    await work();
  } catch (error) {
    if (error instanceof Cancelled) return;
    say(error instanceof UserError ? error.message : `Something went wrong: ${error.message}`);
  } finally {
    state.pending -= 1;
  }
}

export function setProgress(done, total) {
  $("progress").hidden = total <= 1;
  $("progress").value = total ? done / total : 0;
}

/** One of the page's own files. */
export async function fetchBlob(path) {
  const response = await fetch(path).catch((error) => {
    throw new UserError(inWords(error, `loading ${path}`));
  });
  if (!response.ok) throw new UserError(`The page's file ${path} is missing.`);
  return response.blob();
}

/** Hands a file to the person. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A name without its suffix, fit for a file. */
export function baseName(name) {
  return name.replace(/\.[^.]+$/, "").replace(/[^\p{L}\p{N}]+/gu, "-") || "picture";
}
