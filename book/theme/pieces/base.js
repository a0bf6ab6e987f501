// What all pieces share: making elements, writing times, finding files.
"use strict";

const workshop = {
  // An element: its attributes (a function is a listener), then its children.
  make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(key, value);
      else if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  },

  // A button, which never sends a form.
  button(words, pressed, attributes = {}) {
    return this.make("button", { type: "button", class: "ws-button", click: pressed, ...attributes }, words);
  },

  // A slider of the browser's own, with its label and its value in words.
  slider({ label, min, max, step = 1, value, words, changed }) {
    const shown = this.make("output", {}, words(value));
    const input = this.make("input", { type: "range", min, max, step, value });
    input.setAttribute("aria-valuetext", words(value));
    const take = () => {
      shown.textContent = words(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", () => {
      take();
      changed(Number(input.value));
    });
    const element = this.make("label", { class: "ws-slider" }, this.make("span", {}, label), input, shown);
    const set = (to) => {
      input.value = to;
      take();
    };
    return { element, input, set };
  },

  // A choice of a few, as radio buttons.
  choice({ legend, options, value, changed }) {
    workshop.choices = (workshop.choices ?? 0) + 1;
    const name = `ws-choice-${workshop.choices}`;
    const inputs = options.map(([key, words]) => {
      const input = this.make("input", { type: "radio", name, value: key, checked: key === value });
      input.addEventListener("change", () => changed(key));
      return this.make("label", {}, input, words);
    });
    return this.make("fieldset", { class: "ws-choice" }, this.make("legend", {}, legend), ...inputs);
  },

  // Whether the reader asked for less movement.
  calm() {
    return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  },

  // Microseconds in a reader's words.
  time(us) {
    if (us === 0) return "0 ms";
    if (us < 1000) return `${Math.round(us)} µs`;
    const ms = us / 1000;
    if (ms < 10) return `${ms.toFixed(1)} ms`;
    if (ms < 10000) return `${Math.round(ms)} ms`;
    return `${(ms / 1000).toFixed(1)} s`;
  },

  // A count of things: `1 call`, `3 calls`.
  count(number, thing) {
    return `${number} ${thing}${number === 1 ? "" : "s"}`;
  },

  // A file of the book, from whichever page.
  async fetch(source) {
    const root = typeof path_to_root === "string" ? path_to_root : "";
    const answer = await fetch(root + source);
    if (!answer.ok) throw new Error(`${source}: ${answer.status}`);
    return answer.json();
  },

  // What the page shows without JavaScript; hidden once a piece is there.
  fallback(element) {
    const wrapped = this.make("div", { class: "ws-fallback" });
    wrapped.append(...element.childNodes);
    element.append(wrapped);
    return wrapped;
  },

  // Defines an element that is built once, when the page has it whole.
  define(name, build) {
    customElements.define(name, class extends HTMLElement {
      connectedCallback() {
        if (this.built) return;
        this.built = true;
        build(this);
      }
    });
  },
};
