// Runs before the first paint so that a chosen theme never flashes the other one.
(() => {
  const forced = new URLSearchParams(location.search).get("theme");
  let theme = forced;
  if (theme !== "dark" && theme !== "light") {
    try {
      theme = localStorage.getItem("theme");
    } catch {
      theme = null; // storage may be switched off; the system's preference holds then
    }
  }
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
})();
