// The page about the API: find while typing, unfold a schema where it is named, and try an operation.
"use strict";

const words = document.querySelector("[data-api-words]").dataset;
const found = document.querySelector("[data-api-found]");
const entries = [...document.querySelectorAll("article.api-card")].map((node) => ({ node, text: node.textContent.toLowerCase() }));
const tokenField = document.querySelector("[data-api-token]");

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// -- find -------------------------------------------------------------------------------------------------------------

function find(wish) {
  let any = false;
  for (const { node, text } of entries) {
    node.hidden = !text.includes(wish);
    any ||= !node.hidden;
  }
  for (const group of document.querySelectorAll("[data-api-group]")) {
    group.hidden = !group.querySelector("article:not([hidden])");
  }
  for (const start of document.querySelectorAll("[data-api-start]")) start.hidden = Boolean(wish);
  for (const link of document.querySelectorAll(".api-nav ul a")) {
    link.parentElement.hidden = document.getElementById(link.hash.slice(1)).hidden;
  }
  found.hidden = !wish;
  found.firstChild.textContent = `${any ? words.some : words.none} `;
}

const search = document.querySelector("[data-api-search]");
search.addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", () => {
  const wish = search.elements.q.value.trim().toLowerCase();
  // What the server has left out is not here to be found again.
  if (!wish && search.elements.q.defaultValue) location.assign(location.pathname);
  else find(wish);
});

// A link to what the search has hidden shows everything again.
function showTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !target.closest("[hidden]")) return;
  search.elements.q.value = "";
  find("");
  target.scrollIntoView();
}
addEventListener("hashchange", showTarget);

// -- schemas where they are named -------------------------------------------------------------------------------------

function peek(link) {
  const holder = link.closest("dd, h4");
  const open = holder.querySelector(".api-peek") ?? (holder.matches("h4") ? null : undefined);
  if (open?.dataset.of === link.hash) {
    open.remove();
    return true;
  }
  const schema = document.querySelector(link.hash);
  if (open === null || !schema) return false;
  open?.remove();
  const copy = make("div", { class: "api-peek", "data-of": link.hash });
  for (const part of schema.children) if (!part.matches("h3")) copy.append(part.cloneNode(true));
  holder.append(copy);
  return true;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-path] .api-fields a[href^='#schema-']");
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.button);
  if (link && plain && peek(link)) event.preventDefault();
  const menu = event.target.closest(".menu-panel a");
  if (menu) menu.closest("details").open = false;
});

// -- try --------------------------------------------------------------------------------------------------------------

const SAFE = "GET";

function readParameters(operation) {
  const rows = operation.querySelectorAll(":scope > h4 + div > .api-fields > div");
  return [...rows]
    .map((row) => ({ name: row.querySelector("dt code").textContent, place: row.querySelector("dt span")?.textContent }))
    .filter(({ place }) => ["path", "query", "header"].includes(place));
}

function field(id, label, control) {
  control.id = id;
  return make("div", { class: "field" }, make("label", { for: id }, label), control);
}

function buildForm(operation) {
  const { method } = operation.dataset;
  const form = make("form", { class: "api-try" });
  const parameters = readParameters(operation).map((parameter) => {
    const input = make("input", { autocomplete: "off", "data-place": parameter.place, name: parameter.name });
    if (parameter.place === "path") input.required = true;
    if (parameter.name === "Idempotency-Key") input.value = crypto.randomUUID?.() ?? String(Date.now());
    return field(`try-${operation.id}-${parameter.name}`, parameter.name, input);
  });
  if (parameters.length) form.append(make("div", { class: "grid grid-3" }, ...parameters));
  const sample = operation.querySelector("[data-api-sample]");
  if (sample) {
    const body = make("textarea", { "data-place": "body", spellcheck: "false" });
    body.value = sample.textContent;
    form.append(field(`try-${operation.id}-body`, words.body, body));
  }
  const output = make("output", { "aria-live": "polite" });
  const send = make("button", { class: "button button-primary" }, words.send);
  form.append(make("div", { class: "form-actions" }, send), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (method !== SAFE && !confirm(words.ask)) return;
    send.disabled = true;
    output.textContent = words.sending;
    try {
      output.replaceChildren(...(await call(operation, form)));
    } catch {
      output.textContent = words.lost;
    }
    send.disabled = false;
  });
  return form;
}

async function call(operation, form) {
  const { method, path } = operation.dataset;
  const headers = new Headers({ "Accept-Language": document.documentElement.lang });
  const token = document.getElementById("api-token")?.value.trim();
  if (token) headers.set("X-Session-Token", token);
  let address = path;
  const query = new URLSearchParams();
  for (const control of form.elements) {
    const value = control.value.trim();
    if (!value) continue;
    if (control.dataset.place === "path") address = address.replace(`{${control.name}}`, encodeURIComponent(value));
    if (control.dataset.place === "query") query.append(control.name, value);
    if (control.dataset.place === "header") headers.set(control.name, value);
  }
  const body = form.querySelector("textarea")?.value;
  if (body !== undefined) headers.set("Content-Type", "application/json");
  // The browser's own cookies stay at home: an app has none.
  const response = await fetch(query.size ? `${address}?${query}` : address, { method, headers, body, credentials: "omit" });
  return show(response);
}

async function show(response) {
  const told = ["Content-Type", "ETag", "Location", "Retry-After", "Idempotency-Replayed", "X-Request-ID"]
    .filter((name) => response.headers.has(name))
    .map((name) => `${name}: ${response.headers.get(name)}`);
  const head = make("pre", { tabindex: "0" }, [`HTTP ${response.status} ${response.statusText}`, ...told].join("\n"));
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("image/")) return [head, make("img", { alt: "", src: await readImage(await response.blob()) })];
  const text = await response.text();
  if (!text) return [head];
  return [head, make("pre", { tabindex: "0" }, type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text)];
}

function readImage(blob) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.readAsDataURL(blob);
  });
}

if (tokenField) tokenField.hidden = false;
for (const operation of document.querySelectorAll("[data-path]")) {
  const button = make("button", { type: "button", class: "button button-small", "aria-expanded": "false" }, words.try);
  button.setAttribute("aria-label", `${words.try}: ${operation.id}`);
  button.addEventListener("click", () => {
    const form = operation.querySelector(".api-try");
    if (form) form.remove();
    else operation.append(buildForm(operation));
    button.setAttribute("aria-expanded", String(!form));
    button.textContent = form ? words.try : words.close;
    button.setAttribute("aria-label", `${button.textContent}: ${operation.id}`);
  });
  operation.append(make("div", { class: "form-actions" }, button));
}
