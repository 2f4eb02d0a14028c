"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const says = document.querySelector("output");
  const view = { x0: 0, x1: 1, y0: 0, y1: 1 };
  const LEFT = 74, BOTTOM = 22;
  const panels = [...document.querySelectorAll("canvas")].map((canvas, i) => ({ canvas, ...data.panels[i] }));
  const clock = (us, fine) => {
    const text = new Date(us / 1000).toISOString();
    return text.slice(0, 10) + " " + text.slice(11, fine ? 23 : 19);
  };
  const STEPS = [1e3, 1e4, 1e5, 1e6, 2e6, 5e6, 1e7, 3e7, 6e7, 3e8, 6e8, 18e8, 36e8, 108e8, 216e8, 432e8, 864e8, 6048e8];
  const load = (id) => {
    const image = document.getElementById(id);
    return image.complete ? image : new Promise((ready) => { image.onload = () => ready(image); });
  };
  const levels = (image) => {
    const sheet = new OffscreenCanvas(image.width, image.height);
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.drawImage(image, 0, 0);
    return pen;
  };
  const draw = () => panels.forEach(({ canvas, coarse, fine }) => {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = Math.round(width * data.height / data.width * (panels.length > 1 ? 1.3 : 0.82));
    canvas.style.height = height + "px";
    canvas.width = width * ratio; canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, width, height);
    const w = width - LEFT, h = height - BOTTOM, zoom = 1 / Math.max(view.x1 - view.x0, view.y1 - view.y0);
    const image = zoom >= data.factor * 0.6 ? fine : coarse;
    // Shrinking would lose lone dots, so the coarse picture is smoothed only when the window is smaller than it.
    pen.imageSmoothingEnabled = image === coarse && w * ratio < image.width * (view.x1 - view.x0);
    pen.drawImage(image, view.x0 * image.width, view.y0 * image.height, (view.x1 - view.x0) * image.width,
      (view.y1 - view.y0) * image.height, LEFT, 0, w, h);
    pen.strokeStyle = "#c8ced4"; pen.strokeRect(LEFT + .5, .5, w - 1, h - 1);
    pen.fillStyle = "#4a535c"; pen.font = "11px system-ui, sans-serif"; pen.textBaseline = "middle";
    const first = data.first_us + view.y0 * data.span_us, last = data.first_us + view.y1 * data.span_us;
    const step = STEPS.find((s) => (last - first) / s <= h / 40) || STEPS[STEPS.length - 1];
    pen.textAlign = "right";
    for (let t = Math.ceil(first / step) * step; t < last; t += step) {
      const y = (t - first) / (last - first) * h;
      const text = clock(t, step < 1e6);
      pen.fillText(step >= 864e8 || t % 864e8 === 0 ? text.slice(5, 10) : text.slice(11), LEFT - 6, Math.min(h - 6, Math.max(6, y)));
      pen.fillRect(LEFT - 4, y, 4, 1);
    }
    pen.textBaseline = "top"; pen.textAlign = "center";
    const columns = (view.x1 - view.x0) * data.groups;
    let end = -1;
    if (columns <= 60) {
      for (let k = Math.floor(view.x0 * data.groups); k < Math.ceil(view.x1 * data.groups) && k < data.names.length; k++) {
        const x = LEFT + ((k + .5) / data.groups - view.x0) / (view.x1 - view.x0) * w;
        const name = data.names[k].length > 22 ? data.names[k].slice(0, 21) + "…" : data.names[k];
        const half = pen.measureText(name).width / 2;
        if (x - half > end && x + half <= width && x >= LEFT) { pen.fillText(name, x, h + 6); end = x + half + 10; }
      }
    } else {
      pen.fillText(`${Math.round(columns).toLocaleString("en")} columns: ${data.group}`, LEFT + w / 2, h + 6);
    }
  });
  const at = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left - LEFT) / (box.width - LEFT), (event.clientY - box.top) / (box.height - BOTTOM)];
  };
  const place = ([px, py]) => [view.x0 + px * (view.x1 - view.x0), view.y0 + py * (view.y1 - view.y0)];
  const clamp = (low, high, size) => (low < 0 ? [0, size] : high > 1 ? [1 - size, 1] : [low, high]);
  const tell = (x, y) => {
    if (x < 0 || y < 0 || x >= 1 || y >= 1) return;
    const column = Math.floor(x * data.groups);
    const time = data.first_us + Math.floor(y * data.span_us / data.step_us) * data.step_us;
    const name = data.names[column] ?? `column ${column + 1}`;
    const what = panels.map((panel) => {
      const px = panel.cells.getImageData(Math.floor(x * panel.fine.width), Math.floor(y * panel.fine.height), 1, 1).data;
      const code = panel.lookup.get((px[0] << 16) | (px[1] << 8) | px[2]);
      const level = panel.counts.getImageData(Math.floor(x * panel.fine.width), Math.floor(y * panel.fine.height), 1, 1).data[0];
      const flows = level <= 200 ? `${level}` : `about ${(200 * 2 ** ((level - 200) / 3)).toPrecision(2) * 1}`;
      return `${panel.title}: ${level ? `${code ?? "?"} (${flows} flows in the dot)` : "nothing here"}`;
    });
    says.textContent = `${clock(time, data.step_us < 1e6)} UTC · ${data.group}: ${name}\n${what.join(" · ")}`;
  };
  const hook = ({ canvas }) => {
    let held = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const [x, y] = place(at(canvas, event));
      const by = Math.exp(Math.sign(event.deltaY) * 0.22);
      const size = (low, high, most) => Math.min(1, Math.max(most, (high - low) * by));
      const sx = size(view.x0, view.x1, 4 / Math.max(4, data.groups)), sy = size(view.y0, view.y1, 8 / Math.max(8, data.rows));
      const fx = (x - view.x0) / (view.x1 - view.x0), fy = (y - view.y0) / (view.y1 - view.y0);
      [view.x0, view.x1] = clamp(x - fx * sx, x - fx * sx + sx, sx);
      [view.y0, view.y1] = clamp(y - fy * sy, y - fy * sy + sy, sy);
      draw();
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { held = { point: at(canvas, event), ...view }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { held = null; });
    canvas.addEventListener("pointermove", (event) => {
      const point = at(canvas, event);
      if (held) {
        const dx = (held.point[0] - point[0]) * (held.x1 - held.x0), dy = (held.point[1] - point[1]) * (held.y1 - held.y0);
        [view.x0, view.x1] = clamp(held.x0 + dx, held.x1 + dx, held.x1 - held.x0);
        [view.y0, view.y1] = clamp(held.y0 + dy, held.y1 + dy, held.y1 - held.y0);
        draw();
      }
      tell(...place(point));
    });
    canvas.addEventListener("dblclick", () => { Object.assign(view, { x0: 0, x1: 1, y0: 0, y1: 1 }); draw(); });
  };
  Promise.all(panels.map(async (panel, i) => {
    panel.coarse = await load(`coarse-${i}`);
    panel.fine = await load(`fine-${i}`);
    panel.cells = levels(panel.fine);
    panel.counts = levels(await load(`counts-${i}`));
    panel.lookup = new Map(panel.palette.map(([colour, name]) => [colour, name]));
    hook(panel);
  })).then(() => { draw(); window.addEventListener("resize", draw); document.body.dataset.ready = "1"; });
})();
