// <workshop-predict src="timelines/compare-….json">: first the reader says when
// each call begins and ends, then the recording is laid over it.
"use strict";

workshop.Predict = class {
  static why = {
    sequential: "The one thread sleeps while it waits for an answer. It cannot even send the next call before it has this answer in its hand, so the calls stand one behind the other.",
    callbacks: "A callback is left behind for each answer, and the thread goes on at once. All calls are under way together; whichever answer is there first is dealt with first.",
    async: "At each .await the task steps aside, and the thread goes on with the next task. All calls are under way together, just as with callbacks, and the code still reads from top to bottom.",
  };

  constructor(recordings) {
    this.recordings = recordings;
    const longest = Math.max(...recordings.map(({ timeline }) => this.calls(timeline).at(-1).to));
    this.to = Math.ceil(longest / 200) * 200 + 200;
    this.picked = recordings[0];
    const { make } = workshop;
    const choice = workshop.choice({
      legend: "How the handler is written",
      options: recordings.map(({ name }) => [name, name]),
      value: this.picked.name,
      changed: (name) => {
        this.picked = recordings.find((recording) => recording.name === name);
        this.reset();
      },
    });
    this.rows = make("div", { class: "ws-lanes ws-predict ws-whole" });
    this.said = make("div", { class: "ws-why", role: "status" });
    const reveal = workshop.button("Lay the recording over it", () => this.reveal());
    const again = workshop.button("Start again", () => this.reset());
    const how = make("p", { class: "ws-how" }, "Drag the ends of a bar, or the whole bar. With the keyboard: Tab to an end, then the arrow keys (Page Up and Page Down for larger steps).");
    this.element = make("div", { class: "ws-piece" }, choice, how, this.rows, make("div", { class: "ws-controls" }, reveal, again), this.said);
    this.reset();
  }

  // The calls that reached the service, in milliseconds since the clients asked.
  calls({ exchanges }) {
    const began = Math.min(...exchanges.map((x) => x.arrived));
    return exchanges
      .filter((x) => x.service !== "you")
      .map((x) => ({ from: (x.arrived - began) / 1000, to: ((x.ended ?? x.answered) - began) / 1000 }))
      .sort((a, b) => a.from - b.from);
  }

  reset() {
    const recorded = this.calls(this.picked.timeline);
    this.said.replaceChildren();
    this.guesses = recorded.map(() => ({ from: 0, to: 100 }));
    this.bars = this.guesses.map((guess, nth) => this.bar(guess, nth));
    const axis = workshop.make("div", { class: "ws-axis", "aria-hidden": "true" }, workshop.make("span", { class: "ws-label" }), workshop.make("span", { class: "ws-track" }, ...this.ticks()), workshop.make("span", { class: "ws-end" }));
    this.rows.replaceChildren(axis, ...this.bars.map((bar) => bar.row));
  }

  ticks() {
    const step = this.to > 1500 ? 500 : this.to > 900 ? 400 : this.to > 600 ? 200 : 100;
    const ticks = [];
    for (let at = 0; at < this.to; at += step) {
      const tick = workshop.make("span", { class: "ws-tick" }, `${at} ms`);
      tick.style.left = `${(at / this.to) * 100}%`;
      ticks.push(tick);
    }
    return ticks;
  }

  bar(guess, nth) {
    const { make } = workshop;
    const name = `Call ${nth + 1}`;
    const body = make("span", { class: "ws-bar ws-guess" });
    const thumbs = ["from", "to"].map((end) => make("span", {
      class: "ws-thumb", role: "slider", tabindex: 0, "aria-orientation": "horizontal",
      "aria-label": `${name}: ${end === "from" ? "begins" : "ends"}`, "aria-valuemin": 0, "aria-valuemax": this.to,
    }));
    const track = make("span", { class: "ws-track" }, body, ...thumbs);
    const words = make("span", { class: "ws-end" });
    const show = () => {
      body.style.left = `${(guess.from / this.to) * 100}%`;
      body.style.width = `${((guess.to - guess.from) / this.to) * 100}%`;
      ["from", "to"].forEach((end, which) => {
        thumbs[which].style.left = `${(guess[end] / this.to) * 100}%`;
        thumbs[which].setAttribute("aria-valuenow", guess[end]);
        thumbs[which].setAttribute("aria-valuetext", `${guess[end]} milliseconds`);
      });
      words.textContent = `${guess.from}–${guess.to} ms`;
    };
    const clamp = (value, low, high) => Math.min(Math.max(Math.round(value / 10) * 10, low), high);
    const set = (end, value) => {
      if (end === "from") guess.from = clamp(value, 0, guess.to - 10);
      if (end === "to") guess.to = clamp(value, guess.from + 10, this.to);
      if (end === "both") {
        const long = guess.to - guess.from;
        guess.from = clamp(value, 0, this.to - long);
        guess.to = guess.from + long;
      }
      show();
    };
    thumbs.forEach((thumb, which) => {
      const end = ["from", "to"][which];
      thumb.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: -10, ArrowDown: -10, ArrowRight: 10, ArrowUp: 10, PageDown: -100, PageUp: 100, Home: -this.to, End: this.to };
        if (!(event.key in steps)) return;
        event.preventDefault();
        set(end, guess[end] + steps[event.key]);
      });
      this.drag(thumb, track, () => guess[end], (value) => set(end, value));
    });
    this.drag(body, track, () => guess.from, (value) => set("both", value));
    show();
    const row = make("div", { class: "ws-row", role: "group", "aria-label": name }, make("span", { class: "ws-label" }, name), track, words);
    return { row, track };
  }

  drag(handle, track, value, set) {
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      const began = event.clientX;
      const before = value();
      const move = (moved) => set(before + ((moved.clientX - began) / track.clientWidth) * this.to);
      handle.addEventListener("pointermove", move);
      const done = () => handle.removeEventListener("pointermove", move);
      handle.addEventListener("pointerup", done, { once: true });
      handle.addEventListener("pointercancel", done, { once: true });
    });
  }

  // The most calls that are under way at one moment.
  static most(calls) {
    return Math.max(...calls.map((one) => calls.filter((x) => x.from <= one.from && x.to > one.from + 15).length));
  }

  reveal() {
    const { make } = workshop;
    const recorded = this.calls(this.picked.timeline);
    const guesses = [...this.guesses].sort((a, b) => a.from - b.from);
    // Calls have no names, so the first to begin is compared with the first.
    const lines = recorded.map((call, nth) => {
      const track = this.bars[this.guesses.indexOf(guesses[nth])].track;
      track.querySelector(".ws-recorded")?.remove();
      const bar = make("span", { class: "ws-bar ws-recorded", title: "recorded" });
      bar.style.left = `${(call.from / this.to) * 100}%`;
      bar.style.width = `${((call.to - call.from) / this.to) * 100}%`;
      track.append(bar);
      return make("li", {}, this.compare(nth, guesses[nth], call));
    });
    const said = workshop.Predict.most(guesses);
    const most = workshop.Predict.most(recorded);
    const together = said === most
      ? `You said that at most ${workshop.count(most, "call")} would be under way at once, and so it was.`
      : `You said that at most ${workshop.count(said, "call")} would be under way at once. It was ${most}.`;
    const last = Math.round(recorded.at(-1).to);
    this.said.replaceChildren(
      make("p", {}, make("strong", {}, together), ` The last answer was there after ${last} ms; you said ${Math.max(...guesses.map((guess) => guess.to))} ms.`),
      make("ul", {}, ...lines),
      make("p", {}, workshop.Predict.why[this.picked.name] ?? ""),
    );
  }

  compare(nth, guess, call) {
    const near = (a, b) => Math.abs(a - b) <= 50;
    const recorded = `${Math.round(call.from)}–${Math.round(call.to)} ms`;
    const yours = `${guess.from}–${guess.to} ms`;
    if (near(guess.from, call.from) && near(guess.to, call.to)) return `Call ${nth + 1}: ${recorded}, as you said (${yours}).`;
    const apart = (mine, real) => {
      if (near(mine, real)) return "when you said";
      return `${Math.abs(Math.round(real - mine))} ms ${real > mine ? "later" : "earlier"} than you said`;
    };
    return `Call ${nth + 1}: ${recorded}. It began ${apart(guess.from, call.from)}, and ended ${apart(guess.to, call.to)} (${yours}).`;
  }
};



workshop.define("workshop-predict", async (element) => {
  const fallback = workshop.fallback(element);
  try {
    const recordings = await workshop.fetch(element.getAttribute("src"));
    element.append(new workshop.Predict(recordings).element);
    fallback.hidden = true;
  } catch {
    // The table that is already there says the same; it stays.
    element.append(workshop.make("p", { class: "ws-said" }, "To predict first, the book has to be served (mdbook serve book); here is the recording as a table."));
  }
});
