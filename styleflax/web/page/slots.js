/**
 * The chosen paintings, up to four, each with its share of the mix.
 *
 * @typedef {{id: number, name: string, blob: Blob | null, bytes: Uint8Array | null,
 *   url: string | null, weight: number, source: string | null}} Slot
 *   A painting has a `blob`, a style file `bytes`; `source` is the address in the gallery.
 */

export const MAX_SLOTS = 4;

const list = document.getElementById("slots");

export class Slots {
  /**
   * @param {() => void} changed called when the mix or the choice changes
   * @param {(slot: Slot, index: number) => void} removed called before that
   */
  constructor(changed, removed) {
    /** @type {Slot[]} */
    this.all = [];
    this.active = 0;
    Object.assign(this, { changed, removed });
  }

  /** Weights that sum to 1; even ones where all are 0. */
  get weights() {
    const total = this.all.reduce((sum, slot) => sum + slot.weight, 0);
    return this.all.map((slot) => (total ? slot.weight / total : 1 / this.all.length));
  }

  get current() {
    return this.all[this.active];
  }

  /** Puts a painting in the place of the one that is selected, or adds it. */
  put(slot, add) {
    if (add || !this.all.length) {
      this.all.push({ weight: 50, ...slot });
      this.active = this.all.length - 1;
    } else {
      const old = this.current;
      if (old.url?.startsWith("blob:")) URL.revokeObjectURL(old.url);
      this.all[this.active] = { weight: old.weight, ...slot };
    }
    this.draw();
  }

  remove(index) {
    const [slot] = this.all.splice(index, 1);
    this.active = Math.min(this.active, this.all.length - 1);
    this.draw();
    list.querySelector(".slot.active .pick")?.focus();
    this.removed(slot, index);
    this.changed();
  }

  draw() {
    list.replaceChildren(...this.all.map((slot, index) => this.#row(slot, index)));
    if (this.all.length < MAX_SLOTS) list.append(this.#adder());
  }

  #row(slot, index) {
    const row = element("div", { className: "slot" });
    row.classList.toggle("active", index === this.active);
    const pick = element("button", { type: "button", className: "pick" });
    pick.setAttribute("aria-pressed", index === this.active);
    pick.setAttribute("aria-label", `Painting ${index + 1}, ${slot.name}: select to replace it`);
    if (slot.url) pick.append(element("img", { src: slot.url, alt: "" }));
    else pick.append(element("span", { className: "style-file", textContent: ".style" }));
    pick.addEventListener("click", () => {
      this.active = index;
      this.draw();
      list.querySelectorAll(".pick")[index].focus();
      this.changed();
    });
    row.append(pick, this.#mix(slot, index));
    if (this.all.length > 1) {
      const remove = element("button", { type: "button", className: "remove", textContent: "✕" });
      remove.setAttribute("aria-label", `Remove painting ${index + 1}, ${slot.name}`);
      remove.addEventListener("click", () => this.remove(index));
      row.append(remove);
    }
    return row;
  }

  #mix(slot, index) {
    const cell = element("div");
    cell.append(element("div", { className: "name", textContent: `${index + 1}. ${slot.name}` }));
    if (this.all.length > 1) {
      const range = element("input", { type: "range", min: 0, max: 100, value: slot.weight });
      range.setAttribute("aria-label", `Share of painting ${index + 1}, ${slot.name}`);
      range.addEventListener("input", () => {
        slot.weight = Number(range.value);
        this.changed();
      });
      cell.append(range);
    }
    return cell;
  }

  #adder() {
    const add = element("button", { type: "button", id: "add-painting" });
    add.textContent = `Add a painting to the mix (${this.all.length} of ${MAX_SLOTS})`;
    add.addEventListener("click", () => list.dispatchEvent(new CustomEvent("add")));
    return add;
  }

  /** Calls back when another painting is asked for. */
  whenAdding(callback) {
    list.addEventListener("add", callback);
  }
}

/** An element with properties. */
export function element(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}
