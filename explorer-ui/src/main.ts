// Opens the page with the data of a server, or with the data that was saved in it.

import "./style/base.css";
import "./style/layout.css";
import "./style/map.css";
import "./style/panels.css";
import "./style/dialogs.css";
import "./style/narrow.css";
import { App } from "./app";
import { errorMessage } from "./data/error-message";
import { SavedPage } from "./data/saved-page";
import { StaticSite } from "./data/static-site";
import { HttpError, overHttp, Server } from "./data/server";
import type { Source } from "./data/source";
import type { EditedColumns, Facts, Points } from "./data/types";
import { setLanguage, t } from "./i18n/translate";
import { NoWebglError } from "./map/webgl/renderer";
import { Model } from "./model/model";
import { readView } from "./page/address";
import { ConnectionBanner, takeToken, tokenPage, watchAddress } from "./page/connection";
import { h } from "./page/dom";
import { initialLanguage, initialTheme } from "./page/storage";

async function main(): Promise<void> {
  const view = readView(location.hash);
  setLanguage(initialLanguage(view.language));
  document.documentElement.dataset.theme = initialTheme(view.theme);
  const embedded = document.getElementById("embedded");
  const loading = h("p", { class: "loading", role: "status", text: t("loading") });
  document.body.replaceChildren(loading);
  if (embedded) return open(new SavedPage(embedded), loading);
  const site = document.querySelector<HTMLMetaElement>("meta[name=latentmap-site]");
  if (site) return open(new StaticSite(site.content), loading);
  watchAddress();
  const token = takeToken();
  if (!token) return document.body.replaceChildren(tokenPage(false));
  return open(new Server(overHttp(token)), loading);
}

async function open(source: Source, loading: HTMLElement): Promise<void> {
  try {
    const { facts, points, edited } = await loadRun(source);
    document.title = `${facts.name} · latentmap`;
    const app = new App(new Model(source, facts, points, edited));
    Object.assign(window, { latentmap: app });
    await app.start();
    if (source instanceof Server) new ConnectionBanner(source);
  } catch (error) {
    if (error instanceof HttpError && error.status === 401) {
      document.body.replaceChildren(tokenPage(true));
      return;
    }
    loading.textContent = error instanceof NoWebglError ? t("noWebgl") : errorMessage(error);
    document.body.replaceChildren(loading);
    throw error;
  }
}

/** Load a run. It may change while it is read: all parts must be of the same version. */
async function loadRun(source: Source, tries = 3): Promise<{ facts: Facts; points: Points; edited: EditedColumns }> {
  const facts = await source.facts();
  try {
    const [points, edited] = await Promise.all([source.points(), source.edited()]);
    return { facts, points, edited };
  } catch (error) {
    if (error instanceof HttpError && error.status === 409 && tries > 1) return loadRun(source, tries - 1);
    throw error;
  }
}

void main();
