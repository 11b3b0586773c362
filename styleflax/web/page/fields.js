/** Labeled fields of forms. */
import { element } from "./slots.js";

/** A field under its words. */
export function field(words, input) {
  const label = element("label", { className: "field" });
  label.append(element("span", { textContent: words }), input);
  return label;
}

/** A box to tick before its words. */
export function tick(words, id, checked = false) {
  const label = element("label", { className: "switch" });
  label.append(element("input", { type: "checkbox", id, checked }), words);
  return label;
}

/** @param {[string, string][]} options values and words */
export function select(id, options) {
  const list = element("select", { id });
  list.append(...options.map(option));
  return list;
}

export function option([value, textContent]) {
  return element("option", { value, textContent });
}

export function number(id, properties) {
  return element("input", { type: "number", id, ...properties });
}

/** Fields that open under their words. */
export function group(words, ...fields) {
  const details = element("details", { className: "group" });
  details.append(element("summary", { textContent: words }), ...fields);
  return details;
}
