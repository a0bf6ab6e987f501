// What `checker book` adds to each page: a panel that runs `verify` on the
// reader's checkout, the reader's progress in the table of contents, and a
// reload when the page was saved.
"use strict";

(() => {
  const { make, button } = { make: workshop.make, button: workshop.button.bind(workshop) };

  // The token came in the address's fragment, which no server ever sees. It is
  // taken out of the address, so that it is not copied along with a link.
  const given = /^#token=([0-9a-f]{32})$/.exec(location.hash);
  if (given) {
    localStorage.setItem("workshop-token", given[1]);
    history.replaceState(null, "", location.pathname + location.search);
  }

  const root = new URL((typeof path_to_root === "string" && path_to_root) || "./", location.href).pathname;
  const here = location.pathname.slice(root.length) || "index.html";
  const words = { passed: "passed", tried: "not passed yet" };
  const signs = { passed: "✓", tried: "(not yet)" };
  let running = false;
  let wanted = false;

  // The reader's progress, in the table of contents.
  const mark = (exercises) => {
    for (const { page, state } of exercises) {
      for (const link of document.querySelectorAll("#mdbook-sidebar a[href]")) {
        if (new URL(link.href).pathname !== root + page || link.hash) continue;
        link.querySelector(".ws-state")?.remove();
        if (state === "untried") continue;
        const sign = make("span", { "aria-hidden": "true" }, ` ${signs[state]}`);
        const heard = make("span", { class: "ws-heard" }, ` (${words[state]})`);
        link.append(make("span", { class: `ws-state ws-${state}`, title: words[state] }, sign, heard));
      }
    }
  };

  const ask = async () => {
    const answer = await fetch("/-/workshop");
    if (!answer.ok) return [];
    const exercises = await answer.json();
    mark(exercises);
    return exercises;
  };

  // Escape sequences of a compiler's colours are of no use here.
  const plain = (text) => text.replace(/\u001b\[[0-9;]*m/g, "");

  // The checker marks code by backticks.
  const prose = (text) => text.split("`").map((part, nth) => (nth % 2 ? make("code", {}, part) : part));

  const outcomes = { kept: "✓ kept", broken: "✗ broken", inconclusive: "? undecided", "not-reached": "– not reached" };
  const verdicts = {
    pass: ["ws-pass", "✓ Pass. All checks are kept."],
    fail: ["ws-fail", "✗ Fail."],
    inconclusive: ["", "? Inconclusive: this time there is no telling. Nothing is held against you; try again."],
  };

  class Panel {
    constructor({ id, title }) {
      this.id = id;
      this.said = make("p", { role: "status" });
      // Changes ten times a second, so it is not read aloud.
      this.working = make("p", { class: "ws-working" });
      this.result = make("div");
      this.run = button("Run verify", () => this.begin());
      this.stop = button("Stop", () => this.aborter?.abort(), { hidden: true });
      const label = `ws-panel-${id}`;
      this.element = make("section", { class: "ws-panel", "aria-labelledby": label },
        make("h2", { id: label }, `Your ${id}`),
        make("p", {}, `Grades ${title} as it is in your checkout now.`),
        make("div", { class: "ws-controls" }, this.run, this.stop), this.said, this.working, this.result);
      workshop.keep(this.element);
      try {
        const before = sessionStorage.getItem(`workshop-report-${id}`);
        if (before) this.show(JSON.parse(before));
      } catch {
        // What was kept is of another version; it is not needed.
      }
    }

    async begin() {
      // A new click takes the place of the run that is under way.
      this.aborter?.abort();
      const aborter = new AbortController();
      this.aborter = aborter;
      const mine = () => this.aborter === aborter;
      running = true;
      this.stop.hidden = false;
      this.said.className = "";
      this.said.textContent = "Asking the checker…";
      this.result.replaceChildren();
      try {
        const answer = await fetch(`/-/verify/${this.id}`, {
          method: "POST",
          headers: { "X-Workshop-Token": localStorage.getItem("workshop-token") ?? "" },
          signal: aborter.signal,
        });
        if (!answer.ok) throw new Error(await answer.text());
        for await (const event of this.lines(answer)) if (mine()) this.hear(event);
      } catch (error) {
        if (mine()) this.said.textContent = error.name === "AbortError" ? "Stopped." : error instanceof TypeError ? "The checker is not there any more: start `checker book` again." : error.message;
      }
      if (!mine()) return;
      this.working.textContent = "";
      running = false;
      this.stop.hidden = true;
      this.run.focus({ preventScroll: true });
      await ask();
      if (wanted) location.reload();
    }

    async *lines(answer) {
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const line of lines) yield JSON.parse(line);
      }
    }

    hear(event) {
      this.working.textContent = "";
      if (event.state === "begun") this.said.textContent = "Building it and running it between mock services…";
      if (event.state === "working") this.working.textContent = `${event.words[0].toUpperCase()}${event.words.slice(1)}`;
      if (event.state === "replaced") this.said.textContent = "Another page has begun a run of the same exercise, and this one was ended.";
      if (event.state === "error") this.said.textContent = `It could not be graded: ${event.words}`;
      if (event.state === "verdict") {
        this.show(event.report);
        try {
          sessionStorage.setItem(`workshop-report-${this.id}`, JSON.stringify(event.report));
        } catch {
          // A very long report does not fit; then a reload forgets it.
        }
      }
    }

    show(report) {
      const [kind, verdict] = verdicts[report.verdict];
      const broken = report.findings.find((finding) => finding.outcome === "broken");
      const failed = report.verdict === "fail" && broken;
      const words = failed ? ["✗ Fail: ", make("a", { href: `${root}diagnoses/${broken.diagnosis}.html` }, broken.diagnosis), "."] : [verdict];
      this.said.replaceChildren(...words, ` Built in ${Math.round(report.timings.build_ms)} ms, graded in ${Math.round(report.timings.verify_ms)} ms.`);
      this.said.className = `ws-verdict ${kind}`;
      const parts = [];
      if (broken) {
        const observed = plain(broken.observed);
        const long = observed.includes("\n");
        parts.push(make("p", {}, make("strong", {}, "Expected: "), ...prose(broken.expected)));
        parts.push(make(long ? "pre" : "p", long ? { tabindex: 0 } : {}, make("strong", {}, "Observed: "), ...(long ? [observed] : prose(observed))));
        parts.push(make("p", {}, make("strong", {}, "Next: "), ...prose(broken.next_step)));
      }
      const timelines = report.timelines.filter((timeline) => timeline.exchanges.length > 0).map((timeline) => ({ report, timeline }));
      if (timelines.length > 0) {
        const player = new workshop.Player({ opens: false });
        player.open(timelines);
        parts.push(player.element);
      }
      const checks = report.findings.map((finding) => make("li", {}, `${outcomes[finding.outcome]}: ${finding.title}`));
      parts.push(make("details", {}, make("summary", {}, "All checks"), make("ul", { class: "ws-checks" }, ...checks)));
      this.result.replaceChildren(...parts);
    }
  }

  // Listens only while somebody looks: a browser has few connections to one
  // server, and each tab would keep one.
  let known;
  let saved;
  const follow = () => {
    saved?.close();
    if (document.hidden) return;
    saved = new EventSource("/-/saved");
    saved.addEventListener("message", (event) => {
      const { version, changed } = JSON.parse(event.data);
      const missed = known !== undefined && changed?.length === 0 && version !== known;
      known = version;
      const ours = changed?.some((name) => name === here || (/\.(css|js|json)$/.test(name) && !/searchindex/.test(name)));
      if (!missed && !ours && changed !== null) return;
      // A verdict that is on its way is waited for.
      if (running) wanted = true;
      else location.reload();
    });
  };

  const begin = async () => {
    const exercises = await ask();
    const mine = exercises.find(({ page }) => page === here);
    const main = document.querySelector("#mdbook-content main");
    if (mine && main) {
      // Before the page sends its reader on.
      const next = [...main.children].find((block) => block.nodeName === "P" && block.textContent.startsWith("Next:"));
      main.insertBefore(new Panel(mine).element, next ?? null);
    }
    follow();
    document.addEventListener("visibilitychange", follow);
  };
  begin();
})();
