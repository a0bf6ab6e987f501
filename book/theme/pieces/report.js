// Reads what `checker verify --format json` prints, and says what happened in it.
"use strict";

workshop.Report = class {
  // The reports of a file; throws one clear sentence where it is no such file.
  static read(text, name) {
    const how = "Make one with: checker verify ex02 --format json > report.json";
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      throw new Error(`${name} is not JSON, so it is no report. ${how}`);
    }
    const reports = Array.isArray(value) ? value : [value];
    for (const report of reports) {
      const isReport = report !== null && typeof report === "object" && "exercise" in report && Array.isArray(report.timelines);
      if (!isReport) throw new Error(`${name} is JSON, but no report of the checker. ${how}`);
      if (report.schema !== 1) throw new Error(`${name} is a report of version ${report.schema}, and this page reads version 1. Use the book of the same checkout as your checker.`);
      if (!report.timelines.every(this.isTimeline)) throw new Error(`${name} has a timeline that this page cannot read. ${how}`);
    }
    const timelines = reports.flatMap((report) => report.timelines.map((timeline) => ({ report, timeline })));
    const drawn = timelines.filter(({ timeline }) => timeline.exchanges.length > 0);
    if (drawn.length === 0) throw new Error(`${name} has no timeline: the program was never asked anything. Its terminal output says why.`);
    return drawn;
  }

  static isTimeline(timeline) {
    const moment = (value) => Number.isFinite(value) && value >= 0;
    const optional = (value) => value === null || value === undefined || moment(value);
    return timeline !== null && typeof timeline === "object" && typeof timeline.title === "string" && Array.isArray(timeline.exchanges)
      && timeline.exchanges.every((x) => x !== null && typeof x === "object" && moment(x.arrived) && optional(x.answered) && optional(x.ended)
        && typeof x.service === "string" && typeof x.request === "string"
        && (x.frames === undefined || (Array.isArray(x.frames) && x.frames.every((frame) => moment(frame.at) && Number.isFinite(frame.count)))))
      && (timeline.gap === undefined || (moment(timeline.gap.from) && moment(timeline.gap.to)));
  }

  // The first moment of a timeline and its last.
  static span({ exchanges, gap }) {
    const first = Math.min(...exchanges.map((x) => x.arrived));
    const moments = exchanges.flatMap((x) => [x.arrived, x.answered ?? 0, x.ended ?? 0, ...(x.frames ?? []).map((frame) => frame.at)]);
    return { from: first, to: Math.max(...moments, gap?.to ?? 0) };
  }

  static asker(service) {
    return service === "you" ? "client" : service;
  }

  // How an exchange ended, in a word or two.
  static ending({ status, ending }) {
    const words = { open: "still open", left: "let go", cut: "cut off" };
    return [status, words[ending]].filter((word) => word != null).join(", ") || "no answer";
  }

  // One row of bars per exchange, the checker's own first, as they came.
  static rows({ exchanges, gap }) {
    const { to } = this.span({ exchanges, gap });
    const inOrder = [...exchanges].sort((a, b) => (a.service === "you" ? 0 : 1) - (b.service === "you" ? 0 : 1) || a.arrived - b.arrived);
    return inOrder.map((x) => {
      const end = x.ended ?? to;
      const answered = x.answered === null || x.answered === undefined ? end : Math.min(x.answered, end);
      const bars = [{ from: x.arrived, to: answered, kind: "wait", title: "waiting for an answer" }];
      if (end > answered) bars.push({ from: answered, to: end, kind: "work", title: "the answer is under way" });
      if (gap && gap.exchange === x.id) bars.push({ from: gap.from, to: gap.to, kind: "none", title: gap.label });
      const marks = (x.frames ?? []).map((frame) => ({ at: frame.at, title: `${workshop.count(frame.count, "frame")} ${frame.way}` }));
      return { label: `${this.asker(x.service)} ${x.request}`, bars, marks, end: this.ending(x), inner: x.service !== "you" };
    });
  }

  // Everything that happened, in order: { at, words }.
  static events({ exchanges, gap }) {
    const events = [];
    const say = (at, words) => {
      if (at !== null && at !== undefined) events.push({ at, words });
    };
    for (const x of exchanges) {
      const yours = x.service === "you";
      const who = yours ? "The client" : "Your server";
      const whom = yours ? "your server" : x.service;
      say(x.arrived, `${who} asks ${whom}: ${x.request}.`);
      if (x.answered !== x.ended || x.ending === "answered") {
        say(x.answered, `${yours ? "Your server" : `${x.service[0].toUpperCase()}${x.service.slice(1)}`} answers ${x.request}${x.status ? ` with ${x.status}` : ""}.`);
      }
      if (x.ending === "left") say(x.ended, `${who} lets go of ${x.request}.`);
      if (x.ending === "cut") say(x.ended, `${x.request} is cut off.`);
      for (const frame of x.frames ?? []) say(frame.at, `${workshop.count(frame.count, "frame")} ${frame.way} on ${x.request}.`);
    }
    if (gap) say(gap.from, `From here to ${workshop.time(gap.to - this.span({ exchanges, gap }).from)}: ${gap.label}.`);
    return events.sort((a, b) => a.at - b.at);
  }
};
