// Messages when the page has no valid token, and when the server rejects it or does not answer.

import type { Server, ServerStatus } from "../data/server";
import { t } from "../i18n/translate";
import { notebookOfPage } from "../widget/notebook";
import { button, h } from "./dom";
import { beginSession } from "./session";

const RETRY_INTERVAL = 3000; // milliseconds

/** A form for the printed address, or its token alone. */
function tokenForm(): HTMLFormElement {
  const message = h("output", {});
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", "aria-label": t("tokenInput"), placeholder: "…/#token=…" });
  const form = h("form", {}, input, h("button", { type: "submit", text: t("tokenOpen") }), message);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = /token=([\w-]+)/.exec(input.value)?.[1] ?? input.value.trim();
    if (!/^[\w-]+$/.test(token)) return;
    if (await beginSession(token)) location.reload();
    else message.textContent = t("tokenRefused");
  });
  return form;
}

/** The page shown while there is no valid token. */
export function tokenPage(isRejected: boolean): HTMLElement {
  return h(
    "main",
    { class: "entrance", role: "alert" },
    h("h1", { text: t(isRejected ? "tokenRefused" : "tokenMissing") }),
    h("p", { text: t("tokenHow") }),
    tokenForm(),
  );
}

/** A banner while the server does not answer, or rejects the token. */
export class ConnectionBanner {
  private readonly element = h("div", { class: "connection", role: "alert", hidden: true });
  private timer = 0;

  constructor(private readonly server: Server) {
    document.body.append(this.element);
    server.statusChanged.on((status) => this.show(status));
  }

  private show(status: ServerStatus): void {
    clearTimeout(this.timer);
    this.element.hidden = status === "connected";
    if (status === "disconnected") {
      this.element.replaceChildren(t(notebookOfPage() ? "noKernel" : "noServer"), " ", button(t("tryAgain"), () => void this.retry()));
      this.timer = setTimeout(() => void this.retry(), RETRY_INTERVAL);
    } else if (status === "unauthorized") {
      this.element.replaceChildren(h("p", { text: `${t("tokenRefused")} ${t("tokenHow")}` }), tokenForm());
    }
  }

  private async retry(): Promise<void> {
    clearTimeout(this.timer);
    await this.server.ping();
    if (this.server.status === "disconnected") this.timer = setTimeout(() => void this.retry(), RETRY_INTERVAL);
  }
}
