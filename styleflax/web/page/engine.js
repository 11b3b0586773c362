/** The page's side of the worker: requests as promises, progress, cancellation, a fresh start. */
import { Cancelled, UserError } from "./errors.js";

export class Engine {
  #worker = null;
  #jobs = new Map();
  #next = 1;

  /**
   * @param {{notice: (words: string) => void, restarted: () => void}} listener `restarted` is called
   *   after memory ran out, when the worker has forgotten everything
   */
  constructor(listener) {
    this.listener = listener;
    this.#start();
  }

  #start() {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail("This page needs a newer browser.");
    };
  }

  /**
   * Asks the worker.
   * @param {string} method one of those in worker.js
   * @param {object} request
   * @param {(done: number, total: number) => void} [progress]
   * @returns {Promise<object> & {job: number}}
   */
  ask(method, request = {}, progress) {
    const job = this.#next++;
    const promise = new Promise((resolve, reject) => {
      this.#jobs.set(job, { resolve, reject, progress });
      this.#worker.postMessage({ job, method, request });
    });
    return Object.assign(promise, { job });
  }

  /** Stops a request; its promise fails with `Cancelled`. */
  cancel(job) {
    this.#worker.postMessage({ cancel: job });
  }

  #hear({ job, value, error, progress, notice }) {
    if (notice) this.listener.notice(notice);
    const waiting = this.#jobs.get(job);
    if (!waiting) return;
    if (progress) {
      waiting.progress?.(...progress);
      return;
    }
    this.#jobs.delete(job);
    if (!error) waiting.resolve(value);
    else if (error.stopped) waiting.reject(new Cancelled());
    else waiting.reject(new UserError(error.words));
    if (error?.broken) this.#restart();
  }

  #fail(words) {
    for (const { reject } of this.#jobs.values()) reject(new UserError(words));
    this.#jobs.clear();
  }

  #restart() {
    this.#worker.terminate();
    this.#fail("The work was stopped because memory ran out.");
    this.#start();
    this.listener.restarted();
  }
}
