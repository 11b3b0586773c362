/**
 * Regions painted over the photo: a label for every pixel, 0 where no brush was, else the number of
 * a painting. With a mouse, a finger or a pen, or with the arrow keys and the space bar.
 */

/** The longest side of the labels; they are stretched over larger photos. */
const LABELS_PX = 1024;
const COLORS = [
  [228, 87, 46],
  [46, 134, 222],
  [232, 178, 31],
  [142, 68, 173],
];
const OPACITY = 130;
/** The colors as the bytes of a pixel, the lowest first. */
const PIXELS = COLORS.map(([r, g, b]) => ((OPACITY << 24) | (b << 16) | (g << 8) | r) >>> 0);
const MAX_UNDO = 20;

export class Brush {
  /**
   * @param {HTMLCanvasElement} canvas over the photo
   * @param {() => void} painted called after every stroke
   */
  constructor(canvas, painted) {
    Object.assign(this, { canvas, painted, label: 1, share: 0.12, key: 0 });
    this.cursor = { x: 0.5, y: 0.5 };
    this.history = [];
    this.resize(1, 1);
    this.#listen();
  }

  /** Begins anew for a photo of that size. */
  resize(height, width) {
    const scale = Math.min(1, LABELS_PX / Math.max(height, width));
    this.height = Math.max(1, Math.round(height * scale));
    this.width = Math.max(1, Math.round(width * scale));
    this.labels = new Uint8Array(this.height * this.width);
    this.history = [];
    [this.canvas.width, this.canvas.height] = [this.width, this.height];
    this.key += 1;
  }

  /** The labels that occur, in rising order, and last 0, if it does. */
  get used() {
    return [...new Set(this.labels)].sort((a, b) => (a || Infinity) - (b || Infinity));
  }

  /** Takes a painting's label away; those above it move down. */
  dropLabel(label) {
    this.labels = this.labels.map((x) => (x === label ? 0 : x > label ? x - 1 : x));
    this.history = [];
    this.#changed();
  }

  undo() {
    if (!this.history.length) return;
    this.labels = this.history.pop();
    this.#changed();
    this.painted();
  }

  clear() {
    this.#remember();
    this.labels = new Uint8Array(this.labels.length);
    this.#changed();
    this.painted();
  }

  #remember() {
    this.history.push(this.labels.slice());
    if (this.history.length > MAX_UNDO) this.history.shift();
  }

  /** Paints a line of round dabs between two points, in shares of width and height. */
  #stroke(from, to) {
    const radius = (this.share * Math.min(this.height, this.width)) / 2;
    const [dx, dy] = [(to.x - from.x) * this.width, (to.y - from.y) * this.height];
    const steps = Math.ceil(Math.hypot(dx, dy) / Math.max(radius / 3, 1)) || 1;
    for (let i = 0; i <= steps; i++) {
      const [x, y] = [from.x * this.width + (dx * i) / steps, from.y * this.height + (dy * i) / steps];
      this.#dab(x, y, radius);
    }
    this.#changed();
  }

  #dab(x, y, radius) {
    const bottom = Math.min(this.height - 1, Math.floor(y + radius));
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= bottom; row++) {
      const half = Math.sqrt(radius ** 2 - (row - y) ** 2);
      const first = Math.max(0, Math.round(x - half));
      const last = Math.min(this.width, Math.round(x + half) + 1);
      if (last > first) this.labels.fill(this.label, row * this.width + first, row * this.width + last);
    }
  }

  #changed() {
    this.key += 1;
    this.draw();
  }

  /** Shows the labels, and the keyboard's brush where the canvas has the focus. */
  draw() {
    const image = new ImageData(this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let p = 0; p < pixels.length; p++) {
      if (this.labels[p]) pixels[p] = PIXELS[this.labels[p] - 1];
    }
    const context = this.canvas.getContext("2d");
    context.putImageData(image, 0, 0);
    if (document.activeElement !== this.canvas || !this.byKeys) return;
    const radius = (this.share * Math.min(this.height, this.width)) / 2;
    context.lineWidth = Math.max(2, this.width / 300);
    for (const [color, offset] of [["#000", context.lineWidth], ["#fff", 0]]) {
      context.strokeStyle = color;
      context.beginPath();
      const [x, y] = [this.cursor.x * this.width, this.cursor.y * this.height];
      context.arc(x, y, radius + offset, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      this.byKeys = false;
      this.#remember();
      let last = this.#point(event);
      this.#stroke(last, last);
      const move = (moved) => {
        const point = this.#point(moved);
        this.#stroke(last, point);
        last = point;
      };
      const stop = () => {
        canvas.removeEventListener("pointermove", move);
        this.painted();
      };
      canvas.addEventListener("pointermove", move);
      canvas.addEventListener("pointerup", stop, { once: true });
    });
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("keyup", (event) => {
      if (event.key !== " ") return;
      this.pressing = false;
      this.painted();
    });
    for (const type of ["focus", "blur"]) canvas.addEventListener(type, () => this.draw());
  }

  #press(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    this.byKeys = true;
    const from = { ...this.cursor };
    if (step) {
      this.cursor.x = Math.min(Math.max(from.x + step[0] * 0.03, 0), 1);
      this.cursor.y = Math.min(Math.max(from.y + step[1] * 0.03, 0), 1);
    } else if (!this.pressing) {
      this.pressing = true;
      this.#remember();
    }
    if (this.pressing) this.#stroke(from, this.cursor);
    else this.draw();
  }

  #point(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
  }
}
