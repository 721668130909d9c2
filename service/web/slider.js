// The before/after comparison: an ordinary range input over the picture, so that keys, touch and screen readers work.

export class Slider {
  #frame;
  #input;
  #animation = 0;

  constructor(frame, input) {
    this.#frame = frame;
    this.#input = input;
    input.addEventListener("input", () => {
      cancelAnimationFrame(this.#animation);
      this.#show(Number(input.value));
    });
  }

  /** Lets the result sweep in from the left, so that one sees what changed, and stops at `end` per cent. */
  reveal(end) {
    cancelAnimationFrame(this.#animation);
    this.#input.disabled = false;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.#show(end);
      return;
    }
    const begin = performance.now();
    const step = (now) => {
      const t = Math.min((now - begin) / 700, 1);
      this.#show(end * (1 - (1 - t) ** 3));
      if (t < 1) this.#animation = requestAnimationFrame(step);
    };
    this.#animation = requestAnimationFrame(step);
  }

  reset() {
    cancelAnimationFrame(this.#animation);
    this.#input.disabled = true;
    this.#show(100);
  }

  #show(percent) {
    this.#input.value = String(Math.round(percent));
    this.#input.setAttribute("aria-valuetext", `${Math.round(percent)} per cent of the result`);
    this.#frame.style.setProperty("--shown", `${percent}%`);
  }
}
