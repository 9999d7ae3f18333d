/* global htmx */
// The search dialog: "/" or Ctrl-K opens it, arrows choose, Enter opens, Esc closes. Without it the field is a form.
"use strict";

{
  const dialog = document.getElementById("palette");
  const input = dialog?.querySelector("input");
  const hits = document.getElementById("palette-hits");

  const isTyping = (element) => element.matches?.("input, textarea, select, [contenteditable]");

  function choose(option) {
    for (const other of hits.querySelectorAll("[aria-selected=true]")) other.setAttribute("aria-selected", "false");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function step(by) {
    const options = [...hits.querySelectorAll("[role=option]")];
    if (!options.length) return;
    const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    choose(options[now < 0 ? (by > 0 ? 0 : options.length - 1) : (now + by + options.length) % options.length]);
  }

  function open() {
    if (!dialog.open) dialog.showModal();
    input.focus();
    input.select();
  }

  if (dialog) {
    for (const key of document.querySelectorAll("[data-palette-key]")) key.hidden = false;

    document.addEventListener("keydown", (event) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      const asked = event.key === "/" ? plain && !isTyping(event.target) :
        event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
      if (!asked || event.isComposing || (document.querySelector("dialog[open]") ?? dialog) !== dialog) return;
      event.preventDefault();
      open();
    });

    input.addEventListener("keydown", (event) => {
      // While a Japanese word is being composed, these keys are the input method's.
      if (event.isComposing) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        step(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter") {
        const chosen = hits.querySelector("[aria-selected=true]");
        if (!chosen) return;
        event.preventDefault();
        chosen.click();
      }
    });

    let soon;
    input.addEventListener("input", () => {
      // What is chosen belongs to the text before: Enter must not open it now.
      choose(null);
      clearTimeout(soon);
      soon = setTimeout(() => {
        const address = `${input.form.getAttribute("action")}?${new URLSearchParams({ q: input.value })}`;
        htmx.ajax("GET", address, { source: input, target: hits, swap: "innerHTML" });
      }, 150);
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-palette-close]")) dialog.close();
    });
    hits.addEventListener("htmx:afterSwap", () => {
      const some = hits.querySelector("[role=option]") !== null;
      hits.hidden = !some;
      input.setAttribute("aria-expanded", String(some));
      choose(hits.querySelector("[data-only]"));
    });
  }
}
