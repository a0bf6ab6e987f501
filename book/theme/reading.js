// Code and tables that are wider than the page scroll. Let the keyboard reach it, too.
(() => {
    const reachable = () => {
        for (const wide of document.querySelectorAll("pre > code, .table-wrapper")) {
            if (wide.scrollWidth > wide.clientWidth) {
                wide.tabIndex = 0;
            } else {
                wide.removeAttribute("tabindex");
            }
        }
    };
    window.addEventListener("load", reachable);
    window.addEventListener("resize", reachable);
})();
