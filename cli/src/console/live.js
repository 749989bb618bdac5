// Fetches the page again every 15 seconds and replaces the parts marked `data-live`. A part that has the
// keyboard's focus or a selection stays as it is, and so do all parts of a tab that is not seen.
"use strict";
const pause = document.querySelector("[data-pause]");
let paused = false;
pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Resume" : "Pause";
});
const isInUse = (part) =>
  part.contains(document.activeElement) ||
  (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));
setInterval(async () => {
  if (paused || document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (other && !isInUse(part)) part.replaceWith(other);
  }
}, 15000);
