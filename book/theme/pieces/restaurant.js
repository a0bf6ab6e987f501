// <workshop-restaurant>: guests, waiters and a kitchen. A waiter either stands
// at the pass until the meal is ready, or serves others meanwhile. The minutes
// are computed, not random, so the same sliders give the same evening.
"use strict";

workshop.Restaurant = class {
  static ORDER = 1;
  static SERVE = 1;

  // The evening: for each guest when the order is taken, the cooking, the plate.
  static evening({ waiters, guests, cooking, waits }) {
    const { ORDER, SERVE } = this;
    const free = Array(waiters).fill(0);
    const table = Array.from({ length: guests }, (_, nth) => ({ guest: nth + 1 }));
    const soonest = () => free.indexOf(Math.min(...free));
    let busy = 0;
    const take = (guest, waiter) => {
      guest.asked = free[waiter];
      guest.ordered = guest.asked + ORDER;
      guest.ready = guest.ordered + cooking;
      busy += ORDER + SERVE;
      free[waiter] = guest.ordered;
    };
    const carry = (guest, waiter) => {
      guest.carried = Math.max(free[waiter], guest.ready);
      guest.served = guest.carried + SERVE;
      free[waiter] = guest.served;
    };
    if (waits) {
      for (const guest of table) {
        const waiter = soonest();
        take(guest, waiter);
        carry(guest, waiter);
      }
    } else {
      const coming = [...table];
      const cooked = [];
      while (coming.length > 0 || cooked.length > 0) {
        const waiter = soonest();
        // A meal that is ready goes first; else a new order; else wait for a meal.
        const ready = cooked.length > 0 && cooked[0].ready <= free[waiter];
        if (!ready && coming.length > 0) {
          const guest = coming.shift();
          take(guest, waiter);
          cooked.push(guest);
          cooked.sort((a, b) => a.ready - b.ready);
        } else {
          carry(cooked.shift(), waiter);
        }
      }
    }
    const last = Math.max(...table.map((guest) => guest.served));
    return { table, last, busy: busy / (last * waiters) };
  }

  constructor() {
    const { make } = workshop;
    this.wish = { waiters: 1, guests: 6, cooking: 10, waits: true };
    const slider = (label, key, min, max, unit) => workshop.slider({
      label, min, max, value: this.wish[key], words: (value) => workshop.count(value, unit),
      changed: (value) => this.change({ [key]: value }),
    }).element;
    const how = workshop.choice({
      legend: "While the kitchen cooks, a waiter",
      options: [["waits", "stands at the pass and waits"], ["serves", "serves others"]],
      value: "waits",
      changed: (value) => this.change({ waits: value === "waits" }),
    });
    this.stage = make("div");
    this.said = make("p", { class: "ws-now", role: "status" });
    this.rows = make("tbody");
    this.playing = workshop.button("Play the evening", () => (this.clock.running ? this.stop() : this.play()));
    this.clock = new workshop.Clock({ moved: (moment) => this.move(moment), ended: () => this.stop() });
    const heads = ["Guest", "Order taken", "Meal ready", "Served"].map((words) => make("th", {}, words));
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), this.rows);
    this.list = make("details", { class: "ws-events" }, make("summary", {}, "The evening as a table (minutes)"), table);
    // Who wants no movement gets the table at once.
    this.list.open = workshop.calm();
    this.element = make("div", { class: "ws-piece" }, how, slider("Waiters", "waiters", 1, 6, "waiter"), slider("Guests", "guests", 1, 12, "guest"), slider("Cooking", "cooking", 1, 20, "minute"),
      this.stage, make("p", { class: "ws-key" }, make("span", { class: "ws-swatch ws-work" }), " a waiter is at work ", make("span", { class: "ws-swatch ws-wait" }), " the kitchen is at work ", make("span", { class: "ws-swatch ws-none" }), " nobody is"),
      make("div", { class: "ws-controls" }, this.playing), this.said, this.list);
    this.change({});
  }

  change(wish) {
    this.clock.pause();
    Object.assign(this.wish, wish);
    const { waiters, guests, waits } = this.wish;
    this.evening = workshop.Restaurant.evening(this.wish);
    const { table, last, busy } = this.evening;
    const rows = table.map((x) => ({
      label: `Guest ${x.guest}`,
      end: `${x.served} min`,
      bars: [
        { from: 0, to: x.asked, kind: "none", title: "waits to order" },
        { from: x.asked, to: x.ordered, kind: "work", title: "orders" },
        { from: x.ordered, to: x.ready, kind: "wait", title: "the meal is cooked" },
        { from: x.ready, to: x.carried, kind: "none", title: "the meal waits for a waiter" },
        { from: x.carried, to: x.served, kind: "work", title: "is served" },
      ].filter((bar) => bar.to > bar.from),
    }));
    this.lanes = new workshop.Lanes({ rows, to: last, words: (at) => `${Math.round(at)} min`, label: `The evening of ${workshop.count(guests, "guest")}; the table below has it in minutes.` });
    this.stage.replaceChildren(this.lanes.element);
    this.rows.replaceChildren(...table.map((x) => workshop.make("tr", {}, ...[x.guest, x.ordered, x.ready, x.served].map((cell) => workshop.make("td", {}, String(cell))))));
    const who = waiters === 1 ? "One waiter" : `${waiters} waiters`;
    const how = waits ? (waiters === 1 ? "who waits at the pass" : "who wait at the pass") : (waiters === 1 ? "who serves others meanwhile" : "who serve others meanwhile");
    this.said.textContent = `${who} ${how}: the last guest is served after ${workshop.count(last, "minute")}, and ${waiters === 1 ? "the waiter works" : "the waiters work"} ${Math.round(busy * 100)} % of the time.`;
    this.stop();
    this.move(last);
  }

  play() {
    this.playing.textContent = "Pause";
    const { table, last } = this.evening;
    const stops = [...new Set(table.flatMap((x) => [x.ordered, x.ready, x.served]))].sort((a, b) => a - b);
    const from = this.moment >= last ? 0 : this.moment;
    this.clock.play(from, last, stops, last);
  }

  stop() {
    this.clock.pause();
    this.playing.textContent = "Play the evening";
  }

  move(moment) {
    this.moment = moment;
    this.lanes.head(moment);
  }
};

workshop.define("workshop-restaurant", (element) => {
  const fallback = workshop.fallback(element);
  element.append(new workshop.Restaurant().element);
  fallback.hidden = true;
});
