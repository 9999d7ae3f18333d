// Small parts of screens, and how values are told to people.

/** An element: h("a", { href: "#/" }, "Home"). Handlers are given as functions: { onclick: … }. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child != null && child !== false && child !== ""));
  return node;
}

export const card = (...children) => h("section", { class: "card" }, children);

export const list = (texts) => texts.length > 0 && h("ul", {}, texts.map((text) => h("li", {}, text)));

export function facts(rows) {
  const told = rows.filter(([, value]) => value != null && value !== "");
  return told.length > 0 && h("dl", {}, told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

let fields = 0;

/** A field with its label, and room for what is wrong with it. */
export function field(label, attributes, control = h("input")) {
  fields += 1;
  const id = `field-${fields}`;
  for (const [name, value] of Object.entries(attributes)) control.setAttribute(name, value === true ? "" : value);
  control.id = id;
  control.setAttribute("aria-describedby", `${id}-error`);
  return h("div", { class: "field" }, h("label", { for: id }, label), control, h("p", { class: "error", id: `${id}-error` }));
}

/** What went wrong, in words: at the fields that it is about, else above them. */
export function showProblem(error, form) {
  const controls = [...form.querySelectorAll("[name]")];
  let isTold = false;
  for (const control of controls) {
    const text = error.of?.(control.name) ?? "";
    control.setAttribute("aria-invalid", String(Boolean(text)));
    form.querySelector(`#${control.id}-error`).textContent = text;
    isTold ||= Boolean(text);
  }
  const place = form.querySelector("[role=alert]");
  place.textContent = isTold ? "" : tell(error);
  (controls.find((control) => control.getAttribute("aria-invalid") === "true") ?? form).focus?.();
}

/** An error in a sentence or two. */
export function tell(error) {
  const wait = error.wait ? ` Try again in ${error.wait} seconds.` : "";
  const id = error.status >= 500 && error.requestId ? ` If it stays so, tell us this: ${error.requestId}` : "";
  return `${error.message}${wait}${id}`;
}

/** A form that sends itself once, and shows what comes of it. */
export function form(label, submit, ...children) {
  const button = h("button", { class: "primary" }, label);
  const node = h("form", { novalidate: true }, h("p", { role: "alert", class: "error" }), children, button);
  node.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(node)));
    } catch (error) {
      showProblem(error, node);
    } finally {
      button.disabled = false;
    }
  });
  return node;
}

/** A button for something that takes a moment and may be refused; the refusal is told below it. */
export function action(label, act, { kind = "", ...attributes } = {}) {
  const place = h("p", { role: "alert", class: "error" });
  const button = h("button", { type: "button", class: kind, ...attributes, onclick: async () => {
    button.disabled = true;
    place.textContent = "";
    try {
      await act();
    } catch (error) {
      place.textContent = tell(error);
    } finally {
      button.disabled = false;
    }
  } }, label);
  return h("div", { class: "action" }, button, place);
}

// -- values -----------------------------------------------------------------------------------------------------------

// The amount is exact text: it never becomes a number of ours.
export const money = (value) => value && new Intl.NumberFormat("en", { style: "currency", currency: value.currency }).format(value.amount);

const GB = 2 ** 30;
const MB = 2 ** 20;
const round = (number) => Number(number.toPrecision(3)).toLocaleString("en");

export function bytes(count) {
  if (count == null) return "not reported";
  return count >= GB ? `${round(count / GB)} GB` : `${round(count / MB)} MB`;
}

/** {"bytes", "unlimited", "period"}: null bytes are "no cap" or "not reported", never 0. */
export function data({ bytes: count, unlimited, period }) {
  const amount = unlimited ? "Unlimited" : bytes(count);
  return period === "day" && !unlimited && count != null ? `${amount} a day` : amount;
}

export const days = (count) => count == null ? "not reported" : count === 1 ? "1 day" : `${count} days`;

export const instant = (text) => text && new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

export const reported = (flag) => flag == null ? "not reported" : flag ? "yes" : "no";
