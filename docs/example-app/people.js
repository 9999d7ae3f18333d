// Signing in, the feed, and the person.

import { call, signInStep, signOut, signOutEverywhere, signedIn } from "./api.js";
import { action, card, facts, field, form, h, instant } from "./draw.js";

const email = () => field("E-mail", { name: "email", type: "email", autocomplete: "username", required: true });
const password = (kind) => field("Password", { name: "password", type: "password", autocomplete: kind, required: true });
const code = (name) => field("Code from the mail", { name, autocomplete: "one-time-code", autocapitalize: "characters", required: true });

// Steps that a sign-in may still miss: what to ask for, and where it goes.
const MISSING = {
  verify_email: { text: "We sent you a code, to see that the address is yours.", path: "auth/email/verify", fields: () => [code("key")] },
  login_by_code: { text: "We sent you a code.", path: "auth/code/confirm", fields: () => [code("code")] },
  password_reset_by_code: { text: "We sent you a code.", path: "auth/password/reset", fields: () => [code("key"), password("new-password")] },
  mfa_authenticate: { text: "Your authenticator app shows a code.", path: "auth/2fa/authenticate", fields: () => [field("Authenticator code", { name: "code", inputmode: "numeric", autocomplete: "one-time-code" })] },
};

export async function signIn({ go, back }) {
  const body = h("div");
  async function step(path, given) {
    const missing = await signInStep(path, given);
    if (signedIn()) return go(back ?? "#/me");
    return missing === "sign_in" ? start("That is done. Now sign in.") : ask(MISSING[missing]);
  }
  function ask({ text, path, fields }) {
    body.replaceChildren(card(h("p", { role: "status" }, text), form("Go on", (given) => step(path, given), fields()), action("Start again", () => start())));
    body.querySelector("input").focus();
  }
  function start(text) {
    body.replaceChildren(...[
      text && h("p", { role: "status" }, text),
      card(h("h2", {}, "Sign in"), form("Sign in", (given) => step("auth/login", given), email(), password("current-password"))),
      card(h("details", {}, h("summary", {}, "Without a password"), form("Send me a code", (given) => step("auth/code/request", given), email()))),
      card(h("details", {}, h("summary", {}, "I forgot my password"), form("Send me a code", (given) => step("auth/password/request", given), email()))),
      card(h("h2", {}, "New here?"), form("Make an account", (given) => step("auth/signup", given), field("Name", { name: "name", autocomplete: "name" }), email(), password("new-password"))),
    ].filter(Boolean));
  }
  start();
  return { title: "Welcome", body };
}

export async function feed({ countNews }) {
  const rows = h("ul", { class: "rows" });
  const more = h("div");
  async function add(cursor) {
    const page = await call(`notifications?limit=20${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.append(...page.results.map((one) => h("li", { class: one.is_read ? "" : "unread" }, h("article", { class: "news" },
      h("h2", {}, !one.is_read && h("span", { class: "dot" }, "New: "), one.subject), h("small", {}, instant(one.created_at)), one.paragraphs.map((text) => h("p", {}, text)),
      one.esim_id ? h("a", { href: `#/esim/${one.esim_id}` }, "Open the eSIM") : one.order_number && h("a", { href: `#/order/${one.order_number}` }, "Open the order")))));
    more.replaceChildren(page.next ? action("More", () => add(page.next)) : "");
    // Read is what was shown; sent twice it changes nothing.
    const ids = page.results.filter((one) => !one.is_read).map(({ id }) => id);
    if (ids.length) countNews((await call("notifications/read", { method: "POST", body: { ids } })).unread);
  }
  await add();
  if (!rows.children.length) rows.append(h("li", { class: "empty" }, "No news."));
  return { title: "News", body: [rows, more] };
}

export async function me({ go }) {
  const person = await call("me");
  return { title: "Me", body: [
    card(facts([["Name", person.name], ["E-mail", person.email], ["Language", person.language || "as the device"], ["Time zone", person.time_zone]]),
      !person.is_customer && h("p", {}, "This account cannot buy: it belongs to staff.")),
    card(h("h2", {}, "Name"), form("Save", async ({ name }) => {
      await call("me", { method: "PATCH", body: { name } });
      go("#/me");
    }, field("Your name", { name: "name", value: person.name, autocomplete: "name" }))),
    card(action("Sign out", async () => { await signOut(); go("#/"); }), action("Sign out everywhere", async () => { await signOutEverywhere(); go("#/"); })),
  ] };
}
