// Mends what mdBook 0.5's own frame leaves to be wished for.
"use strict";

// Its bar is no landmark.
document.getElementById("mdbook-menu-bar")?.setAttribute("role", "banner");

// A table without a word at the top of a column has an empty header there.
document.querySelectorAll("main th:empty").forEach((cell) => cell.replaceWith(document.createElement("td")));

// What toggles the contents is a label that no key reaches: a button stands in
// for it, and clicks it.
{
  const label = document.getElementById("mdbook-sidebar-toggle");
  const checkbox = document.getElementById("mdbook-sidebar-toggle-anchor");
  if (label && checkbox) {
    const toggle = workshop.button("", () => label.click(), {
      class: label.className, title: label.title, "aria-label": label.title, "aria-controls": "mdbook-sidebar",
    });
    toggle.append(...[...label.childNodes].map((node) => node.cloneNode(true)));
    const tell = () => toggle.setAttribute("aria-expanded", checkbox.checked);
    checkbox.addEventListener("change", tell);
    tell();
    label.before(toggle);
    label.style.display = "none";
  }
}

// What is wider than the page can be scrolled by a mouse only: it becomes a
// stop of the Tab key, for as long as there is something to scroll.
{
  const wide = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
      else target.removeAttribute("tabindex");
    }
  });
  document.querySelectorAll("main pre, main pre > code, main .table-wrapper").forEach((block) => wide.observe(block));
}
