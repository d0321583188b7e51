// The widget of a notebook: a frame with the page, which shares nothing with the notebook but the widget's model.

import type { WidgetModel } from "../data/over-widget";
import type { Notebook } from "./notebook";

// This file is a bundle of its own: it imports types only, and NOTEBOOK has the value of notebook.ts.
const NOTEBOOK = "latentmapNotebook";
const SHELL = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head><body></body></html>';
const PICTURE_STYLE = "grid-area: 1 / 1 / -1 / -1; place-self: center; max-width: 100%; max-height: 100vh";

/** One load of the page. */
class Session {
  private readonly listeners: [string, (...values: any[]) => void][] = [];
  private pictureAddress = "";

  constructor(
    private readonly model: WidgetModel,
    private readonly frame: HTMLIFrameElement,
  ) {
    this.showPicture();
    this.loadPage();
  }

  private get page(): Document {
    return this.frame.contentDocument!;
  }

  private on(event: string, listener: (...values: any[]) => void): void {
    this.listeners.push([event, listener]);
    this.model.on(event, listener);
  }

  /** Show the last picture of the map until the page is there, or for good if there is no kernel. */
  private showPicture(): void {
    const picture = this.model.get("_picture") as DataView | null;
    if (!picture?.byteLength) return;
    const image = this.page.createElement("img");
    const bytes = new Uint8Array(picture.buffer as ArrayBuffer, picture.byteOffset, picture.byteLength).slice();
    this.pictureAddress = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    Object.assign(image, { src: this.pictureAddress, alt: "latentmap" });
    image.setAttribute("style", PICTURE_STYLE);
    this.page.body.append(image);
  }

  /** Ask the kernel for the script and the style of the page, and run them in the frame. */
  private loadPage(): void {
    const id = Array.from(crypto.getRandomValues(new Uint32Array(3)), (one) => one.toString(36)).join("");
    this.on("msg:custom", (message: { kind: string; id: string }, buffers: DataView[]) => {
      if (message.kind !== "page" || message.id !== id || !buffers) return;
      const [script, style] = buffers.map((one) => new TextDecoder().decode(one));
      this.run(script, style);
    });
    this.model.send({ kind: "page", id });
  }

  private run(script: string, style: string): void {
    Object.assign(this.frame.contentWindow!, { [NOTEBOOK]: this.notebook() });
    const styled = this.page.createElement("style");
    styled.textContent = style;
    const run = this.page.createElement("script");
    run.type = "module";
    run.textContent = script;
    this.page.head.append(styled, run);
  }

  private notebook(): Notebook {
    const { model } = this;
    return {
      model: {
        get: (name) => model.get(name),
        set: (name, value) => model.set(name, ArrayBuffer.isView(value) ? ownView(value) : value),
        save_changes: () => model.save_changes(),
        send: (message, callbacks, buffers) => model.send(message, callbacks, buffers?.map((one) => ownView(new Uint8Array(one)).buffer as ArrayBuffer)),
        on: (event, listener) => this.on(event, listener),
        off: (event, listener) => model.off(event, listener),
      },
      theme: themeOf(this.frame.ownerDocument.body),
      reload: () => (this.frame.srcdoc = SHELL),
    };
  }

  end(): void {
    for (const [event, listener] of this.listeners) this.model.off(event, listener);
    this.listeners.length = 0;
    URL.revokeObjectURL(this.pictureAddress);
  }
}

/** A copy of an array that belongs to this window: a notebook may not know those of the frame. */
function ownView(value: ArrayBufferView): DataView {
  const copy = new Uint8Array(value.byteLength);
  copy.set(new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength));
  return new DataView(copy.buffer);
}

/** The theme of JupyterLab, Notebook and VS Code; undefined where it is not known. */
function themeOf({ dataset, classList }: HTMLElement): "light" | "dark" | undefined {
  const isLight = dataset.jpThemeLight ?? (classList.contains("vscode-light") ? "true" : classList.contains("vscode-dark") ? "false" : undefined);
  return isLight === undefined ? undefined : isLight === "true" ? "light" : "dark";
}

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  const frame = document.createElement("iframe");
  const hiding = document.createElement("style");
  let session: Session | null = null;
  frame.title = "latentmap explorer";
  frame.setAttribute("style", `display: block; width: 100%; height: ${Number(model.get("_height"))}px; border: 0`);
  hiding.textContent = `${model.get("_still")} { display: none; }`; // the frame takes the place of the still picture
  // also when a notebook takes the frame out and puts it back, which loads it again
  frame.addEventListener("load", () => {
    session?.end();
    session = new Session(model, frame);
  });
  frame.srcdoc = SHELL;
  el.append(frame, hiding);
  return () => {
    session?.end();
    frame.remove();
    hiding.remove();
  };
}

export default { render };
