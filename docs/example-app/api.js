// How an app talks to Roamdesk's REST API: sign-in, kept answers, safe repeats, errors in plain words, polite waiting.
// Nothing here draws anything. docs/api.md tells why each of it is so.

// "" is where this page comes from. An app on a phone has the office's address here.
const BASE = document.querySelector('meta[name="api-base"]').content;
const API = `${BASE}/api/v1/`;
const SIGN_IN = `${BASE}/_allauth/app/v1/`;
const LANGUAGE = "en";

// -- who is signed in -------------------------------------------------------------------------------------------------

// A phone keeps the token in its keychain.
const session = {
  get token() { return sessionStorage.getItem("token") ?? ""; },
  set token(value) { value ? sessionStorage.setItem("token", value) : sessionStorage.removeItem("token"); },
};
let isSignedIn = sessionStorage.getItem("signed-in") === "yes";

function setSignedIn(value) {
  isSignedIn = value;
  sessionStorage.setItem("signed-in", value ? "yes" : "no");
  if (!value) session.token = "";
}

export const signedIn = () => isSignedIn;

// -- errors -----------------------------------------------------------------------------------------------------------

/** An answer that says no, in words for people. `code` is for programs. */
export class Problem extends Error {
  constructor({ status, code, message, errors = [], requestId = "", wait = 0 }) {
    super(message);
    Object.assign(this, { status, code, errors, requestId, wait });
  }

  /** What is wrong with this field, "" for nothing. */
  of(field) {
    return this.errors.filter(({ path }) => path === field).map(({ message }) => message).join(" ");
  }
}

/** No answer came: the network is gone, or the answer was lost on its way. Whether something was done is not known. */
export class NoAnswer extends Error {}

function readProblem(response, body) {
  const wait = Number(response.headers.get("Retry-After") ?? 0);
  const requestId = response.headers.get("X-Request-ID") ?? "";
  if (body?.code) {
    // The title says the kind, in words that always fit; detail and errors say more where there is more to say.
    const message = response.status === 404 ? body.title : body.detail ?? body.errors?.[0]?.message ?? body.title;
    return new Problem({ status: response.status, code: body.code, message, errors: body.errors, requestId, wait });
  }
  // The sign-in is django-allauth's; its errors have another shape.
  const errors = (body?.errors ?? []).map(({ param, code, message }) => ({ path: param ?? "", code, message }));
  const message = errors.map((error) => error.message).join(" ") || `The office answered ${response.status}.`;
  return new Problem({ status: response.status, code: errors[0]?.code ?? "server_error", message, errors, requestId, wait });
}

// -- calls ------------------------------------------------------------------------------------------------------------

async function send(address, { method = "GET", body, headers = {}, signal } = {}) {
  const all = { Accept: "application/json", "Accept-Language": LANGUAGE, ...headers };
  if (session.token) all["X-Session-Token"] = session.token;
  if (body !== undefined) all["Content-Type"] = "application/json";
  try {
    return await fetch(address, {
      method, headers: all, signal, body: body === undefined ? undefined : JSON.stringify(body),
      // An app has no cookies; and it keeps answers itself, by their ETag.
      credentials: "omit", cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NoAnswer("No answer came. Is there a network?");
  }
}

async function readJson(response) {
  try {
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  } catch {
    throw new NoAnswer("The answer broke off.");
  }
}

const kept = new Map();

/** Read or do something below /api/v1/. Answers with an ETag are kept and asked for again by it. */
export async function call(path, options = {}) {
  const known = options.method ? undefined : kept.get(path);
  const headers = { ...options.headers, ...(known && { "If-None-Match": known.tag }) };
  const response = await send(API + path, { ...options, headers });
  if (response.status === 304) return known.body;
  const body = await readJson(response);
  if (!response.ok) {
    // The token has ended, by time or by "sign out everywhere".
    if (response.status === 401) setSignedIn(false);
    throw readProblem(response, body);
  }
  const tag = response.headers.get("ETag");
  if (tag && !options.method) kept.set(path, { tag, body });
  return body;
}

/** A picture, for an <img>: it is asked for with the token, so its address alone would not do. */
export async function readPicture(path, type) {
  const response = await send(API + path, { headers: { Accept: `${type}, application/problem+json` } });
  if (!response.ok) throw readProblem(response, await readJson(response));
  const picture = await response.blob();
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.readAsDataURL(picture);
  });
}

// -- once, and only once ----------------------------------------------------------------------------------------------

const TRIES = 4;
const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

const readWishes = () => JSON.parse(localStorage.getItem("unanswered") ?? "[]");
const keepWishes = (wishes) => localStorage.setItem("unanswered", JSON.stringify(wishes));
const isSame = (one, other) => one.path === other.path && JSON.stringify(one.body) === JSON.stringify(other.body);

/** What was sent and has had no answer, also before the app was closed. */
export const unanswered = readWishes;

export const forget = (wish) => keepWishes(readWishes().filter(({ key }) => key !== wish.key));

/**
 * POST with an Idempotency-Key. The key and the body are stored before they are sent, and forgotten when an answer has
 * come: whatever happens in between (no network, a closed app, our 5xx), the same request with the same key is safe.
 */
export async function callOnce(path, body) {
  const known = readWishes().find((wish) => isSame(wish, { path, body }));
  const wish = known ?? { path, body, key: newKey() };
  if (!known) keepWishes([...readWishes(), wish]);
  return repeat(wish);
}

export async function repeat(wish) {
  const { path, body, key } = wish;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await call(path, { method: "POST", body, headers: { "Idempotency-Key": key } });
      forget(wish);
      return answer;
    } catch (error) {
      const mayComeYet = error instanceof NoAnswer || error.status >= 500 || error.code === "key_in_flight";
      if (!mayComeYet) forget(wish);
      if (!mayComeYet || attempt === TRIES) throw error;
      await pause(error.wait || attempt);
    }
  }
}

// randomUUID is only there over https and on this machine.
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// -- waiting for news -------------------------------------------------------------------------------------------------

/**
 * Read until `isOver`: soon at first, then more and more seldom, never while nobody looks, and as late as Retry-After
 * says. `tell` hears each answer. `signal` ends it, when the person goes elsewhere.
 */
export async function watch(path, { tell, isOver, signal }) {
  for (let wait = 1; ; wait = Math.min(wait * 1.5, 15)) {
    let seconds = wait;
    try {
      const answer = await call(path, { signal });
      tell(answer);
      if (isOver(answer)) return;
    } catch (error) {
      const passes = error instanceof NoAnswer || error.status === 429 || error.status >= 500;
      if (!passes) throw error;
      seconds = Math.max(wait, error.wait ?? 0);
    }
    await pause(seconds, signal);
    if (document.hidden) {
      await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true, signal }));
    }
  }
}

// -- signing in -------------------------------------------------------------------------------------------------------

/** A step of the sign-in. Tells which step is missing now: "verify_email", "login_by_code" …; "" for none. */
export async function signInStep(path, body, method = "POST") {
  const response = await send(SIGN_IN + path, { method, body });
  const answer = await readJson(response);
  // Each step may bring a new token: the newest one counts.
  if (answer?.meta?.session_token) session.token = answer.meta.session_token;
  if (response.ok) {
    setSignedIn(Boolean(answer?.meta?.is_authenticated));
    return "";
  }
  const missing = answer?.data?.flows?.find((flow) => flow.is_pending)?.id;
  if (response.status === 401 && answer?.data?.flows) return missing ?? "sign_in";
  throw readProblem(response, answer);
}

export async function signOut() {
  // 401 is its good answer: nobody is signed in any more.
  await send(`${SIGN_IN}auth/session`, { method: "DELETE" });
  leave();
}

export async function signOutEverywhere() {
  await call("me/sessions", { method: "DELETE" });
  leave();
}

function leave() {
  setSignedIn(false);
  // Keys belong to a person: the next one must not send what this one wished.
  keepWishes([]);
}
