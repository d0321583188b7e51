// The same points in deck.gl's ScatterplotLayer, from binary attributes, which is its fast way. No pictures.
import { Deck, OrthographicView } from "@deck.gl/core";
import { ScatterplotLayer } from "@deck.gl/layers";

const data = new Float32Array(await (await fetch("./points.bin")).arrayBuffer());
const n = data.length / 2;
const colors = new Uint8Array(4 * n).map((_, i) => (i % 4 === 3 ? 230 : (i * 37) % 256));
let [low, high] = [[Infinity, Infinity], [-Infinity, -Infinity]];
for (let i = 0; i < data.length; i++) {
  low[i % 2] = Math.min(low[i % 2], data[i]);
  high[i % 2] = Math.max(high[i % 2], data[i]);
}
const side = Math.max(high[0] - low[0], high[1] - low[1]);
const state = {
  target: [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, 0],
  zoom: Math.log2((0.92 * Math.min(innerWidth, innerHeight)) / side),
};
const deck = new Deck({
  parent: document.getElementById("map"),
  views: new OrthographicView({ flipY: false }),
  viewState: state,
  useDevicePixels: 1,
  layers: [
    new ScatterplotLayer({
      id: "points",
      data: { length: n, attributes: { getPosition: { value: data, size: 2 }, getFillColor: { value: colors, size: 4 } } },
      getRadius: 1,
      radiusUnits: "pixels",
      radiusMinPixels: 1,
    }),
  ],
  onAfterRender: () => (window.drawn = (window.drawn ?? 0) + 1),
});
window.pan = (dx, dy) => {
  const unit = 2 ** state.zoom;
  state.target = [state.target[0] - dx / unit, state.target[1] + dy / unit, 0];
  deck.setProps({ viewState: { ...state } });
};
window.ready = true;
