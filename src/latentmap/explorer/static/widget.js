// src/widget/widget.ts
var e = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"></head><body></body></html>", t = class {
	model;
	frame;
	listeners = [];
	pictureAddress = "";
	constructor(e, t) {
		this.model = e, this.frame = t, this.showPicture(), this.loadPage();
	}
	get page() {
		return this.frame.contentDocument;
	}
	on(e, t) {
		this.listeners.push([e, t]), this.model.on(e, t);
	}
	showPicture() {
		let e = this.model.get("_picture");
		if (!e?.byteLength) return;
		let t = this.page.createElement("img"), n = new Uint8Array(e.buffer, e.byteOffset, e.byteLength).slice();
		this.pictureAddress = URL.createObjectURL(new Blob([n], { type: "image/png" })), Object.assign(t, {
			src: this.pictureAddress,
			alt: "latentmap"
		}), t.setAttribute("style", "grid-area: 1 / 1 / -1 / -1; place-self: center; max-width: 100%; max-height: 100vh"), this.page.body.append(t);
	}
	loadPage() {
		let e = Array.from(crypto.getRandomValues(/* @__PURE__ */ new Uint32Array(3)), (e) => e.toString(36)).join("");
		this.on("msg:custom", (t, n) => {
			if (t.kind !== "page" || t.id !== e || !n) return;
			let [r, i] = n.map((e) => new TextDecoder().decode(e));
			this.run(r, i);
		}), this.model.send({
			kind: "page",
			id: e
		});
	}
	run(e, t) {
		Object.assign(this.frame.contentWindow, { latentmapNotebook: this.notebook() });
		let n = this.page.createElement("style");
		n.textContent = t;
		let r = this.page.createElement("script");
		r.type = "module", r.textContent = e, this.page.head.append(n, r);
	}
	notebook() {
		let { model: t } = this;
		return {
			model: {
				get: (e) => t.get(e),
				set: (e, r) => t.set(e, ArrayBuffer.isView(r) ? n(r) : r),
				save_changes: () => t.save_changes(),
				send: (e, r, i) => t.send(e, r, i?.map((e) => n(new Uint8Array(e)).buffer)),
				on: (e, t) => this.on(e, t),
				off: (e, n) => t.off(e, n)
			},
			theme: r(this.frame.ownerDocument.body),
			reload: () => this.frame.srcdoc = e
		};
	}
	end() {
		for (let [e, t] of this.listeners) this.model.off(e, t);
		this.listeners.length = 0, URL.revokeObjectURL(this.pictureAddress);
	}
};
function n(e) {
	let t = new Uint8Array(e.byteLength);
	return t.set(new Uint8Array(e.buffer, e.byteOffset, e.byteLength)), new DataView(t.buffer);
}
function r({ dataset: e, classList: t }) {
	let n = e.jpThemeLight ?? (t.contains("vscode-light") ? "true" : t.contains("vscode-dark") ? "false" : void 0);
	return n === void 0 ? void 0 : n === "true" ? "light" : "dark";
}
function i({ model: n, el: r }) {
	let i = document.createElement("iframe"), a = document.createElement("style"), o = null;
	return i.title = "latentmap explorer", i.setAttribute("style", `display: block; width: 100%; height: ${Number(n.get("_height"))}px; border: 0`), a.textContent = `${n.get("_still")} { display: none; }`, i.addEventListener("load", () => {
		o?.end(), o = new t(n, i);
	}), i.srcdoc = e, r.append(i, a), () => {
		o?.end(), i.remove(), a.remove();
	};
}
var a = { render: i };
export { a as default };
