/**
 * The machine that serves the page as the one that computes: jobs of `styleflax serve`, see
 * docs/app.md. A static host has no such machine, and this file then does nothing.
 */
import { Cancelled, UserError } from "./errors.js";

const POLL_MS = 300;
/** The longest side of what is shown; the file itself has its full size. */
const SHOWN_PX = 2048;

export class Remote {
  /** @param {string} api the address of the API, relative to the page */
  constructor(api) {
    this.api = api;
    /** @type {Blob | null} the last result */
    this.file = null;
  }

  /** What the machine offers; see `GET api/info`. */
  async info() {
    return (await this.#ask("info")).json();
  }

  /**
   * Starts a job.
   * @param {object} options of the job, without null values
   * @param {Object<string, Blob | Blob[]>} files by part
   * @param {(record: object) => void} tell called with every record
   * @returns {{result: Promise<{blob: Blob, record: object}>, cancel: () => void}}
   */
  start(options, files, tell) {
    const stop = new AbortController();
    const result = this.#run(options, files, tell, stop.signal);
    return { result, cancel: () => stop.abort() };
  }

  async #run(options, files, tell, signal) {
    const form = new FormData();
    form.append("options", JSON.stringify(options));
    for (const [part, found] of Object.entries(files)) {
      for (const blob of [found].flat()) form.append(part, blob, blob.name || nameOf(blob, part));
    }
    let record = await (await this.#ask("jobs", { method: "POST", body: form, signal })).json();
    const address = `jobs/${record.id}`;
    try {
      while (record.state === "queued" || record.state === "running") {
        tell(record);
        await pause(POLL_MS, signal);
        record = await (await this.#ask(address, { signal })).json();
      }
      if (record.state === "canceled") throw new Cancelled();
      if (record.state === "failed") throw new UserError(`${sentence(record.error)}.`);
      tell(record);
      const blob = await (await this.#ask(`${address}/result`, { signal })).blob();
      return { blob, record };
    } finally {
      // Cancels the job, if it has not ended, and removes its files.
      await this.#ask(address, { method: "DELETE" }).catch(() => null);
    }
  }

  async #ask(path, options = {}) {
    let response;
    try {
      response = await fetch(this.api + path, options);
    } catch {
      if (options.signal?.aborted) throw new Cancelled();
      throw new UserError(
        "The computer that serves this page does not answer: styleflax serve is no longer running there. " +
          "Start it again, or switch off “Use this computer’s models”.",
      );
    }
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({ error: response.statusText }));
    throw new UserError(`${sentence(error)}.`);
  }
}

/** A picture of a file, as large as it is shown. */
export async function shownPicture(blob) {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, SHOWN_PX / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.round(side * scale));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { rgba: context.getImageData(0, 0, width, height).data, height, width };
}

/** The regions of a picture as masks, one for each painting, with what goes there. */
export async function regionsOf({ labels, height, width, wanted, elsewhere, feather }, weights) {
  const painted = wanted.filter(Boolean);
  const masks = await Promise.all(painted.map((label) => maskOf(labels, height, width, label)));
  const regions = painted.map((label, mask) => ({ mask, style: label - 1 }));
  if (wanted.includes(0) && elsewhere === "mix") regions.push({ mask: "rest", style: weights });
  return { regions, masks, feather };
}

async function maskOf(labels, height, width, label) {
  const canvas = new OffscreenCanvas(width, height);
  const image = new ImageData(width, height);
  labels.forEach((found, p) => image.data.fill(found === label ? 255 : 0, 4 * p, 4 * p + 3));
  for (let alpha = 3; alpha < image.data.length; alpha += 4) image.data[alpha] = 255;
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

/** What a job does, for people. */
export function describe({ state, ahead, progress: { phase, done, total } }) {
  if (state === "queued") return ahead ? `Waiting, ${ahead} before this …` : "Waiting …";
  const words = {
    waiting: "Beginning …",
    model: "Loading the model …",
    styles: "Reading the paintings …",
    stylizing: "Painting on this computer …",
    optimizing: "Optimizing on this computer …",
    frames: "Painting frames on this computer …",
    writing: "Writing the result …",
  };
  const steps = total && phase !== "stylizing" ? ` ${done} of ${total}` : "";
  return `${words[phase]}${steps}`;
}

/** An error's line as a sentence; paths of files are named by what they are. */
function sentence(text) {
  return (text || "It failed").replace(/^./, (first) => first.toUpperCase()).replace(/\.$/, "");
}

function nameOf(blob, part) {
  return blob.type === "application/x-styleflax-style" ? `${part}.style` : part;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Cancelled());
    });
  });
}
