// Runs a decoder by ONNX Runtime Web, in a thread of its own so that the map stays fluent.

import type * as Runtime from "onnxruntime-web/wasm";

/** The address of the runtime's code, its WebAssembly, and the network. */
export interface DecoderFiles {
  code: string;
  wasm: Uint8Array<ArrayBuffer>;
  network: Uint8Array<ArrayBuffer>;
}

export interface DecoderRequest {
  id: number;
  files?: DecoderFiles;
  /** One latent vector. */
  latent?: Float32Array;
}

export interface DecoderAnswer {
  id: number;
  /** The numbers of an image, from 0 to 1. */
  image?: Float32Array;
  error?: string;
}

let runtime: typeof Runtime;
let session: Runtime.InferenceSession;

async function open({ code, wasm, network }: DecoderFiles): Promise<void> {
  runtime = (await import(/* @vite-ignore */ code)) as typeof Runtime;
  runtime.env.wasm.wasmBinary = wasm.buffer;
  runtime.env.wasm.numThreads = 1; // more need headers that plain file servers do not send
  session = await runtime.InferenceSession.create(network, { executionProviders: ["wasm"] });
}

async function decode(latent: Float32Array): Promise<Float32Array> {
  const input = new runtime.Tensor("float32", latent, [1, latent.length]);
  const found = await session.run({ [session.inputNames[0]]: input });
  return found[session.outputNames[0]].data as Float32Array;
}

addEventListener("message", async ({ data: { id, files, latent } }: MessageEvent<DecoderRequest>) => {
  const answer: DecoderAnswer = { id };
  try {
    if (files) await open(files);
    if (latent) answer.image = await decode(latent);
  } catch (error) {
    answer.error = error instanceof Error ? error.message : String(error);
  }
  postMessage(answer);
});
