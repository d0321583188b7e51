// The state of the page, for tests and measurements.

import type { App } from "../app";

export function pageState({ model, camera, view, actions, inspector, overlay, query, decoder, lessons, reweighted, compared }: App): object {
  return {
    zoom: camera.zoom,
    center: [camera.x, camera.y],
    n: model.n,
    nVisible: model.nVisible,
    nSelected: model.nSelected,
    nSprites: view.nSprites,
    spriteSide: view.spriteSide,
    thumbnailSize: camera.thumbnailSize,
    maxZoom: camera.maxZoom,
    canZoomIn: camera.canZoomIn,
    pinned: inspector.pinned,
    query: query.result,
    shape: overlay.shape.map((position) => camera.toScreen(...position)),
    row: inspector.row,
    neighbors: inspector.neighbors.length,
    revision: model.edits.revision,
    colorBy: model.colorBy,
    tool: actions.gestures.tool,
    sprites: view.sprites.map(({ row }) => ({ id: model.points.id[row], at: camera.toScreen(model.x[row], model.y[row]) })),
    decodeTimes: decoder?.times ?? [],
    weights: model.weights.text,
    isOtherMap: reweighted?.isShown ?? false,
    betweenMaps: compared?.maps?.at ?? null,
    centers: lessons?.kmeans.centers ?? null,
  };
}
