// <workshop-quiz>: a question and its choices, each a <details> whose summary is
// the choice and whose content says why it is right or wrong. Without
// JavaScript the choices open one by one; here they are chosen first.
"use strict";

workshop.define("workshop-quiz", (element) => {
  const { make } = workshop;
  workshop.quizzes = (workshop.quizzes ?? 0) + 1;
  const name = `ws-quiz-${workshop.quizzes}`;
  const fallback = workshop.fallback(element);
  const details = [...fallback.querySelectorAll("details")];
  const question = [...fallback.childNodes].filter((node) => !details.includes(node));
  const why = make("div", { class: "ws-why", "aria-live": "polite" });
  const choices = details.map((choice, nth) => {
    const input = make("input", { type: "radio", name, value: nth });
    const label = make("label", {}, input, make("span", {}));
    label.lastChild.append(...choice.querySelector("summary").cloneNode(true).childNodes);
    input.addEventListener("change", () => {
      check.disabled = false;
      why.replaceChildren();
      labels().forEach((each) => each.classList.remove("ws-right", "ws-wrong"));
    });
    return label;
  });
  const labels = () => choices;
  const check = workshop.button("Check", () => {
    const nth = choices.findIndex((label) => label.firstChild.checked);
    if (nth < 0) return;
    const right = details[nth].classList.contains("right");
    choices[nth].classList.add(right ? "ws-right" : "ws-wrong");
    const said = make("div", { class: right ? "ws-right" : "ws-wrong" }, make("strong", {}, right ? "✓ Right." : "✗ Not quite."));
    said.append(...[...details[nth].childNodes].filter((node) => node.nodeName !== "SUMMARY").map((node) => node.cloneNode(true)));
    if (!right) said.append(make("p", {}, "Choose again."));
    why.replaceChildren(said);
  }, { disabled: true });
  const legend = make("legend", {});
  legend.append(...question.flatMap((node) => (node.nodeName === "P" ? [...node.childNodes, " "] : [node])).map((node) => (typeof node === "string" ? node : node.cloneNode(true))));
  fallback.hidden = true;
  element.append(make("div", { class: "ws-piece ws-quiz" }, make("fieldset", {}, legend, ...choices), check, why));
});
