// Rows of bars over one time axis. Everything that shows waiting draws with it.
//
// A row is { label, bars: [{ from, to, kind, title }], marks: [{ at, title }], end }.
// Kinds: "wait" (hatched), "work" (filled), "none" (an outline).
"use strict";

workshop.Lanes = class {
  constructor({ rows, from = 0, to, words, label }) {
    Object.assign(this, { from, to: Math.max(to, from + 1), words });
    const make = workshop.make.bind(workshop);
    this.rows = rows.map((row) => this.row(row));
    const axis = make("div", { class: "ws-axis" }, make("span", { class: "ws-label" }));
    axis.append(make("span", { class: "ws-track" }, ...this.ticks()));
    this.picture = make("div", { class: "ws-lanes", role: "img", "aria-label": label }, axis, ...this.rows);
    this.element = make("div", { class: "ws-scroll", role: "group", "aria-label": "Timeline", tabindex: 0 }, this.picture);
    this.head(this.to);
  }

  at(moment) {
    return `${((moment - this.from) / (this.to - this.from)) * 100}%`;
  }

  row({ label, bars = [], marks = [], end = "", inner = false }) {
    const make = workshop.make.bind(workshop);
    const track = make("span", { class: "ws-track" });
    for (const { from, to, kind, title } of bars) {
      const bar = make("span", { class: `ws-bar ws-${kind}`, title });
      bar.style.left = this.at(from);
      bar.style.width = `${((to - from) / (this.to - this.from)) * 100}%`;
      track.append(bar);
    }
    for (const { at, title } of marks) {
      const mark = make("span", { class: "ws-mark", title });
      mark.style.left = this.at(at);
      track.append(mark);
    }
    const words = make("span", { class: "ws-label" }, label);
    return make("div", { class: inner ? "ws-row ws-inner" : "ws-row" }, words, track, make("span", { class: "ws-end" }, end));
  }

  ticks() {
    const span = this.to - this.from;
    const raw = span / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
    const ticks = [];
    for (let at = 0; at <= span * 0.97; at += step) {
      const tick = workshop.make("span", { class: "ws-tick" }, this.words(at));
      tick.style.left = `${(at / span) * 100}%`;
      ticks.push(tick);
    }
    return ticks;
  }

  // What comes after this moment is faint.
  head(moment) {
    this.picture.style.setProperty("--head", this.at(moment));
    this.picture.classList.toggle("ws-whole", moment >= this.to);
  }
};

// Moves a clock from one moment to another, smoothly or, where the reader wants
// no movement, from one stop to the next.
workshop.Clock = class {
  constructor({ seconds = 6, moved, ended }) {
    Object.assign(this, { seconds, moved, ended, running: false });
  }

  play(from, to, stops, whole = to - from) {
    this.pause();
    this.running = true;
    if (workshop.calm()) {
      const left = stops.filter((stop) => stop > from);
      const next = () => {
        this.moved(left.shift() ?? to);
        if (left.length === 0) this.finish();
      };
      this.timer = setInterval(next, 1000);
      return;
    }
    let before = null;
    let moment = from;
    const frame = (now) => {
      moment += before === null ? 0 : ((now - before) / 1000 / this.seconds) * whole;
      before = now;
      this.moved(Math.min(moment, to));
      if (moment >= to) this.finish();
      else this.frame = requestAnimationFrame(frame);
    };
    this.frame = requestAnimationFrame(frame);
  }

  pause() {
    this.running = false;
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
  }

  finish() {
    this.pause();
    this.ended();
  }
};
