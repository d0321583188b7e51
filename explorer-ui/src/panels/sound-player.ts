// Plays the sound that an image is the spectrogram of, as the server cuts it from the original file.

import { errorMessage } from "../data/error-message";
import type { Server } from "../data/server";
import { t } from "../i18n/translate";
import { button, h } from "../page/dom";

export class SoundPlayer {
  readonly element = h("div", { class: "sound buttons" });
  private request = 0;
  private address = "";

  clear(): void {
    this.request += 1;
    this.element.replaceChildren();
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = "";
  }

  /** Show a button that plays the sound of an image. */
  offer(source: Server, id: number): void {
    this.clear();
    this.element.append(button(t("playSound"), () => void this.play(source, id), { "data-act": "play-sound" }));
  }

  private async play(source: Server, id: number): Promise<void> {
    const request = ++this.request;
    let sound: Blob;
    try {
      sound = await source.blob(source.soundAddress(id));
    } catch (error) {
      if (request === this.request) this.element.replaceChildren(h("p", { class: "hint", role: "alert", text: errorMessage(error) }));
      return;
    }
    if (request !== this.request) return;
    this.address = URL.createObjectURL(sound);
    const player = h("audio", { controls: true, src: this.address, "aria-label": t("soundOf", { id }) });
    this.element.replaceChildren(player);
    player.focus();
    await player.play().catch(() => undefined); // a browser that waits for a click shows the controls
  }
}
