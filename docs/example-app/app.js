// Which screen is shown, the tabs below it, and requests whose answer was lost.

import { Problem, call, forget, repeat, signedIn, unanswered } from "./api.js";
import { action, card, h, tell } from "./draw.js";
import { esim, esims } from "./lines.js";
import { feed, me, signIn } from "./people.js";
import { destinations, order, orders, plan, plans, topUps } from "./shop.js";

// Address → screen. A screen gives its title and its body.
const OPEN = [
  [/^#\/$/, destinations],
  [/^#\/plans\/(country|region)\/(.+)$/, plans],
  [/^#\/plan\/(\d+)$/, plan],
  [/^#\/sign-in$/, signIn],
];
const PERSONAL = [
  [/^#\/orders$/, orders],
  [/^#\/order\/([\w-]+)$/, order],
  [/^#\/esims$/, esims],
  [/^#\/esim\/(\d+)$/, esim],
  [/^#\/esim\/(\d+)\/top-ups$/, topUps],
  [/^#\/news$/, feed],
  [/^#\/me$/, me],
];
const main = document.querySelector("main");
let leaving = new AbortController();
let back;

function go(address, options = {}) {
  ({ back } = options);
  if (location.hash === address) show();
  else location.hash = address;
}

function countNews(count) {
  const badge = document.querySelector("[data-news]");
  badge.textContent = count || "";
  badge.hidden = !count;
}

function find(address) {
  for (const [pages, isPersonal] of [[OPEN, false], [PERSONAL, true]]) {
    for (const [pattern, screen] of pages) {
      const match = address.match(pattern);
      if (match) return { screen, isPersonal, parts: match.slice(1).map(decodeURIComponent) };
    }
  }
  return null;
}

async function show() {
  const address = location.hash || "#/";
  leaving.abort(new DOMException("The person went elsewhere.", "AbortError"));
  leaving = new AbortController();
  const { signal } = leaving;
  const wanted = find(address);
  if (!wanted) return go("#/");
  if (wanted.isPersonal && !signedIn()) return go("#/sign-in", { back: address });
  for (const tab of document.querySelectorAll("nav a")) tab.toggleAttribute("aria-current", tab.hash === address);
  const fail = (error) => { if (!signal.aborted) draw(told(error, address)); };
  function draw({ title, body }) {
    const heading = h("h1", { tabindex: "-1" }, title);
    main.replaceChildren(...[heading, lost(), body].flat(Infinity).filter(Boolean));
    document.title = `${title} · Example app`;
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  main.setAttribute("aria-busy", "true");
  try {
    const screen = await wanted.screen(...wanted.parts, { go, back, signal, fail, countNews });
    if (!signal.aborted) draw(screen);
  } catch (error) {
    fail(error);
  } finally {
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
  if (signedIn() && wanted.screen !== feed) call("notifications/unread").then(({ unread }) => countNews(unread), () => {});
  if (!signedIn()) countNews(0);
}

function told(error, address) {
  if (error instanceof Problem && error.status === 401) {
    return { title: "Sign in again", body: card(h("p", {}, "Your sign-in has ended."), action("Sign in", () => go("#/sign-in", { back: address }), { kind: "primary" })) };
  }
  if (!(error instanceof Problem) && error.constructor === TypeError) console.error(error);
  return { title: "That did not work", body: card(h("p", { role: "alert" }, tell(error)), action("Try again", () => show())) };
}

// What was sent and has had no answer can be sent again with its key: it is never done twice.
function lost() {
  return signedIn() && unanswered().map((wish) => h("div", { class: "card warn" },
    h("p", {}, "An order or a payment was sent, and its answer got lost."),
    action("Send it again", async () => go(`#/order/${(await repeat(wish)).number}`), { kind: "primary" }),
    action("Forget it", () => { forget(wish); show(); })));
}

addEventListener("hashchange", show);
show();
