// Swagger UI on this server's own description, in the page's theme, with programs beside each route.

const html = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function followTheme() {
  const theme = html.dataset.theme;
  html.classList.toggle("dark-mode", theme === "dark" || (theme !== "light" && dark.matches));
}

/** The programs of an operation (`x-codeSamples`), one language at a time. */
function samplesOf(system) {
  const { createElement, useState } = system.React;

  function Samples({ samples }) {
    const [chosen, choose] = useState(0);
    const tabs = samples.map((sample, index) =>
      createElement(
        "button",
        { key: sample.label, type: "button", "aria-pressed": index === chosen, onClick: () => choose(index) },
        sample.label,
      ),
    );
    const code = createElement("pre", { tabIndex: 0 }, createElement("code", null, samples[chosen].source));
    return createElement("div", { className: "samples" }, createElement("div", { className: "tabs" }, tabs), code);
  }

  return (Original) =>
    function Parameters(given) {
      const [path, method] = given.pathMethod;
      const found = given.specSelectors.specJson().getIn(["paths", path, method, "x-codeSamples"]);
      const samples = found ? found.toJS() : [];
      return createElement(
        system.React.Fragment,
        null,
        samples.length ? createElement(Samples, { samples }) : null,
        createElement(Original, given),
      );
    };
}

const Programs = (system) => ({ wrapComponents: { parameters: (Original) => samplesOf(system)(Original) } });

followTheme();
dark.addEventListener("change", followTheme);
SwaggerUIBundle({
  url: document.getElementById("reference").dataset.api,
  domNode: document.getElementById("reference"),
  plugins: [Programs],
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  filter: true,
  validatorUrl: null, // it would send the description to another host
});
