// How the page gets in: the token of the printed address is exchanged for a cookie, and leaves the address bar.

import { overHttp, type Send } from "../data/server";

/** Each explorer has its own key, even if a proxy serves several under one origin. */
const key = (): string => `latentmap-token:${location.pathname}`;

/** Keep the token for this tab, where the browser keeps no cookie, as in a frame of a notebook; "" forgets it. */
function keep(token: string): void {
  try {
    if (token) sessionStorage.setItem(key(), token);
    else sessionStorage.removeItem(key());
  } catch {
    // without storage, the token lasts until the page is reloaded
  }
}

function kept(): string {
  try {
    return sessionStorage.getItem(key()) ?? "";
  } catch {
    return "";
  }
}

/** The token in the address, which is removed from the address; "" if there is none. */
function takeToken(): string {
  const values = new URLSearchParams(location.hash.replace(/^#/, ""));
  const given = values.get("token") ?? "";
  if (given) {
    values.delete("token");
    history.replaceState(null, "", `${location.pathname}${location.search}${values.size ? `#${values}` : ""}`);
  }
  return given;
}

/** Exchange a token for a cookie; whether the token is right. A browser that keeps no cookie sends the token itself. */
export async function beginSession(token: string): Promise<boolean> {
  const { status } = await fetch("session", { method: "POST", headers: { "X-Latentmap-Token": token } });
  if (status === 401) return false;
  keep((await fetch("session")).ok ? "" : token);
  return true;
}

/** A way to send requests that the server answers; null if it asks for a token. */
export async function openSession(): Promise<{ send: Send | null; isRejected: boolean }> {
  const given = takeToken();
  const isRejected = given !== "" && !(await beginSession(given));
  if (isRejected) return { send: null, isRejected };
  const token = kept();
  if (token) return { send: overHttp(token), isRejected };
  if ((await fetch("session")).ok) return { send: overHttp(""), isRejected };
  return { send: given ? overHttp(given) : null, isRejected }; // without cookies and storage
}

/** Reload when an address with a token is opened in this tab: only its part after "#" changes. */
export function watchAddress(): void {
  addEventListener("hashchange", () => {
    if (new URLSearchParams(location.hash.replace(/^#/, "")).get("token")) location.reload();
  });
}
