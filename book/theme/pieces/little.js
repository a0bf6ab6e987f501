// <workshop-little>: Little's law. What is in the house (L) is what comes in
// per second (λ) times how long it stays (W).
"use strict";

workshop.Little = class {
  // Latencies worth looking at, from 10 ms to 15 s.
  static STAYS = [10, 20, 50, 70, 100, 104, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10000, 15000];
  static ROOMS = [1, 2, 4, 8, 16, 32, 64, 128, 256, Infinity];

  // What follows from a rate (1/s), a stay (ms) and how many may be in the house.
  static law(rate, stay, room) {
    const wanted = (rate * stay) / 1000;
    const most = (room * 1000) / stay;
    return { wanted, most, inside: Math.min(wanted, room), served: Math.min(rate, most), overrun: wanted > room };
  }

  constructor() {
    const { make } = workshop;
    const { STAYS, ROOMS } = workshop.Little;
    this.wish = { rate: 7, stay: 100, room: 1 };
    const stay = (value) => (value < 1000 ? `${value} ms` : `${value / 1000} s`);
    const room = (value) => (value === Infinity ? "no limit" : `${value} at once`);
    this.rate = workshop.slider({ label: "Requests per second (λ)", min: 1, max: 200, value: 7, words: (value) => `${value} per second`, changed: (rate) => this.change({ rate }) });
    this.stay = workshop.slider({ label: "How long each takes (W)", min: 0, max: STAYS.length - 1, value: STAYS.indexOf(100), words: (nth) => stay(STAYS[nth]), changed: (nth) => this.change({ stay: STAYS[nth] }) });
    this.room = workshop.slider({ label: "How many may be under way", min: 0, max: ROOMS.length - 1, value: 0, words: (nth) => room(ROOMS[nth]), changed: (nth) => this.change({ room: ROOMS[nth] }) });
    this.dots = make("div", { class: "ws-dots", role: "img" });
    this.said = make("p", { class: "ws-now", role: "status" });
    const preset = (words, wish) => workshop.button(words, () => {
      this.rate.set(wish.rate);
      this.stay.set(STAYS.indexOf(wish.stay));
      this.room.set(ROOMS.indexOf(wish.room));
      this.change(wish);
    });
    this.element = make("div", { class: "ws-piece" },
      make("div", { class: "ws-controls" },
        preset("One at a time: 7/s", { rate: 7, stay: 100, room: 1 }),
        preset("Async: 100/s", { rate: 100, stay: 104, room: Infinity }),
        preset("One at a time: 100/s", { rate: 100, stay: 104, room: 1 }),
        preset("A sick backend: 3 s", { rate: 10, stay: 3000, room: 8 })),
      this.rate.element, this.stay.element, this.room.element, this.dots, this.said);
    this.change({});
  }

  change(wish) {
    Object.assign(this.wish, wish);
    const { rate, stay, room } = this.wish;
    const { wanted, most, inside, served, overrun } = workshop.Little.law(rate, stay, room);
    const round = (value) => (value < 10 ? value.toFixed(1) : String(Math.round(value)));
    const shown = Math.min(Math.ceil(wanted), 200);
    this.dots.replaceChildren(...Array.from({ length: shown }, (_, nth) => workshop.make("span", { class: nth < room ? "ws-dot" : "ws-dot ws-out" })));
    this.dots.setAttribute("aria-label", `${workshop.count(shown, "dot")} for the requests that want to be under way, ${workshop.count(Math.min(shown, room), "dot")} of them inside.`);
    const law = `${rate} per second × ${stay / 1000} s = ${round(wanted)} under way on average (L = λW).`;
    let so = `There is room for ${room === Infinity ? "any number" : room}, so all of them are served.`;
    if (room !== Infinity) so += ` They take up ${Math.round((inside / room) * 100)} % of it.`;
    if (overrun) so = `There is room for ${room}: no more than ${round(most)} per second get through, and ${round(rate - served)} more join the queue each second, for as long as this lasts.`;
    this.said.textContent = `${law} ${so}`;
  }
};

workshop.define("workshop-little", (element) => {
  const fallback = workshop.fallback(element);
  element.append(new workshop.Little().element);
  fallback.hidden = true;
});
