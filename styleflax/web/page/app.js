/** The page: what people do, and how it begins. */
import { takePhoto } from "./camera.js";
import {
  addPainting,
  choosePainting,
  choosePhoto,
  fillThumbs,
  openPainting,
  openPhoto,
  saveStyle,
  slotsChanged,
  surprise,
} from "./choices.js";
import { offerComputer } from "./computer.js";
import { Engine } from "./engine.js";
import { watchInputs } from "./inputs.js";
import { openModel, restoreAll, switchGpu } from "./models.js";
import { changed, download, renderFull } from "./rendering.js";
import { element } from "./slots.js";
import { setHint, watchCompare } from "./stage.js";
import { $, attempt, fetchBlob, say, state } from "./state.js";

state.engine = new Engine({ notice: say, restarted: restoreAll });

function tellValues() {
  $("alpha-value").textContent = `${$("alpha").value} %`;
  $("color-match-value").textContent = `${$("color-match").value} %`;
  $("brush-size-value").textContent = `${$("brush-size").value} %`;
  $("feather-value").textContent = `${$("feather").value} px`;
  $("color-match").disabled = $("controls").colors.value !== "style";
}

function take(kind, file) {
  if (kind === "photo") return attempt(() => openPhoto(file, file.name));
  return attempt(() => openPainting(file, file.name));
}

function takeFile(input, kind) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    if (file) take(kind, file);
    input.value = "";
  });
}

function listen() {
  const controls = $("controls");
  controls.addEventListener("submit", (event) => event.preventDefault());
  $("color-match").addEventListener("change", tellValues);
  for (const id of ["alpha", "color-match", "feather"]) {
    $(id).addEventListener("input", () => {
      tellValues();
      changed();
    });
  }
  for (const name of ["colors", "elsewhere"]) {
    for (const input of controls[name]) {
      input.addEventListener("change", () => {
        tellValues();
        changed();
      });
    }
  }
  for (const id of ["size", "style-size"]) $(id).addEventListener("change", changed);
  $("brush-size").addEventListener("input", () => {
    state.brush.share = Number($("brush-size").value) / 100;
    tellValues();
  });
  $("regions-on").addEventListener("change", () => {
    const on = $("regions-on").checked;
    $("regions").hidden = !on;
    $("brush-canvas").hidden = !on;
    state.brush.draw();
    changed();
  });
  $("undo").addEventListener("click", () => state.brush.undo());
  $("clear").addEventListener("click", () => state.brush.clear());
  $("make").addEventListener("click", () => attempt(renderFull));
  $("download").addEventListener("click", () => attempt(download));
  $("cancel").addEventListener("click", () => state.busy?.cancel());
  $("surprise").addEventListener("click", () => attempt(surprise));
  $("save-style").addEventListener("click", () => attempt(saveStyle));
  $("camera").addEventListener("click", () =>
    attempt(async () => {
      const blob = await takePhoto();
      if (blob) await openPhoto(blob, "camera.png");
    }),
  );
  $("model").addEventListener("change", () =>
    attempt(async () => {
      await openModel($("model").value);
      slotsChanged();
    }),
  );
  $("gpu").addEventListener("change", () => attempt(() => switchGpu($("gpu").checked)));
  $("message-close").addEventListener("click", () => say(""));
  $("licenses-open").addEventListener("click", () => attempt(showLicenses));
  state.slots.whenAdding(() => attempt(addPainting));
  takeFile($("photo-file"), "photo");
  takeFile($("painting-file"), "painting");
  watchInputs(take);
  watchCompare();
}

async function showLicenses() {
  const text = await (await fetchBlob("LICENSES.txt")).text();
  $("licenses-text").replaceChildren(element("pre", { textContent: text }));
  $("licenses").showModal();
}

async function start() {
  listen();
  tellValues();
  state.site = JSON.parse(await (await fetchBlob("site.json")).text());
  fillThumbs($("photos"), state.site.photos, (picture) => choosePhoto(picture));
  fillThumbs($("paintings"), state.site.paintings, (picture) => choosePainting(picture));
  $("model").replaceChildren(
    ...state.site.models.map(({ name, title }) => element("option", { value: name, textContent: title })),
  );
  setHint("Loading the model …");
  await choosePhoto(state.site.photos[0]);
  // Before the model, as a painting that is opened while it loads stays.
  await choosePainting(state.site.paintings[0]);
  await openModel(state.site.models[0].name);
  slotsChanged();
  await offerComputer();
  if ("serviceWorker" in navigator) await navigator.serviceWorker.register("sw.js");
}

attempt(start);
