/** Pictures that are dropped or pasted, and to whom they go. */

const cards = {
  photo: document.getElementById("photo-card"),
  painting: document.getElementById("painting-card"),
};

/**
 * Hears of files that are dropped anywhere or pasted.
 *
 * What is dropped on the painting's card or pasted after that card was used is a painting, all else
 * is a photo.
 * @param {(kind: "photo" | "painting", file: File) => void} take
 */
export function watchInputs(take) {
  let last = "photo";
  for (const [kind, card] of Object.entries(cards)) {
    for (const type of ["pointerdown", "focusin"]) card.addEventListener(type, () => (last = kind));
  }
  const kindAt = (target) => (cards.painting.contains(target) ? "painting" : "photo");
  const mark = (kind) => {
    for (const [name, card] of Object.entries(cards)) card.classList.toggle("over", name === kind);
  };
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(kindAt(event.target));
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(null));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(null);
    const [file] = event.dataTransfer.files;
    if (file) take(file.name.endsWith(".style") ? "painting" : kindAt(event.target), file);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(last, file);
  });
}
