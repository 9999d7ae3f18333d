// The payment service's sheet, played by this page. A real app opens the sheet of the service's own SDK here, with the
// same three values; card data go from there to the service and never to the office.

import { h } from "./draw.js";

/** Have the customer confirm a payment. True when the service took it, false when they closed the sheet. */
export function confirmPayment(sheet, amount) {
  const problem = h("p", { role: "alert", class: "error" });
  const dialog = h("dialog", { "aria-labelledby": "sheet-title" });
  return new Promise((resolve) => {
    async function pay(card) {
      problem.textContent = "";
      let answer;
      try {
        const body = new URLSearchParams({ client_secret: sheet.client_secret, publishable_key: sheet.publishable_key, card });
        answer = await fetch("card-sheet", { method: "POST", body, credentials: "omit" });
      } catch {
        problem.textContent = "The payment service was not reached.";
        return;
      }
      if (answer.ok) {
        dialog.close("paid");
        return;
      }
      problem.textContent = (await answer.json()).error?.message ?? "The payment service took nothing.";
    }
    dialog.append(
      h("h2", { id: "sheet-title" }, `Pay ${amount}`),
      h("p", { class: "quiet" }, "No real money: these cards are simulated."),
      problem,
      h("button", { type: "button", class: "primary", onclick: () => pay("pm_card_visa") }, "Card ending in 4242"),
      h("button", { type: "button", onclick: () => pay("pm_card_chargeDeclined") }, "Card that is refused"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Not now"),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "paid");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
