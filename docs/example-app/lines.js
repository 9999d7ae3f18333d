// The eSIMs: what they are doing, the code to install them, the guide, their use, and a fresh reading.

import { call, readPicture } from "./api.js";
import { action, bytes, card, data, facts, field, form, h, instant, list, tell } from "./draw.js";

const title = (esim) => esim.label || esim.plan_name;

// A share is told only where the office tells one: not reported is never 0 %.
function bar({ in_hand: share }) {
  if (!share) return false;
  const words = `${bytes(share.used_bytes)} of ${bytes(share.total_bytes)} used`;
  return h("div", {}, h("progress", { max: share.total_bytes, value: share.used_bytes, "aria-label": words }), h("small", {}, words));
}

export async function esims() {
  const rows = h("ul", { class: "rows" });
  const more = h("div");
  async function add(cursor) {
    const page = await call(`esims?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.append(...page.results.map((esim) => h("li", {}, h("a", { class: "row", href: `#/esim/${esim.id}` },
      h("span", { class: "flag", "aria-hidden": "true" }, esim.destination.flag ?? "🌐"),
      h("span", { class: "grow" }, title(esim), h("small", {}, esim.state_text), bar(esim.usage))))));
    more.replaceChildren(page.next ? action("More", () => add(page.next)) : "");
  }
  await add();
  if (!rows.children.length) rows.append(h("li", { class: "empty" }, "No eSIM yet. ", h("a", { href: "#/" }, "Find a plan")));
  return { title: "eSIMs", body: [rows, more] };
}

export async function esim(id) {
  const body = h("div");
  const heading = (found) => { document.querySelector("h1").textContent = title(found); };
  // What somebody has unfolded stays so when there is news.
  const steps = guide(id);
  let code;
  async function draw(found) {
    // Codes are asked for once: the office counts pictures, as it does whatever costs it something.
    if (found.shows_code) code ??= await codes(id).catch((error) => card(h("p", { role: "alert" }, tell(error))));
    const { usage, dates } = found;
    body.replaceChildren(...[
      card(h("p", { role: "status", class: `state ${found.state}` }, found.state_text), found.sentences.map((text) => h("p", {}, text)),
        bar(usage), facts([
          ["Used", usage.is_reported ? `${bytes(usage.used_bytes)}, as of ${instant(usage.as_of) ?? "an unknown time"}` : "not reported"],
          ["Allowance", data({ ...usage.allowance, period: usage.period })],
          ["Install before", instant(dates.install_before)],
          ["Ends", instant(dates.expires_at) ?? (dates.expires_on && `${dates.expires_on} (date in Japan)`)],
        ]),
        action("Ask how it is doing", async () => draw(await refresh(id, found)), { disabled: !found.refresh.is_possible })),
      found.shows_code && code,
      steps,
      packages(found),
      found.usage_by_day.is_reported && card(h("h2", {}, "Day by day"), facts(found.usage_by_day.days.map((day) => [day.day, bytes(day.used_bytes)]))),
      card(h("h2", {}, "Name"), form("Save", async ({ label }) => {
        const named = await call(`esims/${id}`, { method: "PATCH", body: { label } });
        heading(named);
        await draw(named);
      }, field("What you call it", { name: "label", value: found.label, maxlength: 60, autocomplete: "off" }))),
    ].filter(Boolean));
  }
  const found = await call(`esims/${id}`);
  await draw(found);
  return { title: title(found), body };
}

async function codes(id) {
  const [picture, activation] = await Promise.all([readPicture(`esims/${id}/qr.svg`, "image/svg+xml"), call(`esims/${id}/activation`)]);
  return card(h("h2", {}, "Install it"),
    h("p", {}, h("a", { class: "button primary", href: activation.links.apple }, "On this iPhone"), " ", h("a", { class: "button", href: activation.links.android }, "On this Android phone")),
    h("p", {}, "Or scan this with the phone's camera, from another screen:"),
    h("img", { class: "qr", src: picture, alt: "QR code of the eSIM", width: 240, height: 240 }),
    h("details", {}, h("summary", {}, "Type it in instead"), facts([
      ["SM-DP+ address", activation.smdp_address], ["Activation code", activation.matching_id],
      ["Confirmation code", activation.confirmation_code || (activation.needs_confirmation_code ? "The phone will ask for one; ask us." : "")],
    ])),
    h("p", { class: "quiet" }, "Whoever has this code can install the eSIM: show it to nobody."));
}

function guide(id) {
  const steps = h("div");
  const platform = h("select");
  for (const [value, name] of [["ios", "iPhone or iPad"], ["android", "Android"], ["other", "Something else"]]) platform.append(h("option", { value }, name));
  if (/Android/.test(navigator.userAgent)) platform.value = "android";
  async function show() {
    const { stages, add_on_rules: rules } = await call(`esims/${id}/guide?platform=${platform.value}`);
    steps.replaceChildren(...stages.map((stage) => h("div", {}, h("h3", {}, stage.title), h("p", { class: "quiet" }, stage.note),
      stage.parts.map((part) => h("div", {}, h("h4", {}, part.title), h("ol", {}, part.steps.map((step) => h("li", {}, step))))))),
    ...(rules.length ? [h("h3", {}, "If you add data"), list(rules)] : []));
    if (!stages.length) steps.replaceChildren(h("p", {}, "This eSIM is over: there is nothing to install."));
  }
  const details = h("details", {}, h("summary", {}, "How to install it, step by step"), field("Onto", {}, platform), steps);
  details.addEventListener("toggle", () => details.open && !steps.children.length && show());
  platform.addEventListener("change", show);
  return card(details);
}

function packages(found) {
  const { address, rules, why_not: whyNot } = found.top_ups;
  return card(h("h2", {}, "Data packages"),
    found.packages.map((one) => facts([["Package", one.name], ["State", one.state_text], ["Data", data(one.data)], ["Used", bytes(one.used_bytes)], ["Ends", instant(one.ends_at)], ["To come", one.sentences.join(" ")]])),
    address ? [list(rules), h("p", {}, h("a", { class: "button", href: `#/esim/${found.id}/top-ups` }, "Add data"))] : h("p", { class: "quiet" }, whyNot));
}

/** Asks for a fresh reading and waits a little for it; the office refuses, with Retry-After, what comes too often. */
async function refresh(id, before) {
  await call(`esims/${id}/refresh`, { method: "POST" });
  for (let wait = 1; wait <= 4; wait += 1) {
    await new Promise((resolve) => { setTimeout(resolve, wait * 1000); });
    const now = await call(`esims/${id}`);
    if (now.refresh.last_read_at !== before.refresh.last_read_at) return now;
  }
  throw new Error("It takes longer than usual. Look again in a while.");
}
