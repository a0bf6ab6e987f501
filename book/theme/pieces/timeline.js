// <workshop-timeline src="timelines/….json">: plays a recorded timeline, and
// the reader's own report. Without JavaScript, what it wraps is shown.
"use strict";

workshop.Player = class {
  // Plays `entries`, as Report.read gives them, one at a time.
  constructor({ opens = true } = {}) {
    const make = workshop.make.bind(workshop);
    this.stage = make("div");
    this.events = make("tbody");
    this.now = make("p", { class: "ws-now", "aria-live": "polite" });
    this.said = make("p", { class: "ws-said", role: "alert" });
    this.title = make("p", { class: "ws-title" });
    this.which = make("select", { change: () => this.show(Number(this.which.value)) });
    this.choose = make("label", { class: "ws-which" }, "Timeline ", this.which);
    this.playing = workshop.button("Play", () => (this.clock.running ? this.pause() : this.play()));
    this.back = workshop.button("Step back", () => this.step(-1));
    this.forth = workshop.button("Step", () => this.step(1));
    this.scrub = make("input", { type: "range", min: 0, max: 1000, step: 1, "aria-label": "Moment" });
    this.scrub.addEventListener("input", () => {
      this.pause();
      this.move(this.from + (Number(this.scrub.value) / 1000) * (this.to - this.from), true);
    });
    this.full = workshop.button("Full screen", () => this.project());
    const controls = make("div", { class: "ws-controls" }, this.playing, this.back, this.forth, this.scrub, this.full);
    const table = make("table", {}, make("thead", {}, make("tr", {}, make("th", {}, "When"), make("th", {}, "What happens"))), this.events);
    const list = make("details", { class: "ws-events" }, make("summary", {}, "Everything that happens, as a table"), make("div", { class: "table-wrapper", tabindex: 0, role: "group", "aria-label": "Events" }, table));
    this.element = make("div", { class: "ws-piece ws-player" }, this.title, this.choose, this.stage, controls, this.now, list, this.said);
    if (opens) this.element.append(this.opener());
    this.clock = new workshop.Clock({ moved: (moment) => this.move(moment), ended: () => this.pause() });
  }

  open(entries) {
    this.entries = entries;
    this.said.textContent = "";
    this.which.replaceChildren(...entries.map(({ report, timeline }, nth) => workshop.make("option", { value: nth }, `${report.exercise}: ${timeline.title}`)));
    this.choose.hidden = entries.length < 2;
    // The timeline of what went wrong is the one that somebody came for.
    const broken = entries.findIndex(({ report, timeline }) => report.findings?.some((finding) => finding.outcome === "broken" && finding.check === timeline.probe));
    this.which.value = Math.max(broken, 0);
    this.show(Math.max(broken, 0));
  }

  show(nth) {
    this.pause();
    const { report, timeline } = this.entries[nth];
    const { Report, Lanes } = workshop;
    Object.assign(this, Report.span(timeline));
    this.happened = Report.events(timeline);
    const rows = Report.rows(timeline);
    const label = `${timeline.title}: ${workshop.count(rows.length, "exchange")} in ${workshop.time(this.to - this.from)}. The table below has all of it in words.`;
    this.lanes = new Lanes({ rows, from: this.from, to: this.to, words: workshop.time, label });
    this.stage.replaceChildren(this.lanes.element);
    this.title.textContent = `${report.exercise}, ${report.program}: ${timeline.title} (${report.verdict ?? "recorded"})`;
    this.events.replaceChildren(...this.happened.map(({ at, words }) => workshop.make("tr", {}, workshop.make("td", {}, workshop.time(at - this.from)), workshop.make("td", {}, words))));
    this.move(this.to);
    this.now.textContent = timeline.gap ? `The stretch to look at: ${timeline.gap.label}.` : "";
  }

  play() {
    const from = this.moment >= this.to ? this.from : this.moment;
    this.playing.textContent = "Pause";
    this.clock.play(from, this.to, this.happened.map((event) => event.at), this.to - this.from);
  }

  pause() {
    this.clock.pause();
    this.playing.textContent = "Play";
  }

  // To the next event, or to the one before.
  step(way) {
    this.pause();
    const last = this.happened.length - 1;
    // Events of the same microsecond are steps of their own.
    const here = this.nth ?? (way > 0 ? -1 : last + 1);
    this.nth = Math.min(Math.max(here + way, 0), last);
    const nth = this.nth;
    this.move(this.happened[nth].at);
    this.nth = nth;
    this.say(nth);
  }

  move(moment, aloud = false) {
    this.moment = moment;
    this.lanes.head(moment);
    this.scrub.value = ((moment - this.from) / (this.to - this.from || 1)) * 1000;
    this.scrub.setAttribute("aria-valuetext", workshop.time(moment - this.from));
    const so = this.happened.findLastIndex((event) => event.at <= moment);
    this.nth = moment >= this.to ? null : so;
    [...this.events.children].forEach((row, nth) => row.classList.toggle("ws-past", nth <= so));
    if (aloud) this.say(so);
  }

  say(nth) {
    const event = this.happened[nth];
    this.now.textContent = event ? `${workshop.time(event.at - this.from)}: ${event.words}` : "";
  }

  project() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.element.requestFullscreen?.();
  }

  // A file picker, and the whole piece is a place to drop a file on.
  opener() {
    const input = workshop.make("input", { type: "file", accept: ".json,application/json" });
    const take = async (file) => {
      if (!file) return;
      try {
        this.open(workshop.Report.read(await file.text(), file.name));
      } catch (error) {
        this.said.textContent = error.message;
      }
    };
    input.addEventListener("change", () => take(input.files[0]));
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.element.classList.add("ws-drop");
    });
    this.element.addEventListener("dragleave", () => this.element.classList.remove("ws-drop"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.classList.remove("ws-drop");
      take(event.dataTransfer.files[0]);
    });
    return workshop.make("label", { class: "ws-open" }, "Open your own report.json (or drop it here): ", input);
  }
};

workshop.define("workshop-timeline", async (element) => {
  const fallback = workshop.fallback(element);
  const source = element.getAttribute("src");
  const player = new workshop.Player({ opens: element.hasAttribute("opens") });
  try {
    player.open(workshop.Report.read(JSON.stringify(await workshop.fetch(source)), source));
    fallback.hidden = true;
    element.append(player.element);
  } catch {
    // The table that is already there says the same; it stays.
    element.append(workshop.make("p", { class: "ws-said" }, "To play this recording, open the book with cargo checker book. Until then, here it is as it was drawn."));
  }
});
