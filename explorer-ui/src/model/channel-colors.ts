// The colours by which the channels of images are mixed to pictures: visible or not, colour and brightness of each.

import type { ChannelLook, ChannelOfRun } from "../data/types";
import { Signal } from "./signal";

export class ChannelColors {
  /** Name, range and look of each channel; empty if images are grey or in colour. */
  readonly channels: ChannelOfRun[];
  readonly changed = new Signal();

  constructor(channels: ChannelOfRun[]) {
    this.channels = channels.map((one) => ({ ...one, own: { ...one.own } }));
  }

  /** Change how a channel is shown. */
  set(channel: number, look: Partial<ChannelLook>): void {
    Object.assign(this.channels[channel], look);
    this.changed.emit();
  }

  /** Show a channel alone, or all channels again if it is alone. */
  solo(channel: number): void {
    const isAlone = this.channels.every((one, i) => one.visible === (i === channel));
    this.channels.forEach((one, i) => (one.visible = isAlone || i === channel));
    this.changed.emit();
  }

  /** Return to the colours that the data chose. */
  reset(): void {
    for (const one of this.channels) Object.assign(one, one.own);
    this.changed.emit();
  }

  /** Whether these are the colours that the data chose. */
  get isOwn(): boolean {
    return this.channels.every(({ own, ...one }) => one.color === own.color && one.visible === own.visible && one.brightness === own.brightness);
  }

  /** The colours as requests for pictures take them. */
  get text(): string {
    return this.channels.map((one) => `${one.visible ? "" : "-"}${one.color.slice(1)}:${Number(one.brightness.toFixed(3))}`).join();
  }

  /** The colours as the server keeps them. */
  get looks(): ChannelLook[] {
    return this.channels.map(({ color, visible, brightness }) => ({ color, visible, brightness }));
  }
}
