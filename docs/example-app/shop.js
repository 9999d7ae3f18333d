// Looking for a plan, ordering it, paying, and watching what becomes of the order.

import { call, callOnce, signedIn, watch } from "./api.js";
import { confirmPayment } from "./card-sheet.js";
import { action, card, data, days, facts, field, form, h, instant, list, money, reported } from "./draw.js";

const from = (prices) => prices.map(money).join(" / ");

function place(address, flag, name, { plans, from_prices: prices }) {
  return h("li", {}, h("a", { class: "row", href: address },
    h("span", { class: "flag", "aria-hidden": "true" }, flag), h("span", { class: "grow" }, name, h("small", {}, plans === 1 ? "1 plan" : `${plans} plans`)),
    h("span", {}, `from ${from(prices)}`)));
}

export async function destinations() {
  const [countries, regions] = await Promise.all([call("destinations"), call("regions")]);
  const rows = countries.results.map((one) => place(`#/plans/country/${one.country}`, one.flag, one.name, one));
  const areas = regions.results.map((one) => place(`#/plans/region/${encodeURIComponent(one.code)}`, "🌐", one.name, one));
  const search = field("Where do you travel?", { type: "search", autocomplete: "off" });
  search.addEventListener("input", ({ target }) => {
    const wish = target.value.trim().toLowerCase();
    for (const row of [...rows, ...areas]) row.hidden = !row.textContent.toLowerCase().includes(wish);
  });
  if (!rows.length && !areas.length) return { title: "Where to?", body: card(h("p", {}, "Nothing is sold here yet.")) };
  return { title: "Where to?", body: [search, h("ul", { class: "rows" }, rows), areas.length > 0 && [h("h2", {}, "Several countries"), h("ul", { class: "rows" }, areas)]] };
}

export async function plans(kind, name) {
  const rows = h("ul", { class: "rows" });
  const more = h("div");
  async function add(cursor) {
    const query = new URLSearchParams({ [kind]: name, limit: 20, ...(cursor && { cursor }) });
    const page = await call(`plans?${query}`);
    rows.append(...page.results.map((plan) => h("li", {}, h("a", { class: "row", href: `#/plan/${plan.id}` },
      h("span", { class: "grow" }, plan.name, h("small", {}, [data(plan.data), plan.days_to_choose ? "by the day" : days(plan.validity_days)].join(" · "))),
      h("strong", {}, money(plan.price))))));
    more.replaceChildren(page.next ? action("More", () => add(page.next)) : "");
  }
  await add();
  if (!rows.children.length) rows.append(h("li", { class: "empty" }, "No plan is sold for this any more."));
  return { title: "Plans", body: [rows, more] };
}

export async function plan(id, { go }) {
  const found = await call(`plans/${id}`);
  const byDay = found.days_to_choose != null;
  const total = h("strong", { "aria-live": "polite" }, money(found.terms.price));
  let terms = found.terms;
  const daysField = byDay && field("Days", { type: "number", name: "period_days", min: 1, max: found.days_to_choose, value: terms.days ?? 1, inputmode: "numeric" });
  if (byDay) daysField.addEventListener("change", async ({ target }) => {
    // What the days come to is the office's to say.
    ({ terms } = await call(`plans/${id}?days=${encodeURIComponent(target.value)}`));
    total.textContent = money(terms.price);
  });
  const order = form("Order", async ({ quantity, period_days: period }) => {
    if (!signedIn()) return go("#/sign-in", { back: `#/plan/${id}` });
    // The price is the one that was shown: if it has changed by now, the order is refused.
    const body = { plan_id: found.id, quantity: Number(quantity), unit_price: terms.price, ...(byDay && { period_days: Number(period) }) };
    const { number } = await callOnce("orders", body);
    return go(`#/order/${number}`);
  }, daysField, field("How many?", { type: "number", name: "quantity", min: 1, max: 20, value: 1, inputmode: "numeric" }), h("p", {}, "Each: ", total));
  const networks = found.coverage.map(({ flag, name, networks: all }) => `${flag} ${name}: ${all.map((one) => `${one.name} ${one.types.join("/")}`.trim()).join(", ") || "networks not reported"}`);
  const rules = [found.validity_info, found.activation_info, found.restrictions].filter(Boolean);
  return { title: found.name, body: [
    card(facts([
      ["Data", data(found.data)], ["Lasts", byDay ? `up to ${days(found.days_to_choose)}, as you choose` : days(found.validity_days)],
      ["Top-ups", reported(found.top_up)], ["Hotspot", reported(found.tethering)], ["ID needed", reported(found.kyc_required)],
      ["Install within", found.ends_unused_after_days && days(found.ends_unused_after_days)],
    ])),
    card(h("h2", {}, "Order"), order, h("p", { class: "quiet" }, "Nothing is bought before you have read the terms and paid.")),
    card(h("h2", {}, "Where it works"), networks.length > 12 ? h("details", {}, h("summary", {}, `${networks.length} countries`), list(networks)) : list(networks)),
    rules.length > 0 && card(h("h2", {}, "Rules"), rules.map((text) => h("p", { class: "lines" }, text))),
  ] };
}

// -- orders -----------------------------------------------------------------------------------------------------------

export async function orders() {
  const rows = h("ul", { class: "rows" });
  const more = h("div");
  async function add(cursor) {
    const page = await call(`orders?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.append(...page.results.map((order) => h("li", {}, h("a", { class: "row", href: `#/order/${order.number}` },
      h("span", { class: "grow" }, order.plan_name, h("small", {}, `${order.number} · ${order.state_text}`)), h("strong", {}, money(order.total))))));
    more.replaceChildren(page.next ? action("More", () => add(page.next)) : "");
  }
  await add();
  if (!rows.children.length) rows.append(h("li", { class: "empty" }, "Nothing ordered yet. ", h("a", { href: "#/" }, "Find a plan")));
  return { title: "Orders", body: [rows, more] };
}

const WAITS = ["awaiting_payment", "in_progress"];

export async function order(number, { signal, fail }) {
  const body = h("div");
  let shown;
  let isConfirmed = false;
  let watching;
  // From the start again, quickly at first.
  function follow() {
    watching?.abort();
    watching = new AbortController();
    watch(`orders/${number}`, { tell: draw, isOver: ({ state }) => !WAITS.includes(state), signal: AbortSignal.any([signal, watching.signal]) })
      .catch((error) => error.name === "AbortError" || fail(error));
  }
  function draw(now) {
    // While somebody reads or ticks something, only news replaces it.
    const news = JSON.stringify(now) + isConfirmed;
    if (shown === news) return;
    shown = news;
    body.replaceChildren(...[
      card(h("p", { role: "status", class: `state ${now.state}` }, isConfirmed && now.state === WAITS[0] ? "Your card was charged. The office is about to hear of it." : now.state_text),
        now.state === "in_progress" && h("progress", { max: now.quantity, value: now.delivered, "aria-label": "Delivered" }),
        facts([["Order", now.number], ["Plan", now.items.map((item) => item.plan_name).join(", ")], ["How many", now.quantity], ["Total", money(now.total)], ["Pay until", instant(now.expires_at)]])),
      now.state === WAITS[0] && !isConfirmed && pay(now),
      goods(now),
      now.refunds.length > 0 && card(h("h2", {}, "Refunds"), list(now.refunds.map((one) => `${money(one.amount)}: ${one.state}`))),
      now.paid_at && receipt(now),
    ].filter(Boolean));
  }
  function pay(now) {
    const terms = now.items.flatMap((item) => item.must_show);
    const read = h("input", { type: "checkbox" });
    const buttons = now.pay_by.map((method) => action(method === "card" ? `Pay ${money(now.outstanding)} by card` : "Put it on my account", async () => {
      const paid = await callOnce(`orders/${number}/payments`, { method, amount: now.outstanding });
      const sheet = paid.payments.find((payment) => payment.sheet)?.sheet;
      // What becomes of the card the payment service tells the office; the app reads the order until it shows.
      if (sheet && !(await confirmPayment(sheet, money(now.outstanding)))) return;
      isConfirmed = Boolean(sheet);
      draw(paid);
      follow();
    }, { kind: "primary", disabled: terms.length > 0 }));
    read.addEventListener("change", () => { for (const one of buttons) one.firstChild.disabled = !read.checked; });
    return card(h("h2", {}, "Before you pay"), list(terms), terms.length > 0 && h("label", { class: "check" }, read, " I have read this"),
      buttons.length ? buttons : h("p", {}, `Pay ${money(now.outstanding)} at our desk: tell them the order ${number}.`),
      action("Cancel the order", async () => draw(await call(`orders/${number}/cancellation`, { method: "POST" }))));
  }
  const found = await call(`orders/${number}`);
  draw(found);
  if (WAITS.includes(found.state)) follow();
  return { title: `Order ${number}`, body };
}

function goods({ esims, items, state }) {
  const toppedUp = state === "completed" ? items.filter((item) => item.esim_id) : [];
  const links = [
    ...esims.map((esim, index) => h("li", {}, h("a", { class: "row", href: `#/esim/${esim.id}` }, h("span", { class: "grow" }, `eSIM ${index + 1}`, h("small", {}, esim.iccid)), "Install →"))),
    ...toppedUp.map((item) => h("li", {}, h("a", { class: "row", href: `#/esim/${item.esim_id}` }, h("span", { class: "grow" }, `Added: ${item.plan_name}`), "See it →"))),
  ];
  return links.length > 0 && h("ul", { class: "rows" }, links);
}

function receipt({ number }) {
  const shown = h("div");
  return card(h("h2", {}, "Receipt"), action("Show the receipt", async () => {
    const paper = await call(`orders/${number}/receipt`, { method: "POST" });
    shown.replaceChildren(facts([
      ["Number", paper.number], ["Sold on", paper.sold_on], ["By", paper.issuer.name], ["Registration", paper.issuer.registration], ["For", paper.recipient],
      ...paper.lines.map((line) => [`${line.quantity} × ${line.description}`, money(line.price)]),
      ...paper.taxes.map((tax) => [`Tax in it, ${tax.percent} %`, money(tax.tax)]), ["Total", money(paper.total)],
    ]));
  }), shown);
}

// -- top-ups: the options of a line become an order like any other ----------------------------------------------------

export async function topUps(id, { go }) {
  const { options, must_show: rules, valid_until: until } = await call(`esims/${id}/top-ups`);
  const choices = options.map((option) => card(
    facts([["Package", option.name], ["Data", data(option.data)], ["Lasts", option.days_to_choose ? "1 day" : days(option.validity_days)], ["Price", money(option.price)]]),
    action(`Order for ${money(option.price)}`, async () => {
      const body = { plan_id: option.plan_id, unit_price: option.price, ...(option.days_to_choose && { period_days: 1 }) };
      const { number } = await callOnce(`esims/${id}/top-ups`, body);
      go(`#/order/${number}`);
    }, { kind: "primary" })));
  return { title: "More data", body: [
    rules.length > 0 && card(h("h2", {}, "What is added"), list(rules)),
    choices.length ? choices : card(h("p", {}, "Nothing fits to this eSIM now.")),
    h("p", { class: "quiet" }, `These hold until ${instant(until)}.`),
  ] };
}
