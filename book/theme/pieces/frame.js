// Mends what mdBook 0.5's own frame leaves to be wished for: its bar is no
// landmark, and what toggles the contents is a label that no key reaches.
"use strict";

(() => {
  document.getElementById("mdbook-menu-bar")?.setAttribute("role", "banner");
  const label = document.getElementById("mdbook-sidebar-toggle");
  const checkbox = document.getElementById("mdbook-sidebar-toggle-anchor");
  if (!label || !checkbox) return;
  const toggle = workshop.button("", () => label.click(), { class: label.className, title: label.title, "aria-label": label.title, "aria-controls": "mdbook-sidebar" });
  toggle.append(...[...label.childNodes].map((node) => node.cloneNode(true)));
  const tell = () => toggle.setAttribute("aria-expanded", checkbox.checked);
  checkbox.addEventListener("change", tell);
  tell();
  label.before(toggle);
  label.style.display = "none";
})();
