// From the numbers of a decoder, from 0 to 1, to the picture that the page shows, as the server computes it.

import type { ChannelLook } from "./types";

const FACTOR_8_TO_16 = 257; // from an 8-bit value to the 16-bit one for the same number

/** Grey, colour, or channels of pixels of 8 or 16 bits (`largest`: 255 or 65535) as RGBA. */
export function decodedPixels(values: ArrayLike<number>, nPixels: number, largest: number, channels: ChannelLook[]): Uint8ClampedArray<ArrayBuffer> {
  const depth = values.length / nPixels;
  const rgba = new Uint8ClampedArray(4 * nPixels).fill(255);
  const lights = channels.map((one) => light(one, largest));
  for (let i = 0; i < nPixels; i++) {
    const pixel = Array.from({ length: depth }, (_, k) => asPixel(values[i * depth + k], largest));
    for (let axis = 0; axis < 3; axis++) {
      rgba[4 * i + axis] = lights.length
        ? pixel.reduce((sum, value, k) => sum + value * lights[k][axis], 0) // rounded and kept within 0 and 255
        : as8Bits(pixel[depth === 1 ? 0 : axis], largest);
    }
  }
  return rgba;
}

/** The nearest pixel. */
function asPixel(value: number, largest: number): number {
  return Math.floor(Math.min(largest, Math.max(0, value * largest + 0.5)));
}

function as8Bits(pixel: number, largest: number): number {
  return largest === 255 ? pixel : Math.floor((pixel + (FACTOR_8_TO_16 >> 1)) / FACTOR_8_TO_16);
}

/** The light that one step of a channel adds to red, green and blue. */
function light({ color, visible, brightness }: ChannelLook, largest: number): number[] {
  const factor = visible ? brightness / largest : 0;
  return [1, 3, 5].map((at) => factor * parseInt(color.slice(at, at + 2), 16));
}
