/** Errors in words, for people. */

/** An error whose message is written for the person at the page. */
export class UserError extends Error {}

/** The work was stopped because it was asked to. */
export class Cancelled extends Error {}

const MEMORY = /memory|alloc|out of bounds|aborted|oom|array buffer|invalid array length/i;

/**
 * What to tell of an error.
 * @param {unknown} error
 * @param {string} doing what was being done, for the message
 */
export function inWords(error, doing) {
  if (error instanceof UserError) return error.message;
  const message = error instanceof Error ? error.message : String(error);
  if (isMemory(error)) {
    return (
      `There was not enough memory while ${doing}. ` +
      "Choose a smaller picture or a smaller size of the result, or close other tabs, and try again."
    );
  }
  if (/fetch|network|load failed/i.test(message)) {
    return (
      `A file could not be loaded while ${doing}. ` +
      "Check that this computer is online, or that the page was opened once before, and reload."
    );
  }
  return `Something went wrong while ${doing}: ${message}. Reload the page and try again.`;
}

/** Whether an error says that memory is used up, after which a runtime cannot be trusted. */
export function isMemory(error) {
  return error instanceof RangeError || MEMORY.test(error instanceof Error ? error.message : error);
}
