// Light or dark, as the system has it or as chosen here. A classic script, run before the page is
// painted, so that nobody sees the other theme flash.

"use strict";

(() => {
  const THEMES = ["system", "light", "dark"];
  const KEY = "everywire.theme";
  const root = document.documentElement;

  const stored = () => {
    try {
      return localStorage.getItem(KEY) ?? "system";
    } catch {
      return "system"; // storage is forbidden; the choice lasts as long as the page
    }
  };

  const apply = (theme) => {
    if (theme === "system") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
  };

  let theme = stored();
  apply(theme);

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("#theme");
    const label = () => (button.textContent = `Theme: ${theme}`);
    label();
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      apply(theme);
      label();
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // As above.
      }
    });
  });
})();
