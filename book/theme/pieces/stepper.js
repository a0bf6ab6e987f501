// <workshop-stepper>: walks through a table of a scripted run. Its columns are
// the places where a task can be; the last says what happens. Without
// JavaScript, the table is there to be read.
"use strict";

workshop.Stepper = class {
  constructor(table) {
    const { make } = workshop;
    const cells = (row) => [...row.children].map((cell) => cell.textContent.trim());
    this.places = cells(table.tHead.rows[0]).slice(1, -1);
    this.steps = [...table.tBodies[0].rows].map((row) => {
      const [, ...columns] = cells(row);
      const words = columns.pop();
      return { words, tasks: columns.map((cell) => (cell === "–" ? [] : cell.split(/\s*,\s*/))) };
    });
    this.boxes = this.places.map((place) => {
      const list = make("ul", {});
      const empty = make("p", { class: "ws-empty" }, "nobody");
      return { list, empty, element: make("div", { class: "ws-box" }, make("div", { class: "ws-place" }, place), list, empty) };
    });
    this.words = make("p", { class: "ws-now", role: "status" });
    this.polls = make("p", { class: "ws-polls" });
    this.back = workshop.button("Back", () => this.show(this.nth - 1));
    this.next = workshop.button("Next", () => this.show(this.nth + 1));
    this.first = workshop.button("Start again", () => this.show(0));
    this.element = make("div", { class: "ws-piece ws-stepper" },
      make("div", { class: "ws-boxes" }, ...this.boxes.map((box) => box.element)),
      this.words, this.polls, make("div", { class: "ws-controls" }, this.back, this.next, this.first));
    this.show(0);
  }

  show(nth) {
    this.nth = Math.min(Math.max(nth, 0), this.steps.length - 1);
    const before = this.nth > 0 ? this.steps[this.nth - 1].tasks : null;
    const { words, tasks } = this.steps[this.nth];
    this.boxes.forEach(({ list, empty }, place) => {
      list.replaceChildren(...tasks[place].map((task) => {
        const came = before && !before[place].includes(task);
        return workshop.make("li", { class: came ? "ws-came" : "" }, task);
      }));
      empty.hidden = tasks[place].length > 0;
    });
    this.words.textContent = `Step ${this.nth + 1} of ${this.steps.length}. ${words}`;
    const polls = this.count();
    this.polls.textContent = polls.size ? `Polls so far: ${[...polls].map(([task, times]) => `${task} ${times}`).join(", ")}.` : "Polls so far: none.";
    // Focus stays where it is: a button that is not of use is only said to be so.
    this.back.setAttribute("aria-disabled", this.nth === 0);
    this.next.setAttribute("aria-disabled", this.nth === this.steps.length - 1);
  }

  // A task is polled once for each time that it comes to the place of that name.
  count() {
    const place = this.places.findIndex((name) => /polled/i.test(name));
    const polls = new Map();
    this.steps.slice(0, this.nth + 1).forEach((step, nth) => {
      for (const task of step.tasks[place] ?? []) {
        if (nth === 0 || !this.steps[nth - 1].tasks[place].includes(task)) polls.set(task, (polls.get(task) ?? 0) + 1);
      }
    });
    return polls;
  }
};

workshop.define("workshop-stepper", (element) => {
  const fallback = workshop.fallback(element);
  const table = fallback.querySelector("table");
  if (!table) return;
  element.append(new workshop.Stepper(table).element);
  fallback.hidden = true;
});
