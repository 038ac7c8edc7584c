"use strict";
(() => {
  const root = document.documentElement;
  const all = [...document.querySelectorAll("article")];
  const one = (name) => document.getElementById(name);
  const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a file has no storage */ } };

  const speak = (language) => {
    root.lang = language;
    for (const element of document.querySelectorAll("[data-en]")) {
      const text = element.dataset[language] ?? element.dataset.en;
      if (element.placeholder === undefined) element.textContent = text;
      else { element.placeholder = text; element.setAttribute("aria-label", text); }
    }
    count();
  };
  const count = () => {
    const shown = all.filter((article) => !article.hidden).length;
    one("count").textContent = `${shown} / ${all.length}`;
  };
  // What is searched: the words on the card, and what has no room there.
  const searched = new Map(all.map((article) => {
    const words = ["h2", ".prompt"].map((part) => article.querySelector(part)?.textContent ?? "");
    return [article, [...words, article.dataset.text].join(" ").toLowerCase()];
  }));
  const offer = (name) => {
    const found = new Set(all.map((article) => article.dataset[name]));
    for (const option of [...one(name).options]) if (option.value && !found.has(option.value)) option.remove();
    one(name).hidden = found.size < 2;
  };
  const filter = () => {
    const words = one("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const state = one("state").value;
    const review = one("review").value;
    for (const article of all) {
      const text = searched.get(article);
      article.hidden = (state && article.dataset.state !== state) || (review && article.dataset.review !== review)
        || !words.every((word) => text.includes(word));
    }
    count();
  };
  const play = (button, controls) => {
    const frame = button.parentElement;
    let video = frame.querySelector("video");
    if (!video) {
      video = document.createElement("video");
      video.src = button.dataset.video;
      video.muted = true;
      video.loop = true;
      video.playsInline = true;
      video.preload = "auto";
      video.setAttribute("aria-label", button.getAttribute("aria-label"));
      frame.insertBefore(video, button);
      video.addEventListener("error", () => { if (!video.controls) video.remove(); });
    }
    if (controls) { video.controls = true; video.muted = false; button.hidden = true; video.focus(); }
    video.play().catch(() => {});
  };
  const stop = (frame) => {
    const video = frame.querySelector("video");
    if (video && !video.controls) video.remove();
  };
  for (const button of document.querySelectorAll(".frame button")) {
    button.addEventListener("mouseenter", () => play(button, false));
    button.addEventListener("focus", () => play(button, false));
    button.addEventListener("click", () => play(button, true));
    button.addEventListener("mouseleave", () => stop(button.parentElement));
    button.addEventListener("blur", () => stop(button.parentElement));
  }
  for (const prompt of document.querySelectorAll("h2 + .prompt")) prompt.title = prompt.textContent;
  for (const name of ["state", "review"]) offer(name);
  for (const name of ["search", "state", "review"]) one(name).addEventListener("input", filter);
  one("language").addEventListener("click", () => {
    const language = root.lang === "zh" ? "en" : "zh";
    remember("reelq-language", language);
    speak(language);
  });
  one("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember("reelq-theme", root.dataset.theme);
  });
  const theme = remembered("reelq-theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = remembered("reelq-language");
  speak(language === "zh" || language === "en" ? language : root.lang);
})();
