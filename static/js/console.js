// What HTML and htmx cannot do: copy, switch colours without a reload, close menus, send a form once.
"use strict";

const html = document.documentElement;

function wake(root) {
  if (navigator.clipboard) {
    for (const button of root.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  }
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

async function copy(button) {
  const label = button.querySelector("span");
  const before = button.dataset.label ?? label.textContent;
  button.dataset.label = before;
  await navigator.clipboard.writeText(button.dataset.copy);
  label.textContent = button.dataset.copied;
  setTimeout(() => { label.textContent = before; }, 2000);
}

function setTheme(form, chosen) {
  const theme = chosen.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${theme}; Path=/; Max-Age=${theme ? 31536000 : 0}; SameSite=Lax${secure}`;
  if (theme) html.dataset.theme = theme;
  else delete html.dataset.theme;
  document.querySelector('meta[name="color-scheme"]').content = theme || "light dark";
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button === chosen));
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  closeMenus(event.target.closest("details.menu"));
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = event.target.closest?.("details.menu[open]");
  closeMenus(null);
  open?.querySelector("summary").focus();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-theme-form]") && event.submitter) {
    event.preventDefault();
    setTheme(form, event.submitter);
  } else if (form.matches("[data-once]")) {
    if (form.classList.contains("is-sending")) event.preventDefault();
    form.classList.add("is-sending");
  } else if (form.matches("[data-drop-empty]")) {
    // Filters leave only what was filled in behind in the address.
    for (const control of form.elements) if (control.name && !control.value) control.disabled = true;
  }
});

// Fields that are drawn anew for another choice keep what was typed, also while the answer was on its way, and find
// again what they held when they were last shown. Secrets are not among it.
const typed = new Map();

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.target.matches("[data-keep-typed]")) return;
  for (const control of event.detail.target.querySelectorAll("input, select, textarea")) {
    if (!control.name || control.type === "password" || control.type === "hidden") continue;
    if (control.type !== "radio" || control.checked) typed.set(control.name, control.value);
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.target.matches("[data-keep-typed]")) return;
  for (const control of event.target.querySelectorAll("input, select, textarea")) {
    if (!typed.has(control.name)) continue;
    const value = typed.get(control.name);
    if (control.type === "radio") control.checked ||= control.value === value;
    else if (!control.matches("select") || [...control.options].some((one) => one.value === value)) control.value = value;
  }
});

// Coming back with the browser's arrow: the page may still think that it is sending.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form.is-sending")) form.classList.remove("is-sending");
  for (const control of document.querySelectorAll("[data-drop-empty] :disabled")) control.disabled = false;
});

document.addEventListener("htmx:load", (event) => wake(event.target));
wake(document);
document.querySelector("[data-focus]")?.focus();
