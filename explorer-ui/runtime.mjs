// Keeps a copy of ONNX Runtime Web in the package, for sites that decode: its smallest build, compressed.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";

const FROM = new URL("node_modules/onnxruntime-web/dist/", import.meta.url);
const TO = new URL("../src/latentmap/explorer/runtime/", import.meta.url);
const FILES = { "onnxruntime.js": "ort.wasm.bundle.min.mjs", "onnxruntime.wasm": "ort-wasm-simd-threaded.wasm" };

/** Whether a file has this content already: versions of Node compress alike, but not to the same bytes. */
function isCurrent(path, content) {
  try {
    return gunzipSync(readFileSync(path)).equals(content);
  } catch {
    return false;
  }
}

mkdirSync(TO, { recursive: true });
for (const [name, file] of Object.entries(FILES)) {
  const [path, content] = [new URL(`${name}.gz`, TO), readFileSync(new URL(file, FROM))];
  if (!isCurrent(path, content)) writeFileSync(path, gzipSync(content, { level: 9 }));
}
