/** A photo by the camera, which is on only while its window is open. */
import { UserError } from "./errors.js";

const dialog = document.getElementById("camera-dialog");
const video = document.getElementById("camera-video");

/**
 * A photo.
 * @returns {Promise<Blob | null>} null if the window was closed
 * @throws {UserError} if there is no camera, or it may not be used
 */
export async function takePhoto() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    throw new UserError(
      "No camera is available, or this page is not allowed to use it. " +
        "Allow it in the browser's settings, or open a photo from a file.",
    );
  }
  video.srcObject = stream;
  dialog.showModal();
  try {
    return await new Promise((resolve) => {
      document.getElementById("camera-take").onclick = () => resolve(frame());
      document.getElementById("camera-close").onclick = () => resolve(null);
      dialog.oncancel = () => resolve(null);
    });
  } finally {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
    dialog.close();
  }
}

function frame() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
