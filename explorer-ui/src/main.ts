// Opens the page with the data of a server, or with the data that was saved in it.

import "./style/base.css";
import "./style/layout.css";
import "./style/map.css";
import "./style/panels.css";
import "./style/dialogs.css";
import "./style/narrow.css";
import "./style/grid.css";
import { App } from "./app";
import { errorMessage } from "./data/error-message";
import { SavedPage } from "./data/saved-page";
import { overWidget } from "./data/over-widget";
import { HttpError, Server } from "./data/server";
import { StaticSite } from "./data/static-site";
import type { Source } from "./data/source";
import type { EditedColumns, Facts, Points } from "./data/types";
import { sayPoints, setLanguage, t } from "./i18n/translate";
import { NoWebglError } from "./map/webgl/renderer";
import { Model } from "./model/model";
import { readView } from "./page/address";
import { ConnectionBanner, tokenPage } from "./page/connection";
import { h } from "./page/dom";
import { openSession, watchAddress } from "./page/session";
import { initialLanguage, initialTheme } from "./page/storage";
import { notebookOfPage } from "./widget/notebook";

async function main(): Promise<void> {
  const notebook = notebookOfPage();
  const view = readView(notebook ? notebook.model.get("_address") : location.hash);
  setLanguage(initialLanguage(view.language));
  document.documentElement.dataset.theme = initialTheme(view.theme ?? notebook?.theme);
  const embedded = document.getElementById("embedded");
  const loading = h("p", { class: "loading", role: "status", text: t("loading") });
  if (!notebook) document.body.replaceChildren(loading); // in a notebook a picture of the map is shown until the map is
  if (embedded) return open(new SavedPage(embedded), loading);
  if (notebook) return open(new Server(overWidget(notebook.model), true), loading);
  const site = document.querySelector<HTMLMetaElement>("meta[name=latentmap-site]");
  if (site) return open(new StaticSite(site.content), loading);
  watchAddress();
  try {
    const { send, isRejected } = await openSession();
    if (!send) return document.body.replaceChildren(tokenPage(isRejected));
    return open(new Server(send, true), loading);
  } catch (error) {
    loading.textContent = errorMessage(error);
  }
}

async function open(source: Source, loading: HTMLElement): Promise<void> {
  try {
    const { facts, points, edited } = await loadRun(source);
    document.title = `${facts.name} · latentmap`;
    if (!facts.hasPictures) sayPoints();
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
