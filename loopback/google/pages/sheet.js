"use strict";
// A link may carry the cell after the # sign, as Google's do; the server never sees that part, so ask again.
(() => {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const asked = new URLSearchParams(location.search);
  let changed = false;
  for (const name of ["gid", "range"]) {
    if (wanted.has(name) && wanted.get(name) !== asked.get(name)) {
      asked.set(name, wanted.get(name));
      changed = true;
    }
  }
  if (changed) {
    location.replace(`${location.pathname}?${asked}`);
    return;
  }
  const hit = document.querySelector("td.hit, tr.hit");
  if (hit) hit.scrollIntoView({ block: "center", inline: "center" });
})();
