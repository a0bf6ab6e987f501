"use strict";
// Lets timelines be stretched, by buttons and by keys. Without this the page
// holds everything, at one scale.
for (const frame of document.querySelectorAll(".zoom")) {
  const svg = frame.querySelector(".timeline");
  const time = frame.querySelector(".time");
  const ticks = frame.querySelector(".ticks");
  if (!svg || !time || !ticks) continue;
  const MOST = 4096;
  const length = Number(svg.dataset.length);
  // The part of the width that times take, as in the drawing: from 2 % on, 96 %.
  const place = (micros) => 2 + (96 * micros) / length;
  const unit = length < 1e3 ? ["µs", 1] : length < 1e6 ? ["ms", 1e3] : ["s", 1e6];
  let scale = 1;
  let left = 0; // the share of the whole that lies left of the view

  const number = (micros, step) => {
    const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit[1]) - 1e-9));
    return (micros / unit[1]).toFixed(Math.min(decimals, 9));
  };
  const element = (name, attributes, text = "") => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const share = (micros) => place(micros) / 100;
  const micros = (at) => Math.min(Math.max(((at * 100 - 2) * length) / 96, 0), length);

  const drawTicks = () => {
    const [from, to] = [micros(left), micros(left + 1 / scale)];
    const count = Math.max(2, Math.floor(svg.clientWidth / 90));
    const rough = Math.max((to - from) / count, 1e-3);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    const bottom = time.getAttribute("height");
    const made = [];
    for (let n = Math.ceil(from / step); n * step <= to; n += 1) {
      const x = `${place(n * step)}%`;
      // At the edges a number stands where it is not cut off.
      const seen = (share(n * step) - left) * scale;
      const anchor = seen < 0.08 ? "start" : seen > 0.92 ? "end" : "middle";
      const text = `${number(n * step, step)} ${unit[0]}`;
      made.push(element("line", { class: "grid", x1: x, x2: x, y1: 20, y2: bottom }));
      made.push(element("text", { class: "quiet", x, y: 14, "text-anchor": anchor }, text));
    }
    ticks.replaceChildren(...made);
  };

  const tools = document.createElement("div");
  tools.className = "tools";
  tools.setAttribute("role", "group");
  tools.setAttribute("aria-label", "Zoom");
  const says = document.createElement("output");
  const show = (say) => {
    scale = Math.min(Math.max(scale, 1), MOST);
    left = Math.min(Math.max(left, 0), 1 - 1 / scale);
    time.setAttribute("width", `${scale * 100}%`);
    time.setAttribute("x", `${-left * scale * 100}%`);
    drawTicks();
    const [from, to] = [micros(left), micros(left + 1 / scale)];
    const step = Math.max((to - from) / 100, 1e-3);
    if (say) says.textContent = `${number(from, step)} to ${number(to, step)} ${unit[0]}`;
  };
  const zoom = (factor) => {
    const middle = left + 0.5 / scale;
    scale = Math.min(Math.max(scale * factor, 1), MOST);
    left = middle - 0.5 / scale;
    show(true);
  };
  const move = (part) => {
    left += part / scale;
    show(true);
  };
  const all = () => {
    scale = 1;
    left = 0;
    show(true);
  };
  // More numbers where there is more room; a timeline that is folded away has none yet.
  new ResizeObserver(() => svg.clientWidth > 0 && drawTicks()).observe(svg);
  const actions = [
    ["+", "Zoom in", () => zoom(2)],
    ["−", "Zoom out", () => zoom(0.5)],
    ["←", "Earlier", () => move(-0.25)],
    ["→", "Later", () => move(0.25)],
    ["all", "Show all", all],
  ];
  for (const [sign, name, act] of actions) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.setAttribute("aria-label", name);
    button.title = name;
    button.addEventListener("click", act);
    tools.append(button);
  }
  tools.append(says);
  frame.prepend(tools);

  const keys = {
    "+": () => zoom(2),
    "=": () => zoom(2),
    "-": () => zoom(0.5),
    ArrowLeft: () => move(-0.25),
    ArrowRight: () => move(0.25),
    0: all,
    Home: all,
  };
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute(
    "aria-label",
    "Timeline. Keys: plus and minus zoom, the arrows move, 0 shows all",
  );
  frame.addEventListener("keydown", (event) => {
    const act = !event.ctrlKey && !event.altKey && !event.metaKey && keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
