import { beforeEach, describe, expect, it } from "vitest";
import { KindWeights } from "../src/model/kind-weights";

const OWN = { shape: 0.4137, texture: 0.1863, color: 0.4 };

describe("weights of the kinds of features", () => {
  let weights: KindWeights;
  let changes = 0;
  beforeEach(() => {
    weights = new KindWeights(OWN);
    changes = 0;
    weights.changed.on(() => (changes += 1));
  });

  it("start as the data chose them, which is not in the address", () => {
    expect(weights.kinds).toEqual(["shape", "texture", "color"]);
    expect(weights.isOwn).toBe(true);
    expect(weights.text).toBe("");
    expect(weights.position("shape")).toBe(41.4);
    expect(weights.fraction("shape")).toBeCloseTo(0.414);
  });

  it("are fractions of the sum of the sliders", () => {
    weights.set("color", 0);
    weights.set("texture", 41.4);
    expect(weights.fraction("shape")).toBeCloseTo(0.5);
    expect(weights.fraction("color")).toBe(0);
    expect(weights.text).toBe("shape:41.4,texture:41.4"); // kinds with 0 are left out
    expect(changes).toBe(2);
  });

  it("may all be 0, and then have no fractions", () => {
    for (const kind of weights.kinds) weights.set(kind, 0);
    expect(weights.isEmpty).toBe(true);
    expect(weights.fraction("shape")).toBe(0);
    expect(weights.text).toBe("");
  });

  it("return to those of the data", () => {
    weights.set("color", 100);
    weights.reset();
    expect(weights.isOwn).toBe(true);
    expect(weights.position("color")).toBe(40);
    expect(changes).toBe(2);
  });

  it("are restored from their own text", () => {
    weights.set("color", 73);
    const other = new KindWeights(OWN);
    other.apply(weights.text);
    expect(other.text).toBe("shape:41.4,texture:18.6,color:73");
    expect(other.isOwn).toBe(false);
    weights.apply(weights.text);
    expect(changes).toBe(1); // nothing to do
  });

  it("set kinds that the text leaves out to 0, and ignore what is no weight", () => {
    weights.apply("color:30");
    expect(weights.position("shape")).toBe(0);
    weights.apply("smell:10,shape:x,texture:-1,texture:101,color:1e1");
    expect(weights.text).toBe("color:10");
    for (const broken of ["", ":", "smell:3", "shape", "shape:", "shape:0", "shape:NaN", "shape:Infinity"]) {
      weights.apply("color:30");
      weights.apply(broken);
      expect(weights.isOwn, broken).toBe(true);
    }
  });

  it("do not exist in runs without features", () => {
    const none = new KindWeights({});
    none.apply("shape:30");
    expect([none.kinds, none.text, none.isOwn]).toEqual([[], "", true]);
  });
});
