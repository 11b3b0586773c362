/** The large picture: the photo below, the result above, and the line between before and after. */

const stage = document.getElementById("stage");
const photoCanvas = document.getElementById("photo-canvas");
const resultCanvas = document.getElementById("result-canvas");
const divider = document.getElementById("divider");
const compare = document.getElementById("compare");
const hint = document.getElementById("stage-hint");

/** Words in the middle of the empty stage; none for an empty text. */
export function setHint(words) {
  hint.textContent = words;
  hint.hidden = !words;
}

/** Shows a new photo, and no result yet. */
export function showPhoto({ picture, height, width }) {
  stage.style.setProperty("--ratio", width / height);
  draw(photoCanvas, picture);
  resultCanvas.width = resultCanvas.height = 1;
  photoCanvas.setAttribute("aria-label", `The photo, ${width} by ${height} pixels`);
  compare.disabled = true;
  setHint("");
}

/** Shows a result over the photo. */
export function showResult({ picture, height, width }) {
  draw(resultCanvas, picture);
  resultCanvas.setAttribute("aria-label", `The result, ${width} by ${height} pixels`);
  compare.disabled = false;
  setHint("");
}

function draw(canvas, { rgba, height, width }) {
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
}

function setShown(percent) {
  stage.style.setProperty("--shown", `${percent}%`);
  divider.hidden = percent <= 0 || percent >= 100;
}

/** Lets the line be moved, by the slider and by dragging over the picture. */
export function watchCompare() {
  compare.addEventListener("input", () => setShown(Number(compare.value)));
  const drag = (event) => {
    const { left, width } = stage.getBoundingClientRect();
    const percent = Math.min(Math.max(((event.clientX - left) / width) * 100, 0), 100);
    compare.value = percent;
    setShown(percent);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (compare.disabled || event.target.id === "brush-canvas") return;
    stage.setPointerCapture(event.pointerId);
    drag(event);
    stage.addEventListener("pointermove", drag);
    const stop = () => stage.removeEventListener("pointermove", drag);
    stage.addEventListener("pointerup", stop, { once: true });
    stage.addEventListener("pointercancel", stop, { once: true });
  });
}
